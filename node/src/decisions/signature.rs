//! Signatures of the records that somebody answers for: breakglasses and their reviews (step 10).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::envelope::pae;
use reattest_attestation::{PublicKey, Sign, canonical};
use serde::{Deserialize, Serialize};

use super::LogError;
use super::record::{Event, Record};

/// What is signed, as DSSE names a payload: a record of no other kind of document can be made of it.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.reattest.decision+json";

/// Whose signature a record bears.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// The key, as OpenSSH writes it.
    pub key: PublicKey,
    /// 64 bytes of Ed25519 (RFC 8032) over DSSE's encoding of
    /// `application/vnd.reattest.decision+json` and the record without its signature, in base64.
    pub sig: String,
}

impl Record {
    /// Signs the record as it stands: its place in the chain is part of what is signed.
    pub(super) fn sign(&mut self, key: &dyn Sign) -> Result<(), LogError> {
        self.signature = None;
        let message = self.message().map_err(LogError::Unwritable)?;
        let sig = key.sign(&message).map_err(|error| LogError::Unsigned(error.to_string()))?;
        let sig = STANDARD.encode(sig);
        self.signature = Some(Signature { key: key.public_key(), sig });
        Ok(())
    }

    /// Whether a signature that is there is of this record and of the key beside it. Whose key that
    /// is, is another question.
    pub(super) fn check_signature(&self) -> Result<(), String> {
        let Some(Signature { key, sig }) = &self.signature else { return Ok(()) };
        let sig = STANDARD.decode(sig).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        let sig = sig.ok_or("found a signature that is not 64 bytes in base64")?;
        key.verify(&self.message()?, &sig).map_err(|error| {
            format!("its signature by {} does not hold: {error}", key.fingerprint())
        })
    }

    /// Whether somebody answers for this record, so that a signature is due.
    pub fn is_answered_for(&self) -> bool {
        matches!(self.event, Event::Breakglass(_) | Event::Reviewed { .. })
    }

    fn message(&self) -> Result<Vec<u8>, String> {
        let unsigned = Self { signature: None, ..self.clone() };
        let bytes = canonical::to_bytes(&unsigned).map_err(|error| error.to_string())?;
        Ok(pae(PAYLOAD_TYPE, &bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::fs;

    use reattest_attestation::{Digest, SecretKey};

    use super::*;
    use crate::decisions::{Chain, identity};

    /// A log of one record that this key signed, or nobody did.
    fn reviewed(key: Option<&SecretKey>) -> (tempfile::TempDir, Chain) {
        let directory = tempfile::tempdir().unwrap();
        let chain = Chain::at(&directory.path().join("decisions"));
        let by = identity();
        let event = Event::Reviewed { breakglass: 7, by, remark: "looked".to_owned() };
        let mut taken = chain.take().unwrap();
        taken.append_signed(vec![event], key.map(|key| key as &dyn Sign)).unwrap();
        (directory, chain)
    }

    #[test]
    fn a_signature_that_is_missing_or_of_another_is_a_finding() {
        let [mine, other] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let known = [mine.public_key()];
        let found = |chain: &Chain, known: &[PublicKey]| {
            let findings = chain.verify(None, known).unwrap();
            let said: Vec<String> = findings.findings.into_iter().map(|one| one.found).collect();
            (findings.signed, said.join("; "))
        };
        let (_kept, chain) = reviewed(Some(&mine));
        assert_eq!(found(&chain, &known), (1, String::new()));
        assert_eq!(found(&chain, &[]), (1, String::new()));
        let (_kept, chain) = reviewed(Some(&other));
        let (signed, said) = found(&chain, &known);
        assert!(signed == 0 && said.contains(&other.public_key().fingerprint()), "{said}");
        let (_kept, chain) = reviewed(None);
        let (signed, said) = found(&chain, &known);
        assert!(signed == 0 && said.contains("nobody signed it"), "{said}");
    }

    #[test]
    fn a_signed_record_that_was_changed_is_damage_though_chain_and_head_were_mended() {
        let key = SecretKey::from_seed(&[1; 32]);
        for change in
            [r#""looked"|"looked away""#, r#""number":1|"number":2"#, r#""sig":"|"sig":"A"#]
        {
            let (directory, chain) = reviewed(Some(&key));
            let path = directory.path().join("decisions/000000000001.jsonl");
            let head = directory.path().join("decisions/head");
            let before = fs::read_to_string(&path).unwrap();
            let (from, to) = change.split_once('|').unwrap();
            let after = before.replacen(from, to, 1);
            assert_ne!(before, after);
            let hash = |text: &str| Digest::of(text.trim_end().as_bytes()).to_string();
            let mended =
                fs::read_to_string(&head).unwrap().replace(&hash(&before), &hash(&after)).replace(
                    &format!("\"length\":{}", before.len()),
                    &format!("\"length\":{}", after.len()),
                );
            fs::write(&head, mended).unwrap();
            fs::write(&path, &after).unwrap();
            let error = chain.verify(None, &[]).unwrap_err().to_string();
            assert!(error.contains("damaged"), "{change}: {error}");
            if change.contains("looked") {
                assert!(error.contains("does not hold"), "{error}");
            }
        }
    }
}
