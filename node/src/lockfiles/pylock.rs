//! `pylock.toml` (PEP 751): each release with its sdist and wheels, by address and digests.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Table};

use super::PinsError;
use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::Lines;
use super::{python, tables};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "lock-version")]
    version: String,
    #[serde(default)]
    packages: Vec<Spanned<Package>>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    version: String,
    vcs: Option<Table>,
    directory: Option<Table>,
    archive: Option<Table>,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document = tables::document(text)?;
    if !document.version.starts_with("1.") {
        return Err(tables::newer(&document.version, "1.0"));
    }
    let lines = Lines::of(text);
    let pin = |one: &Spanned<Package>| one.get_ref().pin(Some(lines.at(one.span().start)));
    Ok(document.packages.iter().map(pin).collect::<Vec<_>>().into())
}

impl Package {
    fn pin(&self, line: Option<usize>) -> Pin {
        let Self { name, version, vcs, directory, archive, sdist, wheels } = self;
        if let Some(vcs) = vcs {
            return Pin::barred(name, version, line, Obstacle::git(address(vcs)));
        }
        if let Some(archive) = archive {
            return Pin::barred(name, version, line, Obstacle::url(address(archive)));
        }
        if directory.is_some() {
            return Pin::local(name, version, line);
        }
        let files = wheels.iter().chain(sdist);
        python::pin(name, version, line, files.map(File::named))
    }
}

fn address(table: &Table) -> &str {
    let part = |key: &str| table.get(key).and_then(|one| one.as_str());
    part("url").or(part("path")).unwrap_or_default()
}

impl File {
    fn named(&self) -> python::Named<'_> {
        let address = self.name.as_deref().or(self.url.as_deref()).or(self.path.as_deref());
        let pairs = self.hashes.iter().map(|(kind, hex)| (kind.as_str(), hex.as_str()));
        let digests =
            if self.hashes.is_empty() { Err(Obstacle::no_digest()) } else { Digests::named(pairs) };
        (address.map(python::last_part), digests)
    }
}
