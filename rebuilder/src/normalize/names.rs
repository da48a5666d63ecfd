//! Names of the entries of one archive (step 4): none may say two things, or depend on an order.
//!
//! The order of entries is normalized away, so an archive in which it matters has no normalized
//! form: a name that stands twice, a file on the way to another entry (`a` and `a/b`), and names
//! that one file system tells apart and another does not.
//!
//! KNOWN: names that differ in Unicode normalization alone are two names here, and one for some
//! file systems.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Refusal, limits, quoted};

/// Where an archive is unpacked.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(super) enum Case {
    /// On Linux only: names that differ in case are two files.
    Kept,
    /// Anywhere: names that differ in case may be one file.
    Folded,
}

/// The names so far; true for directories.
pub(super) struct Names {
    case: Case,
    seen: BTreeMap<Vec<u8>, bool>,
}

impl Names {
    pub(super) fn new(case: Case) -> Self {
        Self { case, seen: BTreeMap::new() }
    }

    /// Takes a name in its plain spelling.
    pub(super) fn claim(&mut self, plain: &[u8], is_directory: bool) -> Result<(), Refusal> {
        let key = match self.case {
            Case::Kept => plain.to_vec(),
            Case::Folded => String::from_utf8_lossy(plain).to_lowercase().into_bytes(),
        };
        if self.seen.insert(key, is_directory).is_some() {
            let found = format!("the name {} twice", quoted(plain));
            return Err(Refusal::new(found, "each name once"));
        }
        Ok(())
    }

    /// Nothing may stand below what is not a directory.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        for (file, _) in self.seen.iter().filter(|(_, is_directory)| !**is_directory) {
            let below = [file.as_slice(), b"/"].concat();
            let range = (Bound::Included(below.as_slice()), Bound::Unbounded);
            let next = self.seen.range::<[u8], _>(range).next();
            if next.is_some_and(|(name, _)| name.starts_with(&below)) {
                let found = format!("an entry below {}", quoted(file));
                return Err(Refusal::new(found, "entries below directories alone"));
            }
        }
        Ok(())
    }
}

/// The spelling of a path that all others of the same path are compared by: without a leading `./`
/// and without the final `/` of a directory; empty for the root itself. Every other detour is
/// refused, and so is what leaves the root.
pub(super) fn plain(name: &[u8], is_directory: bool) -> Result<&[u8], Refusal> {
    let refused = |needed| Refusal::new(format!("the name {}", quoted(name)), needed);
    if name.len() > limits::NAME_BYTES {
        return Err(refused("a name of at most 1,024 bytes"));
    }
    if name == b"." || name == b"./" {
        return if is_directory { Ok(b"") } else { Err(refused("a directory as the root")) };
    }
    let path = name.strip_prefix(b"./").unwrap_or(name);
    let path = if is_directory { path.strip_suffix(b"/").unwrap_or(path) } else { path };
    let good = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    if name.contains(&0) || !path.split(|byte| *byte == b'/').all(good) {
        return Err(refused("a plain relative path"));
    }
    Ok(path)
}
