//! `poetry.lock`: each release with the names and digests of its files.

use serde::Deserialize;
use toml::{Spanned, Table};

use super::PinsError;
use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::Lines;
use super::{python, tables};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    package: Vec<Spanned<Package>>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "lock-version")]
    version: String,
    #[serde(default)]
    files: Table,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<Source>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct File {
    file: String,
    hash: String,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document = tables::document(text)?;
    let version = &document.metadata.version;
    // Version 1 of the form keeps digests at its end.
    if !version.starts_with("2.") || !document.metadata.files.is_empty() {
        return Err(tables::newer(version, "2"));
    }
    let lines = Lines::of(text);
    let pin = |one: &Spanned<Package>| one.get_ref().pin(Some(lines.at(one.span().start)));
    Ok(document.package.iter().map(pin).collect::<Vec<_>>().into())
}

impl Package {
    fn pin(&self, line: Option<usize>) -> Pin {
        let Self { name, version, source, files } = self;
        if let Some(source) = source {
            let obstacle = match source.kind.as_str() {
                "legacy" => None,
                "git" => Some(Obstacle::git(&source.url)),
                "directory" | "file" => Some(Obstacle::path(&source.url)),
                _ => Some(Obstacle::url(&source.url)),
            };
            if let Some(obstacle) = obstacle {
                return Pin::barred(name, version, line, obstacle);
            }
        }
        let named = files.iter().map(|one| (Some(one.file.as_str()), Digests::prefixed(&one.hash)));
        python::pin(name, version, line, named)
    }
}
