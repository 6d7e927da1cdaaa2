#![no_main]

#[path = "../../../server/tests/properties/tokens.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
