//! The same votes as rebuilderd writes them: an in-toto link in a Metablock, and its key as PEM.
//!
//! The shapes are rebuilderd's and in-toto-rs's: hexadecimal signatures over the canonical JSON of
//! `signed`; the key id is the SHA-256 of the key's own JSON; the key file has explicit NULL
//! parameters, against RFC 8410, because repro-threshold reads no other.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reattest_attestation::{Digest, SecretKey, Sign as _, canonical};
use serde_json::json;

/// What repro-threshold takes for one vote.
pub(crate) struct Link {
    /// `-A`: the link.
    pub(crate) link: Vec<u8>,
    /// `-S`: the key.
    pub(crate) pem: String,
}

/// One vote that this key made a file of this name and digest.
pub(crate) fn link(key: &SecretKey, name: &str, sha256: Digest) -> Link {
    let raw = key.public_key().to_bytes();
    let mut files = serde_json::Map::new();
    files.insert(name.to_owned(), json!({"sha256": sha256.to_string()}));
    let signed = json!({
        "_type": "link", "name": format!("rebuild {name}"), "materials": files, "products": files,
        "environment": null, "byproducts": {}, "command": [],
    });
    let signature = key.sign(&canonical::to_bytes(&signed).unwrap()).unwrap();
    let identity = json!({
        "keyid_hash_algorithms": ["sha256", "sha512"], "keytype": "ed25519",
        "keyval": {"public": hex(&raw)}, "scheme": "ed25519",
    });
    let keyid = Digest::of(&canonical::to_bytes(&identity).unwrap()).to_string();
    let document = json!({
        "signatures": [{"keyid": keyid, "sig": hex(&signature)}], "signed": signed,
    });
    Link { link: canonical::to_bytes(&document).unwrap(), pem: pem(&raw) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn pem(raw: &[u8; 32]) -> String {
    let head = [0x30, 0x2c, 0x30, 0x07, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x05, 0x00, 0x03, 0x21, 0x00];
    let text = BASE64_STANDARD.encode([head.as_slice(), raw].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}
