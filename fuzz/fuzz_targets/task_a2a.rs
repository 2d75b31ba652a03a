#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskward_fuzzing::task::a2a(data));
