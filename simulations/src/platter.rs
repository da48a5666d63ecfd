//! What a disk in memory holds, apart from what it would hold after a power cut.
//!
//! Bytes come to rest with their file, names with their directory. Those of one directory do so in their
//! order, as journals of file systems have it, and those of two directories in none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::odds::Dice;

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File(u64),
}

/// What happened to the bytes of a file since it was synced.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// One file: its bytes as they are read, and those that a power cut leaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) now: Vec<u8>,
    synced: Vec<u8>,
    since: Vec<Change>,
}

/// What happened to names since their directories were synced.
#[derive(Debug, Clone)]
pub(crate) enum Naming {
    Made(PathBuf, Node),
    Moved(PathBuf, PathBuf, Node),
    Removed(PathBuf),
}

/// What each name leads to.
pub(crate) type Names = BTreeMap<PathBuf, Node>;

/// All that is on a disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) names: Names,
    pub(crate) synced: Names,
    pub(crate) since: Vec<Naming>,
    pub(crate) files: BTreeMap<u64, File>,
    /// Files made so far.
    pub(crate) made: u64,
    /// Changes so far.
    pub(crate) changes: u64,
    pub(crate) room: Option<usize>,
    pub(crate) fuse: Option<u32>,
    pub(crate) is_off: bool,
    pub(crate) forgets: bool,
    pub(crate) hurries: Option<PathBuf>,
}

impl File {
    pub(crate) fn synced(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), synced: bytes, since: Vec::new() }
    }

    pub(crate) fn change(&mut self, change: Change) {
        change.on(&mut self.now);
        self.since.push(change);
    }

    pub(crate) fn sync(&mut self) {
        self.synced.clone_from(&self.now);
        self.since.clear();
    }

    /// What a power cut leaves: all of it, nothing, or a beginning of what was done, the last of it torn
    /// or with zeros in it where bytes were to be.
    fn cut(&mut self, dice: &mut Dice) {
        if self.since.is_empty() {
            return;
        }
        let kept = match dice.below(3) {
            0 => 0,
            1 => self.since.len(),
            _ => index(dice.below(self.since.len() as u64)),
        };
        let mut left = std::mem::take(&mut self.synced);
        let mut changes = std::mem::take(&mut self.since).into_iter();
        changes.by_ref().take(kept).for_each(|change| change.on(&mut left));
        if let Some(Change::Write(at, mut bytes)) = changes.next().filter(|_| dice.chance(500)) {
            let torn = index(dice.below(bytes.len() as u64));
            if dice.chance(500) {
                bytes.truncate(torn);
            } else {
                bytes.iter_mut().skip(torn).for_each(|byte| *byte = 0);
            }
            Change::Write(at, bytes).on(&mut left);
        }
        *self = Self::synced(left);
    }
}

/// A number of bytes or of changes, as a place.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Change {
    fn on(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(at, new) => {
                let end = at.saturating_add(new.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*at..end) {
                    place.copy_from_slice(new);
                }
            }
        }
    }
}

impl Naming {
    fn on(&self, names: &mut Names) {
        match self {
            Self::Made(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Moved(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Removed(path) => drop(names.remove(path)),
        }
    }

    fn paths(&self) -> [&Path; 2] {
        match self {
            Self::Made(path, _) | Self::Removed(path) => [path, path],
            Self::Moved(from, to, _) => [from, to],
        }
    }

    pub(crate) fn is_in(&self, directory: &Path) -> bool {
        self.paths().iter().any(|path| path.parent() == Some(directory))
    }

    /// The directory whose order it stands in.
    fn directory(&self) -> &Path {
        let [_, path] = self.paths();
        path.parent().unwrap_or(path)
    }
}

impl Contents {
    pub(crate) fn touch(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    pub(crate) fn used(&self) -> usize {
        self.names.values().filter_map(|node| self.size_of(*node)).sum()
    }

    pub(crate) fn size_of(&self, node: Node) -> Option<usize> {
        match node {
            Node::File(number) => Some(self.files.get(&number)?.now.len()),
            Node::Directory => None,
        }
    }

    /// Bytes that still fit, of so many.
    pub(crate) fn fitting(&self, wanted: usize) -> usize {
        self.room.map_or(wanted, |room| room.saturating_sub(self.used()).min(wanted))
    }

    pub(crate) fn name(&mut self, naming: Naming) {
        naming.on(&mut self.names);
        self.since.push(naming);
    }

    pub(crate) fn node(&self, path: &Path) -> io::Result<Node> {
        if let Some(node) = self.names.get(path) {
            return Ok(*node);
        }
        let above = path.ancestors().skip(1).find_map(|above| self.names.get(above));
        let is_file = matches!(above, Some(Node::File(_)));
        Err(if is_file { ErrorKind::NotADirectory } else { ErrorKind::NotFound }.into())
    }

    pub(crate) fn directory(&self, path: &Path) -> io::Result<()> {
        match self.node(path)? {
            Node::Directory => Ok(()),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn file(&mut self, path: &Path) -> io::Result<&mut File> {
        match self.node(path)? {
            Node::File(number) => {
                self.files.get_mut(&number).ok_or_else(|| ErrorKind::NotFound.into())
            }
            Node::Directory => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(crate) fn make(&mut self, path: &Path) -> io::Result<()> {
        self.directory(path.parent().unwrap_or(path))?;
        self.made = self.made.saturating_add(1);
        self.files.insert(self.made, File::default());
        self.name(Naming::Made(path.to_owned(), Node::File(self.made)));
        Ok(())
    }

    pub(crate) fn below(&self, directory: &Path) -> impl Iterator<Item = (&PathBuf, Node)> {
        let from = self.names.range(directory.to_owned()..).map(|(path, node)| (path, *node));
        let directory = directory.to_owned();
        let under = directory.clone();
        from.take_while(move |(path, _)| path.starts_with(&directory))
            .filter(move |(path, _)| **path != under)
    }

    /// Makes some of the changes of names durable, and with them what happened to these names before.
    pub(crate) fn settle(&mut self, mut chosen: impl FnMut(usize, &Naming) -> bool) {
        let since = std::mem::take(&mut self.since);
        let (mut paths, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for (number, naming) in since.iter().enumerate().rev() {
            let touched = naming.paths().iter().any(|path| paths.contains(*path));
            if touched || chosen(number, naming) {
                paths.extend(naming.paths().map(Path::to_owned));
                taken.insert(number);
            }
        }
        for (number, naming) in since.into_iter().enumerate() {
            if taken.contains(&number) {
                naming.on(&mut self.synced);
            } else {
                self.since.push(naming);
            }
        }
    }

    pub(crate) fn lose_names(&mut self, dice: &mut Dice) {
        let directories: BTreeSet<PathBuf> =
            self.since.iter().map(|naming| naming.directory().to_owned()).collect();
        let mode = dice.below(3);
        let count = self.since.len() as u64;
        let until: BTreeMap<PathBuf, usize> = directories
            .into_iter()
            .map(|directory| {
                let until = match mode {
                    0 => 0,
                    1 => count,
                    _ => dice.below(count.saturating_add(1)),
                };
                (directory, index(until))
            })
            .collect();
        self.settle(|number, naming| {
            until.get(naming.directory()).is_some_and(|until| number < *until)
        });
        self.since.clear();
        // What stands in a directory whose name is lost is lost with it; parents sort first.
        let mut names = Names::new();
        for (path, node) in std::mem::take(&mut self.synced) {
            let parent = path.parent();
            if parent.is_none_or(|parent| names.get(parent) == Some(&Node::Directory)) {
                names.insert(path, node);
            }
        }
        (self.names, self.synced) = (names.clone(), names);
    }

    pub(crate) fn lose_bytes(&mut self, dice: &mut Dice) {
        let named: BTreeSet<u64> = self
            .names
            .values()
            .filter_map(|node| match node {
                Node::File(number) => Some(*number),
                Node::Directory => None,
            })
            .collect();
        self.files.retain(|number, _| named.contains(number));
        self.files.values_mut().for_each(|file| file.cut(dice));
    }
}
