//! What is remembered of files without a known digest (step 2), to fetch them only when they changed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};

/// One answer of a registry.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// What was asked for.
    pub(super) url: String,
    /// Where redirects led; references on a page are relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) landed: Option<String>,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

impl Head {
    /// The header fields that make a request conditional.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let etag = self.etag.as_deref().map(|value| ("If-None-Match", value));
        let modified = self.modified.as_deref().map(|value| ("If-Modified-Since", value));
        etag.into_iter().chain(modified)
    }
}

/// The directory of all heads.
pub(super) struct Heads(PathBuf);

impl Heads {
    /// The heads below a cache directory.
    pub(super) fn below(cache: &Path) -> Self {
        Self(cache.join("heads"))
    }

    /// The directory, for messages about its disk.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, url: &str) -> PathBuf {
        self.0.join(format!("{}.json", Digest::of(url.as_bytes())))
    }

    /// What was said of this URL the last time.
    pub(super) fn of(&self, url: &str) -> Option<Head> {
        let text = fs::read(self.file(url)).ok()?;
        let head: Head = serde_json::from_slice(&text).ok()?;
        (head.url == url).then_some(head)
    }

    /// Only a hint: without it the next run downloads again.
    pub(super) fn remember(&self, head: &Head) {
        if let Err(error) = write(&self.0, &self.file(&head.url), head) {
            tracing::debug!(%error, "an index will be downloaded again next time");
        }
    }
}

fn write(directory: &Path, path: &Path, head: &Head) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&serde_json::to_vec(head)?)?;
    file.persist(path).map(drop).map_err(|e| e.error)
}
