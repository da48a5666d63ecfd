//! A library that tells programs another time (step 4): for the varied run, from the pinned index.

use std::fs;
use std::path::{Path, PathBuf};

use super::packages::{self, Packages};
use crate::error::RebuildError;
use crate::means::Means;
use crate::recipe::Input;
use crate::release::{Index, Stanza, Suite, field, input};

/// The package of the library; it needs nothing but the C library, which every environment has.
const PACKAGE: &str = "libfaketime";
/// Its variant for programs with threads; see its README.
const LIBRARY: &str = "libfaketimeMT.so.1";

/// Unpacks the library below `place`: its directory, and its path in there; `None` where the suite
/// has no such package.
pub(crate) fn clock(
    suite: &Suite,
    place: &Path,
    means: &mut Means<'_>,
) -> Result<Option<(PathBuf, PathBuf)>, RebuildError> {
    let mut found: Option<Input> = None;
    Index::open(means.cas, suite.packages())?.each(|raw| {
        if field(raw, "Package") == Some(PACKAGE) {
            found = Some(input(&Stanza::parse(raw)?)?);
        }
        Ok(())
    })?;
    let Some(package) = found else { return Ok(None) };
    let inputs = [package];
    packages::fetch(&inputs, means.cas, means.fetch, means.progress)?;
    let directory = place.join("clock");
    let io = |e| RebuildError::io("cannot unpack below", place, e);
    fs::create_dir(&directory).map_err(io)?;
    let given = Packages { cas: means.cas, inputs: &inputs };
    packages::unpack_all(&directory, None, given, means.cancel)?;
    let library = library(&directory.join("usr/lib")).map_err(io)?;
    let inside = library.as_deref().and_then(|path| path.strip_prefix(&directory).ok());
    let inside = inside.map(Path::to_owned);
    Ok(inside.map(|library| (directory, library)))
}

/// `usr/lib/TRIPLET/faketime/LIBRARY`.
fn library(below: &Path) -> std::io::Result<Option<PathBuf>> {
    for triplet in fs::read_dir(below)? {
        let path = triplet?.path().join("faketime").join(LIBRARY);
        if path.is_file() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
