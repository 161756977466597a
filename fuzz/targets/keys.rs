#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gatewright_fuzz::keys(input));
