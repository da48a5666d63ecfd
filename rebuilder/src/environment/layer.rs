//! Layers on the disk (step 3): made once, named by what is in them, and then never changed.
//!
//! ```text
//! layers/DIGEST          a tree, named by its digest (tree.rs)
//! layers/DIGEST.lock     locked by whoever uses the tree, and by whoever takes it away
//! layers/pins/PINS.WAY   which tree the packages of a lock led to, and when that was last checked
//! layers/making/PINS.*   a tree that is being made
//! ```
//!
//! A tree appears under its name only when it is complete; processes that want the same one wait for
//! the first; a killed one leaves a temporary directory that the next removes. Nothing waits for the
//! disk: after a start of the machine, when a power cut may have left anything, a tree is read again
//! before its first use.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::freeze::wait_for;
use super::tree;
use crate::error::RebuildError;
use crate::progress::Cancel;
use crate::retention;
use crate::scratch;

/// Raised when layers are made in another way, so that those of an older version are not taken for them.
const MAKING: u32 = 2;

/// Every layer below one cache directory.
#[derive(Debug, Clone)]
pub struct Layers {
    store: PathBuf,
}

/// A layer that stays as long as this is held.
#[derive(Debug)]
pub struct Layer {
    digest: Digest,
    path: PathBuf,
    _lock: File,
}

impl Layer {
    /// Its name: the digest of everything in it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where its tree is; never to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What cannot be read is not sound either.
    fn is_sound(&self) -> bool {
        tree::digest(&self.path).is_ok_and(|found| found.digest == self.digest)
    }
}

/// What a check of a layer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Everything in it is as its name says.
    Sound,
    /// It had changed and was taken away; the next use makes it anew.
    Removed,
    /// It has changed and is in use just now: end the builds and check again.
    DamagedInUse,
}

impl Layers {
    /// The layers below a cache directory (`…/reattest`), whether or not there are any.
    pub fn below(cache: &Path) -> Self {
        Self { store: cache.join("layers") }
    }

    /// The names of all layers, sorted.
    pub fn all(&self) -> Result<Vec<Digest>, RebuildError> {
        let entries = match fs::read_dir(&self.store) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| self.io(e))?,
        };
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
        let mut all: Vec<Digest> = entries.filter_map(name).collect();
        all.sort();
        Ok(all)
    }

    /// A layer, kept from being removed; `None` where there is none of this name.
    pub fn hold(&self, digest: &Digest, cancel: &Cancel) -> Result<Option<Layer>, RebuildError> {
        let path = self.store.join(digest.to_string());
        if !path.is_dir() {
            return Ok(None);
        }
        let lock = self.lock_file(digest)?;
        wait_for(&lock, FlockOperation::NonBlockingLockShared, cancel).map_err(|e| self.io(e))?;
        if cancel.is_cancelled() {
            return Err(RebuildError::Cancelled);
        }
        let is_here = path.is_dir() && retention::used(&path);
        Ok(is_here.then_some(Layer { digest: *digest, path, _lock: lock }))
    }

    /// Reads a whole layer again; one that has changed is taken away.
    pub fn verify(&self, digest: &Digest, cancel: &Cancel) -> Result<Checked, RebuildError> {
        let Some(layer) = self.hold(digest, cancel)? else {
            return Ok(Checked::Removed);
        };
        if layer.is_sound() {
            return Ok(Checked::Sound);
        }
        drop(layer);
        Ok(if self.remove(digest)? { Checked::Removed } else { Checked::DamagedInUse })
    }

    /// Takes a layer away unless somebody uses it; the answer is whether it is gone.
    pub fn remove(&self, digest: &Digest) -> Result<bool, RebuildError> {
        let lock = self.lock_file(digest)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(false),
            locked => locked.map_err(|e| self.io(e.into()))?,
        }
        let path = self.store.join(digest.to_string());
        if path.exists() {
            // Away from its name first, so that nobody ever finds the half of it.
            let gone = self.store.join("making").join(format!("{digest}.gone"));
            fs::create_dir_all(self.store.join("making")).map_err(|e| self.io(e))?;
            scratch::remove_if_there(&gone);
            fs::rename(&path, &gone).map_err(|e| self.io(e))?;
            scratch::remove(&gone);
        }
        Ok(true)
    }

    /// The layer of these pins: an earlier one, or what `make` leaves in `upper` of a fresh directory.
    /// The flag says whether it was there.
    pub(super) fn made(
        &self,
        pins: &Digest,
        cancel: &Cancel,
        make: impl FnOnce(&Path) -> Result<(), RebuildError>,
    ) -> Result<(Layer, bool), RebuildError> {
        if let Some(layer) = self.recall(pins, cancel)? {
            return Ok((layer, true));
        }
        let making = self.store.join("making");
        fs::create_dir_all(&making).map_err(|e| self.io(e))?;
        // Trees have set-user-id programs and directories that all may write.
        fs::set_permissions(&self.store, fs::Permissions::from_mode(0o700))
            .map_err(|e| self.io(e))?;
        let lock = File::create(making.join(format!("{pins}.lock"))).map_err(|e| self.io(e))?;
        wait_for(&lock, FlockOperation::NonBlockingLockExclusive, cancel)
            .map_err(|e| self.io(e))?;
        if cancel.is_cancelled() {
            return Err(RebuildError::Cancelled);
        }
        if let Some(layer) = self.recall(pins, cancel)? {
            return Ok((layer, true));
        }
        let place = making.join(format!("{pins}.tmp"));
        scratch::remove_if_there(&place);
        fs::create_dir(&place).map_err(|e| self.io(e))?;
        let layer = make(&place).and_then(|()| self.keep(&place.join("upper"), cancel));
        scratch::remove(&place);
        let layer = layer?;
        self.remember(pins, &layer.digest).map_err(|e| self.io(e))?;
        Ok((layer, false))
    }

    /// Names a finished tree. One that is there already is the same; ours then goes.
    fn keep(&self, tree: &Path, cancel: &Cancel) -> Result<Layer, RebuildError> {
        let named = tree::digest(tree).map_err(|e| self.io(e))?;
        let lock = self.lock_file(&named.digest)?;
        wait_for(&lock, FlockOperation::NonBlockingLockShared, cancel).map_err(|e| self.io(e))?;
        if cancel.is_cancelled() {
            return Err(RebuildError::Cancelled);
        }
        let path = self.store.join(named.digest.to_string());
        match fs::rename(tree, &path) {
            Err(error) if !path.is_dir() => Err(self.io(error)),
            _ => Ok(Layer { digest: named.digest, path, _lock: lock }),
        }
    }

    fn recall(&self, pins: &Digest, cancel: &Cancel) -> Result<Option<Layer>, RebuildError> {
        let memory = fs::read_to_string(self.memory(pins)).unwrap_or_default();
        retention::used(&self.memory(pins));
        let mut words = memory.split_whitespace();
        let Some(digest) = words.next().and_then(|word| word.parse::<Digest>().ok()) else {
            return Ok(None);
        };
        let Some(layer) = self.hold(&digest, cancel)? else {
            return Ok(None);
        };
        if words.next() == Some(&*this_start()) {
            return Ok(Some(layer));
        }
        if layer.is_sound() {
            self.remember(pins, &digest).map_err(|e| self.io(e))?;
            return Ok(Some(layer));
        }
        tracing::warn!(%digest, "a layer has changed on the disk; it is made anew");
        drop(layer);
        if self.remove(&digest)? { Ok(None) } else { Err(damaged(&digest)) }
    }

    fn remember(&self, pins: &Digest, digest: &Digest) -> io::Result<()> {
        let memory = self.memory(pins);
        let parent = memory.parent().unwrap_or(&self.store);
        fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        writeln!(file, "{digest} {}", this_start())?;
        file.persist(memory).map(drop).map_err(|e| e.error)
    }

    fn memory(&self, pins: &Digest) -> PathBuf {
        self.store.join("pins").join(format!("{pins}.{MAKING}"))
    }

    fn lock_file(&self, digest: &Digest) -> Result<File, RebuildError> {
        File::create(self.store.join(format!("{digest}.lock"))).map_err(|e| self.io(e))
    }

    fn io(&self, source: io::Error) -> RebuildError {
        RebuildError::io("cannot use the layers below", &self.store, source)
    }
}

fn damaged(digest: &Digest) -> RebuildError {
    RebuildError::Environment {
        step: "check the layers".to_owned(),
        why: format!(
            "{digest} has changed on the disk and another build uses it; end that and run again"
        ),
    }
}

/// Which start of the machine this is; where the kernel does not tell, every use is a first one.
fn this_start() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::cell::Cell;

    struct Scene {
        cache: tempfile::TempDir,
        layers: Layers,
        made: Cell<u32>,
    }

    impl Scene {
        fn new() -> Self {
            let cache = tempfile::tempdir().unwrap();
            let layers = Layers::below(cache.path());
            Self { cache, layers, made: Cell::new(0) }
        }

        fn made(&self, pins: &[u8], content: &str) -> (Layer, bool) {
            let make = |place: &Path| {
                self.made.set(self.made.get() + 1);
                fs::create_dir(place.join("upper")).unwrap();
                fs::write(place.join("upper/file"), content).unwrap();
                tree::settle(&place.join("upper"), 1).map_err(|e| RebuildError::io("", place, e))
            };
            self.layers.made(&Digest::of(pins), &Cancel::new(), make).unwrap()
        }
    }

    #[test]
    fn equal_trees_are_one_layer_whatever_they_were_made_of() {
        let scene = Scene::new();
        let (one, other) = (scene.made(b"one", "x").0, scene.made(b"other", "x").0);
        assert_eq!(one.path(), other.path());
        assert!(scene.made(b"one", "never asked").1);
        assert_eq!(scene.made.get(), 2);
        assert_eq!(scene.layers.all().unwrap(), [one.digest()]);
        let making = scene.cache.path().join("layers/making");
        let left = fs::read_dir(making).unwrap().flatten().filter(|e| e.path().is_dir()).count();
        assert_eq!(left, 0, "nothing half-made stays");
        let mode = fs::metadata(scene.cache.path().join("layers")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_changed_layer_is_found_and_made_anew() {
        let scene = Scene::new();
        let layer = scene.made(b"pins", "x").0;
        let digest = layer.digest();
        let verify = || scene.layers.verify(&digest, &Cancel::new()).unwrap();
        assert_eq!(verify(), Checked::Sound);
        fs::write(layer.path().join("file"), "y").unwrap();
        assert_eq!(verify(), Checked::DamagedInUse);
        drop(layer);
        assert_eq!(verify(), Checked::Removed);
        let (layer, cached) = scene.made(b"pins", "x");
        assert!(!cached && layer.digest() == digest);
        assert_eq!(fs::read(layer.path().join("file")).unwrap(), b"x");
    }

    #[test]
    fn after_a_start_of_the_machine_a_layer_is_read_before_its_first_use() {
        let scene = Scene::new();
        let layer = scene.made(b"pins", "x").0;
        let memory = scene.layers.memory(&Digest::of(b"pins"));
        fs::write(&memory, format!("{} another-start\n", layer.digest())).unwrap();
        assert!(scene.made(b"pins", "x").1);
        assert!(fs::read_to_string(&memory).unwrap().contains(&this_start()));
        fs::write(&memory, format!("{} another-start\n", layer.digest())).unwrap();
        fs::write(layer.path().join("file"), "").unwrap();
        drop(layer);
        assert!(!scene.made(b"pins", "x").1, "it was damaged");
    }

    #[test]
    fn a_layer_in_use_cannot_be_removed() {
        let scene = Scene::new();
        let layer = scene.made(b"pins", "x").0;
        let digest = layer.digest();
        assert!(!scene.layers.remove(&digest).unwrap());
        assert!(layer.path().is_dir());
        drop(layer);
        assert!(scene.layers.remove(&digest).unwrap());
        assert!(scene.layers.hold(&digest, &Cancel::new()).unwrap().is_none());
    }
}
