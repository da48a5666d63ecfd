//! Whether a signed index covers a lock (step 1): a lock that was not made just now is a hint until then.

use std::collections::BTreeSet;

use super::{Index, IndexError, Key, architecture};
use crate::recipe::{Input, Lock};

/// Checks that a lock is about this suite and architecture, and that each of its packages stands in
/// the signed index with the same digest, size and place.
///
/// A lock that was remembered, or handed over by anyone, is a hint until it has passed here: whoever
/// wrote it could have named other packages.
pub(crate) fn covers(index: &Index<'_>, codename: &str, lock: &Lock) -> Result<bool, IndexError> {
    if lock.suite != codename || lock.architecture != architecture() || lock.packages.is_empty() {
        return Ok(false);
    }
    let names: BTreeSet<&str> = lock.packages.iter().map(|input| input.name.as_str()).collect();
    let known = index.packages(|name| names.contains(name))?;
    Ok(lock.packages.iter().all(|input| known.get(&key(input)) == Some(input)))
}

fn key(input: &Input) -> Key {
    (input.name.clone(), input.version.clone(), input.architecture.clone())
}
