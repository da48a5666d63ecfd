//! A package on its way to apt: copied and hashed while it comes, its last bytes kept back until the verdict.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::digest::Digester;
use rustix::fs::OFlags;

use crate::limits::APT_WITHHELD_BYTES;

/// Bytes that are copied at a time.
const BUFFER: usize = 128 * 1024;

/// A copy in the place where apt looks for the package, which lacks its last bytes.
///
/// The method that downloads may belong to somebody who broke into it: it runs as another user, in a
/// directory of that user. So what is hashed are the bytes of the copy, which this process alone wrote,
/// and neither file is ever opened through a symbolic link.
#[derive(Debug)]
pub struct Withheld {
    from: PathBuf,
    to: PathBuf,
    copy: Option<Copy>,
}

#[derive(Debug)]
struct Copy {
    to: File,
    digester: Digester,
    copied: u64,
}

/// A copy that lacks its last bytes, and the digest that it will have with them.
#[derive(Debug)]
pub struct Complete {
    /// SHA-256 of all bytes.
    pub sha256: Digest,
    to: File,
    last: Vec<u8>,
}

impl Withheld {
    /// Nothing is copied yet.
    pub fn new(from: &Path, to: &Path) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), copy: None }
    }

    /// Copies what has come since, but for the last bytes. What fails here is told at the end.
    pub fn follow(&mut self) {
        let followed = (|| {
            let mut from = open(&self.from)?;
            let upto = from.metadata()?.len().saturating_sub(APT_WITHHELD_BYTES);
            self.advance(&mut from, upto)
        })();
        if followed.is_err() {
            self.copy = None;
        }
    }

    /// All has come: hashes it, and copies all but the last bytes. `told` is the digest that the method
    /// told; where the copy has another, a resumed download had begun anew, and so does the copy.
    pub fn finish(mut self, told: Option<Digest>) -> io::Result<Complete> {
        let begun = self.copy.is_some();
        let complete = self.complete()?;
        if !begun || told.is_none_or(|told| told == complete.sha256) {
            return Ok(complete);
        }
        self.copy = None;
        self.complete()
    }

    fn complete(&mut self) -> io::Result<Complete> {
        let mut from = open(&self.from)?;
        let size = from.metadata()?.len();
        self.advance(&mut from, size.saturating_sub(APT_WITHHELD_BYTES))?;
        let Some(mut copy) = self.copy.take() else {
            return Err(io::Error::other("nothing was copied"));
        };
        from.seek(SeekFrom::Start(copy.copied))?;
        let mut last = Vec::new();
        // It may grow no more: what comes after its end is not the package.
        from.take(size.saturating_sub(copy.copied)).read_to_end(&mut last)?;
        copy.digester.update(&last);
        Ok(Complete { sha256: copy.digester.finish(), to: copy.to, last })
    }

    /// Copies up to a place in the file; from the beginning where the file has become shorter.
    fn advance(&mut self, from: &mut File, upto: u64) -> io::Result<()> {
        if self.copy.as_ref().is_none_or(|copy| copy.copied > upto) {
            self.copy = Some(Copy { to: create(&self.to)?, digester: Digester::new(), copied: 0 });
        }
        let Some(copy) = &mut self.copy else { return Ok(()) };
        from.seek(SeekFrom::Start(copy.copied))?;
        let mut buffer = vec![0; BUFFER];
        let mut source = from.take(upto.saturating_sub(copy.copied));
        loop {
            let read = source.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            copy.to.write_all(bytes)?;
            copy.digester.update(bytes);
            copy.copied = copy.copied.saturating_add(read as u64);
        }
    }
}

impl Complete {
    /// Writes the last bytes: the package is in apt's hands.
    pub fn release(mut self) -> io::Result<()> {
        self.to.write_all(&self.last)?;
        self.to.flush()
    }
}

/// A regular file of that very name; a pipe would wait for ever.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(bits(flags)).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// A new file of that name, whatever was there before.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn bits(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test fails by panicking"
    )]
    use super::*;

    fn sha256(bytes: &[u8]) -> Digest {
        Digest::of(bytes)
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|place| u8::try_from(place % 251).unwrap()).collect()
    }

    #[test]
    fn the_last_bytes_come_with_the_verdict() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        let (all, kept) = (bytes(300_000), usize::try_from(APT_WITHHELD_BYTES).unwrap());
        let mut withheld = Withheld::new(&from, &to);
        withheld.follow();
        assert!(!to.exists(), "nothing has come");
        for come in [100_000, 200_000, 300_000] {
            fs::write(&from, &all[..come]).unwrap();
            withheld.follow();
            assert_eq!(fs::read(&to).unwrap(), all[..come - kept]);
        }
        let complete = withheld.finish(Some(sha256(&all))).unwrap();
        assert_eq!(complete.sha256, sha256(&all));
        assert_eq!(fs::read(&to).unwrap(), all[..300_000 - kept]);
        complete.release().unwrap();
        assert_eq!(fs::read(&to).unwrap(), all);
    }

    #[test]
    fn a_download_that_begins_anew_is_copied_anew() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        let (all, other) = (bytes(200_000), vec![7; 150_000]);
        for told in [Some(sha256(&all)), None] {
            let mut withheld = Withheld::new(&from, &to);
            fs::write(&from, &other).unwrap();
            withheld.follow();
            fs::write(&from, &all).unwrap();
            let complete = withheld.finish(told).unwrap();
            // Without the method's word the digest is that of the copy, which no archive lists.
            assert_eq!(complete.sha256 == sha256(&all), told.is_some());
        }
        let mut withheld = Withheld::new(&from, &to);
        withheld.follow();
        fs::write(&from, &all[..90_000]).unwrap();
        assert_eq!(withheld.finish(None).unwrap().sha256, sha256(&all[..90_000]));
    }

    #[test]
    fn no_link_is_followed_and_no_pipe_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let (from, to, secret) =
            (home.path().join("from"), home.path().join("to"), home.path().join("secret"));
        fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, &from).unwrap();
        assert!(Withheld::new(&from, &to).finish(None).is_err());
        fs::remove_file(&from).unwrap();
        fs::write(&from, "package").unwrap();
        std::os::unix::fs::symlink(&secret, &to).unwrap();
        Withheld::new(&from, &to).finish(None).unwrap().release().unwrap();
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        assert_eq!(fs::read(&to).unwrap(), b"package");
        fs::remove_file(&from).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&from).status().unwrap();
        assert!(made.success() && Withheld::new(&from, &to).finish(None).is_err());
    }
}
