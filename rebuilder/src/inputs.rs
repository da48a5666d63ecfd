//! Every input of a recipe as one file (step 2), so that who comes late can still rebuild.
//!
//! A plain tar in one spelling: `recipe.json`, `lock.json`, then `blobs/SHA256` by digest, all with
//! the same mode, owner and time. Reading takes no step on trust: the recipe and its lock say which
//! members may follow, how long each is and what it hashes to; all else ends the reading.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use reattest_attestation::Digest;
use tar::{Archive, Builder, Entry, EntryType, Header};

use crate::cas::{Cas, CasError};
use crate::fetch::Want;
use crate::limits;
use crate::recipe::{DOCUMENT_BYTES, Lock, Recipe};

const RECIPE: &str = "recipe.json";
const LOCK: &str = "lock.json";
const BLOBS: &str = "blobs/";
/// What tar programs add at the end: a record of 20 blocks, and as much again for careless ones.
const PADDING_BYTES: u64 = 20 << 10;

/// A recipe and its lock, checked against each other.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The recipe's digest.
    pub digest: Digest,
    /// The recipe.
    pub recipe: Recipe,
    /// Its lock.
    pub lock: Lock,
    documents: [Vec<u8>; 2],
}

/// What was carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// The recipe's digest.
    pub recipe: Digest,
    /// Inputs, without the two documents.
    pub inputs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Why inputs were not written or read. Never an outcome.
#[derive(Debug, thiserror::Error)]
pub enum InputsError {
    /// A document is none, or not the one that the other names.
    #[error("{0}; needed a recipe and the lock that it names")]
    Document(String),
    /// An input is not in the store.
    #[error(
        "{missing} of {total} inputs of this recipe are not in the cache, {first} among them; needed all: fetch them with a network first"
    )]
    Incomplete {
        /// How many.
        missing: usize,
        /// Of how many.
        total: usize,
        /// One of them.
        first: String,
    },
    /// The archive is not one that this program writes.
    #[error(
        "the archive is refused: {0}; what it held until there stands in the cache under its own digest only"
    )]
    Refused(String),
    /// The store.
    #[error(transparent)]
    Cas(#[from] CasError),
    /// The archive's file.
    #[error("cannot read or write the archive: {0}")]
    Io(#[from] io::Error),
}

impl Pinned {
    /// A recipe in the store, with its lock.
    pub fn in_store(cas: &Cas, recipe: &Digest) -> Result<Self, InputsError> {
        let document = cas.read(recipe, DOCUMENT_BYTES as u64)?;
        let parsed = Recipe::parse(&document).map_err(|e| InputsError::Document(e.to_string()))?;
        let lock = cas.read(&parsed.lock, DOCUMENT_BYTES as u64)?;
        Self::of(document, lock)
    }

    /// A recipe and its lock as documents, e.g. from the directory of `rebuild --out`.
    pub fn of(recipe: Vec<u8>, lock: Vec<u8>) -> Result<Self, InputsError> {
        let fail = |e: &dyn std::fmt::Display| InputsError::Document(e.to_string());
        let parsed = Recipe::parse(&recipe).map_err(|e| fail(&e))?;
        let found = Digest::of(&lock);
        if found != parsed.lock {
            let needed = parsed.lock;
            return Err(fail(&format!(
                "found a lock with sha256 {found}, the recipe names {needed}"
            )));
        }
        let lock_parsed = Lock::parse(&lock).map_err(|e| fail(&e))?;
        let digest = Digest::of(&recipe);
        Ok(Self { digest, recipe: parsed, lock: lock_parsed, documents: [recipe, lock] })
    }

    /// Every input, to be fetched. The one place that knows where a recipe names its inputs.
    pub fn wants(&self) -> Vec<Want> {
        let files = self.recipe.files.iter().chain(&self.recipe.wheels);
        let files = files.map(|f| Want::pinned(&f.location, f.sha256, f.size));
        let packages = &self.lock.packages;
        files.chain(packages.iter().map(|p| Want::pinned(&p.location, p.sha256, p.size))).collect()
    }

    /// Digests and sizes, each once. Two sizes for one digest cannot both be true.
    fn inputs(&self) -> Result<BTreeMap<Digest, u64>, InputsError> {
        let mut inputs = BTreeMap::new();
        for (digest, size) in self.wants().into_iter().filter_map(|want| want.expected) {
            let known = *inputs.entry(digest).or_insert(size);
            if known != size || size > limits::INPUT_BYTES {
                let why = format!("found {digest} with {known} and {size} bytes");
                return Err(InputsError::Document(why));
            }
        }
        Ok(inputs)
    }
}

/// Writes the archive of a recipe whose inputs are all in the store.
pub fn export(cas: &Cas, pinned: &Pinned, target: &mut dyn Write) -> Result<Carried, InputsError> {
    let inputs = pinned.inputs()?;
    let missing: Vec<_> = inputs.keys().filter(|digest| !cas.has(digest)).collect();
    if let Some(first) = missing.first() {
        let (missing, total, first) = (missing.len(), inputs.len(), first.to_string());
        return Err(InputsError::Incomplete { missing, total, first });
    }
    let mut archive = Builder::new(target);
    let [recipe, lock] = &pinned.documents;
    append(&mut archive, RECIPE, recipe.len() as u64, &mut recipe.as_slice())?;
    append(&mut archive, LOCK, lock.len() as u64, &mut lock.as_slice())?;
    for (digest, size) in &inputs {
        let blob = cas.open(digest)?;
        let found = blob.metadata()?.len();
        if found != *size {
            let why = format!("found {digest} with {found} bytes, the recipe says {size}");
            return Err(InputsError::Document(why));
        }
        append(&mut archive, &format!("{BLOBS}{digest}"), *size, &mut blob.take(*size))?;
    }
    archive.finish()?;
    Ok(carried(pinned, &inputs))
}

fn carried(pinned: &Pinned, inputs: &BTreeMap<Digest, u64>) -> Carried {
    Carried { recipe: pinned.digest, inputs: inputs.len(), bytes: inputs.values().sum() }
}

fn append(
    archive: &mut Builder<&mut dyn Write>,
    name: &str,
    size: u64,
    bytes: &mut dyn Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, name, bytes)
}

/// Reads an archive into the store; with `expected`, only that recipe's.
///
/// A blob enters under its own digest, and only when the recipe names it. The recipe enters last, so
/// one that is there has had all its inputs.
pub fn import(
    cas: &Cas,
    source: impl Read,
    expected: Option<Digest>,
) -> Result<Carried, InputsError> {
    let mut archive = Archive::new(source);
    // Raw: names that come in a member of their own are no names here, and cost no memory.
    let mut members = archive.entries()?.raw(true);
    let recipe = document(members.next().transpose()?, RECIPE)?;
    let found = Digest::of(&recipe);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(refused(format!("found the recipe {found}, needed {expected}")));
    }
    let lock = document(members.next().transpose()?, LOCK)?;
    let pinned = Pinned::of(recipe, lock)?;
    let inputs = pinned.inputs()?;
    for (digest, size) in &inputs {
        let name = format!("{BLOBS}{digest}");
        let mut member = member(members.next().transpose()?, &name)?;
        let found = member.size();
        if found != *size {
            return Err(refused(format!("found {name} with {found} bytes, needed {size}")));
        }
        let mut blob = cas.writer()?;
        io::copy(&mut member, &mut blob).map_err(|e| at_disk(cas, digest, e))?;
        blob.keep(Some(*digest))?;
    }
    if let Some(more) = members.next().transpose()? {
        return Err(refused(format!("found a further member {:?}", shown(&more))));
    }
    check_end(archive.into_inner())?;
    for document in pinned.documents.iter().rev() {
        cas.put(document)?;
    }
    Ok(carried(&pinned, &inputs))
}

/// A full disk is no fault of the archive.
fn at_disk(cas: &Cas, digest: &Digest, error: io::Error) -> InputsError {
    match error.kind() {
        io::ErrorKind::StorageFull => CasError::io(&cas.path(digest), error).into(),
        _ => InputsError::Io(error),
    }
}

fn refused(why: String) -> InputsError {
    InputsError::Refused(why)
}

fn document<R: Read>(entry: Option<Entry<'_, R>>, name: &str) -> Result<Vec<u8>, InputsError> {
    let mut member = member(entry, name)?;
    let size = member.size();
    if size > DOCUMENT_BYTES as u64 {
        return Err(refused(format!(
            "found {name} with {size} bytes, needed at most {DOCUMENT_BYTES}"
        )));
    }
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The next member, when it is the plain file that must stand here: order, names and kinds are fixed,
/// so neither a second one of a name, nor a link, nor a sparse file that unfolds can pass.
fn member<'a, R: Read>(
    entry: Option<Entry<'a, R>>,
    name: &str,
) -> Result<Entry<'a, R>, InputsError> {
    let entry = entry.ok_or_else(|| refused(format!("it ends where {name} was needed")))?;
    let kind = entry.header().entry_type();
    if entry.path_bytes().as_ref() != name.as_bytes() || kind != EntryType::Regular {
        return Err(refused(format!(
            "found {:?} ({kind:?}), needed the file {name}",
            shown(&entry)
        )));
    }
    Ok(entry)
}

fn shown<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).chars().take(100).collect()
}

/// Nothing hides behind the end.
fn check_end(rest: impl Read) -> Result<(), InputsError> {
    let mut padding = Vec::new();
    rest.take(PADDING_BYTES + 1).read_to_end(&mut padding)?;
    if padding.len() as u64 > PADDING_BYTES || padding.iter().any(|byte| *byte != 0) {
        return Err(refused("found bytes after its end".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
