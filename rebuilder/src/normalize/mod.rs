//! Normalizers (step 4): pure functions from a file to a digest that equals another file's where the two differ in nothing that matters.
//!
//! A normalizer lists what an archive says (names, kinds, modes, link targets, digests of contents)
//! and leaves out a closed list of things that it names at the head of its own file. Everything
//! else either stands in the list or leaves the file without a normalized form: every byte of a
//! file is read as something, and what cannot be read in exactly one way is refused. A refusal
//! means that files can only be compared bit for bit. It is no error and no outcome.
//!
//! `listing` defines the normalized form byte by byte. Parsers are our own where libraries accept
//! what must be refused: readers of zip files take the central directory's word and skip what lies
//! between entries, readers of tar files stop at the end mark. Decompression is left to libraries.

mod bytes;
mod listing;
mod names;
mod packed;
mod gzip;
mod tar;
mod deb;
mod zip;
mod wheel;

use std::io::{self, Read};

use reattest_attestation::digest::Digester;
use reattest_attestation::verdict::Normalized;
use reattest_attestation::{Digest, statement};

use super::limits;
use bytes::Bytes;
pub use bytes::Source;

/// A normalizer, as policies and statements name it. Its version changes whenever a file could get
/// another digest than before; its code digest changes with every letter of its code.
#[derive(Debug)]
pub struct Normalizer {
    /// The name, such as `zip`.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
    /// The source text that decides what it makes of a file.
    code: &'static [&'static [u8]],
}

impl Normalizer {
    /// SHA-256 over its source files in the order in which they are listed here, each preceded by
    /// its length in bytes as 8 bytes, most significant first. Tests are no part of it.
    pub fn digest(&self) -> Digest {
        let mut digester = Digester::new();
        for text in SHARED.iter().chain(self.code) {
            digester.update(&(text.len() as u64).to_be_bytes());
            digester.update(text);
        }
        digester.finish()
    }
}

impl From<&Normalizer> for statement::Normalizer {
    fn from(normalizer: &Normalizer) -> Self {
        Self {
            name: normalizer.name.to_owned(),
            version: normalizer.version.to_owned(),
            digest: normalizer.digest(),
        }
    }
}

const SHARED: [&[u8]; 6] = [
    include_bytes!("mod.rs"),
    include_bytes!("bytes.rs"),
    include_bytes!("listing.rs"),
    include_bytes!("names.rs"),
    include_bytes!("packed.rs"),
    include_bytes!("gzip.rs"),
];

const GZIP: Normalizer = Normalizer { name: "gzip", version: "1", code: &[] };
const TAR: Normalizer = Normalizer { name: "tar", version: "1", code: TAR_CODE };
const DEB: Normalizer = Normalizer { name: "deb", version: "1", code: DEB_CODE };
const ZIP: Normalizer = Normalizer { name: "zip", version: "1", code: ZIP_CODE };
const WHEEL: Normalizer =
    Normalizer { name: "wheel", version: "1", code: &[include_bytes!("wheel.rs")] };

const TAR_CODE: &[&[u8]] =
    &[include_bytes!("tar/mod.rs"), include_bytes!("tar/header.rs"), include_bytes!("tar/pax.rs")];
const DEB_CODE: &[&[u8]] = &[
    include_bytes!("deb.rs"),
    include_bytes!("tar/mod.rs"),
    include_bytes!("tar/header.rs"),
    include_bytes!("tar/pax.rs"),
];
const ZIP_CODE: &[&[u8]] = &[
    include_bytes!("zip/mod.rs"),
    include_bytes!("zip/directory.rs"),
    include_bytes!("zip/extra.rs"),
];

/// One form of published files: the end of their names, the normalizers in the order in which they
/// are applied, and what applies them.
struct Form {
    endings: &'static [&'static str],
    chain: &'static [Normalizer],
    normalize: fn(&Bytes<'_>, &str) -> Result<Digest, Refusal>,
}

/// The first form whose ending fits is the file's.
const FORMS: [Form; 6] = [
    Form { endings: &[".whl"], chain: &[ZIP, WHEEL], normalize: wheel::normalize },
    Form { endings: &[".zip"], chain: &[ZIP], normalize: zip::normalize },
    Form {
        endings: &[".tar.gz", ".tgz", ".crate"],
        chain: &[GZIP, TAR],
        normalize: tar::normalize_gzipped,
    },
    Form { endings: &[".gz"], chain: &[GZIP], normalize: gzip::normalize },
    Form { endings: &[".tar"], chain: &[TAR], normalize: tar::normalize },
    Form { endings: &[".deb"], chain: &[DEB], normalize: deb::normalize },
];

/// Why a file has no normalized digest.
#[derive(Debug, thiserror::Error)]
pub enum NormalizeError {
    /// It says more than one thing, or something that no normalizer knows: it can still be compared
    /// bit for bit.
    #[error("no normalized form: {0}; this file can only be compared bit for bit")]
    Refused(#[from] Refusal),
    /// This machine's own fault.
    #[error("cannot read the file: {0}; check the disk and run it again")]
    Io(io::Error),
}

/// What in a file no normalizer takes.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("found {found}, needed {needed}")]
pub struct Refusal {
    found: String,
    needed: &'static str,
}

impl Refusal {
    fn new(found: String, needed: &'static str) -> Self {
        Self { found, needed }
    }

    /// The same, with the entry that it is about.
    fn within(self, name: &[u8]) -> Self {
        Self { found: format!("in {}: {}", quoted(name), self.found), ..self }
    }
}

/// A decoder's complaint. The disk's own errors are told from these by [`Bytes::into_fault`].
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(refusal) => refusal.clone(),
            None => {
                Self::new(quoted(error.to_string().as_bytes()), "a stream that can be unpacked")
            }
        }
    }
}

fn form(file_name: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.endings.iter().any(|ending| file_name.ends_with(ending)))
}

/// The normalizers of a published file by its name, in the order in which they are applied; none
/// where the form of the file is not known.
pub fn chain(file_name: &str) -> &'static [Normalizer] {
    form(file_name).map_or(&[], |form| form.chain)
}

/// What the normalizers of its form make of a file; nothing where no normalizer knows the form.
///
/// `file_name` is the name under which it is published, also for a file that is called otherwise
/// here. The file must not change meanwhile.
pub fn normalized(
    file_name: &str,
    file: &dyn Source,
) -> Result<Option<Normalized>, NormalizeError> {
    let Some(form) = form(file_name) else { return Ok(None) };
    let bytes = Bytes::new(file).map_err(NormalizeError::Io)?;
    let name = |normalizer: &Normalizer| format!("{}@{}", normalizer.name, normalizer.version);
    let names: Vec<String> = form.chain.iter().map(name).collect();
    let digest = (form.normalize)(&bytes, &names.join(" "));
    // Whatever a decoder made of it: a fault of this machine says nothing about the file.
    if let Some(fault) = bytes.into_fault() {
        return Err(NormalizeError::Io(fault));
    }
    let normalizers = form.chain.iter().map(statement::Normalizer::from).collect();
    Ok(Some(Normalized { normalizers, digest: digest? }))
}

/// What both files are once normalized, where that is one and the same. A file without a
/// normalized form is equivalent to none; only this machine's own faults are errors.
pub fn equivalent(
    file_name: &str,
    published: &dyn Source,
    produced: &dyn Source,
) -> Result<Option<Normalized>, NormalizeError> {
    let one = |file| match normalized(file_name, file) {
        Err(NormalizeError::Refused(_)) => Ok(None),
        other => other,
    };
    let Some(published) = one(published)? else { return Ok(None) };
    Ok(one(produced)?.filter(|produced| *produced == published))
}

/// The digest of a stream, read to its end.
fn hashed(stream: &mut dyn Read) -> Result<Digest, Refusal> {
    let mut digester = Digester::new();
    each(stream, |part| {
        digester.update(part);
        Ok(())
    })?;
    Ok(digester.finish())
}

/// Gives a stream to `sink` part by part, to its end.
fn each(
    stream: &mut dyn Read,
    mut sink: impl FnMut(&[u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => sink(buffer.get(..length).unwrap_or_default())?,
        }
    }
}

/// Bytes of an archive as a message may show them: short, on one line, without control characters.
fn quoted(bytes: &[u8]) -> String {
    let shown = bytes.get(..bytes.len().min(80)).unwrap_or_default();
    format!("{:?}", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests;
