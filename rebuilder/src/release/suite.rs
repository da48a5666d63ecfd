//! A Debian suite whose signed index held (step 1): the packages that an environment is made of.

use reattest_attestation::Authority;

use super::index::malformed;
use super::order;
use super::{IndexEntry, IndexError, SignedIndex, architecture};
use crate::error::RebuildError;
use crate::fetch::Want;
use crate::limits;
use crate::means::Means;
use crate::progress::Progress;

/// Only this component is followed: the others are not free software, or depend on it.
const COMPONENT: &str = "main";

/// Suites that hold changes to another, and are built from its packages.
const CHANGES: &[&str] = &["-security", "-updates", "-proposed-updates", "-backports"];

/// Keyring, signature and digests of its indexes were checked by this process.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    codename: String,
    date: String,
    packages: IndexEntry,
    sources: IndexEntry,
    authority: Authority,
}

impl Suite {
    /// Fetches and checks the signed index of a suite, and has both package indexes in the store.
    pub(crate) fn find(name: &str, means: &mut Means<'_>) -> Result<Self, RebuildError> {
        let suite = format!("debian:dists/{name}");
        let signed = signed_index(&suite, name, means)?;
        means.tell(Progress::IndexVerified {
            suite: signed.codename().to_owned(),
            date: signed.date().to_owned(),
            signers: signed.signers().to_vec(),
        });
        let packages = format!("{COMPONENT}/binary-{}/Packages.xz", architecture());
        let packages = index_entry(&signed, &suite, &packages)?;
        let sources = index_entry(&signed, &suite, &format!("{COMPONENT}/source/Sources.xz"))?;
        means.bring(&[index_want(&packages), index_want(&sources)])?;
        Ok(Self {
            codename: signed.codename().to_owned(),
            date: signed.date().to_owned(),
            packages,
            sources,
            authority: Authority {
                uri: format!("{suite}/InRelease"),
                digest: signed.digest(),
                signers: signed.signers().to_vec(),
            },
        })
    }

    /// The suite that this one's packages are built in, where that is not itself.
    pub(crate) fn base(&self) -> Option<&str> {
        CHANGES
            .iter()
            .find_map(|end| self.codename.strip_suffix(end))
            .filter(|base| !base.is_empty())
    }

    /// The codename that the index states.
    pub(crate) fn codename(&self) -> &str {
        &self.codename
    }

    /// The index's own date, RFC 5322 as it stands there.
    pub(crate) fn date(&self) -> &str {
        &self.date
    }

    /// The index of binary packages, which environments are resolved against.
    pub(crate) fn packages(&self) -> &IndexEntry {
        &self.packages
    }

    /// The index of source packages.
    pub(crate) fn sources(&self) -> &IndexEntry {
        &self.sources
    }

    /// The signed index and its signers.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }
}

fn signed_index(
    suite: &str,
    name: &str,
    means: &mut Means<'_>,
) -> Result<SignedIndex, RebuildError> {
    let location = format!("{suite}/InRelease");
    let limit = limits::SIGNED_INDEX_BYTES;
    let want = Want { location: location.clone(), expected: None, limit };
    let digest = means.bring_one(want)?;
    let signed = means.cas.read(&digest, limit)?;
    let signed = SignedIndex::verify(&location, &signed, &means.workshop.keyring, name, means.now)?;
    order::check(&signed, &location, &means.workshop.cache.join("indexes"))?;
    Ok(signed)
}

fn index_entry(signed: &SignedIndex, suite: &str, name: &str) -> Result<IndexEntry, IndexError> {
    signed.entry(suite, name).ok_or_else(|| malformed(suite, format!("it names no {name}")))
}

fn index_want(entry: &IndexEntry) -> Want {
    let limit = entry.size.min(limits::INDEX_BYTES);
    Want { location: entry.location.clone(), expected: Some((entry.sha256, entry.size)), limit }
}
