//! Unpacks the data part of a package below a root that nothing may leave (step 3).
//!
//! Every path is resolved by the kernel with that root as `/` (openat2(2), `RESOLVE_IN_ROOT`), so
//! that a symbolic link of one package cannot lead another's file to the host; what could only be
//! meant that way (`..`, absolute names, links that climb out, devices) is refused by name as well.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps, fchmod, futimens, linkat,
    mkdirat, openat, openat2, symlinkat, unlinkat,
};
use rustix::io::Errno;
use tar::{Entry, EntryType};

use super::deb::DebError;
use crate::limits;

/// An open directory that everything stays below.
pub(super) struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Root {
    /// Opens an existing directory.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let directory = openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self { directory, path: path.to_owned() })
    }

    /// Where it is, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Unpacks a `tar` and returns the paths in it, as dpkg lists them.
    pub(super) fn unpack(&self, unpacked: &mut dyn Read) -> Result<Vec<String>, DebError> {
        let mut list = Vec::new();
        for (count, entry) in tar::Archive::new(unpacked).entries()?.enumerate() {
            let mut entry = entry?;
            let path = inside(&entry.path_bytes())?;
            if count as u64 > limits::PACKAGE_ENTRIES {
                return Err(DebError::Refused { path, why: "too many entries" });
            }
            if !path.is_empty() {
                self.place(&mut entry, &path)?;
            }
            list.push(format!("/{}", if path.is_empty() { "." } else { &path }));
        }
        Ok(list)
    }

    fn place(&self, entry: &mut Entry<'_, impl Read>, path: &str) -> Result<(), DebError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory(parent)?;
        let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
        match entry.header().entry_type() {
            EntryType::Directory => self.make_directory(&parent, name, path, mode)?,
            EntryType::Regular | EntryType::Continuous => {
                let mtime = entry.header().mtime()?;
                let mut file = File::from(fresh(&parent, name)?);
                io::copy(entry, &mut file)?;
                fchmod(&file, mode).map_err(io::Error::from)?;
                futimens(&file, &times(mtime)).map_err(io::Error::from)?;
            }
            EntryType::Symlink => {
                let target = link(entry, path)?;
                if climbs_out(path, &target) {
                    let why = "a symbolic link that leaves the root";
                    return Err(DebError::Refused { path: path.to_owned(), why });
                }
                replace(&parent, name, || symlinkat(&*target, &parent, name))?;
            }
            EntryType::Link => {
                let target = inside(link(entry, path)?.as_bytes())?;
                let (directory, file) = target.rsplit_once('/').unwrap_or(("", &target));
                let directory = self.directory(directory)?;
                replace(&parent, name, || {
                    linkat(&directory, file, &parent, name, AtFlags::empty())
                })?;
            }
            _ => {
                let why = "neither file, directory nor link";
                return Err(DebError::Refused { path: path.to_owned(), why });
            }
        }
        Ok(())
    }

    fn directory(&self, path: &str) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        Ok(openat2(&self.directory, path, DIRECTORY, Mode::empty(), ResolveFlags::IN_ROOT)?)
    }

    /// A directory may be there already, also behind a symbolic link of the merged `/usr`.
    fn make_directory(
        &self,
        parent: &OwnedFd,
        name: &str,
        path: &str,
        mode: Mode,
    ) -> Result<(), DebError> {
        // Writable for its owner as long as it is filled; package directories always are.
        match mkdirat(parent, name, mode | Mode::RWXU) {
            Err(Errno::EXIST) => self.directory(path).map(drop)?,
            new => {
                new.map_err(io::Error::from)?;
                // mkdir obeys the caller's umask, chmod does not.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory =
                    openat(parent, name, flags, Mode::empty()).map_err(io::Error::from)?;
                fchmod(directory, mode | Mode::RWXU).map_err(io::Error::from)?;
            }
        }
        Ok(())
    }
}

fn fresh(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let mut made = None;
    replace(parent, name, || {
        made = Some(openat(parent, name, NEW_FILE, Mode::RUSR | Mode::WUSR)?);
        Ok(())
    })?;
    made.ok_or_else(|| io::Error::other("no file was made"))
}

/// The later of two packages wins, as with dpkg when it is allowed to overwrite.
fn replace(
    parent: &OwnedFd,
    name: &str,
    mut make: impl FnMut() -> rustix::io::Result<()>,
) -> io::Result<()> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(parent.as_fd(), name, AtFlags::empty())?;
            Ok(make()?)
        }
        done => Ok(done?),
    }
}

fn times(mtime: u64) -> Timestamps {
    let time = Timespec { tv_sec: i64::try_from(mtime).unwrap_or(0), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn link(entry: &Entry<'_, impl Read>, path: &str) -> Result<String, DebError> {
    let refused = |why| DebError::Refused { path: path.to_owned(), why };
    let target = entry.link_name_bytes().ok_or_else(|| refused("a link to nothing"))?;
    String::from_utf8(target.into_owned()).map_err(|_| refused("a link that is not UTF-8"))
}

/// The path without its leading `./`; empty for the root itself.
fn inside(raw: &[u8]) -> Result<String, DebError> {
    let path = String::from_utf8_lossy(raw).into_owned();
    let refused = |why| DebError::Refused { path: path.clone(), why };
    if std::str::from_utf8(raw).is_err() || raw.contains(&0) {
        return Err(refused("a name that is not UTF-8"));
    }
    if path.starts_with('/') {
        return Err(refused("an absolute name"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(refused("a name with .."));
    }
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Ok(parts.join("/"))
}

/// Whether a relative target has more `..` than the link has directories above it.
fn climbs_out(path: &str, target: &str) -> bool {
    let mut depth = path.split('/').count().saturating_sub(1);
    if target.starts_with('/') {
        depth = 0;
    }
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, depth) {
            ("..", 0) => return true,
            ("..", _) => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// One entry with a name that no careful writer would let through.
    fn archive(path: &str, kind: EntryType, target: &str, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.as_old_mut().name.iter_mut().zip(path.bytes()).for_each(|(to, from)| *to = from);
        header
            .as_old_mut()
            .linkname
            .iter_mut()
            .zip(target.bytes())
            .for_each(|(to, from)| *to = from);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, content).unwrap();
        builder.into_inner().unwrap()
    }

    fn unpack(root: &Path, archive: &[u8]) -> Result<Vec<String>, DebError> {
        Root::open(root).unwrap().unpack(&mut &*archive)
    }

    #[test]
    fn what_would_leave_the_root_is_refused() {
        use EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
        let table = [
            ("../outside", Regular, ""),
            ("/outside", Regular, ""),
            ("a/../../outside", Regular, ""),
            ("./..", Regular, ""),
            ("link", Symlink, "../outside"),
            ("a/link", Symlink, "b/../../../outside"),
            ("link", Symlink, "/../outside"),
            ("link", Link, "../outside"),
            ("link", Link, "/outside"),
            ("device", Char, ""),
            ("device", Block, ""),
            ("pipe", Fifo, ""),
        ];
        for (path, kind, target) in table {
            let parent = tempfile::tempdir().unwrap();
            let root = parent.path().join("root");
            fs::create_dir_all(root.join("a")).unwrap();
            fs::write(parent.path().join("outside"), "host").unwrap();
            let error = unpack(&root, &archive(path, kind, target, b"")).unwrap_err();
            assert!(matches!(error, DebError::Refused { .. }), "{path} {kind:?} {target}: {error}");
            assert_eq!(fs::read(parent.path().join("outside")).unwrap(), b"host");
        }
    }

    #[test]
    fn a_link_that_stands_in_the_root_leads_nowhere_else() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("root");
        let host = parent.path().join("host");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir(&host).unwrap();
        symlink(&host, root.join("absolute")).unwrap();
        symlink("../host", root.join("climbing")).unwrap();
        for path in ["absolute/file", "climbing/file"] {
            assert!(unpack(&root, &archive(path, EntryType::Regular, "", b"x")).is_err(), "{path}");
        }
        assert_eq!(fs::read_dir(&host).unwrap().count(), 0);
    }

    #[test]
    fn a_merged_directory_is_followed_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        symlink("usr/lib", root.path().join("lib")).unwrap();
        let list =
            unpack(root.path(), &archive("./lib/file", EntryType::Regular, "", b"x")).unwrap();
        assert_eq!(list, ["/lib/file"]);
        assert_eq!(fs::read(root.path().join("usr/lib/file")).unwrap(), b"x");
        unpack(root.path(), &archive("./lib", EntryType::Directory, "", b"")).unwrap();
        assert!(root.path().join("lib").is_symlink());
    }

    #[test]
    fn a_file_in_the_way_is_replaced_and_never_followed() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(parent.path().join("outside"), "host").unwrap();
        symlink(parent.path().join("outside"), root.join("file")).unwrap();
        unpack(&root, &archive("file", EntryType::Regular, "", b"x")).unwrap();
        assert_eq!(fs::read(root.join("file")).unwrap(), b"x");
        assert_eq!(fs::read(parent.path().join("outside")).unwrap(), b"host");
    }
}
