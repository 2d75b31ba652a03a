#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskward_fuzzing::error_body::target(data));
