//! The links of one attestation (step 5): what a rebuilder signs beside it so that in-toto's and rebuilderd's verifiers can count it.
//!
//! Only files that were reproduced bit for bit get a link: a verifier that merely matches digests
//! must never take a disagreement for support. The document holds the facts once and two signatures
//! a file; the links themselves follow from those, so the two forms cannot say different things.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::NamedFile;
use super::link::Link;
use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::key::{KeyError, PublicKey, Sign, SignError};
use crate::limits::{ARTIFACTS_MAX, DOCUMENT_MAX, LINK_NAME_MAX, SOURCES_MAX, TEXT_MAX};
use crate::outcome::Outcome;
use crate::quoted::quoted;
use crate::statement::{Material, Rebuild};

/// The `format` of the document.
pub const LINKS: &str = "urn:reattest:links:v1";

/// Links that could not be made, read or verified.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum LinkError {
    /// Not canonical JSON within the bound, or not the fields of the document.
    #[error(transparent)]
    Document(#[from] CanonicalError),
    /// Another format.
    #[error(
        "found format {found:?}, needed \"urn:reattest:links:v1\"; a newer reattest may read it"
    )]
    Format {
        /// The format, shortened.
        found: String,
    },
    /// Too many of a thing, or none.
    #[error("found {found} {field}, needed 1 to {most}")]
    Count {
        /// `links` or `materials`.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// The most.
        most: usize,
    },
    /// A name that other tools would read or write differently.
    #[error(
        "found {field} {found:?}, needed a name of printable ASCII without quote and backslash, and of a file without slash; attest it without links"
    )]
    Name {
        /// `file name` or `material`.
        field: &'static str,
        /// The name, shortened.
        found: String,
    },
    /// Links that do not stand in the order of names and digests, or twice.
    #[error("found the link of {found:?} out of order, needed each once, by name and then digest")]
    Order {
        /// The file's name, shortened.
        found: String,
    },
    /// Two source files of one name.
    #[error("found two source files called {found:?}, needed one digest for each name")]
    TwoSources {
        /// The name, shortened.
        found: String,
    },
    /// A signature that is not 128 lowercase hexadecimal digits.
    #[error("found a signature for {file:?} that is not 128 lowercase hexadecimal digits")]
    SignatureForm {
        /// The file's name, shortened.
        file: String,
    },
    /// A signature that does not hold.
    #[error("found a bad {form} link of {file:?}: {why}")]
    Signature {
        /// The file's name, shortened.
        file: String,
        /// `in-toto` or `rebuilderd`.
        form: &'static str,
        /// What is wrong.
        why: KeyError,
    },
    /// Links of other files than the attestation calls reproduced.
    #[error(
        "found links of {found} files, needed exactly the {expected} that the attestation calls reproduced"
    )]
    Products {
        /// How many the document links.
        found: usize,
        /// How many are due.
        expected: usize,
    },
    /// Other source files than the attestation's.
    #[error(
        "found materials that are not the attestation's sources; the links are of another build"
    )]
    Materials,
    /// The key's back-end did not sign.
    #[error(transparent)]
    Unsigned(#[from] SignError),
}

/// A published file that a rebuild made again bit for bit.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reproduced {
    /// Its name, without directory.
    #[serde(rename = "name")]
    pub file_name: String,
    /// SHA-256 of it.
    pub sha256: Digest,
}

impl Reproduced {
    /// The files of a rebuild that get a link, in the order of the document: outcome `reproduced`,
    /// and a name that a link can carry. Without a name (purls that tell none) other tools have
    /// nothing to match.
    pub fn of(rebuild: &Rebuild) -> Vec<Self> {
        let reproduced = rebuild.artifacts.iter().filter(|a| a.outcome == Outcome::Reproduced);
        let named = reproduced.filter_map(|artifact| {
            let file_name = artifact.purl.file_name().filter(|name| is_file_name(name))?;
            Some(Self { file_name, sha256: artifact.published })
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    links: Vec<WireLink>,
    materials: BTreeMap<String, Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WireLink {
    /// Signature over DSSE's encoding of the link.
    in_toto: String,
    product: Reproduced,
    /// Signature over the canonical JSON of the link.
    rebuilderd: String,
}

#[derive(Clone, Eq, PartialEq, Debug)]
struct SignedLink {
    product: Reproduced,
    in_toto: [u8; 64],
    rebuilderd: [u8; 64],
}

/// All links of one attestation, in the one spelling; signatures not yet checked.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct LinkDocument {
    bytes: Vec<u8>,
    links: Vec<SignedLink>,
    materials: BTreeMap<String, Digest>,
}

impl LinkDocument {
    /// Signs two forms of a link for each file, and checks what came back. 1 to 64 files and 1 to
    /// 64 materials; order and repetition do not matter.
    pub fn sign(
        reproduced: &[Reproduced],
        materials: &[Material],
        key: &dyn Sign,
    ) -> Result<Self, LinkError> {
        let products: BTreeSet<_> = reproduced.iter().cloned().collect();
        let materials = by_name(materials)?;
        check(&products.iter().collect::<Vec<_>>(), &materials)?;
        let mut links = Vec::with_capacity(products.len());
        for product in products {
            let link = Link { product: &product, materials: &materials };
            let in_toto = key.sign(&link.dsse_message()?)?;
            let rebuilderd = key.sign(&link.metablock_message()?)?;
            links.push(SignedLink { product, in_toto, rebuilderd });
        }
        let bytes = encode(&links, &materials)?;
        let document = Self { bytes, links, materials };
        document.check_signatures(&key.public_key())?;
        Ok(document)
    }

    /// Reads a document; anything but the one spelling is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, LinkError> {
        let wire: Wire = canonical::from_bytes(bytes, "a link document", DOCUMENT_MAX)?;
        if wire.format != LINKS {
            return Err(LinkError::Format { found: quoted(&wire.format) });
        }
        let products: Vec<_> = wire.links.iter().map(|link| &link.product).collect();
        check(&products, &wire.materials)?;
        let links = wire.links.into_iter().map(SignedLink::read).collect::<Result<_, _>>()?;
        Ok(Self { bytes: bytes.to_vec(), links, materials: wire.materials })
    }

    /// The canonical bytes: what nodes carry, at most 1 MiB.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the canonical bytes: what the attestation names.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Checks that these are the links that `key` owes to its attestation: exactly the files that
    /// it calls reproduced, made from its sources, and every signature holds. That the attestation
    /// names this document's digest is for the caller to look at.
    pub fn verify(&self, key: &PublicKey, rebuild: &Rebuild) -> Result<VerifiedLinks, LinkError> {
        let expected = Reproduced::of(rebuild);
        if !self.links.iter().map(|link| &link.product).eq(&expected) {
            let (found, expected) = (self.links.len(), expected.len());
            return Err(LinkError::Products { found, expected });
        }
        if self.materials != by_name(&rebuild.sources)? {
            return Err(LinkError::Materials);
        }
        self.check_signatures(key)?;
        let files = self.links.iter().map(|signed| {
            let SignedLink { product, in_toto, rebuilderd } = signed;
            let link = Link { product, materials: &self.materials };
            let (in_toto, rebuilderd) = link.files(key, in_toto, rebuilderd)?;
            Ok(LinkFiles { product: product.clone(), in_toto, rebuilderd })
        });
        Ok(VerifiedLinks { files: files.collect::<Result<_, LinkError>>()? })
    }

    fn check_signatures(&self, key: &PublicKey) -> Result<(), LinkError> {
        for SignedLink { product, in_toto, rebuilderd } in &self.links {
            let link = Link { product, materials: &self.materials };
            let refuse = |form| {
                let file = quoted(&product.file_name);
                move |why| LinkError::Signature { file, form, why }
            };
            key.verify(&link.dsse_message()?, in_toto).map_err(refuse("in-toto"))?;
            key.verify(&link.metablock_message()?, rebuilderd).map_err(refuse("rebuilderd"))?;
        }
        Ok(())
    }
}

impl SignedLink {
    fn read(wire: WireLink) -> Result<Self, LinkError> {
        let signature = |text: &str| {
            let mut bytes = [0; 64];
            let read = hex::decode_to_slice(text, &mut bytes).is_ok();
            let spelled = read && hex::encode(bytes) == text;
            let file = || quoted(&wire.product.file_name);
            if spelled { Ok(bytes) } else { Err(LinkError::SignatureForm { file: file() }) }
        };
        let (in_toto, rebuilderd) = (signature(&wire.in_toto)?, signature(&wire.rebuilderd)?);
        Ok(Self { product: wire.product, in_toto, rebuilderd })
    }
}

fn encode(
    links: &[SignedLink],
    materials: &BTreeMap<String, Digest>,
) -> Result<Vec<u8>, CanonicalError> {
    let links = links.iter().map(|link| WireLink {
        in_toto: hex::encode(link.in_toto),
        product: link.product.clone(),
        rebuilderd: hex::encode(link.rebuilderd),
    });
    canonical::to_bytes(&Wire {
        format: LINKS.to_owned(),
        links: links.collect(),
        materials: materials.clone(),
    })
}

/// Bounds, names and order, before signing and after reading.
fn check(products: &[&Reproduced], materials: &BTreeMap<String, Digest>) -> Result<(), LinkError> {
    let counted =
        [("links", products.len(), ARTIFACTS_MAX), ("materials", materials.len(), SOURCES_MAX)];
    for (field, found, most) in counted {
        if !(1..=most).contains(&found) {
            return Err(LinkError::Count { field, found, most });
        }
    }
    if let Some(product) = products.iter().find(|product| !is_file_name(&product.file_name)) {
        return Err(LinkError::Name { field: "file name", found: quoted(&product.file_name) });
    }
    if let Some(name) = materials.keys().find(|name| !is_plain(name, TEXT_MAX)) {
        return Err(LinkError::Name { field: "material", found: quoted(name) });
    }
    match products.windows(2).find(|pair| !pair.is_sorted_by(|a, b| a < b)) {
        Some(pair) => Err(LinkError::Order {
            found: pair.last().map_or_else(String::new, |product| quoted(&product.file_name)),
        }),
        None => Ok(()),
    }
}

fn by_name(materials: &[Material]) -> Result<BTreeMap<String, Digest>, LinkError> {
    let mut named = BTreeMap::new();
    for material in materials {
        let before = named.insert(material.name.clone(), material.digest);
        if before.is_some_and(|digest| digest != material.digest) {
            return Err(LinkError::TwoSources { found: quoted(&material.name) });
        }
    }
    Ok(named)
}

/// Printable ASCII without quote and backslash: canonical JSON writes these as they are in every
/// dialect, and in-toto-rs, which takes a backslash and an `n` for a new line, sees neither.
fn is_plain(name: &str, most: usize) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    (1..=most).contains(&name.len()) && name.bytes().all(plain)
}

fn is_file_name(name: &str) -> bool {
    is_plain(name, LINK_NAME_MAX) && !name.contains('/') && !matches!(name, "." | "..")
}

/// Links whose signatures hold and whose files are those of the attestation; made only by
/// [`LinkDocument::verify`].
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct VerifiedLinks {
    files: Vec<LinkFiles>,
}

impl VerifiedLinks {
    /// The links of every reproduced file, by name and then digest.
    pub fn all(&self) -> &[LinkFiles] {
        &self.files
    }

    /// The links of one file.
    pub fn of(&self, file_name: &str, sha256: Digest) -> Option<&LinkFiles> {
        let wanted = |files: &&LinkFiles| {
            files.product.sha256 == sha256 && files.product.file_name == file_name
        };
        self.files.iter().find(wanted)
    }
}

/// The links of one file, for other tools.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct LinkFiles {
    product: Reproduced,
    in_toto: NamedFile,
    rebuilderd: NamedFile,
}

impl LinkFiles {
    /// The file that was reproduced.
    pub fn product(&self) -> &Reproduced {
        &self.product
    }

    /// For in-toto's verifier: `rebuild.<first 8 digits of the key id>.link`. The name is of the
    /// step and the key alone, so each file needs a directory of its own.
    pub fn in_toto(&self) -> &NamedFile {
        &self.in_toto
    }

    /// For rebuilderd's clients: `<file>.<first 8 digits of the key id>.rebuilderd.link`.
    pub fn rebuilderd(&self) -> &NamedFile {
        &self.rebuilderd
    }
}
