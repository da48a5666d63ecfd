//! Which packages a signed index covers (step 1): for locks that come from elsewhere, and for exact versions.

use std::collections::{BTreeMap, BTreeSet};

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

/// Exact versions by name and architecture (`all` or the machine's), as far as these indexes cover
/// them; the rest is named.
pub(crate) fn exact(
    indexes: &[Index<'_>],
    wanted: &BTreeSet<(String, String)>,
) -> Result<(Vec<Input>, Vec<(String, String)>), IndexError> {
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let mut found: BTreeMap<(String, String), Input> = BTreeMap::new();
    for index in indexes {
        for ((name, version, _), input) in index.packages(|name| names.contains(name))? {
            if wanted.contains(&(name.clone(), version.clone())) {
                // The suite's own index stands first and wins.
                found.entry((name, version)).or_insert(input);
            }
        }
    }
    let missing = wanted.iter().filter(|package| !found.contains_key(package)).cloned().collect();
    Ok((found.into_values().collect(), missing))
}

fn key(input: &Input) -> Key {
    (input.name.clone(), input.version.clone(), input.architecture.clone())
}
