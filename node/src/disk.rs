//! The disk behind one door: what the store and the signer need of a file system, and this machine's own.
//!
//! Paths and not open files, since little is worth holding open here. The simulator has a disk of its own
//! behind this door, which loses what was not synced.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the names of files begin with that [`Disk::write_new`] makes: left over where a crash came
/// before they got their own.
pub const NEW: &str = ".new-";

/// A disk that a store, its logs and a signer use together.
pub type SharedDisk = Arc<dyn Disk>;

/// A file system. Nothing is durable before it is synced: bytes with their file, names with their
/// directory. Errors are the operating system's.
pub trait Disk: fmt::Debug + Send + Sync {
    /// A whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Fills `buffer` from `offset` bytes on; fails where the file ends before.
    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes from `offset` bytes on, into a new file where there is none. A failure may leave some of
    /// the bytes behind.
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes a file under a name of its own, which begins with [`NEW`]; nothing is left of it where
    /// that fails.
    fn write_new(&self, directory: &Path, bytes: &[u8], synced: Synced) -> io::Result<PathBuf>;

    /// Cuts or extends a file to this many bytes.
    fn set_length(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Moves a file over whatever has the other name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory, and those above it.
    fn create_directories(&self, path: &Path) -> io::Result<()>;

    /// What is in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Bytes of a file.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// Whether something has this name.
    fn exists(&self, path: &Path) -> bool;

    /// Bytes of all files below a directory; what goes away meanwhile counts nothing.
    fn bytes_below(&self, directory: &Path) -> u64;

    /// Makes the bytes of a file durable, or the names in a directory.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Makes everything on the file system durable that has this path on it.
    fn sync_all(&self, path: &Path) -> io::Result<()>;
}

/// Whether a new file's bytes are made durable before anybody knows its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synced {
    /// They are.
    Now,
    /// They are when somebody syncs the file.
    Later,
}

/// This machine's file system.
#[derive(Debug, Clone, Copy)]
pub struct FileSystem;

/// This machine's file system, to be shared.
pub fn local() -> SharedDisk {
    Arc::new(FileSystem)
}

impl Disk for FileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        File::open(path)?.read_exact_at(buffer, offset)
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(false).open(path)?;
        file.write_all_at(bytes, offset)
    }

    fn write_new(&self, directory: &Path, bytes: &[u8], synced: Synced) -> io::Result<PathBuf> {
        let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(directory)?;
        file.write_all(bytes)?;
        if synced == Synced::Now {
            file.as_file().sync_all()?;
        }
        file.into_temp_path().keep().map_err(|error| error.error)
    }

    fn set_length(&self, path: &Path, length: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn bytes_below(&self, directory: &Path) -> u64 {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let bytes = entries.map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => self.bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        });
        bytes.sum()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(path)?)?)
    }
}
