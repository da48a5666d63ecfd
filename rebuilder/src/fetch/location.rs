//! Where an input comes from (step 2): one text with a scheme, so that recipes and locks explain themselves.
//!
//! No host stands in it but in the URL of a recipe's own source: every rebuilder asks its own mirrors.

use std::fmt;
use std::str::FromStr;

use reattest_attestation::Digest;
use ureq::http::Uri;

use crate::reference::{is_name, is_version};

/// The longest location: file names reach 255 bytes, the URLs of release archives 500.
const LOCATION_BYTES: usize = 2048;

/// A parsed location; its [`Display`](fmt::Display) is the text it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// `debian:PATH`: a path below the root of a Debian archive, `dists/…` or `pool/…`.
    Debian {
        /// The path, without `..` and without anything that a URL would read otherwise.
        path: String,
    },
    /// `pypi:PROJECT/`: a project's page of a Python index, as JSON (PEP 691). Nothing signs it.
    PythonProject {
        /// The project's normalized name (PEP 503).
        project: String,
    },
    /// `pypi:PROJECT/FILENAME`: one file that the project's page names.
    PythonFile {
        /// The project's normalized name.
        project: String,
        /// The file's name.
        file: String,
    },
    /// `sha256:HEX`: known by its digest alone, as a file that lay beside a recipe. No registry has
    /// it: it is in the store, or somebody hands it on.
    Content {
        /// Its digest.
        digest: Digest,
    },
    /// `snapshot:ARCHIVE/TIME/PATH`: a path below an archive's root as it was at that time.
    Snapshot {
        /// The archive's name at the snapshot service, e.g. `debian`.
        archive: String,
        /// The time, `YYYYMMDDTHHMMSSZ`; the service takes the last state that is not later.
        time: String,
        /// The path below the archive's root.
        path: String,
    },
    /// `snapshot:mr/binary/NAME/VERSION/binfiles`: which files an exact version had, as JSON; read by
    /// [`snapshot::files`](super::snapshot::files). Nothing signs it.
    SnapshotFiles {
        /// The binary package.
        name: String,
        /// Its full version.
        version: String,
    },
    /// `https://…` or `http://…`: pinned by digest only, so the transport adds nothing.
    Url {
        /// The whole URL.
        url: String,
    },
}

/// Why a text is no location. Its author's fault: a recipe's, a lock's or an index's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// No scheme, or one that this version does not know.
    #[error(
        "found the location {0:?}; needed debian:PATH, snapshot:ARCHIVE/TIME/PATH, pypi:PROJECT/, pypi:PROJECT/FILENAME, https://… or http://…; a newer reattest may know it"
    )]
    Scheme(String),
    /// The scheme is known, the rest is not of its form.
    #[error("found the location {found:?}; needed {needed}")]
    Form {
        /// The text.
        found: String,
        /// What the scheme asks for.
        needed: &'static str,
    },
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let form = |needed| LocationError::Form { found: text.to_owned(), needed };
        if text.len() > LOCATION_BYTES {
            return Err(form("at most 2048 bytes"));
        }
        match text.split_once(':') {
            Some(("debian", path)) => {
                debian(path).ok_or_else(|| form("debian: and a plain path below an archive's root"))
            }
            Some(("pypi", rest)) => {
                python(rest).ok_or_else(|| form("pypi: and a normalized project name, a slash, and nothing or a plain file name"))
            }
            Some(("sha256", digest)) => digest
                .parse()
                .map(|digest| Self::Content { digest })
                .map_err(|_| form("sha256: and 64 hexadecimal digits")),
            Some(("snapshot", rest)) => snapshot(rest).ok_or_else(|| {
                form("snapshot:ARCHIVE/YYYYMMDDTHHMMSSZ/PATH or snapshot:mr/binary/NAME/VERSION/binfiles")
            }),
            Some(("https" | "http", _)) => {
                url(text).ok_or_else(|| form("a URL with a host, without user, password and fragment"))
            }
            _ => Err(LocationError::Scheme(text.to_owned())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian { path } => write!(f, "debian:{path}"),
            Self::PythonProject { project } => write!(f, "pypi:{project}/"),
            Self::PythonFile { project, file } => write!(f, "pypi:{project}/{file}"),
            Self::Content { digest } => write!(f, "sha256:{digest}"),
            Self::Snapshot { archive, time, path } => write!(f, "snapshot:{archive}/{time}/{path}"),
            Self::SnapshotFiles { name, version } => {
                write!(f, "snapshot:mr/binary/{name}/{version}/binfiles")
            }
            Self::Url { url } => f.write_str(url),
        }
    }
}

fn debian(path: &str) -> Option<Location> {
    is_plain_path(path).then(|| Location::Debian { path: path.to_owned() })
}

fn python(rest: &str) -> Option<Location> {
    let (project, file) = rest.split_once('/')?;
    let (project, file) = (project.to_owned(), file.to_owned());
    if !is_project(&project) {
        return None;
    }
    if file.is_empty() {
        return Some(Location::PythonProject { project });
    }
    is_file_name(&file).then_some(Location::PythonFile { project, file })
}

fn snapshot(rest: &str) -> Option<Location> {
    let parts: Vec<&str> = rest.split('/').collect();
    if let ["mr", "binary", name, version, "binfiles"] = parts.as_slice() {
        let fine = is_name(name) && is_version(version);
        let (name, version) = ((*name).to_owned(), (*version).to_owned());
        return fine.then_some(Location::SnapshotFiles { name, version });
    }
    let (archive, rest) = rest.split_once('/')?;
    let (time, path) = rest.split_once('/')?;
    let fine = is_name(archive) && is_time(time) && is_plain_path(path);
    let (archive, time, path) = (archive.to_owned(), time.to_owned(), path.to_owned());
    fine.then_some(Location::Snapshot { archive, time, path })
}

/// `YYYYMMDDTHHMMSSZ`, as snapshot services write it.
pub(crate) fn is_time(text: &str) -> bool {
    let form = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
    form.eq("00000000T000000Z".chars())
}

fn url(text: &str) -> Option<Location> {
    let uri: Uri = text.parse().ok()?;
    uri.scheme()?;
    let authority = uri.authority()?.as_str();
    let plain = text.chars().all(|c| c.is_ascii_graphic()) && !text.contains('#');
    // A password in a recipe would be published with it.
    let fine = plain && !authority.contains('@') && !uri.host()?.is_empty();
    fine.then(|| Location::Url { url: text.to_owned() })
}

/// It becomes a part of a URL, and of a path where an archive is a directory.
pub(crate) fn is_plain_path(text: &str) -> bool {
    let fine = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.split('/').all(fine)
        && !text.chars().any(|c| c.is_control() || " ?#%\\".contains(c) || !c.is_ascii())
}

/// A name after normalization, the only spelling that an index answers without a redirect (PEP 503).
fn is_project(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 128
        && text.chars().all(inner)
        && text.starts_with(ends)
        && text.ends_with(ends)
        && !text.contains("--")
}

/// Names of sdists and wheels; it is only looked up in a page, and shown.
fn is_file_name(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._+!-".contains(c);
    text.len() <= 255 && !text.starts_with('.') && text.chars().all(fine)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_kind_is_read_and_written_alike() {
        for text in [
            "debian:dists/trixie/InRelease",
            "debian:pool/main/g/gzip/gzip_1.13-1+deb13u1_amd64.deb",
            "pypi:attrs/",
            "pypi:typing-extensions/typing_extensions-4.12.2-py3-none-any.whl",
            "pypi:a/a-1!2.0+local.tar.gz",
            "snapshot:debian/20250520T000000Z/dists/trixie/InRelease",
            "snapshot:mr/binary/netbase/1:6.4+b1/binfiles",
            "https://example.org/a/b-1.0.tar.gz?raw=1",
            "http://127.0.0.1:8000/x",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_could_mean_another_place_is_refused() {
        for text in [
            "debian:../x",
            "debian:/x",
            "debian:a//b",
            "debian:a/./b",
            "debian:a b",
            "debian:a?b",
            "debian:a%2e",
            "debian:",
            "debian:ä",
            "pypi:attrs",
            "pypi:Attrs/",
            "pypi:a_b/",
            "pypi:a--b/",
            "pypi:-a/",
            "pypi:a/../b",
            "pypi:a/b/c",
            "pypi:a/.hidden",
            "pypi:/x",
            "pypi:a/b?c",
            "https://user:secret@example.org/x",
            "https://example.org/x#part",
            "https:///x",
            "https://example.org/a b",
            "https:x",
            "snapshot:debian/20250520/dists/x",
            "snapshot:debian/20250520T000000Z/../x",
            "snapshot:mr/binary/net/base/6.4/binfiles",
            "snapshot:20250520T000000Z",
        ] {
            assert!(matches!(text.parse::<Location>(), Err(LocationError::Form { .. })), "{text}");
        }
        let long = format!("debian:{}", "a".repeat(LOCATION_BYTES));
        assert!(long.parse::<Location>().is_err());
    }

    #[test]
    fn an_unknown_scheme_is_named_as_such() {
        for text in [
            "pool/main/x",
            "ftp://example.org/x",
            "file:///etc/passwd",
            "npm:x/",
            "",
            "HTTPS://example.org/x",
        ] {
            assert!(matches!(text.parse::<Location>(), Err(LocationError::Scheme(_))), "{text}");
        }
    }
}
