//! Fuzzes [`reattest_fuzz::properties::lockfile`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reattest_fuzz::properties::lockfile(bytes);
});
