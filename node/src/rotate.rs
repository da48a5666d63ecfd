//! `reattest key rotate`: a new rebuilder key takes the place of the old one, on disk and in what is said of both.
//!
//! The rotation stands in the new key's certificate file, so every head of the new log carries the end
//! of the old key. Key and certificate change place by renames, from files that are complete before the
//! first of them; a rotation that was interrupted is finished when it is asked for again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reattest_attestation::{Digest, Envelope, PublicKey, Sign};

use crate::config::Config;
use crate::disk::{Disk as _, FileSystem};
use crate::fault::Fault;
use crate::operator::{self, LastGood};
use crate::setup;
use crate::shell;
use crate::signer::custody::{self, Place};
use crate::store::{Store, durable};
use crate::words::Words;

/// What the operator decides.
#[derive(Debug)]
pub struct Wish {
    /// The new key's public half, where it is made elsewhere.
    pub new: Option<PublicKey>,
    /// How long the new certificate holds.
    pub days: u32,
    /// Up to where the old key's logs are vouched for.
    pub last_good: LastGood,
    /// Why, for people.
    pub reason: String,
}

/// What was done.
#[derive(Debug)]
pub struct Rotated {
    /// The old key.
    pub old: PublicKey,
    /// The new key.
    pub new: PublicKey,
    /// The rotation.
    pub word: PathBuf,
    /// The old files, kept aside.
    pub kept: Vec<PathBuf>,
    /// Whether an earlier rotation was only finished.
    pub finished: bool,
}

/// The files that change place.
struct Files<'a> {
    /// The key's file, where the key is in one.
    key: Option<&'a Path>,
    certificate: &'a Path,
}

impl Files<'_> {
    fn next_certificate(&self) -> PathBuf {
        beside(self.certificate, "next")
    }

    fn next_key(&self) -> Option<PathBuf> {
        self.key.map(|key| beside(key, "next"))
    }
}

/// Rotates the configured key, or finishes what was interrupted. The node must be stopped.
pub fn rotate(
    config: &Config,
    operator: &dyn Fn() -> Result<custody::Key, Fault>,
    wish: &Wish,
) -> Result<Rotated, Fault> {
    let _lock = shell::lock(&config.data)?;
    let (Some(place), Some(certificate)) = (&config.key, &config.certificate) else {
        return Err(Fault::text("the configuration names no `key` and `certificate`, needed both"));
    };
    let key = match place {
        Place::File(path) => Some(path.as_path()),
        _ => None,
    };
    let files = Files { key, certificate };
    if let Some(word) = interrupted(&files)? {
        return install(config, &files, &word, true);
    }
    let word = sign(config, place, &files, operator, wish)?;
    install(config, &files, &word, false)
}

/// The rotation of an attempt that got so far as to be signed.
fn interrupted(files: &Files<'_>) -> Result<Option<Envelope>, Fault> {
    let path = files.next_certificate();
    if !path.exists() {
        return Ok(None);
    }
    let (bytes, _) = custody::read_certificate(&path)?;
    let envelope = Envelope::parse(&bytes);
    envelope.map(Some).map_err(|error| Fault::new(path.display().to_string(), error))
}

/// Makes the new key, has the operator sign, and leaves both beside their places.
fn sign(
    config: &Config,
    place: &Place,
    files: &Files<'_>,
    operator: &dyn Fn() -> Result<custody::Key, Fault>,
    wish: &Wish,
) -> Result<Envelope, Fault> {
    let (_, certified) = custody::read_certificate(files.certificate)?;
    let old = certified.certificate().rebuilder;
    let operator = operator()?;
    operator::is_own(&*operator, &certified, files.certificate)?;
    let store = Store::read_only(&config.data)?;
    let last_good = wish.last_good.heads(&store, &config.network, &old)?;
    let new = match (wish.new, files.next_key()) {
        (Some(new), _) => new,
        (None, Some(path)) => make_key(&path)?,
        (None, None) => {
            return Err(Fault::text(format!(
                "the key is in a {place}, where none can be made from here; make the new one there, and give \
                 its public half with --public-key FILE"
            )));
        }
    };
    let word = operator::rotate(&*operator, (old, new), wish.days, last_good, &wish.reason)?;
    write(&files.next_certificate(), word.as_bytes())?;
    Ok(word)
}

/// A new key beside its place. One of an earlier attempt was never certified, and goes.
fn make_key(path: &Path) -> Result<PublicKey, Fault> {
    let fail = |error| Fault::new(path.display().to_string(), error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let key = setup::new_key()?;
    setup::write_key(path, &key, "rebuilder")?;
    sync_beside(path)?;
    Ok(key.public_key())
}

/// The word first, then key, then certificate; each step may have been done before.
fn install(
    config: &Config,
    files: &Files<'_>,
    word: &Envelope,
    finished: bool,
) -> Result<Rotated, Fault> {
    let path = files.next_certificate();
    let refuse =
        |what: &str| Fault::text(format!("{} {what}; move it away, and try again", path.display()));
    let said = reattest_attestation::OperatorWord::verify(word)
        .map_err(|error| Fault::new(path.display().to_string(), error))?;
    let (Some(certified), Some(revoked)) = (said.certified(), said.revoked()) else {
        return Err(refuse("is no rotation"));
    };
    let (new, old) = (certified.certificate().rebuilder, revoked.revocation().rebuilder);
    let fail = |error: crate::words::WordsError| Fault::text(error.to_string());
    let mut words = Words::open(&config.data).map_err(fail)?;
    words.put(word).map_err(fail)?;
    let mut kept = Vec::new();
    if let (Some(key), Some(next)) = (files.key, files.next_key().filter(|next| next.exists()))
        && custody::read_key(&next)?.public_key() == new
    {
        kept.extend(replace(key, &next, &old.digest())?);
    }
    kept.extend(replace(files.certificate, &path, &old.digest())?);
    Ok(Rotated { old, new, word: words.path(&word.digest()), kept, finished })
}

/// Puts a complete file into its place; what was there stays beside it, under the old key's name.
fn replace(place: &Path, next: &Path, old: &Digest) -> Result<Option<PathBuf>, Fault> {
    let fail = |error: io::Error| Fault::new(place.display().to_string(), error);
    let name: String = old.to_string().chars().take(16).collect();
    let aside = beside(place, &name);
    let kept = match fs::hard_link(place, &aside) {
        Ok(()) => Some(aside),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Some(aside),
        // The key of the old certificate may have been elsewhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail(error)),
    };
    fs::rename(next, place).map_err(fail)?;
    sync_beside(place)?;
    Ok(kept)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(end);
    path.with_file_name(name)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    durable::write(&FileSystem, path, bytes)
        .map_err(|error| Fault::new(path.display().to_string(), error))
}

fn sync_beside(path: &Path) -> Result<(), Fault> {
    let directory = path.parent().unwrap_or(Path::new("."));
    FileSystem.sync(directory).map_err(|error| Fault::new(directory.display().to_string(), error))
}
