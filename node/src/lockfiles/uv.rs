//! `uv.lock`: each release with its sdist and wheels, by address and digest.

use serde::Deserialize;
use toml::{Spanned, Table};

use super::PinsError;
use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::Lines;
use super::{python, tables};

#[derive(Deserialize)]
struct Document {
    version: u32,
    #[serde(default)]
    package: Vec<Spanned<Package>>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    version: String,
    source: Table,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    url: Option<String>,
    path: Option<String>,
    filename: Option<String>,
    hash: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document = tables::document(text)?;
    if document.version != 1 {
        return Err(tables::newer(&document.version.to_string(), "1"));
    }
    let lines = Lines::of(text);
    let pin = |one: &Spanned<Package>| one.get_ref().pin(Some(lines.at(one.span().start)));
    Ok(document.package.iter().map(pin).collect::<Vec<_>>().into())
}

impl Package {
    fn pin(&self, line: Option<usize>) -> Pin {
        let Self { name, version, source, sdist, wheels } = self;
        let of = |kind: &str| source.get(kind).map(|one| one.as_str().unwrap_or_default());
        if of("virtual").or(of("editable")).or(of("directory")).is_some() {
            return Pin::local(name, version, line);
        }
        let obstacle = if of("registry").is_some() {
            None
        } else if let Some(url) = of("git") {
            Some(Obstacle::git(url))
        } else if let Some(path) = of("path") {
            Some(Obstacle::path(path))
        } else {
            Some(Obstacle::url(of("url").unwrap_or_default()))
        };
        if let Some(obstacle) = obstacle {
            return Pin::barred(name, version, line, obstacle);
        }
        let files = wheels.iter().chain(sdist);
        python::pin(name, version, line, files.map(File::named))
    }
}

impl File {
    fn named(&self) -> python::Named<'_> {
        let address = self.filename.as_deref().or(self.url.as_deref()).or(self.path.as_deref());
        let digests = match &self.hash {
            Some(hash) => Digests::prefixed(hash),
            None => Err(Obstacle::no_digest()),
        };
        (address.map(python::last_part), digests)
    }
}
