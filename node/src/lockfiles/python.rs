//! What Python's lockfiles share: a release by its canonical name and version, and its files.

use reattest_attestation::Purl;
use reattest_rebuilder::python::name::{Name, version as number};

use super::found::{Obstacle, Pin, PinnedFile, Role, unnameable};
use super::hashes::Digests;

/// A file that a lockfile names: its name where it is told, and what it is known by.
pub(super) type Named<'a> = (Option<&'a str>, Result<Digests, Obstacle>);

/// A pin of these files of one release.
pub(super) fn pin<'a>(
    name: &str,
    version: &str,
    line: Option<usize>,
    files: impl IntoIterator<Item = Named<'a>>,
) -> Pin {
    let pinned: Result<Vec<PinnedFile>, Obstacle> =
        files.into_iter().map(|(file, digests)| pinned(name, version, file, digests?)).collect();
    match pinned {
        Ok(pinned) => Pin::of(name, version, line, pinned),
        Err(obstacle) => Pin::barred(name, version, line, obstacle),
    }
}

/// A purl as rebuilders write it: canonical name, version as PEP 440 normalizes it, the file's name.
fn pinned(
    name: &str,
    version: &str,
    file: Option<&str>,
    digests: Digests,
) -> Result<PinnedFile, Obstacle> {
    let canonical =
        Name::canonical(name).ok_or_else(|| unnameable(&"a name that PEP 508 forbids"))?;
    let number = number(version).ok_or_else(|| unnameable(&"a version that PEP 440 forbids"))?;
    let qualifiers: Vec<(&str, &str)> = file.iter().map(|file| ("file_name", *file)).collect();
    let purl = Purl::new("pypi", None, canonical.as_str(), Some(&number.to_string()), &qualifiers)
        .map_err(|error| unnameable(&error))?;
    let role = file.map_or(Role::Usual, role);
    Ok(PinnedFile { name: file.map(super::place::shown), purl, digests, role })
}

fn role(file: &str) -> Role {
    match file.strip_suffix(".whl") {
        Some(wheel) if wheel.ends_with("-py3-none-any") => Role::Universal,
        Some(wheel) if wheel.ends_with("-py2.py3-none-any") => Role::Universal,
        Some(_) => Role::Usual,
        None => Role::Source,
    }
}

/// The file's name at the end of an address or a path.
pub(super) fn last_part(address: &str) -> &str {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}
