//! What a layer is named by (step 3): a digest over everything in it that a build can see.
//!
//! Format: SHA-256 over `reattest layer 1` and one record for each path, in the order of the paths'
//! bytes: path, kind, mode, time, content, each followed by a zero byte. The kind is one of `d`
//! (directory), `o` (directory that hides the one below), `f` (file), `l` (symbolic link), `w` (nothing:
//! hides what is below), `p` (fifo), `s` (socket); the mode is octal, the time in seconds since 1970;
//! the content is a file's SHA-256 in hexadecimal or a link's target. Owners are not in it: inside
//! there is only one, whoever made the layer.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use reattest_attestation::{Digest, digest::Digester};
use rustix::fs::{
    AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, lgetxattr, llistxattr, lremovexattr, utimensat,
};
use rustix::io::Errno;

use crate::cas::digest_of;
use crate::limits;

const MAGIC: &[u8] = b"reattest layer 1";
/// Overlayfs keeps its notes here where it is mounted by users; see the kernel's overlayfs.rst.
const NOTES: &str = "user.overlay.";
/// The one note that says what is seen.
const OPAQUE: &str = "user.overlay.opaque";

/// Everything below a directory, without it, and the bytes of its files.
struct Entry {
    path: PathBuf,
    metadata: Metadata,
}

/// A path's place in the order, and what is hashed of it.
type Record = (usize, Vec<u8>);

/// A layer's name and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) digest: Digest,
    /// Bytes on the disk, with what directories take.
    pub(super) bytes: u64,
}

/// Makes times equal that depend on when and by whom a tree was made, and drops overlayfs's notes on
/// this machine's file system: directories and links get `newest`, and so does everything newer.
pub(super) fn settle(root: &Path, newest: i64) -> io::Result<()> {
    for Entry { path, metadata } in entries(root)? {
        forget_notes(&path)?;
        if !metadata.is_file() || metadata.mtime() > newest || metadata.mtime_nsec() != 0 {
            let seconds = if metadata.is_file() { metadata.mtime().min(newest) } else { newest };
            let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
            let times = Timestamps { last_access: omitted, last_modification: time };
            utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

/// The digest of a tree, by as many threads as there are processors.
pub(super) fn digest(root: &Path) -> io::Result<Named> {
    let mut entries = entries(root)?;
    entries.sort_by(|one, other| {
        one.path.as_os_str().as_bytes().cmp(other.path.as_os_str().as_bytes())
    });
    let workers =
        thread::available_parallelism().map_or(1, usize::from).min(limits::PARALLEL_UNPACKS);
    // Dealt out like cards: neighbours are often alike in size.
    let deal = |worker: usize| {
        let hand = entries.iter().enumerate().skip(worker).step_by(workers);
        hand.map(|(index, entry)| Ok((index, record(root, entry)?))).collect()
    };
    let hands: Vec<io::Result<Vec<Record>>> = thread::scope(|scope| {
        let running: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || deal(worker))).collect();
        let ended = || Err(io::Error::other("a hashing thread ended by itself"));
        running.into_iter().map(|worker| worker.join().unwrap_or_else(|_| ended())).collect()
    });
    let mut records = Vec::new();
    for hand in hands {
        records.extend(hand?);
    }
    records.sort();
    let mut digester = Digester::new();
    digester.update(MAGIC);
    digester.update(&[0]);
    for (_, record) in &records {
        digester.update(record);
    }
    let bytes = entries.iter().map(|entry| entry.metadata.blocks().saturating_mul(512)).sum();
    Ok(Named { digest: digester.finish(), bytes })
}

/// The root itself is one of them. Links are not followed.
fn entries(root: &Path) -> io::Result<Vec<Entry>> {
    let metadata = fs::symlink_metadata(root)?;
    let mut entries = vec![Entry { path: root.to_owned(), metadata }];
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            if metadata.is_dir() {
                left.push(path.clone());
            }
            entries.push(Entry { path, metadata });
        }
    }
    Ok(entries)
}

fn record(root: &Path, entry: &Entry) -> io::Result<Vec<u8>> {
    let Entry { path, metadata } = entry;
    let kind = metadata.file_type();
    let (letter, content) = if kind.is_dir() {
        (if is_opaque(path)? { "o" } else { "d" }, Vec::new())
    } else if kind.is_file() {
        ("f", digest_of(&mut open(path)?)?.to_string().into_bytes())
    } else if kind.is_symlink() {
        ("l", fs::read_link(path)?.into_os_string().into_encoded_bytes())
    } else if kind.is_char_device() && metadata.rdev() == 0 {
        ("w", Vec::new())
    } else if kind.is_fifo() {
        ("p", Vec::new())
    } else if kind.is_socket() {
        ("s", Vec::new())
    } else {
        return Err(io::Error::other(format!("{} is a device", path.display())));
    };
    // Modes of links mean nothing, and a file system may make them up.
    let mode = if kind.is_symlink() { 0 } else { metadata.mode() & 0o7777 };
    let below = path.strip_prefix(root).unwrap_or(path);
    let mut record = below.as_os_str().as_bytes().to_vec();
    for field in [letter, &format!("{mode:o}"), &metadata.mtime().to_string()] {
        record.push(0);
        record.extend_from_slice(field.as_bytes());
    }
    record.push(0);
    record.extend(content);
    record.push(0);
    Ok(record)
}

/// A file that even its owner may not read is opened up for a moment: root could read it as it is,
/// and both must come to the same digest.
fn open(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let closed = fs::symlink_metadata(path)?.permissions();
            fs::set_permissions(path, Permissions::from_mode(closed.mode() | 0o400))?;
            let opened = File::open(path);
            fs::set_permissions(path, closed)?;
            opened
        }
        opened => opened,
    }
}

fn is_opaque(path: &Path) -> io::Result<bool> {
    let mut value = [0; 8];
    match lgetxattr(path, OPAQUE, &mut value) {
        Ok(length) => Ok(value.get(..length) == Some(b"y")),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// `origin`, `impure` and `uuid` point to inodes and file systems of this machine.
fn forget_notes(path: &Path) -> io::Result<()> {
    let mut names = vec![0; 4096];
    let length = match llistxattr(path, &mut names) {
        Err(Errno::NOTSUP) => return Ok(()),
        listed => listed?,
    };
    let names = names.get(..length).unwrap_or_default();
    for name in names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok()) {
        if name.starts_with(NOTES) && name != OPAQUE {
            lremovexattr(path, name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::os::unix::fs::symlink;

    const NEWEST: i64 = 1_700_000_000;

    /// A small tree of every kind, made in one of two orders.
    fn tree(backwards: bool) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let mut steps: [fn(&Path); 4] = [
            |r| fs::write(r.join("b"), "b").unwrap(),
            |r| symlink("b", r.join("a")).unwrap(),
            |r| fs::write(r.join("d/closed"), "c").unwrap(),
            |r| {
                rustix::fs::mknodat(CWD, r.join("p"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
                    .unwrap();
            },
        ];
        fs::create_dir(root.path().join("d")).unwrap();
        if backwards {
            steps.reverse();
        }
        for step in steps {
            step(root.path());
        }
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(root.path().join("d"), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(root.path().join("b"), Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(root.path().join("d/closed"), Permissions::from_mode(0o0)).unwrap();
        fs::set_permissions(root.path().join("p"), Permissions::from_mode(0o600)).unwrap();
        settle(root.path(), NEWEST).unwrap();
        root
    }

    fn named(root: &tempfile::TempDir) -> Digest {
        digest(root.path()).unwrap().digest
    }

    #[test]
    fn the_same_tree_has_the_same_name_whenever_and_in_whatever_order_it_was_made() {
        let (one, other) = (tree(false), tree(true));
        assert_eq!(named(&one), named(&other));
        let closed = fs::metadata(one.path().join("d/closed")).unwrap();
        assert_eq!(closed.mode() & 0o777, 0, "it was opened up for a moment only");
    }

    #[test]
    fn whatever_a_build_could_see_changes_the_name() {
        type Row = (&'static str, fn(&Path));
        let table: [Row; 7] = [
            ("a byte", |r| fs::write(r.join("b"), "B").unwrap()),
            ("a mode", |r| {
                fs::set_permissions(r.join("b"), Permissions::from_mode(0o4644)).unwrap();
            }),
            ("a link", |r| {
                fs::remove_file(r.join("a")).unwrap();
                symlink("c", r.join("a")).unwrap();
            }),
            ("a kind", |r| {
                fs::remove_file(r.join("p")).unwrap();
                fs::write(r.join("p"), "").unwrap();
                fs::set_permissions(r.join("p"), Permissions::from_mode(0o600)).unwrap();
            }),
            ("a file more", |r| fs::write(r.join("more"), "").unwrap()),
            ("a name", |r| fs::rename(r.join("b"), r.join("c")).unwrap()),
            ("a mode of a directory", |r| {
                fs::set_permissions(r.join("d"), Permissions::from_mode(0o700)).unwrap();
            }),
        ];
        for (what, change) in table {
            let root = tree(false);
            let before = named(&root);
            change(root.path());
            settle(root.path(), NEWEST).unwrap();
            assert_ne!(named(&root), before, "{what}");
        }
        let root = tree(false);
        let before = named(&root);
        File::options()
            .write(true)
            .open(root.path().join("b"))
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        assert_ne!(named(&root), before, "a time");
    }
}
