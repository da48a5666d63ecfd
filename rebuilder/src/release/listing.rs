//! What a suite has to rebuild (step 1): one artifact for each build, from its signed index alone.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::Purl;

use super::binaries::Build;
use super::debian::architecture;
use super::index::Index;
use super::stanza::{Stanza, field};
use super::{IndexEntry, Kept, Suite};
use crate::error::RebuildError;
use crate::means::Means;
use crate::reference::{DebianReference, is_name, is_version};

/// Which part of a suite is listed; an empty set asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Names of packages, of sources or of what they make.
    pub only: BTreeSet<String>,
    /// `all`, and Debian's name for this machine's architecture.
    pub architectures: BTreeSet<String>,
}

/// One build of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBuild {
    /// One of the artifacts that it makes, the first by name.
    pub purl: Purl,
    /// Bytes of its source files together, where the index of sources has them.
    pub source_bytes: Option<u64>,
}

/// A suite's builds under one signed index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The suite's codename.
    pub codename: String,
    /// The index's own date.
    pub date: String,
    /// The builds, sorted by purl.
    pub builds: Vec<ListedBuild>,
}

impl Part {
    fn has(&self, name: &str, source: &str, architecture: &str) -> bool {
        let is_in = |set: &BTreeSet<String>, word: &str| set.is_empty() || set.contains(word);
        (is_in(&self.only, name) || is_in(&self.only, source))
            && is_in(&self.architectures, architecture)
    }
}

impl Listing {
    /// Fetches and checks the signed index, and lists what its package index has.
    pub(super) fn of(
        suite: &str,
        part: &Part,
        means: &mut Means<'_>,
    ) -> Result<Self, RebuildError> {
        let suite = Suite::find(suite, means)?;
        let mut first: BTreeMap<Build, (String, Purl)> = BTreeMap::new();
        let packages = IndexEntry { kept: Kept::default(), ..suite.packages().clone() };
        Index::open(means.cas, &packages)?.each(|raw| {
            let need =
                |name: &str| field(raw, name).ok_or_else(|| format!("a stanza without {name}"));
            let (name, version) = (need("Package")?, need("Version")?);
            let architecture = need("Architecture")?;
            let build = Build::new(name, version, architecture, field(raw, "Source"))?;
            if !part.has(name, &build.source, architecture) {
                return Ok(());
            }
            let is_ours = architecture == "all" || architecture == self::architecture();
            let purl = DebianReference::purl(name, version, architecture, suite.codename());
            let purl = purl.filter(|_| is_name(name) && is_version(version) && is_ours);
            let purl = purl
                .ok_or_else(|| format!("a package named {name:?} {version:?} {architecture:?}"))?;
            let one = (name.to_owned(), purl);
            let best = first.entry(build).or_insert_with(|| one.clone());
            if one.0 < best.0 {
                *best = one;
            }
            Ok(())
        })?;
        let sizes = sizes(&suite, &first, means)?;
        let build = |(build, (_, purl)): (Build, (String, Purl))| ListedBuild {
            purl,
            source_bytes: sizes.get(&(build.source, build.version)).copied(),
        };
        let mut builds: Vec<ListedBuild> = first.into_iter().map(build).collect();
        builds.sort_by(|one, other| one.purl.cmp(&other.purl));
        builds.dedup_by(|one, other| one.purl == other.purl);
        Ok(Self { codename: suite.codename().to_owned(), date: suite.date().to_owned(), builds })
    }
}

/// Bytes of each source that is asked for, by name and version.
fn sizes(
    suite: &Suite,
    builds: &BTreeMap<Build, (String, Purl)>,
    means: &Means<'_>,
) -> Result<BTreeMap<(String, String), u64>, RebuildError> {
    let wanted: BTreeSet<(&str, &str)> =
        builds.keys().map(|build| (build.source.as_str(), build.version.as_str())).collect();
    let mut sizes = BTreeMap::new();
    let sources = IndexEntry { kept: Kept::default(), ..suite.sources().clone() };
    Index::open(means.cas, &sources)?.each(|raw| {
        let (Some(name), Some(version)) = (field(raw, "Package"), field(raw, "Version")) else {
            return Ok(());
        };
        if wanted.contains(&(name, version)) {
            let stanza = Stanza::parse(raw)?;
            // It is a hint of how large a build is: a source that is malformed is refused when it
            // is built.
            if let Ok(files) = super::sources::checksums(&stanza) {
                let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.1));
                sizes.insert((name.to_owned(), version.to_owned()), bytes);
            }
        }
        Ok(())
    })?;
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;
    use crate::release::tests::{Archive, binary, key, source, write_keyring};

    fn listed(archive: &Archive, part: &Part) -> Vec<String> {
        let listing = archive.with(|means| Listing::of("trixie", part, means)).unwrap();
        listing.builds.iter().map(|build| build.purl.as_str().to_owned()).collect()
    }

    #[test]
    fn a_build_is_listed_once_by_the_first_artifact_that_it_makes() {
        let packages = binary("two", "1:2-3", "all")
            + &binary("one", "1:2-3", "all")
            + &binary("other", "1:2-3", architecture());
        let archive = Archive::new(&packages, "");
        let all = listed(&archive, &Part::default());
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].contains("/one@") && all[1].contains("/other@"), "{all:?}");
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let part = |only: &[&str], architectures: &[&str]| Part {
            only: set(only),
            architectures: set(architectures),
        };
        assert_eq!(listed(&archive, &part(&["src"], &[])), all, "by the source");
        assert_eq!(listed(&archive, &part(&["one"], &[])), all[..1], "by a package");
        assert_eq!(listed(&archive, &part(&[], &["all"])), all[..1]);
        assert!(listed(&archive, &part(&["none"], &[])).is_empty());
        let listing = archive.with(|means| Listing::of("trixie", &Part::default(), means)).unwrap();
        assert_eq!(listing.builds[0].source_bytes, Some(3));
    }

    #[test]
    fn an_index_that_grows_lists_what_is_new_and_an_older_or_evil_one_nothing() {
        let date = |day: u32| format!("Sun, {day:02} Nov 2026 00:00:00 UTC");
        let of = |day, version: &str| {
            let packages = binary("one", version, "all");
            Archive::of("trixie", &date(day), "", &packages, &source())
        };
        let mut archive = of(1, "1:2-3");
        assert!(listed(&archive, &Part::default())[0].contains("@1:2-3"), "the first");
        let first = archive.files.clone();
        let newer = of(8, "1:2-4");
        archive.files.clone_from(&newer.files);
        // Another key than that of the keyring signed it.
        let refused = archive.with(|means| Listing::of("trixie", &Part::default(), means));
        assert!(refused.unwrap_err().to_string().contains("does not hold"));
        std::fs::copy(newer.keyring(), archive.keyring()).unwrap();
        assert!(listed(&archive, &Part::default())[0].contains("@1:2-4"));
        // A mirror goes back in time: rightly signed, and refused.
        archive.files = first;
        let again = of(1, "1:2-3");
        archive.files.clone_from(&again.files);
        std::fs::copy(again.keyring(), archive.keyring()).unwrap();
        let refused = archive.with(|means| Listing::of("trixie", &Part::default(), means));
        assert!(refused.unwrap_err().to_string().contains("has seen one of"));
        write_keyring(&key(None).0, &archive.keyring());
        archive.with(|means| Listing::of("trixie", &Part::default(), means)).unwrap_err();
    }

    #[test]
    fn a_stanza_that_could_leave_its_place_stops_the_whole_listing() {
        for packages in
            [binary("../x", "1", "all"), binary("one", "1/..", "all"), binary("one", "1", "m68k")]
        {
            let archive = Archive::new(&packages, "");
            archive.with(|means| Listing::of("trixie", &Part::default(), means)).unwrap_err();
        }
    }
}
