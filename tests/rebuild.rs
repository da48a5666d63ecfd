//! Rebuilds of real packages against the mirror's own files: real agreement and real disagreement.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use reattest_tests::{at_hand, directory, document, printed, run, said};

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
    let place = directory();
    let page = place.path().join("why.html").display().to_string();
    let output = run(&["rebuild", "deb:hostname", "--json", "--report", &page]);
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    let seen = document(&output);
    let artifact = seen["artifacts"][0].clone();
    assert_eq!(artifact["outcome"], "differs");
    assert_ne!(artifact["produced"], artifact["published"]);
    assert_eq!(artifact["again"], artifact["produced"], "the second run gave the same bytes");
    let report = seen["reports"][0].clone();
    let causes: Vec<_> = report["causes"].as_array().unwrap().iter().map(|c| &c["cause"]).collect();
    assert!(causes.iter().any(|cause| *cause == "toolchain"), "{report}");
    let varied = report["variation"]["varied"].as_array().unwrap();
    assert!(varied.len() >= 5, "a varied run changed what it can: {varied:?}");
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!doctype html>"));
}
