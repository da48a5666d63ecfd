//! Fuzzes [`reattest_fuzz::properties::apt`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reattest_fuzz::properties::apt(bytes);
});
