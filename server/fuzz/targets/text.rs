#![no_main]

#[path = "../../../tui/tests/properties/text.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
