//! The layer below a root that is unpacked into (step 3): its directories, links and files, as the two
//! will be seen together.
//!
//! Paths are resolved here, part by part, since the kernel sees them together only where an overlay
//! is mounted. No part is ever opened through a link, so nothing leads out of both directories.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, openat, openat2, readlinkat,
};
use rustix::io::Errno;

use super::unpack::join;
use crate::limits;

/// A layer, read-only.
pub(super) struct Lower {
    directory: OwnedFd,
    diverted: BTreeSet<String>,
}

/// Something at a path that has no link in it.
enum Found {
    Nothing,
    Directory(Mode),
    Link(String),
    Other,
}

impl Lower {
    /// Opens a layer that dpkg configured.
    pub(super) fn open(layer: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, layer, flags, Mode::empty())?;
        let mut lower = Self { directory, diverted: BTreeSet::new() };
        let diversions = lower.read("var/lib/dpkg/diversions")?;
        lower.diverted = diversions
            .lines()
            .filter_map(|line| line.strip_prefix('/'))
            .map(str::to_owned)
            .collect();
        Ok(lower)
    }

    /// A file of dpkg's database as text; empty where there is none.
    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat2(&self.directory, path, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT) => return Ok(String::new()),
            opened => File::from(opened?),
        };
        let mut text = String::new();
        file.take(limits::CONTROL_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Whether something stands at a path without links, or is kept away from there.
    pub(super) fn has(&self, real: &str) -> io::Result<bool> {
        let nothing = matches!(look(&self.directory, real)?, Found::Nothing);
        Ok(!nothing || self.diverted.contains(real))
    }

    /// Whether a path leads to a directory that the layer has.
    pub(super) fn is_directory(&self, upper: &OwnedFd, path: &str) -> io::Result<bool> {
        match self.follow(upper, path, false) {
            Ok(real) => Ok(matches!(look(&self.directory, &real)?, Found::Directory(_))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The path without links of a directory that one of both has; it is in the upper one then.
    pub(super) fn bring(&self, upper: &OwnedFd, path: &str) -> io::Result<String> {
        self.follow(upper, path, true)
    }

    fn follow(&self, upper: &OwnedFd, path: &str, bring: bool) -> io::Result<String> {
        let mut real = String::new();
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    real = real.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.into());
                    continue;
                }
                _ => (),
            }
            let next = join(&real, &part);
            match self.look_in_both(upper, &next, bring)? {
                Found::Directory(_) => real = next,
                Found::Link(target) => {
                    links += 1;
                    if links > limits::LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    if target.starts_with('/') {
                        real.clear();
                    }
                    left.extend(target.split('/').rev().map(str::to_owned));
                }
                Found::Nothing => return Err(Errno::NOENT.into()),
                Found::Other => return Err(Errno::NOTDIR.into()),
            }
        }
        Ok(real)
    }

    fn look_in_both(&self, upper: &OwnedFd, path: &str, bring: bool) -> io::Result<Found> {
        match look(upper, path)? {
            Found::Nothing => (),
            found => return Ok(found),
        }
        let found = look(&self.directory, path)?;
        if let Found::Directory(mode) = found
            && bring
        {
            copy(upper, path, mode)?;
        }
        Ok(found)
    }
}

/// Another unpacker may be first.
fn copy(upper: &OwnedFd, path: &str, mode: Mode) -> io::Result<()> {
    match mkdirat(upper, path, mode | Mode::RWXU) {
        Err(Errno::EXIST) => return Ok(()),
        new => new?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let directory = openat2(upper, path, flags, Mode::empty(), resolve)?;
    // mkdir obeys the caller's umask, chmod does not.
    Ok(fchmod(directory, mode | Mode::RWXU)?)
}

fn look(directory: &OwnedFd, path: &str) -> io::Result<Found> {
    let path = if path.is_empty() { "." } else { path };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let found = match openat2(directory, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Found::Nothing),
        opened => opened?,
    };
    let stat = fstat(&found)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Found::Directory(Mode::from_raw_mode(stat.st_mode)),
        FileType::Symlink => {
            let target = readlinkat(&found, "", Vec::new())?;
            let target = target.into_string().map_err(io::Error::other)?;
            Found::Link(target)
        }
        _ => Found::Other,
    })
}
