#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskward_fuzzing::sanitise::target(data));
