#![no_main]

#[path = "../../../shared/tests/properties/values.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
