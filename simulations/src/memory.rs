//! Step 8, store: a disk in memory behind the node's own door; it loses its power, fills up, and comes back from a backup.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reattest::disk::{Disk, NEW, Synced};

use crate::odds::Dice;
use crate::platter::{Change, Contents, File, Names, Naming, Node, index};

/// A disk as it was once.
#[derive(Debug, Clone)]
pub struct Backup(Contents);

/// What of a disk is replaced by a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// What is below this directory.
    Below(&'static str),
}

impl Part {
    fn has(self, path: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Below(directory) => path.starts_with(directory),
        }
    }
}

/// A disk in memory.
#[derive(Debug, Default)]
pub struct MemoryDisk(Mutex<Contents>);

impl MemoryDisk {
    /// An empty disk: a root directory.
    pub fn new() -> Self {
        let root = Names::from([(PathBuf::from("/"), Node::Directory)]);
        Self(Mutex::new(Contents { names: root.clone(), synced: root, ..Contents::default() }))
    }

    /// Changes so far: where this number is the same, so is the disk.
    pub fn changes(&self) -> u64 {
        self.inner().changes
    }

    /// Bytes of all files.
    pub fn used(&self) -> usize {
        self.inner().used()
    }

    /// From now on there is room for so many bytes, or for as many as anybody likes.
    pub fn limit(&self, room: Option<usize>) {
        self.inner().room = room;
    }

    /// Whether there is not room for as many as anybody likes.
    pub fn is_limited(&self) -> bool {
        self.inner().room.is_some()
    }

    /// The power goes after so many changes and syncs.
    pub fn light(&self, fuse: Option<u32>) {
        self.inner().fuse = fuse;
    }

    /// Whether the power is gone: nothing is read or written until it is back.
    pub fn is_off(&self) -> bool {
        self.inner().is_off
    }

    /// The canary: a file has these bytes, and had them always.
    pub fn plant(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.on()?;
        *inner.file(path)? = File::synced(bytes.to_vec());
        inner.touch();
        Ok(())
    }

    /// The canary: what is added to tails below a directory is reported as durable, and is not.
    pub fn hurry(&self, directory: PathBuf) {
        self.inner().hurries = Some(directory);
    }

    /// The canary: the last entry of what is added to a tail comes to nothing, and is reported as
    /// written.
    pub fn forget(&self) {
        self.inner().forgets = true;
    }

    /// The wanted files below a directory, with their bytes, whether there is power or not.
    pub fn files_below(
        &self,
        directory: &Path,
        wanted: impl Fn(&Path) -> bool,
    ) -> Vec<(PathBuf, Vec<u8>)> {
        let inner = self.inner();
        let file = |(path, node): (&PathBuf, Node)| match node {
            Node::File(number) if wanted(path) => {
                Some((path.clone(), inner.files.get(&number)?.now.clone()))
            }
            _ => None,
        };
        inner.below(directory).filter_map(file).collect()
    }

    /// The power comes back: what was not synced is lost, torn or kept, as the dice say.
    pub fn come_back(&self, dice: &mut Dice) {
        let mut inner = self.inner();
        inner.lose_names(dice);
        inner.lose_bytes(dice);
        inner.touch();
        (inner.is_off, inner.fuse) = (false, None);
    }

    /// A copy of all that is on it now.
    pub fn backup(&self) -> Backup {
        Backup(self.inner().clone())
    }

    /// What is on it, or a part of that, is replaced by a copy; all of it is durable then.
    pub fn restore(&self, backup: &Backup, part: Part) {
        let mut inner = self.inner();
        let mut files = std::mem::take(&mut inner.files);
        let mut names = std::mem::take(&mut inner.names);
        names.retain(|path, _| !part.has(path));
        for (path, node) in backup.0.names.iter().filter(|(path, _)| part.has(path)) {
            names.insert(path.clone(), *node);
            if let Node::File(number) = node {
                let copy = backup.0.files.get(number).cloned();
                files.insert(*number, copy.unwrap_or_default());
            }
        }
        for file in files.values_mut() {
            *file = File::synced(std::mem::take(&mut file.now));
        }
        (inner.synced, inner.names, inner.files) = (names.clone(), names, files);
        inner.since.clear();
        inner.touch();
    }

    fn inner(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The contents, for reading.
    fn on(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let inner = self.inner();
        if inner.is_off { Err(io::Error::other("the power is gone")) } else { Ok(inner) }
    }

    /// The contents, for one operation at which the power may go.
    fn operation(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let mut inner = self.on()?;
        match &mut inner.fuse {
            Some(0) => {
                inner.is_off = true;
                return Err(io::Error::other("the power went"));
            }
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        inner.touch();
        Ok(inner)
    }
}

fn is_tail(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tail-"))
}

/// Zeros where the last of these entries was to be; each stands behind two bytes of its length.
fn forget_last(entries: &mut [u8]) {
    let (mut last, mut next) = (0, 0_usize);
    while let Some(length) = entries.get(next..).and_then(|rest| rest.first_chunk::<2>()) {
        last = next;
        next = next.saturating_add(2).saturating_add(usize::from(u16::from_be_bytes(*length)));
    }
    entries.iter_mut().skip(last).for_each(|byte| *byte = 0);
}

impl Disk for MemoryDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.on()?.file(path)?.now.clone())
    }

    fn read_at(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut inner = self.on()?;
        let (bytes, from) = (&inner.file(path)?.now, index(offset));
        let found = bytes.get(from..from.saturating_add(buffer.len()));
        buffer.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.operation()?;
        if inner.node(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            inner.make(path)?;
        }
        let at = index(offset);
        let more = at.saturating_add(bytes.len()).saturating_sub(inner.file(path)?.now.len());
        let fitting = bytes.len().saturating_sub(more.saturating_sub(inner.fitting(more)));
        let mut written = bytes.get(..fitting).unwrap_or_default().to_vec();
        if inner.forgets && is_tail(path) && offset > 0 {
            forget_last(&mut written);
        }
        if !written.is_empty() {
            inner.file(path)?.change(Change::Write(at, written));
        }
        if fitting < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn write_new(&self, directory: &Path, bytes: &[u8], synced: Synced) -> io::Result<PathBuf> {
        let path = {
            let mut inner = self.operation()?;
            if inner.fitting(bytes.len()) < bytes.len() {
                inner.directory(directory)?;
                return Err(ErrorKind::StorageFull.into());
            }
            let path = directory.join(format!("{NEW}{}", inner.made));
            inner.make(&path)?;
            path
        };
        self.operation()?.file(&path)?.change(Change::Write(0, bytes.to_vec()));
        if synced == Synced::Now {
            self.sync(&path)?;
        }
        Ok(path)
    }

    fn set_length(&self, path: &Path, length: u64) -> io::Result<()> {
        let (mut inner, length) = (self.operation()?, index(length));
        let file = inner.file(path)?;
        if file.now.len() != length {
            file.change(Change::Length(length));
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.operation()?;
        let node = inner.node(from)?;
        inner.directory(to.parent().unwrap_or(to))?;
        if inner.names.get(to) == Some(&Node::Directory) {
            return Err(ErrorKind::IsADirectory.into());
        }
        inner.name(Naming::Moved(from.to_owned(), to.to_owned(), node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.operation()?;
        match inner.node(path)? {
            Node::Directory => return Err(ErrorKind::IsADirectory.into()),
            Node::File(_) => inner.name(Naming::Removed(path.to_owned())),
        }
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.operation()?;
        inner.directory(path)?;
        if inner.below(path).next().is_some() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        inner.name(Naming::Removed(path.to_owned()));
        Ok(())
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.operation()?;
        let new: Vec<&Path> =
            path.ancestors().take_while(|above| !inner.names.contains_key(*above)).collect();
        match new.last().copied().unwrap_or(path).parent() {
            Some(above) if !new.is_empty() => inner.directory(above)?,
            _ if new.is_empty() => {
                return inner.directory(path).map_err(|_| ErrorKind::AlreadyExists.into());
            }
            _ => {}
        }
        for made in new.into_iter().rev() {
            inner.name(Naming::Made(made.to_owned(), Node::Directory));
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = self.on()?;
        inner.directory(directory)?;
        let names = inner.below(directory).map(|(path, _)| path);
        Ok(names.filter(|path| path.parent() == Some(directory)).cloned().collect())
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(self.on()?.file(path)?.now.len() as u64)
    }

    fn exists(&self, path: &Path) -> bool {
        self.on().is_ok_and(|inner| inner.names.contains_key(path))
    }

    fn bytes_below(&self, directory: &Path) -> u64 {
        let Ok(inner) = self.on() else { return 0 };
        inner.below(directory).filter_map(|(_, node)| inner.size_of(node)).sum::<usize>() as u64
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.operation()?;
        let hurried = inner.hurries.as_ref().is_some_and(|below| path.starts_with(below));
        match inner.node(path)? {
            Node::File(_) if hurried && is_tail(path) => {}
            Node::File(_) => inner.file(path)?.sync(),
            Node::Directory => inner.settle(|_, naming| naming.is_in(path)),
        }
        Ok(())
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.operation()?;
        inner.node(path)?;
        inner.files.values_mut().for_each(File::sync);
        inner.settle(|_, _| true);
        Ok(())
    }
}
