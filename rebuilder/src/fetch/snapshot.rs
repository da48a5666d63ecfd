//! Snapshot services (step 2): what an archive once had, by the machine-readable API that Debian's speaks.
//!
//! The service addresses files by SHA-1. That is only an address here: the digest that was wanted is
//! checked as always.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::location;

/// Where the time of a snapshot stands in a configured template.
pub(super) const TIME: &str = "{timestamp}";
/// Versions of one package that are looked through for a file: more than any stable release had.
const VERSIONS: usize = 16;

/// One file that a snapshot service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its SHA-1, 40 hexadecimal digits: an address, no proof.
    pub sha1: String,
    /// Its file name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its path below the archive's root, with the file name.
    pub path: String,
    /// The archive, e.g. `debian`.
    pub archive: String,
    /// When the service first saw it: `YYYYMMDDTHHMMSSZ`. The archive's signed index of that time names it.
    pub first_seen: String,
}

/// An answer of a snapshot service that is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an answer of a snapshot service: {0}")]
pub struct SnapshotError(String);

#[derive(Deserialize)]
struct Files {
    fileinfo: BTreeMap<String, Vec<Info>>,
}

#[derive(Deserialize)]
struct Info {
    archive_name: String,
    first_seen: String,
    name: String,
    path: String,
    size: u64,
}

#[derive(Deserialize)]
struct Versions {
    result: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(alias = "binary_version")]
    version: String,
}

/// The files of an answer to `…/binfiles?fileinfo=1` or `…/srcfiles?fileinfo=1`; what is not of the
/// form that a path or an address must have is left out.
pub fn files(answer: &[u8]) -> Result<Vec<Kept>, SnapshotError> {
    let files: Files = serde_json::from_slice(answer).map_err(|e| SnapshotError(e.to_string()))?;
    let all = files
        .fileinfo
        .into_iter()
        .flat_map(|(sha1, infos)| infos.into_iter().filter_map(move |info| kept(&sha1, info)));
    Ok(all.collect())
}

fn kept(sha1: &str, info: Info) -> Option<Kept> {
    let path = format!("{}/{}", info.path.trim_matches('/'), info.name);
    let fine = is_sha1(sha1)
        && location::is_plain_path(&path)
        && !info.name.contains('/')
        && location::is_plain_path(&info.archive_name)
        && !info.archive_name.contains('/')
        && location::is_time(&info.first_seen);
    fine.then(|| Kept {
        sha1: sha1.to_owned(),
        name: info.name,
        size: info.size,
        path,
        archive: info.archive_name,
        first_seen: info.first_seen,
    })
}

fn is_sha1(text: &str) -> bool {
    text.len() == 40 && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// What to ask a service to find one file of a pool: first for versions, then for each one's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Search {
    /// `mr/binary/NAME` or `mr/package/NAME`.
    base: String,
    list: &'static str,
    /// The file's name without the package's name and `_`.
    rest: String,
    /// The file's name.
    file: String,
}

impl Search {
    /// `pool/COMPONENT/PREFIX/SOURCE/FILE`; anything else is no file of a pool.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        let [pool, .., source, file] = parts.as_slice() else { return None };
        let (name, rest) = file.split_once('_')?;
        let end = file.rsplit('.').next();
        let is_binary = matches!(end, Some("deb" | "udeb"));
        let (base, list) = if is_binary {
            (format!("mr/binary/{name}"), "binfiles")
        } else {
            (format!("mr/package/{source}"), "srcfiles")
        };
        let is_pool = *pool == "pool" && !name.is_empty();
        is_pool.then(|| Self { base, list, rest: rest.to_owned(), file: (*file).to_owned() })
    }

    /// Where the versions are.
    pub(super) fn versions(&self) -> String {
        format!("{}/", self.base)
    }

    /// Where the files of those versions are that can have this one. A file name has no epoch, and
    /// that of an original source no revision.
    pub(super) fn candidates(&self, answer: &[u8]) -> Result<Vec<String>, SnapshotError> {
        let versions: Versions =
            serde_json::from_slice(answer).map_err(|e| SnapshotError(e.to_string()))?;
        let fits = |version: &String| {
            crate::reference::is_version(version)
                && self.rest.starts_with(crate::debian::upstream(version))
        };
        let mut fitting: Vec<String> =
            versions.result.into_iter().map(|v| v.version).filter(fits).collect();
        // The longest agreement first: 1.2-3 before 1.2.
        let agrees = |version: &String| {
            let bare = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
            if self.rest.starts_with(bare) { bare.len() } else { 0 }
        };
        fitting.sort_by_key(|version| std::cmp::Reverse(agrees(version)));
        fitting.dedup();
        fitting.truncate(VERSIONS);
        let place = |version: String| format!("{}/{version}/{}?fileinfo=1", self.base, self.list);
        Ok(fitting.into_iter().map(place).collect())
    }

    /// Where the bytes are, when this answer names the file with that size.
    pub(super) fn address(
        &self,
        answer: &[u8],
        size: u64,
    ) -> Result<Option<String>, SnapshotError> {
        let found =
            files(answer)?.into_iter().find(|kept| kept.name == self.file && kept.size == size);
        Ok(found.map(|kept| format!("file/{}", kept.sha1)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const SHA1: &str = "0123456789abcdef0123456789abcdef01234567";

    fn answer(sha1: &str, name: &str, path: &str, seen: &str) -> String {
        format!(
            r#"{{"binary":"x","fileinfo":{{"{sha1}":[{{"archive_name":"debian","first_seen":"{seen}",
            "name":"{name}","path":"{path}","size":7}}]}},"result":[{{"architecture":"all","hash":"{sha1}"}}]}}"#
        )
    }

    #[test]
    fn files_are_read_and_what_could_lead_elsewhere_is_left_out() {
        let time = "20250520T000000Z";
        let good = files(answer(SHA1, "a_1_all.deb", "/pool/main/a/a", time).as_bytes()).unwrap();
        let [kept] = good.as_slice() else { unreachable!() };
        assert_eq!((kept.path.as_str(), kept.size), ("pool/main/a/a/a_1_all.deb", 7));
        for (sha1, name, path, seen) in [
            ("../x", "a", "/pool", time),
            (SHA1, "../a", "/pool", time),
            (SHA1, "a", "/pool/../..", time),
            (SHA1, "a", "/pool", "../../x"),
        ] {
            assert_eq!(files(answer(sha1, name, path, seen).as_bytes()).unwrap(), []);
        }
        assert!(files(b"<html>").is_err());
    }

    #[test]
    fn a_pool_file_is_searched_for_by_name_and_version() {
        let table = [
            ("pool/main/n/netbase/netbase_6.4_all.deb", "mr/binary/netbase/"),
            ("pool/main/g/gcc/libgcc_1-2_amd64.deb", "mr/binary/libgcc/"),
            ("pool/main/g/gcc/gcc_1.orig.tar.xz", "mr/package/gcc/"),
        ];
        for (path, asked) in table {
            assert_eq!(Search::of(path).unwrap().versions(), asked);
        }
        for path in ["dists/trixie/InRelease", "pool/x", "file", "pool/main/a/a/plain"] {
            assert_eq!(Search::of(path), None, "{path}");
        }
    }

    #[test]
    fn versions_that_fit_the_name_are_tried_the_closest_first() {
        let search = Search::of("pool/main/a/a/a_1.2-3_amd64.deb").unwrap();
        let list = br#"{"result":[{"binary_version":"1.2"},{"binary_version":"2:1.2-3"},
            {"binary_version":"9"},{"binary_version":"1/../2"}]}"#;
        assert_eq!(
            search.candidates(list).unwrap(),
            ["mr/binary/a/2:1.2-3/binfiles?fileinfo=1", "mr/binary/a/1.2/binfiles?fileinfo=1"]
        );
    }
}
