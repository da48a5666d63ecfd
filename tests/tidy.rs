//! House rules that a machine can check.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<PathBuf> {
    let crates = ["attestation", "rebuilder", "node", "simulations", "tests"];
    let files = crates.iter().flat_map(|name| reattest_tests::files_below(&top().join(name)));
    files.filter(|file| file.extension().is_some_and(|end| end == "rs")).collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_file_says_on_its_first_line_what_it_is_for() {
    for file in sources() {
        assert!(text(&file).starts_with("//! "), "{}", file.display());
    }
}

#[test]
fn no_file_outgrows_a_reader() {
    for file in sources() {
        let text = text(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or("").lines().count();
        assert!(code <= 400, "{} has {code} lines before its tests", file.display());
    }
}

#[test]
fn no_file_is_a_drawer() {
    for file in sources() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let drawers = ["utils", "util", "common", "helpers", "manager", "service", "misc"];
        assert!(!drawers.contains(&name.as_str()), "{}", file.display());
    }
}

#[test]
fn every_path_that_the_documents_name_exists() {
    for document in ["README.md", "docs/ARCHITECTURE.md", "docs/FORMAT.md", "docs/THREATS.md"] {
        let text = text(&top().join(document));
        let quoted = text.split('`').skip(1).step_by(2);
        let starts = ["attestation/", "rebuilder/", "node/", "simulations/", "tests/", "docs/"];
        for path in quoted.filter(|path| starts.iter().any(|start| path.starts_with(start))) {
            assert!(top().join(path).exists(), "{document} names {path}, which is gone");
        }
    }
}

#[test]
fn the_readme_is_short_and_begins_with_a_command() {
    let text = text(&top().join("README.md"));
    assert!(text.lines().count() <= 150);
    let first = text.lines().position(|line| line.contains("make demo")).unwrap();
    assert!(first < 20, "the first command stands on line {}", first + 1);
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = text(&top().join("Cargo.toml"));
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    for line in section.lines().filter(|line| line.contains(" = ")) {
        let own = line.starts_with("reattest");
        assert!(own || line.contains(" # "), "no reason: {line}");
    }
}

#[test]
fn the_pure_core_names_nothing_impure() {
    let pure = |file: &PathBuf| {
        let path = file.strip_prefix(top()).unwrap().to_string_lossy().into_owned();
        path.starts_with("attestation/src") || path.starts_with("node/src/protocol")
    };
    let impure =
        ["std::fs", "std::net", "std::io::std", "std::env", "tokio", "libp2p", "sled", "rand::"];
    for file in sources().into_iter().filter(pure) {
        let text = text(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for word in impure {
            assert!(!code.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn unsafe_code_stands_nowhere_without_leave() {
    for file in sources().into_iter().filter(|file| !file.ends_with("tidy.rs")) {
        assert!(!text(&file).contains("unsafe {"), "{}", file.display());
    }
}
