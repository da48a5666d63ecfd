//! `make coverage`: rebuilds the packages of `tests/coverage.toml` and prints what came out, as a table.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own, which prints and measures"
)]

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coverage {
    package: Vec<Package>,
}

/// One line of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    #[serde(rename = "ref")]
    reference: String,
    outcome: String,
    #[serde(default)]
    note: String,
}

/// What one rebuild gave: the first artifact's outcome, or the words of the fault.
struct Seen {
    outcome: String,
    seconds: f64,
    fault: Option<String>,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("coverage.toml");
    let text = std::fs::read_to_string(&place).unwrap_or_default();
    let coverage: Coverage = match toml::from_str(&text) {
        Ok(coverage) => coverage,
        Err(error) => {
            eprintln!("error: {}: {error}", place.display());
            return ExitCode::FAILURE;
        }
    };
    let is_wanted = |p: &&Package| wanted.is_empty() || wanted.contains(&p.reference);
    let mut surprises = 0;
    println!("{:<34} {:<13} {:<13} {:>8}  note", "package", "expected", "found", "seconds");
    for package in coverage.package.iter().filter(is_wanted) {
        let seen = rebuild(&package.reference);
        let mark = if seen.outcome == package.outcome { "" } else { "  <- not as expected" };
        surprises += u32::from(!mark.is_empty());
        let note = seen.fault.as_deref().unwrap_or(&package.note);
        let Package { reference, outcome, .. } = package;
        println!(
            "{reference:<34} {outcome:<13} {:<13} {:>8.1}  {note}{mark}",
            seen.outcome, seen.seconds
        );
    }
    if surprises == 0 {
        return ExitCode::SUCCESS;
    }
    println!("{surprises} not as expected; run `reattest rebuild REF` on one to see why");
    ExitCode::FAILURE
}

fn rebuild(reference: &str) -> Seen {
    let started = Instant::now();
    let mut command = Command::new(program());
    command.args(["rebuild", "--json", reference]).stdin(Stdio::null());
    let output = command.output();
    let seconds = started.elapsed().as_secs_f64();
    let fault = |words: String| Seen { outcome: "fault".to_owned(), seconds, fault: Some(words) };
    let output = match output {
        Ok(output) => output,
        Err(error) => return fault(error.to_string()),
    };
    let document: Result<serde_json::Value, _> = serde_json::from_slice(&output.stdout);
    let outcome = document
        .ok()
        .and_then(|document| document.pointer("/artifacts/0/outcome")?.as_str().map(str::to_owned));
    if let Some(outcome) = outcome {
        return Seen { outcome, seconds, fault: None };
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    fault(said.lines().find(|l| l.contains("error")).unwrap_or_default().to_owned())
}

/// The program beside this one, built by the same `make coverage`.
fn program() -> std::path::PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.parent().unwrap_or(Path::new(".")).join("reattest")
}
