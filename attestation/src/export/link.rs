//! One in-toto link (step 5) in the two forms that tools in service read, derived from its product and materials.
//!
//! A link is the statement form of before the attestation framework: a step's name, the digests
//! that went in and those that came out. in-toto's own verifier reads it inside DSSE; rebuilderd's
//! clients read the older Metablock, with the signature over the canonical JSON itself. Neither
//! can be taken for a statement or a checkpoint of ours: one is signed under its own `_type`, and
//! the other begins with `{`, where DSSE's encoding begins with `DSSEv1` and a checkpoint with its
//! origin.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::link_document::Reproduced;
use super::{NamedFile, legacy_keyid};
use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::envelope::{PAYLOAD_TYPE, pae};
use crate::key::PublicKey;

/// The step's name in the DSSE form; a layout names it.
const STEP: &str = "rebuild";

/// What one link says.
pub(super) struct Link<'a> {
    pub(super) product: &'a Reproduced,
    pub(super) materials: &'a BTreeMap<String, Digest>,
}

impl Link<'_> {
    /// The bytes that are signed for in-toto's verifier.
    pub(super) fn dsse_message(&self) -> Result<Vec<u8>, CanonicalError> {
        Ok(pae(PAYLOAD_TYPE, &self.dsse_payload()?))
    }

    /// The bytes that are signed for rebuilderd's clients. Names have no quote, backslash or
    /// control character, so RFC 8785, OLPC's canonical JSON and in-toto-rs agree on them.
    pub(super) fn metablock_message(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_bytes(&self.metablock_signed())
    }

    /// The two files that carry these signatures of `key`.
    pub(super) fn files(
        &self,
        key: &PublicKey,
        dsse: &[u8; 64],
        metablock: &[u8; 64],
    ) -> Result<(NamedFile, NamedFile), CanonicalError> {
        let keyid = legacy_keyid(key);
        let short: String = keyid.chars().take(8).collect();
        let in_toto = canonical::to_bytes(&json!({
            "payload": BASE64_STANDARD.encode(self.dsse_payload()?),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": keyid, "sig": BASE64_STANDARD.encode(dsse)}],
        }))?;
        let rebuilderd = canonical::to_bytes(&json!({
            "signatures": [{"keyid": keyid, "sig": hex::encode(metablock)}],
            "signed": self.metablock_signed(),
        }))?;
        let in_toto = NamedFile { name: format!("{STEP}.{short}.link"), bytes: in_toto };
        let name = format!("{}.{short}.rebuilderd.link", self.product.file_name);
        Ok((in_toto, NamedFile { name, bytes: rebuilderd }))
    }

    fn dsse_payload(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_bytes(&self.signed(STEP, &json!({})))
    }

    /// rebuilderd names the file in the step and writes no environment.
    fn metablock_signed(&self) -> Value {
        self.signed(&format!("{STEP} {}", self.product.file_name), &Value::Null)
    }

    fn signed(&self, name: &str, environment: &Value) -> Value {
        let materials: BTreeMap<_, _> =
            self.materials.iter().map(|(name, digest)| (name, json!({"sha256": digest}))).collect();
        let Reproduced { file_name, sha256 } = self.product;
        json!({
            "_type": "link",
            "byproducts": {},
            "command": [],
            "environment": environment,
            "materials": materials,
            "name": name,
            "products": {file_name: {"sha256": sha256}},
        })
    }
}
