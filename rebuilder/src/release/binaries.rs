//! The binary packages of one source (step 1): found by name, or told what is near.

use super::index::Index;
use super::stanza::{Stanza, field, source_of};
use crate::error::RebuildError;
use crate::limits;
use crate::reference::{DebianReference, is_name, is_version};

/// The binary packages of one source, the asked one first.
pub(super) struct Binaries {
    pub(super) source: String,
    pub(super) version: String,
    /// `N` where the archive built `+bN`: the same source once more, with a changelog entry of its own.
    pub(super) binary_only: Option<u32>,
    pub(super) published: Vec<Stanza>,
}

impl Binaries {
    /// Finds the package and the others that one build makes with it.
    ///
    /// Those are its source's packages of the same class: Debian builds `Architecture: all` and the
    /// machine's architecture on two machines with two environments, so one build of both would
    /// have compared with what nobody made. Symbol packages (`-dbgsym`) stand in another archive's
    /// index, and are not announced. A package belongs to the source that its stanza names, whatever
    /// its own version is: one source may make packages of several versions.
    pub(super) fn find(
        index: &Index<'_>,
        reference: &DebianReference,
    ) -> Result<Self, RebuildError> {
        let bad = |why: String| index.malformed(why);
        let asked = index.named(&reference.name)?;
        let asked = asked.into_iter().map(Stanza::parse).collect::<Result<_, _>>().map_err(bad)?;
        let Some(asked) = choose(asked, reference)? else {
            return Err(unknown(index, reference)?);
        };
        let build = Build::of(&asked).map_err(bad)?;
        let mut published = Vec::new();
        for raw in index.of_source(&build.source)? {
            let other = Stanza::parse(raw).map_err(bad)?;
            if Build::of(&other).is_ok_and(|theirs| theirs == build) {
                published.push(other);
            }
        }
        published.sort_by_key(|stanza| {
            let name = stanza.get("Package").map(str::to_owned);
            (name.as_deref() != Some(reference.name.as_str()), name)
        });
        if let Some(name) = twice(&published) {
            return Err(
                bad(format!("two stanzas of {name} in one version and architecture")).into()
            );
        }
        let Build { source, version, binary_only, .. } = build;
        Ok(Self { source, version, binary_only, published })
    }
}

/// What made a package: packages of one build have it in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Build {
    pub(super) source: String,
    pub(super) version: String,
    binary_only: Option<u32>,
    is_indep: bool,
}

impl Build {
    fn of(stanza: &Stanza) -> Result<Self, String> {
        let (name, version) = (stanza.need("Package")?, stanza.need("Version")?);
        let architecture = stanza.get("Architecture").unwrap_or_default();
        Self::new(name, version, architecture, stanza.get("Source"))
    }

    /// From the fields of a stanza.
    pub(super) fn new(
        name: &str,
        version: &str,
        architecture: &str,
        source: Option<&str>,
    ) -> Result<Self, String> {
        let (source, source_version) = source_of(name, version, source);
        if !is_name(source) || !is_version(source_version) {
            return Err(format!("a source named {source:?} {source_version:?}"));
        }
        let is_own_version = binary_only(source_version).is_some();
        Ok(Self {
            source: source.to_owned(),
            version: source_version.to_owned(),
            binary_only: binary_only(version).filter(|_| !is_own_version),
            is_indep: architecture == "all",
        })
    }
}

/// The `N` of a version that ends in `+bN`.
fn binary_only(version: &str) -> Option<u32> {
    let (_, number) = version.rsplit_once("+b")?;
    let is_plain = number.starts_with(|c: char| ('1'..='9').contains(&c))
        && number.chars().all(|c| c.is_ascii_digit());
    number.parse().ok().filter(|_| is_plain)
}

/// Which one of two would be compared must not depend on their order.
fn twice(published: &[Stanza]) -> Option<&str> {
    let names = published.iter().map(|stanza| stanza.get("Package"));
    names.clone().zip(names.skip(1)).find(|(one, next)| one == next).and_then(|(one, _)| one)
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

fn unknown(index: &Index<'_>, reference: &DebianReference) -> Result<RebuildError, RebuildError> {
    let mut near: Vec<(usize, String)> = Vec::new();
    index.each(|raw| {
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
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn near_names_are_near() {
        assert_eq!((distance("netbase", "netbase"), distance("netbsae", "netbase")), (0, 2));
        assert_eq!((distance("gzip", "bzip2"), distance("a", "abcdef")), (2, usize::MAX));
    }

    #[test]
    fn a_rebuild_is_told_by_its_version_and_not_by_its_sources() {
        let stanza = |text: &str| Stanza::parse(&format!("{text}\nArchitecture: amd64\n")).unwrap();
        let table = [
            ("Package: a\nVersion: 1-2+b3\nSource: a (1-2)", ("a", "1-2", Some(3))),
            ("Package: a\nVersion: 4:14-1+b1\nSource: d (1.220)", ("d", "1.220", Some(1))),
            ("Package: a\nVersion: 4:14-1\nSource: d (1.220)", ("d", "1.220", None)),
            ("Package: a\nVersion: 1+b1\nSource: a (1+b1)", ("a", "1+b1", None)),
            ("Package: a\nVersion: 1+beta2", ("a", "1+beta2", None)),
            ("Package: a\nVersion: 1+b01", ("a", "1+b01", None)),
        ];
        for (text, (source, version, number)) in table {
            let build = Build::of(&stanza(text)).unwrap();
            let found = (build.source.as_str(), build.version.as_str(), build.binary_only);
            assert_eq!(found, (source, version, number), "{text}");
        }
    }
}
