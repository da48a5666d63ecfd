//! `package-lock.json`, versions 2 and 3: one tarball a package, by subresource integrity.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::PinsError;
use super::entries::{Entries, said, value};
use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::{Lines, shown};
use super::tables;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "lockfileVersion")]
    version: u32,
    #[serde(borrow)]
    packages: Option<Entries<'a>>,
    #[serde(borrow)]
    dependencies: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Package {
    name: Option<String>,
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    link: bool,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| form(said(&error)))?;
    if !(2..=3).contains(&document.version) {
        return Err(tables::newer(&document.version.to_string(), "2 or 3"));
    }
    let Some(Entries(packages)) = document.packages else {
        return Err(form("no `packages`".to_owned()));
    };
    let lines = Lines::of(text);
    let pins = packages.iter().map(|(path, raw)| pin(path, raw, lines.of_part(raw.get())));
    let mut found = Found::from(pins.collect::<Vec<_>>());
    if document.dependencies.is_some() {
        let note = "the part `dependencies`, which npm 6 and older read, is not checked";
        found.notes.push(note.to_owned());
    }
    Ok(found)
}

fn form(found: String) -> PinsError {
    PinsError::Form {
        found,
        needed: "a lockfile as npm 7 and newer write it",
        fix: "write it again: npm install --package-lock-only --lockfile-version 3",
    }
}

/// One package, at its path in the tree.
fn pin(path: &str, raw: &RawValue, line: Option<usize>) -> Pin {
    const MODULES: &str = "node_modules/";
    let package = match value::<Package>(raw) {
        Ok(package) => package,
        Err(found) => {
            let fix = "have the lockfile written again by npm";
            return Pin::barred(path, "", line, Obstacle::new(found, "a package of npm", fix));
        }
    };
    let version = package.version.as_deref().unwrap_or_default();
    let installed = path.rfind(MODULES).and_then(|at| path.get(at + MODULES.len()..));
    let Some(folder) = installed.filter(|_| !package.link) else {
        let name = package.name.as_deref().unwrap_or(path);
        return Pin::local(if name.is_empty() { "." } else { name }, version, line);
    };
    let name = package.name.as_deref().unwrap_or(folder);
    if let Some(obstacle) = package.resolved.as_deref().and_then(elsewhere) {
        return Pin::barred(name, version, line, obstacle);
    }
    let (space, plain) = match name.split_once('/') {
        Some((space, plain)) => (Some(space), plain),
        None => (None, name),
    };
    match package.integrity.as_deref().map(Digests::sri) {
        None => Pin::barred(name, version, line, Obstacle::no_digest()),
        Some(Ok(none)) if none.is_empty() => {
            Pin::barred(name, version, line, Obstacle::no_digest())
        }
        Some(Err(obstacle)) => Pin::barred(name, version, line, obstacle),
        Some(Ok(_)) if version.is_empty() => {
            let fix = "have the lockfile written again by npm";
            Pin::barred(name, "", line, Obstacle::new("no version", "a version", fix))
        }
        Some(Ok(digests)) => Pin::single("npm", (space, plain), version, line, digests),
    }
}

/// Whether it comes from anywhere but a registry.
fn elsewhere(resolved: &str) -> Option<Obstacle> {
    match resolved.split_once(':').map(|(scheme, _)| scheme) {
        Some("http" | "https") => None,
        Some("file") => Some(Obstacle::path(resolved)),
        Some(scheme) if scheme.starts_with("git") => Some(Obstacle::git(resolved)),
        _ => Some(Obstacle::url(&shown(resolved))),
    }
}
