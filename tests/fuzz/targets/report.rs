//! Fuzzes [`reattest_fuzz::properties::report`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reattest_fuzz::properties::report(bytes);
});
