//! Unpacks the data part of a package below a root that nothing may leave (step 3).
//!
//! Every path is resolved by the kernel with that root as `/` (openat2(2), `RESOLVE_IN_ROOT`), so
//! that a symbolic link of one package cannot lead another's file to the host; what could only be
//! meant that way (`..`, absolute names, links that climb out, devices) is refused by name as well.
//! A root may stand over a layer: then that layer's directories and links are found, too.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps, fchmod, futimens, linkat,
    mkdirat, openat, openat2, renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use tar::{Entry, EntryType};

use super::deb::DebError;
use super::lower::Lower;
use crate::limits;

/// An open directory that everything stays below.
pub(super) struct Root {
    directory: OwnedFd,
    path: PathBuf,
    lower: Option<Lower>,
}

impl Opened {
    /// Whether no link was on the way to it.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.real == path
    }
}

/// What a package brought.
#[derive(Default)]
pub(super) struct Listing {
    /// Every path in it, with a leading slash, as dpkg lists them.
    pub(super) paths: Vec<String>,
    /// Modes that it wants for directories which no layer below has.
    pub(super) directories: Vec<(String, u32)>,
    /// Where its files and links are.
    placed: Vec<String>,
}

/// An open directory, and its path without any link in it where there is a layer below.
pub(super) struct Opened {
    fd: OwnedFd,
    real: String,
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
        Ok(Self { directory, path: path.to_owned(), lower: None })
    }

    /// The same over a layer that is never changed.
    pub(super) fn over(path: &Path, layer: &Path) -> io::Result<Self> {
        Ok(Self { lower: Some(Lower::open(layer)?), ..Self::open(path)? })
    }

    /// The layer below.
    pub(super) fn lower(&self) -> Option<&Lower> {
        self.lower.as_ref()
    }

    /// Where it is, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Unpacks a `tar`. `None`, and nothing stays, when a file of it stands in the layer below
    /// already, or would have to stand elsewhere: whose it is then is dpkg's to decide.
    pub(super) fn unpack(&self, unpacked: &mut dyn Read) -> Result<Option<Listing>, DebError> {
        let mut listing = Listing::default();
        for (count, entry) in tar::Archive::new(unpacked).entries()?.enumerate() {
            let mut entry = entry?;
            let path = inside(&entry.path_bytes())?;
            if count as u64 > limits::PACKAGE_ENTRIES {
                return Err(DebError::Refused { path, why: "too many entries" });
            }
            if !path.is_empty() && !self.place(&mut entry, &path, &mut listing)? {
                self.take_back(&listing)?;
                return Ok(None);
            }
            listing.paths.push(format!("/{}", if path.is_empty() { "." } else { &path }));
        }
        Ok(Some(listing))
    }

    fn take_back(&self, listing: &Listing) -> io::Result<()> {
        for path in &listing.placed {
            let (parent, name) = split(path);
            unlinkat(self.directory(parent)?.fd, name, AtFlags::empty())?;
        }
        Ok(())
    }

    /// The answer is whether it could be placed.
    fn place(
        &self,
        entry: &mut Entry<'_, impl Read>,
        path: &str,
        listing: &mut Listing,
    ) -> Result<bool, DebError> {
        let (parent, name) = split(path);
        let Opened { fd: parent, real } = self.directory(parent)?;
        let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
        if entry.header().entry_type() == EntryType::Directory {
            if self.make_directory(&parent, name, path, mode)? {
                listing.directories.push((path.to_owned(), mode.bits()));
            }
            return Ok(true);
        }
        let real = join(&real, name);
        if self.lower.as_ref().map_or(Ok(false), |lower| lower.has(&real))? {
            return Ok(false);
        }
        match entry.header().entry_type() {
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
                let (directory, file) = split(&target);
                let directory = self.directory(directory)?.fd;
                replace(&parent, name, || {
                    linkat(&directory, file, &parent, name, AtFlags::empty())
                })?;
            }
            _ => {
                let why = "neither file, directory nor link";
                return Err(DebError::Refused { path: path.to_owned(), why });
            }
        }
        listing.placed.push(path.to_owned());
        Ok(true)
    }

    /// An existing directory; one that only the layer below has is made here first, as it is there.
    pub(super) fn directory(&self, path: &str) -> io::Result<Opened> {
        let (real, resolve) = match &self.lower {
            None => (path.to_owned(), ResolveFlags::IN_ROOT),
            Some(lower) => (
                lower.bring(&self.directory, path)?,
                ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
            ),
        };
        let path = if real.is_empty() { "." } else { &real };
        let fd = openat2(&self.directory, path, DIRECTORY, Mode::empty(), resolve)?;
        Ok(Opened { fd, real })
    }

    /// A directory may be there already, also behind a symbolic link of the merged `/usr`, and also
    /// below; then it keeps its mode. The answer is whether this package may have a say in that.
    fn make_directory(
        &self,
        parent: &OwnedFd,
        name: &str,
        path: &str,
        mode: Mode,
    ) -> Result<bool, DebError> {
        if let Some(lower) = &self.lower
            && lower.is_directory(&self.directory, path)?
        {
            return Ok(false);
        }
        // Writable for its owner as long as it is filled; package directories always are.
        match mkdirat(parent, name, mode | Mode::RWXU) {
            Err(Errno::EXIST) => self.directory(path).map(drop)?,
            new => {
                new.map_err(io::Error::from)?;
                chmod(parent, name, mode)?;
            }
        }
        Ok(true)
    }

    /// Adds to the name of a file or link that was placed here.
    pub(super) fn rename(&self, path: &str, ending: &str) -> io::Result<()> {
        let (parent, name) = split(path);
        let parent = self.directory(parent)?.fd;
        Ok(renameat(&parent, name, &parent, format!("{name}{ending}"))?)
    }

    /// Gives a directory the mode that counts when packages disagree.
    pub(super) fn set_mode(&self, path: &str, mode: u32) -> io::Result<()> {
        let directory = self.directory(path)?.fd;
        chmod(&directory, ".", Mode::from_raw_mode(mode & 0o7777))
    }
}

/// mkdir obeys the caller's umask, chmod does not.
fn chmod(parent: &OwnedFd, name: &str, mode: Mode) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    Ok(fchmod(directory, mode | Mode::RWXU)?)
}

/// Parent and name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A path below a directory, which may be the root itself.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
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
    use std::os::unix::fs::{PermissionsExt, symlink};

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
        Root::open(root).unwrap().unpack(&mut &*archive).map(|listing| listing.unwrap().paths)
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

    /// A layer with the merged `/usr`, an empty root over it, and what unpacking a file there gives.
    fn over(archives: &[Vec<u8>]) -> (tempfile::TempDir, Vec<bool>) {
        let parent = tempfile::tempdir().unwrap();
        let (layer, root) = (parent.path().join("layer"), parent.path().join("root"));
        fs::create_dir_all(layer.join("usr/lib/inner")).unwrap();
        fs::set_permissions(layer.join("usr/lib"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("usr/lib", layer.join("lib")).unwrap();
        symlink("/lib/inner", layer.join("absolute")).unwrap();
        symlink("../../outside", layer.join("climbing")).unwrap();
        symlink("loop", layer.join("loop")).unwrap();
        fs::write(layer.join("usr/lib/below"), "below").unwrap();
        fs::create_dir(&root).unwrap();
        fs::create_dir(parent.path().join("outside")).unwrap();
        let root = Root::over(&root, &layer).unwrap();
        let unpack = |archive: &Vec<u8>| root.unpack(&mut archive.as_slice()).unwrap().is_some();
        let placed = archives.iter().map(unpack).collect();
        (parent, placed)
    }

    #[test]
    fn a_directory_of_the_layer_below_is_found_through_its_links_and_copied_with_its_mode() {
        use EntryType::{Directory, Regular};
        let (parent, _) = over(&[
            archive("./lib/", Directory, "", b""),
            archive("./lib/file", Regular, "", b"x"),
            archive("./absolute/file", Regular, "", b"y"),
        ]);
        let root = parent.path().join("root");
        assert_eq!(fs::read(root.join("usr/lib/file")).unwrap(), b"x");
        assert_eq!(fs::read(root.join("usr/lib/inner/file")).unwrap(), b"y");
        assert_eq!(fs::metadata(root.join("usr/lib")).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "no link was copied or replaced");
        assert_eq!(fs::read_dir(parent.path().join("layer/usr/lib")).unwrap().count(), 2);
    }

    #[test]
    fn a_link_of_the_layer_below_leads_nowhere_else() {
        for path in ["climbing/file", "loop/file", "nothing/file"] {
            let parent = tempfile::tempdir().unwrap();
            let layer = parent.path().join("layer");
            let root = parent.path().join("root");
            for directory in [&layer, &root, &parent.path().join("outside")] {
                fs::create_dir(directory).unwrap();
            }
            symlink("../../outside", layer.join("climbing")).unwrap();
            symlink("loop", layer.join("loop")).unwrap();
            let archive = archive(path, EntryType::Regular, "", b"x");
            assert!(Root::over(&root, &layer).unwrap().unpack(&mut &*archive).is_err(), "{path}");
            assert_eq!(fs::read_dir(parent.path().join("outside")).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_package_with_a_file_of_the_layer_below_is_left_to_dpkg_whole() {
        let mut two = archive("./usr/lib/new", EntryType::Regular, "", b"x");
        // Without its two closing blocks, so that the next entry follows.
        two.truncate(1024);
        two.extend(archive("./lib/below", EntryType::Regular, "", b"x"));
        let (parent, placed) = over(&[two]);
        assert_eq!(placed, [false]);
        assert!(!parent.path().join("root/usr/lib/new").exists(), "what came first was taken back");
        assert_eq!(fs::read(parent.path().join("layer/usr/lib/below")).unwrap(), b"below");
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
