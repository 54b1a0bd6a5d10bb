#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fizz_fuzz::exact(data));
