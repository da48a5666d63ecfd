//! The binary packages of one source (step 1): found by name, or told what is near.

use super::IndexEntry;
use super::index::{Index, malformed};
use super::stanza::{Stanza, field, source_of};
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::limits;
use crate::reference::{DebianReference, is_name, is_version};

/// The binary packages of one source, the asked one first.
pub(super) struct Binaries {
    pub(super) source: String,
    pub(super) version: String,
    pub(super) published: Vec<Stanza>,
}

impl Binaries {
    /// Finds the package and the others of its source and architecture class.
    pub(super) fn find(
        cas: &Cas,
        entry: &IndexEntry,
        reference: &DebianReference,
    ) -> Result<Self, RebuildError> {
        // Most packages are named as their source, or have a source that is named as asked.
        let guess = Self::of_source(cas, entry, &reference.name, &reference.name)?;
        let asked = choose(guess.asked, reference)?;
        let Some(asked) = asked else {
            return Err(unknown(cas, entry, reference)?);
        };
        let (source, version) =
            source_and_version(&asked).map_err(|why| malformed(&entry.location, why))?;
        let others = if source == reference.name {
            guess.others
        } else {
            Self::of_source(cas, entry, &reference.name, &source)?.others
        };
        let same = |other: &Stanza| {
            let theirs =
                source_and_version(other).is_ok_and(|t| t == (source.clone(), version.clone()));
            let all = |stanza: &Stanza| stanza.get("Architecture") == Some("all");
            theirs && all(other) == all(&asked)
        };
        let mut published: Vec<Stanza> = others.into_iter().filter(same).collect();
        published.sort_by_key(|stanza| stanza.get("Package").map(str::to_owned));
        published.insert(0, asked);
        Ok(Self { source, version, published })
    }

    /// One pass over the index: stanzas of the asked name, and others of the source.
    fn of_source(
        cas: &Cas,
        entry: &IndexEntry,
        name: &str,
        source: &str,
    ) -> Result<Pass, RebuildError> {
        let mut pass = Pass { asked: Vec::new(), others: Vec::new() };
        Index::open(cas, entry)?.each(|raw| {
            let package = field(raw, "Package").unwrap_or_default();
            if package == name {
                pass.asked.push(Stanza::parse(raw)?);
            } else if source_of(package, "", field(raw, "Source")).0 == source {
                pass.others.push(Stanza::parse(raw)?);
            }
            Ok(())
        })?;
        Ok(pass)
    }
}

struct Pass {
    asked: Vec<Stanza>,
    others: Vec<Stanza>,
}

/// The asked version and architecture, where they are stated; the last stanza otherwise.
fn choose(asked: Vec<Stanza>, reference: &DebianReference) -> Result<Option<Stanza>, RebuildError> {
    let Some(newest) = asked.last() else {
        return Ok(None);
    };
    let named = |stanza: &Stanza| {
        let (version, arch) = (stanza.get("Version"), stanza.get("Architecture"));
        format!("{} for {}", version.unwrap_or("?"), arch.unwrap_or("?"))
    };
    let error = RebuildError::OtherVersion {
        name: reference.name.clone(),
        found: named(newest),
        wanted: wanted(reference),
        suite: reference.suite.clone(),
    };
    let fits = |stanza: &Stanza| {
        let fits = |wanted: &Option<String>, field| {
            wanted.is_none() || wanted.as_deref() == stanza.get(field)
        };
        fits(&reference.version, "Version") && fits(&reference.arch, "Architecture")
    };
    asked.into_iter().rfind(fits).map(Some).ok_or(error)
}

fn wanted(reference: &DebianReference) -> String {
    let version = reference.version.as_deref().unwrap_or("any version");
    let arch = reference.arch.as_deref().unwrap_or("any architecture");
    format!("{version} for {arch}")
}

fn source_and_version(stanza: &Stanza) -> Result<(String, String), String> {
    let (name, version) = (stanza.need("Package")?, stanza.need("Version")?);
    let (source, source_version) = source_of(name, version, stanza.get("Source"));
    if !is_name(source) || !is_version(source_version) {
        return Err(format!("a source named {source:?} {source_version:?}"));
    }
    Ok((source.to_owned(), source_version.to_owned()))
}

fn unknown(
    cas: &Cas,
    entry: &IndexEntry,
    reference: &DebianReference,
) -> Result<RebuildError, RebuildError> {
    let mut near: Vec<(usize, String)> = Vec::new();
    Index::open(cas, entry)?.each(|raw| {
        let name = field(raw, "Package").unwrap_or_default();
        let distance = distance(name, &reference.name);
        if distance <= 2 {
            near.push((distance, name.to_owned()));
        }
        Ok(())
    })?;
    near.sort();
    near.dedup();
    near.truncate(limits::SUGGESTIONS);
    Ok(RebuildError::UnknownPackage {
        name: reference.name.clone(),
        suite: reference.suite.clone(),
        suggestions: near.into_iter().map(|(_, name)| name).collect(),
    })
}

/// Letters to insert, remove or change (Levenshtein); names of very different length are far apart.
fn distance(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.bytes()) {
            let changed = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_near() {
        assert_eq!((distance("netbase", "netbase"), distance("netbsae", "netbase")), (0, 2));
        assert_eq!((distance("gzip", "bzip2"), distance("a", "abcdef")), (2, usize::MAX));
    }
}
