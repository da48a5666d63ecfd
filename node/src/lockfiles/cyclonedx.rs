//! CycloneDX in JSON: components by purl, with the digests of their files.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::PinsError;
use super::entries::{said, value};
use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::Lines;
use super::sbom::{self, Material, form};
use super::tables;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "specVersion")]
    version: String,
    #[serde(default, borrow)]
    components: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "type", default)]
    kind: String,
    name: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    purl: Option<String>,
    #[serde(default)]
    hashes: Vec<Hash>,
    #[serde(default, rename = "externalReferences")]
    references: Vec<Reference>,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Hash {
    alg: String,
    content: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    hashes: Vec<Hash>,
}

pub(super) fn read(text: &str) -> Result<Found, PinsError> {
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| form(said(&error)))?;
    if !document.version.starts_with("1.") {
        return Err(tables::newer(&document.version, "1.0 to 1.7"));
    }
    let lines = Lines::of(text);
    let mut found = Found::default();
    for raw in document.components {
        let line = lines.of_part(raw.get());
        match value::<Component>(raw) {
            Ok(component) => component.add_to(line, &mut found),
            Err(why) => found.pins.push(Pin::barred("a component", "", line, sbom::odd(why))),
        }
    }
    Ok(found)
}

impl Component {
    /// Adds the component and those within it, which have the line of the outermost.
    fn add_to(&self, line: Option<usize>, found: &mut Found) {
        let Self { name, version, group, .. } = self;
        let name = if group.is_empty() { name.clone() } else { format!("{group}/{name}") };
        // A name for what the rest is of: nothing that could be installed.
        if self.kind == "operating-system" && self.purl.is_none() {
            found.notes.push(format!("{} is the system's own name", super::place::shown(&name)));
        } else {
            let material = Material { name: &name, version, purl: self.purl.as_deref(), line };
            found.pins.push(material.pin(self.files()));
        }
        self.components.iter().for_each(|inner| inner.add_to(line, found));
    }

    /// What the component is known by, and each file that a reference to its distribution names.
    fn files(&self) -> Vec<sbom::Named<'_>> {
        let distributions = self.references.iter().filter(|one| one.kind == "distribution");
        let mut files = Vec::new();
        for reference in distributions {
            let file = sbom::file_of(&reference.url).filter(|_| reference.hashes.len() == 1);
            // Several digests of one kind are several files, as of a release in an index.
            let each = reference.hashes.iter().filter(|hash| is_sha256(&hash.alg));
            files.extend(each.map(|hash| (file, digests([hash]))));
        }
        let (own, listed) = (digests(&self.hashes), files.iter());
        let known = listed.filter_map(|(_, digests)| digests.as_ref().ok()?.sha256);
        let is_new = match &own {
            Ok(own) => !own.is_empty() && !known.into_iter().any(|one| own.sha256 == Some(one)),
            Err(_) => true,
        };
        if is_new {
            files.push((None, own));
        }
        files
    }
}

fn is_sha256(alg: &str) -> bool {
    alg.eq_ignore_ascii_case("SHA-256")
}

fn digests<'a>(hashes: impl IntoIterator<Item = &'a Hash>) -> Result<Digests, Obstacle> {
    Digests::named(hashes.into_iter().map(|hash| (hash.alg.as_str(), hash.content.as_str())))
}
