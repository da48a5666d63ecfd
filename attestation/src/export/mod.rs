//! The same evidence in the forms that other people's tools read (step 10), as pure functions of what was signed.
//!
//! Nothing here is evidence to us: every file is derived from envelopes, link documents and
//! verdicts, and can be derived again. What needs a signature of its own, links and summaries, is
//! signed through [`crate::Sign`] by whoever holds the key.

pub mod pem;
pub mod jsonl;
pub mod sigstore;
mod link;
pub mod link_document;
pub mod vsa;

pub use jsonl::intoto_jsonl;
pub use link_document::{LinkDocument, LinkError, LinkFiles, Reproduced, VerifiedLinks};
pub use pem::{legacy_keyid, rebuilderd_pem, rfc8410_pem};
pub use sigstore::sigstore_bundle;
pub use vsa::{Expected, Vsa, VsaError, VsaInputs, VsaKind, VsaResult};

/// A file for another tool.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct NamedFile {
    /// The name under which the tool looks for it; no directory.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}
