//! A blob that comes in pieces (step 2): kept between connections and runs, believed only when whole.
//!
//! It lies in `blobs/partial/DIGEST`, locked by whoever writes it. Nothing about its bytes is trusted:
//! they are hashed again before more is added, and the blob gets its name only with the right digest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::digest::Digester;
use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::NamedTempFile;

use super::{Cas, CasError, digest_into};

/// The beginning of a blob.
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    /// Set when another process writes the named file: this one goes away with its owner.
    private: Option<tempfile::TempPath>,
    expected: Digest,
    digester: Digester,
    length: u64,
}

/// Where beginnings lie.
pub(crate) fn directory(cache: &Path) -> PathBuf {
    cache.join("blobs").join("partial")
}

impl Cas {
    /// What earlier connections left of a blob, to be added to.
    pub(crate) fn partial(&self, expected: &Digest) -> Result<Partial, CasError> {
        let directory = self.partials.clone();
        let fail = |e| CasError::io(&directory, e);
        fs::create_dir_all(&directory).map_err(fail)?;
        let path = directory.join(expected.to_string());
        let (file, path, private) = if let Some(file) = own(&path).map_err(fail)? {
            (file, path, None)
        } else {
            let (file, name) = NamedTempFile::new_in(&directory).map_err(fail)?.into_parts();
            (file, name.to_path_buf(), Some(name))
        };
        let digester = Digester::new();
        let mut partial = Partial { file, path, private, expected: *expected, digester, length: 0 };
        partial.length = digest_into(&mut partial.digester, &mut partial.file).map_err(fail)?;
        Ok(partial)
    }
}

/// The named file, when no other process has it.
fn own(path: &Path) -> io::Result<Option<File>> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    // Its last owner may have made a blob of it between the opening and the lock.
    let named = fs::symlink_metadata(path).ok();
    let metadata = file.metadata()?;
    let same = named.is_some_and(|n| (n.dev(), n.ino()) == (metadata.dev(), metadata.ino()));
    Ok((same && metadata.is_file()).then_some(file))
}

impl Partial {
    /// Bytes that are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets every byte.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.digester = Digester::new();
        self.length = 0;
        Ok(())
    }

    /// Names the blob when it is the expected one; forgets every byte when not.
    pub(crate) fn keep(&mut self, cas: &Cas) -> Result<(), CasError> {
        let found = std::mem::replace(&mut self.digester, Digester::new()).finish();
        let (expected, path) = (self.expected, cas.path(&self.expected));
        let fail = |e| CasError::io(&path, e);
        if found != expected {
            self.restart().map_err(fail)?;
            return Err(CasError::Mismatch { expected, found });
        }
        fs::create_dir_all(path.parent().unwrap_or(&cas.root)).map_err(fail)?;
        fs::rename(&self.path, &path).map_err(fail)
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digester.update(bytes.get(..count).unwrap_or_default());
        self.length = self.length.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // A name without bytes says nothing; after `keep` there is no such name any more. The lock
        // is held until the file is closed, so nobody else's file can be meant.
        if self.length == 0 && self.private.is_none() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn fresh() -> (tempfile::TempDir, Cas) {
        let cache = tempfile::tempdir().unwrap();
        let cas = Cas::below(cache.path()).unwrap();
        (cache, cas)
    }

    #[test]
    fn a_blob_in_two_pieces_is_a_blob() {
        let (cache, cas) = fresh();
        let digest = Digest::of(b"two pieces");
        cas.partial(&digest).unwrap().write_all(b"two ").unwrap();
        assert!(!cas.has(&digest));
        let mut second = cas.partial(&digest).unwrap();
        assert_eq!(second.length(), 4);
        second.write_all(b"pieces").unwrap();
        second.keep(&cas).unwrap();
        drop(second);
        assert_eq!(cas.read(&digest, 99).unwrap(), b"two pieces");
        assert_eq!(fs::read_dir(directory(cache.path())).unwrap().count(), 0);
    }

    #[test]
    fn a_beginning_of_something_else_is_never_kept() {
        let (cache, cas) = fresh();
        let digest = Digest::of(b"right");
        cas.partial(&digest).unwrap().write_all(b"wr").unwrap();
        let mut second = cas.partial(&digest).unwrap();
        second.write_all(b"ght").unwrap();
        assert!(matches!(second.keep(&cas), Err(CasError::Mismatch { .. })));
        assert_eq!(second.length(), 0);
        second.write_all(b"right").unwrap();
        second.keep(&cas).unwrap();
        assert!(cas.has(&digest));
        drop(second);
        assert_eq!(fs::read_dir(directory(cache.path())).unwrap().count(), 0);
    }

    #[test]
    fn two_writers_do_not_share_a_file() {
        let (cache, cas) = fresh();
        let digest = Digest::of(b"blob");
        let mut one = cas.partial(&digest).unwrap();
        one.write_all(b"bl").unwrap();
        let mut other = cas.partial(&digest).unwrap();
        assert_eq!(other.length(), 0);
        other.write_all(b"blob").unwrap();
        other.keep(&cas).unwrap();
        one.write_all(b"ob").unwrap();
        one.keep(&cas).unwrap();
        drop((one, other));
        assert_eq!(cas.read(&digest, 9).unwrap(), b"blob");
        assert_eq!(fs::read_dir(directory(cache.path())).unwrap().count(), 0);
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let (cache, cas) = fresh();
        let digest = Digest::of(b"blob");
        fs::create_dir_all(directory(cache.path())).unwrap();
        let host = cache.path().join("host");
        fs::write(&host, "host").unwrap();
        let link = directory(cache.path()).join(digest.to_string());
        std::os::unix::fs::symlink(&host, link).unwrap();
        assert!(cas.partial(&digest).is_err());
        assert_eq!(fs::read(&host).unwrap(), b"host");
    }
}
