//! Public keys as other tools read them (step 10): two PEM forms that exclude each other, and in-toto's key id.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::digest::Digest;
use crate::key::PublicKey;

/// `SubjectPublicKeyInfo` before the 32 bytes of the key, as RFC 8410 section 4 asks: the
/// algorithm has no parameters.
const RFC_8410: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The same with a NULL as parameter, against RFC 8410: what rebuilderd publishes.
const WITH_NULL: [u8; 14] =
    [0x30, 0x2c, 0x30, 0x07, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x05, 0x00, 0x03, 0x21, 0x00];

/// The key for openssl, in-toto, Sigstore, cosign and slsa-verifier: 44 bytes of DER in PEM.
/// repro-threshold reads no key from it, and says so only by counting no vote.
pub fn rfc8410_pem(key: &PublicKey) -> String {
    pem(&RFC_8410, key)
}

/// The key for rebuilderd's clients, repro-threshold among them: 46 bytes of DER in PEM. openssl
/// refuses it.
pub fn rebuilderd_pem(key: &PublicKey) -> String {
    pem(&WITH_NULL, key)
}

fn pem(head: &[u8], key: &PublicKey) -> String {
    // 62 or 64 characters of base64: one line.
    let body = BASE64_STANDARD.encode([head, &key.to_bytes()].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

/// The key id of in-toto's layouts and of rebuilderd: SHA-256 of securesystemslib's older JSON
/// form of the key, 64 lowercase hexadecimal digits. Their tools look keys up by it; it decides no
/// trust.
pub fn legacy_keyid(key: &PublicKey) -> String {
    let public = hex::encode(key.to_bytes());
    let form = format!(
        "{{\"keyid_hash_algorithms\":[\"sha256\",\"sha512\"],\"keytype\":\"ed25519\",\
         \"keyval\":{{\"public\":\"{public}\"}},\"scheme\":\"ed25519\"}}"
    );
    Digest::of(form.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn key(hex_digits: &str) -> PublicKey {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex_digits, &mut bytes).unwrap();
        PublicKey::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn key_ids_are_those_of_two_rebuilders_in_service() {
        for (public, keyid) in [
            (
                "13ba298a31f08e49f88a736013fd3d4d290867f72dfd2b3e52ba8d30e5451718",
                "2980aa6249ad89ce0ef0f0f5e6d0896214301b2818aad33443444cf460df6ed6",
            ),
            (
                "4b35c11c804ad0d6b673f68224527cdcddf3eea891002ebdb6acd6eb04aee2a9",
                "1ae6d32cb5bb8a98312106de28e50af7e09a9b294d51df459537908ac1288b8f",
            ),
        ] {
            assert_eq!(legacy_keyid(&key(public)), keyid);
        }
    }

    #[test]
    fn the_two_forms_have_44_and_46_bytes_and_the_same_key() {
        let key = key("13ba298a31f08e49f88a736013fd3d4d290867f72dfd2b3e52ba8d30e5451718");
        for (pem, length) in [(rfc8410_pem(&key), 44), (rebuilderd_pem(&key), 46)] {
            let body = pem.lines().nth(1).unwrap();
            let der = BASE64_STANDARD.decode(body).unwrap();
            assert_eq!(der.len(), length);
            // The first length byte is right: sequence header and content are the whole.
            assert_eq!(usize::from(*der.get(1).unwrap()) + 2, length);
            assert!(der.ends_with(&key.to_bytes()));
            assert!(body.len() <= 64);
        }
    }
}
