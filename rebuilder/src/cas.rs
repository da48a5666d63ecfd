//! The content-addressed store of inputs, recipes and logs (step 2): `blobs/sha256/ab/abcd…`.
//!
//! A blob appears under its name only when all its bytes are on disk and hashed, so a kill at any
//! moment leaves at most a temporary file. Reading hashes again: a disk that lies is found here,
//! not in a build.

pub(crate) mod partial;

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use reattest_attestation::Digest;
use reattest_attestation::digest::Digester;
use tempfile::NamedTempFile;

use crate::retention;
use crate::retention::presence::{self, Presence};

/// The store; cheap to clone, safe to share between processes.
#[derive(Debug, Clone)]
pub struct Cas {
    root: PathBuf,
    partials: PathBuf,
    cache: PathBuf,
    // Whatever is used from now on stays while any clone lives.
    _presence: Arc<Presence>,
}

/// Why a blob could not be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum CasError {
    /// Nobody put it there, or it was cleaned away.
    #[error(
        "blob {0} is not in the cache; needed an earlier step to fetch it; run again with a network"
    )]
    Missing(Digest),
    /// The disk or another program changed it; it is removed, so that the next run fetches it again.
    #[error(
        "blob {expected} in the cache had other bytes ({found}); it was removed: run again to fetch it anew"
    )]
    Damaged {
        /// Its name.
        expected: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// What was written has not the digest that was asked for; nothing was kept.
    #[error("found bytes with sha256 {found}, needed {expected}; nothing was kept")]
    Mismatch {
        /// The digest that was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More bytes than the caller allows.
    #[error("blob {digest} is larger than {limit} bytes")]
    TooLarge {
        /// Its name.
        digest: Digest,
        /// The bound in bytes.
        limit: u64,
    },
    /// The disk is full.
    #[error("no space left on the disk of {}; free some, or move the cache with XDG_CACHE_HOME", .0.display())]
    NoSpace(PathBuf),
    /// Anything else that the file system said.
    #[error("cannot use the cache at {}: {source}; needed a directory that this user can write", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A collection puts a blob back within microseconds; on a busy machine within some milliseconds.
const PUT_BACK_TRIES: u32 = 3;
const PUT_BACK_WAIT: Duration = Duration::from_millis(5);

impl CasError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return Self::NoSpace(path.to_owned());
        }
        Self::Io { path: path.to_owned(), source }
    }
}

impl Cas {
    /// The store below a cache directory (`…/reattest`), made when it is not there.
    pub fn below(cache: &Path) -> Result<Self, CasError> {
        let root = cache.join("blobs").join("sha256");
        fs::create_dir_all(&root).map_err(|e| CasError::io(&root, e))?;
        let presence = Presence::below(cache).map_err(|e| CasError::io(cache, e))?;
        let presence = Arc::new(presence);
        Ok(Self {
            root,
            partials: partial::directory(cache),
            cache: cache.to_owned(),
            _presence: presence,
        })
    }

    /// Where a blob is or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.root.join(hex.get(..2).unwrap_or_default()).join(hex)
    }

    /// Whether a blob of this name is there, to be used soon. Its bytes are checked when it is opened.
    pub fn has(&self, digest: &Digest) -> bool {
        let path = self.path(digest);
        path.is_file() && presence::used(&path)
    }

    /// Keeps these bytes.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, CasError> {
        let mut blob = self.writer()?;
        blob.write_all(bytes).map_err(|e| CasError::io(&self.root, e))?;
        blob.keep(None)
    }

    /// A blob to be written piece by piece; dropped without `keep`, it leaves nothing.
    pub fn writer(&self) -> Result<BlobWriter<'_>, CasError> {
        let file = NamedTempFile::new_in(&self.root).map_err(|e| CasError::io(&self.root, e))?;
        Ok(BlobWriter { cas: self, file, digester: Digester::new() })
    }

    /// A blob's file, read once to check its digest and rewound.
    pub fn open(&self, digest: &Digest) -> Result<File, CasError> {
        let path = self.path(digest);
        let mut file = self.unchecked(digest)?;
        self.check(digest, digest_of(&mut file).map_err(|e| CasError::io(&path, e))?)?;
        file.rewind().map_err(|e| CasError::io(&path, e))?;
        Ok(file)
    }

    /// Opens and says so. A collection that had it in hand puts it back when it sees the use.
    fn find(&self, path: &Path) -> io::Result<File> {
        for _ in 0..PUT_BACK_TRIES {
            match File::open(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Ok(file) if presence::used(path) => return Ok(file),
                Ok(_) => {}
                refused => return refused,
            }
            // Without a collection there is nothing to wait for.
            if !retention::is_collecting(&self.cache) {
                break;
            }
            thread::sleep(PUT_BACK_WAIT);
        }
        File::open(path)
    }

    fn unchecked(&self, digest: &Digest) -> Result<File, CasError> {
        let path = self.path(digest);
        match self.find(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(CasError::Missing(*digest)),
            opened => opened.map_err(|e| CasError::io(&path, e)),
        }
    }

    fn check(&self, expected: &Digest, found: Digest) -> Result<(), CasError> {
        if found == *expected {
            return Ok(());
        }
        // A failed removal changes nothing: the next open finds the damage again.
        let _ = fs::remove_file(self.path(expected));
        Err(CasError::Damaged { expected: *expected, found })
    }

    /// A small blob's bytes, checked.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, CasError> {
        let path = self.path(digest);
        let file = self.unchecked(digest)?;
        let size = file.metadata().map_err(|e| CasError::io(&path, e))?.len();
        if size > limit {
            return Err(CasError::TooLarge { digest: *digest, limit });
        }
        // Read once and hashed where it is: an unpacked index has 57 MB.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = file.take(limit).read_to_end(&mut bytes);
        read.map_err(|e| CasError::io(&path, e))?;
        self.check(digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Copies a blob out, checked, for a sandbox that must not see the store.
    pub fn copy_to(&self, digest: &Digest, target: &Path) -> Result<(), CasError> {
        let mut blob = self.open(digest)?;
        let mut file = File::create(target).map_err(|e| CasError::io(target, e))?;
        io::copy(&mut blob, &mut file).map_err(|e| CasError::io(target, e))?;
        Ok(())
    }
}

/// The SHA-256 of everything that a reader still gives.
pub fn digest_of(reader: &mut impl Read) -> io::Result<Digest> {
    let mut digester = Digester::new();
    digest_into(&mut digester, reader)?;
    Ok(digester.finish())
}

/// Adds everything that a reader still gives; the count of its bytes.
fn digest_into(digester: &mut Digester, reader: &mut impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 17];
    let mut length = 0_u64;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(length);
        }
        length = length.saturating_add(count as u64);
        digester.update(buffer.get(..count).unwrap_or_default());
    }
}

/// A blob on its way into the store.
pub struct BlobWriter<'a> {
    cas: &'a Cas,
    file: NamedTempFile,
    digester: Digester,
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digester.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl BlobWriter<'_> {
    /// Names the blob; with an expected digest, only when it is that.
    ///
    /// What has an expected digest can be fetched again, and a blob that a power cut left empty is
    /// found when it is opened, so only what exists nowhere else waits for the disk.
    pub fn keep(self, expected: Option<Digest>) -> Result<Digest, CasError> {
        let found = self.digester.finish();
        if let Some(expected) = expected.filter(|e| *e != found) {
            return Err(CasError::Mismatch { expected, found });
        }
        let path = self.cas.path(&found);
        let parent = path.parent().unwrap_or(&self.cas.root);
        fs::create_dir_all(parent).map_err(|e| CasError::io(parent, e))?;
        if expected.is_none() {
            self.file.as_file().sync_all().map_err(|e| CasError::io(&path, e))?;
        }
        self.file.persist(&path).map_err(|e| CasError::io(&path, e.error))?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_was_put_is_given_back() {
        let cache = tempfile::tempdir().unwrap();
        let cas = Cas::below(cache.path()).unwrap();
        let digest = cas.put(b"bytes").unwrap();
        assert_eq!(digest, Digest::of(b"bytes"));
        assert_eq!(cas.read(&digest, 5).unwrap(), b"bytes");
        assert!(matches!(cas.read(&digest, 4), Err(CasError::TooLarge { .. })));
    }

    #[test]
    fn a_damaged_blob_is_refused_and_removed() {
        let cache = tempfile::tempdir().unwrap();
        let cas = Cas::below(cache.path()).unwrap();
        let digest = cas.put(b"bytes").unwrap();
        fs::write(cas.path(&digest), b"bytez").unwrap();
        assert!(matches!(cas.open(&digest), Err(CasError::Damaged { .. })));
        assert!(!cas.has(&digest));
        assert!(matches!(cas.open(&digest), Err(CasError::Missing(_))));
    }

    #[test]
    fn other_bytes_than_expected_leave_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let cas = Cas::below(cache.path()).unwrap();
        let mut blob = cas.writer().unwrap();
        blob.write_all(b"bytez").unwrap();
        assert!(matches!(blob.keep(Some(Digest::of(b"bytes"))), Err(CasError::Mismatch { .. })));
        assert_eq!(fs::read_dir(&cas.root).unwrap().count(), 0);
    }
}
