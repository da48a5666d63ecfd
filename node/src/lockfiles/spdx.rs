//! SPDX 2 in JSON: packages by purl, with the digests of their files.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::PinsError;
use super::entries::{said, value};
use super::found::{Found, Pin};
use super::hashes::Digests;
use super::place::Lines;
use super::sbom::{self, Material, form};
use super::tables;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "spdxVersion")]
    version: String,
    #[serde(default, borrow)]
    packages: Vec<&'a RawValue>,
    #[serde(default)]
    files: Vec<serde::de::IgnoredAny>,
    #[serde(default, rename = "documentDescribes")]
    describes: Vec<String>,
    #[serde(default)]
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Relationship {
    #[serde(rename = "spdxElementId")]
    from: String,
    #[serde(rename = "relatedSpdxElement")]
    to: String,
    #[serde(rename = "relationshipType")]
    kind: String,
}

#[derive(Deserialize)]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(default, rename = "versionInfo")]
    version: String,
    #[serde(default)]
    checksums: Vec<Checksum>,
    #[serde(default, rename = "externalRefs")]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Checksum {
    algorithm: String,
    #[serde(rename = "checksumValue")]
    value: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "referenceType")]
    kind: String,
    #[serde(rename = "referenceLocator")]
    locator: String,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| form(said(&error)))?;
    if !matches!(document.version.as_str(), "SPDX-2.2" | "SPDX-2.3") {
        return Err(tables::newer(&document.version, "SPDX-2.2 or SPDX-2.3"));
    }
    let described = document.described();
    let lines = Lines::of(text);
    let mut found = Found::default();
    for raw in document.packages {
        let line = lines.of_part(raw.get());
        found.pins.push(match value::<Package>(raw) {
            Ok(package) => package.pin(described.as_deref(), line),
            Err(why) => Pin::barred("a package", "", line, sbom::odd(why)),
        });
    }
    if !document.files.is_empty() {
        let count = document.files.len();
        found.notes.push(format!("{count} files inside packages are not checked one by one"));
    }
    Ok(found)
}

impl Document<'_> {
    /// The one package that the document is about; of several, none is.
    fn described(&self) -> Option<String> {
        let related = self.relationships.iter().filter_map(|one| match one.kind.as_str() {
            "DESCRIBES" if one.from == "SPDXRef-DOCUMENT" => Some(&one.to),
            "DESCRIBED_BY" if one.to == "SPDXRef-DOCUMENT" => Some(&one.from),
            _ => None,
        });
        let ids: BTreeSet<&String> = related.chain(&self.describes).collect();
        let one = ids.first().map(|id| (*id).clone());
        one.filter(|_| ids.len() == 1)
    }
}

impl Package {
    fn pin(&self, described: Option<&str>, line: Option<usize>) -> Pin {
        let Self { id, name, version, checksums, references } = self;
        if described == Some(id.as_str()) && checksums.is_empty() {
            return Pin::local(name, version, line);
        }
        let purls: Vec<&str> = references
            .iter()
            .filter(|one| one.kind == "purl")
            .map(|one| one.locator.as_str())
            .collect();
        if purls.len() > 1 {
            return Pin::barred(name, version, line, sbom::several_purls(&purls));
        }
        let digests = Digests::named(
            checksums.iter().map(|one| (one.algorithm.as_str(), one.value.as_str())),
        );
        let files = match &digests {
            Ok(digests) if digests.is_empty() => Vec::new(),
            _ => vec![(None, digests)],
        };
        Material { name, version, purl: purls.first().copied(), line }.pin(files)
    }
}
