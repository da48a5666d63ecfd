//! Outputs that differed (after step 4): kept by digest, with a record for each recipe that finds them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};

use crate::cas::{Cas, CasError};
use crate::limits;

/// What is kept of one recipe's last rebuild that did not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The recipe.
    pub recipe: Digest,
    /// Outputs and logs, in the order in which they were given.
    pub files: Vec<KeptFile>,
}

/// One file of a [`Kept`]; its bytes are in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptFile {
    /// What the caller calls it, e.g. `again-netbase_6.5_all.deb`.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

fn directory(cache: &Path) -> PathBuf {
    cache.join("kept")
}

fn record(cache: &Path, recipe: &Digest) -> PathBuf {
    directory(cache).join(format!("{recipe}.json"))
}

/// Keeps the outputs of a rebuild that differed, as long as the cache's limits allow: they go after
/// everything else of the same age. A later call for the same recipe replaces the record.
pub fn keep_outputs(
    cas: &Cas,
    cache: &Path,
    recipe: Digest,
    files: &[(String, PathBuf)],
) -> Result<Kept, CasError> {
    let keep = |(name, path): &(String, PathBuf)| -> Result<KeptFile, CasError> {
        let mut blob = cas.writer()?;
        let size = File::open(path)
            .and_then(|mut file| io::copy(&mut file, &mut blob))
            .map_err(|e| CasError::io(path, e))?;
        Ok(KeptFile { name: name.clone(), sha256: blob.keep(None)?, size })
    };
    let files = files.iter().map(keep).collect::<Result<Vec<_>, _>>()?;
    let kept = Kept { recipe, files };
    let path = record(cache, &recipe);
    let write = || -> io::Result<()> {
        fs::create_dir_all(directory(cache))?;
        let mut file = tempfile::NamedTempFile::new_in(directory(cache))?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.persist(&path).map(drop).map_err(|e| e.error)
    };
    write().map_err(|e| CasError::io(&path, e))?;
    Ok(kept)
}

/// What is kept of a recipe's rebuild.
pub fn kept_outputs(cache: &Path, recipe: &Digest) -> Option<Kept> {
    read(&record(cache, recipe)).filter(|kept| kept.recipe == *recipe)
}

/// Names of all blobs that records lead to.
pub(super) fn digests(cache: &Path) -> BTreeSet<String> {
    let records = super::names(&directory(cache)).unwrap_or_default();
    let files = records.iter().filter_map(|path| read(path)).flat_map(|kept| kept.files);
    files.map(|file| file.sha256.to_string()).collect()
}

fn read(path: &Path) -> Option<Kept> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limits::KEPT_RECORD_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
