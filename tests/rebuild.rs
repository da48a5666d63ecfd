//! Rebuilds of real packages against the mirror's own files: real agreement and real disagreement.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use reattest_tests::{at_hand, document, printed, run, said};

#[test]
fn gzip_is_reproduced_bit_for_bit() {
    if !at_hand("rebuild deb:gzip") {
        return;
    }
    let output = run(&["rebuild", "deb:gzip"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        printed(&output).starts_with("reproduced  pkg:deb/debian/gzip@"),
        "{}",
        printed(&output)
    );
}

#[test]
fn hostname_differs_and_says_so_only_after_a_second_run() {
    if !at_hand("rebuild deb:hostname") {
        return;
    }
    let output = run(&["rebuild", "deb:hostname", "--json"]);
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    let artifact = document(&output)["artifacts"][0].clone();
    assert_eq!(artifact["outcome"], "differs");
    assert_ne!(artifact["produced"], artifact["published"]);
    assert_eq!(artifact["again"], artifact["produced"], "the second run gave the same bytes");
}
