//! Recipe files: what people write becomes a pinned build, and the documented examples are built.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use reattest_tests::{at_hand, directory, document, printed, run, said};

/// A copy of a documented example: its lock is of today, and none is written into the project.
fn example(name: &str, place: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples").join(name);
    for file in reattest_tests::files_below(&from) {
        let to = place.join(file.strip_prefix(&from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, &to).unwrap();
    }
    place.join("recipe.toml")
}

#[test]
fn the_documented_c_example_is_built_twice_and_gives_the_same() {
    if !at_hand("docs/examples/hello-c") {
        return;
    }
    let place = directory();
    let recipe = example("hello-c", place.path()).display().to_string();
    let output = run(&["rebuild", &recipe]);
    assert_eq!(output.status.code(), Some(1), "a recipe without a lock is no build");
    assert!(said(&output).contains("recipe lock"), "{}", said(&output));
    let output = run(&["recipe", "lock", &recipe, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(document(&output)["packages"].as_u64().unwrap() > 50);
    let output = run(&["rebuild", &recipe, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let made = document(&output)["unpublished"][0].clone();
    assert_eq!(made["produced"], made["again"]);
    compared(place.path(), &recipe, made["produced"].as_str().unwrap());
}

/// With its digest written down it is compared: as it is, and as it is not.
fn compared(place: &Path, recipe: &str, made: &str) {
    let text = fs::read_to_string(place.join("recipe.toml")).unwrap();
    let wrong = made.chars().rev().collect::<String>();
    for (digest, code, outcome) in [(made, 0, "reproduced"), (wrong.as_str(), 11, "differs")] {
        fs::write(place.join("recipe.toml"), format!("{text}sha256 = \"{digest}\"\n")).unwrap();
        let output = run(&["rebuild", recipe]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(printed(&output).starts_with(outcome), "{}", printed(&output));
    }
}

/// No registry is asked: its dependency lies beside it.
#[test]
fn the_documented_rust_example_is_one_static_program() {
    if !at_hand("docs/examples/hello-rust") {
        return;
    }
    let (place, made) = (directory(), directory());
    let recipe = example("hello-rust", place.path()).display().to_string();
    let output = run(&["recipe", "lock", &recipe]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let out = made.path().to_str().unwrap();
    let output = run(&["rebuild", &recipe, "--json", "--out", out]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let built = document(&output)["unpublished"][0].clone();
    assert_eq!(built["produced"], built["again"]);
    let program = made.path().join("hello-rust");
    assert!(!segments(&program).contains(&INTERPRETER), "it is not static");
    let dynamic = segments(&reattest_tests::program());
    assert!(dynamic.contains(&INTERPRETER), "what a program that is not has: {dynamic:?}");
}

/// The type of the segment that names a dynamic linker; `elf(5)`.
const INTERPRETER: u32 = 3;

/// The types of an ELF file's segments: 64 bits, little-endian.
fn segments(program: &Path) -> Vec<u32> {
    let bytes = fs::read(program).unwrap();
    assert!(bytes.starts_with(b"\x7fELF\x02\x01"), "{}", program.display());
    let table = usize::try_from(u64::from_le_bytes(bytes[32..40].try_into().unwrap())).unwrap();
    let [size, count] = [54, 56].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let starts = (0..usize::from(count)).map(|row| table + row * usize::from(size));
    starts.map(|at| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).collect()
}

#[test]
fn a_recipe_that_cannot_be_meant_says_what_is_needed() {
    let place = directory();
    let recipe = example("hello-c", place.path());
    let text = fs::read_to_string(&recipe).unwrap();
    let name = recipe.display().to_string();
    fs::write(&recipe, text.replace("[[output]]", "[[outcome]]")).unwrap();
    let output = run(&["recipe", "lock", &name]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("outcome"), "{}", said(&output));
    let output = run(&["rebuild", "nowhere/recipe.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nowhere/recipe.toml"), "{}", said(&output));
}
