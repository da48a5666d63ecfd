//! `Cargo.lock`: one crate a package, by the SHA-256 of its `.crate` file.

use serde::Deserialize;
use toml::Spanned;

use super::PinsError;
use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::Lines;
use super::tables;

#[derive(Deserialize)]
struct Document {
    version: Option<u32>,
    #[serde(default)]
    package: Vec<Spanned<Package>>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document = tables::document(text)?;
    if let Some(version) = document.version.filter(|version| *version > 4) {
        return Err(tables::newer(&version.to_string(), "1 to 4"));
    }
    let lines = Lines::of(text);
    let pin = |one: &Spanned<Package>| one.get_ref().pin(Some(lines.at(one.span().start)));
    Ok(document.package.iter().map(pin).collect::<Vec<_>>().into())
}

impl Package {
    fn pin(&self, line: Option<usize>) -> Pin {
        let Self { name, version, source, checksum } = self;
        let Some(source) = source else {
            return Pin::local(name, version, line);
        };
        if source.starts_with("git+") {
            return Pin::barred(name, version, line, Obstacle::git(source));
        }
        if !source.starts_with("registry+") && !source.starts_with("sparse+") {
            return Pin::barred(name, version, line, Obstacle::url(source));
        }
        let digests = checksum.as_ref().map(|hex| Digests::named([("sha256", hex.as_str())]));
        match digests {
            None => Pin::barred(name, version, line, Obstacle::no_digest()),
            Some(Err(obstacle)) => Pin::barred(name, version, line, obstacle),
            Some(Ok(digests)) => Pin::single("cargo", (None, name), version, line, digests),
        }
    }
}
