//! A directory of `.deb` files: each as the package that its name says, by the digest of its bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;

use crate::apt::{Lists, Names, Release, hashed};
use crate::fault::Fault;
use crate::limits::PINS;
use crate::lockfiles::{
    Digests, Format, Obstacle, Pin, PinnedFile, Pins, PinsError, Role, unnameable,
};

impl Pins {
    /// Reads a directory, and no directory below it. `hashing` is told of each file before it is read.
    ///
    /// apt's lists say which archive publishes a file, where they have it; where they do not,
    /// evidence has to.
    pub fn debs(
        directory: &Path,
        lists: &Lists,
        hashing: &mut dyn FnMut(&Path),
    ) -> Result<Self, Fault> {
        let mut digests = Vec::new();
        for file in files(directory)? {
            hashing(&file);
            let sha256 = hashed(&file)?.sha256();
            digests.push((file, sha256));
        }
        let wanted: BTreeSet<Digest> = digests.iter().map(|(_, sha256)| *sha256).collect();
        let mut notes = Vec::new();
        let listed = lists.listing(&wanted).unwrap_or_else(|error| {
            notes.push(format!("apt's lists were not read: {error}"));
            BTreeMap::new()
        });
        let pins = digests.iter().map(|(file, sha256)| pin(file, *sha256, &listed)).collect();
        Ok(Self { format: Format::Debs, pins, notes })
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fail = |error| Fault::new(directory.display().to_string(), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|end| end == "deb") && path.is_file() {
            files.push(path);
        }
        if files.len() > PINS {
            let error = PinsError::Many { what: "files", most: PINS };
            return Err(Fault::new(directory.display().to_string(), error));
        }
    }
    if files.is_empty() {
        let shown = directory.display();
        return Err(Fault::text(format!(
            "found no .deb file in {shown}, needed some; name a lockfile, or the directory with the packages"
        )));
    }
    files.sort();
    Ok(files)
}

fn pin(file: &Path, sha256: Digest, listed: &BTreeMap<Digest, (Names, Release)>) -> Pin {
    let shown = file.file_name().unwrap_or_default().to_string_lossy();
    let Some(names) = Names::of_file(file) else {
        let fix = "give the file the name that its archive gives it";
        let obstacle = Obstacle::new(format!("{shown:?}"), "NAME_VERSION_ARCH.deb", fix);
        return Pin::barred(&shown, "", None, obstacle);
    };
    // Only where the list has these bytes under the file's own name: a renamed file is another.
    let release = listed.get(&sha256).filter(|(known, _)| {
        let purl = known.purl(None);
        purl.is_some_and(|purl| purl.allows_file_name(&shown))
    });
    let (names, release) = match release {
        Some((known, release)) => (known, Some(release)),
        None => (&names, None),
    };
    of_names(names, release, sha256)
}

/// The pin of one published file.
pub(super) fn of_names(names: &Names, release: Option<&Release>, sha256: Digest) -> Pin {
    let Names { package, version, .. } = names;
    let Some(purl) = names.purl(release) else {
        return Pin::barred(package, version, None, unnameable(&"no package URL can hold it"));
    };
    let digests = Digests { sha256: Some(sha256), ..Digests::default() };
    let file = PinnedFile { name: purl.file_name(), purl, digests, role: Role::Usual };
    Pin::of(package, version, None, vec![file])
}
