//! Witnesses: C2SP tlog-cosignature v1 lines below a checkpoint, made, read and merged (step 6).
//!
//! A line says that at its time this head was the largest that its witness had seen of the log,
//! and consistent with all before. It does not commit to the witness's name: one key under two
//! names would be read twice. Whoever counts witnesses counts keys, and not the log's own.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use super::note::{self, NoteSignature};
use crate::key::{KeyError, PublicKey, Sign};
use crate::limits::WITNESS_NAME_MAX;
use crate::quoted::quoted;
use crate::time::Timestamp;

/// A witness that cannot be named.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum WitnessKeyError {
    /// The name cannot stand in a signature line.
    #[error(
        "found witness name {found:?}, needed 1 to 256 bytes without spaces, control characters and \"+\"; a URL without its scheme is usual"
    )]
    Name {
        /// The name, shortened.
        found: String,
    },
    /// The text is no verifier key of a witness.
    #[error(
        "found witness key {found:?}: {why}; needed NAME+KEYID+BASE64 as the witness publishes it"
    )]
    Text {
        /// The text, shortened.
        found: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The key in the text is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A witness as a reader is configured with it: name and Ed25519 key.
///
/// Text is C2SP signed-note's verifier key, in one spelling: name, key id as 8 lowercase
/// hexadecimal digits, and base64 of 0x04 and the 32 raw bytes, with a plus between.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WitnessKey {
    name: String,
    key: PublicKey,
}

impl WitnessKey {
    /// Checks the name: 1 to 256 bytes, no Unicode space, control character or plus.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, WitnessKeyError> {
        Self::check_name(name)?;
        Ok(Self { name: name.to_owned(), key })
    }

    /// Checks a name whose key is not at hand.
    pub fn check_name(name: &str) -> Result<(), WitnessKeyError> {
        if name.len() > WITNESS_NAME_MAX || !note::is_name(name) {
            return Err(WitnessKeyError::Name { found: quoted(name) });
        }
        Ok(())
    }

    /// The name that its lines are under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    fn id(&self) -> [u8; 4] {
        note::key_id(&self.name, note::ED25519_COSIGNATURE, &self.key)
    }

    /// The payloads of this witness's lines, not checked yet.
    fn lines<'a>(&self, head: &'a SignedCheckpoint) -> impl Iterator<Item = &'a [u8]> {
        let id = self.id();
        head.signatures().iter().filter_map(move |line| line.payload(&self.name, id))
    }

    /// The time of one line of this witness on this head.
    fn time(&self, payload: &[u8], head: &Checkpoint) -> Result<Timestamp, CheckpointError> {
        let refuse = |why| CheckpointError::Cosignature { witness: quoted(&self.name), why };
        let (seconds, signature) = payload
            .split_first_chunk::<8>()
            .and_then(|(time, rest)| Some((u64::from_be_bytes(*time), rest.try_into().ok()?)))
            .ok_or(refuse("it has not 8 bytes of time and 64 of signature"))?;
        self.key
            .verify(message(seconds, head).as_bytes(), signature)
            .map_err(|_| refuse("its signature is not of this head at its time"))?;
        // Moved to the nearer end it would be a time that nobody signed.
        let time = i64::try_from(seconds).map(Timestamp::from_unix);
        time.ok()
            .filter(|time| time.as_unix().unsigned_abs() == seconds)
            .ok_or(refuse("its time is after the year 9999"))
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&note::vkey(&self.name, note::ED25519_COSIGNATURE, &self.key))
    }
}

impl FromStr for WitnessKey {
    type Err = WitnessKeyError;

    fn from_str(text: &str) -> Result<Self, WitnessKeyError> {
        let refuse = |why| WitnessKeyError::Text { found: quoted(text), why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(raw)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it has not three parts"));
        };
        let raw = BASE64_STANDARD.decode(raw).map_err(|_| refuse("its key is no base64"))?;
        let (kind, raw) = raw.split_first().ok_or(refuse("it has no key"))?;
        if *kind != note::ED25519_COSIGNATURE {
            return Err(refuse("its key is not of type 0x04, Ed25519 cosignatures"));
        }
        let raw = raw.try_into().map_err(|_| refuse("its key has not 32 bytes"))?;
        let witness = Self::new(name, PublicKey::from_bytes(raw)?)?;
        if witness.to_string() == text {
            Ok(witness)
        } else {
            Err(refuse("its key id is not that of its name and key"))
        }
    }
}

impl TryFrom<String> for WitnessKey {
    type Error = WitnessKeyError;

    fn try_from(text: String) -> Result<Self, WitnessKeyError> {
        text.parse()
    }
}

impl From<WitnessKey> for String {
    fn from(witness: WitnessKey) -> Self {
        witness.to_string()
    }
}

/// What a witness signs.
fn message(seconds: u64, head: &Checkpoint) -> String {
    format!("cosignature/v1\ntime {seconds}\n{}", head.text())
}

impl SignedCheckpoint {
    /// Appends a witness's line. The caller has verified this head, and that it is consistent with
    /// the largest that this witness cosigned before.
    ///
    /// A second line of one witness on one copy is refused; for a newer time cosign the copy that
    /// the log made.
    pub fn cosign(
        &self,
        witness_name: &str,
        key: &dyn Sign,
        time: Timestamp,
    ) -> Result<Self, CheckpointError> {
        let witness = WitnessKey::new(witness_name, key.public_key())?;
        if witness.lines(self).next().is_some() {
            return Err(CheckpointError::CosignedAlready { witness: quoted(witness_name) });
        }
        let seconds = time.as_unix().unsigned_abs();
        let head = self.unverified();
        let signature = key.sign(message(seconds, head).as_bytes())?;
        let payload = [seconds.to_be_bytes().as_slice(), &signature].concat();
        // A back-end may sign with another key than it names.
        witness.time(&payload, head)?;
        let mut lines = self.signatures().to_vec();
        lines.push(NoteSignature::new(witness_name, witness.id(), &payload));
        Self::compose(head, &lines)
    }

    /// Both copies' lines below the one head that they sign, each once: the log's own first, then
    /// by name, newer times of one key first.
    ///
    /// Nothing is verified, so a false line of either stands in the result and makes it worth
    /// nothing to whoever knows that witness: merge what
    /// [`VerifiedCheckpoint::only_cosigned_by`] returned. Of two different lines by the log's own
    /// key the one here stays, for a reader takes exactly one.
    pub fn with_signatures_of(&self, other: &Self) -> Result<Self, CheckpointError> {
        let (head, theirs) = (self.unverified(), other.unverified());
        if head != theirs {
            let named = |head: &Checkpoint| {
                format!("a head of {} with size {} and root {}", head.origin, head.size, head.root)
            };
            let (found, expected) = (named(theirs), named(head));
            return Err(CheckpointError::OtherHead { found, expected });
        }
        let origin = head.origin.to_string();
        let mut lines = self.signatures().to_vec();
        for line in other.signatures() {
            let same_key = |held: &NoteSignature| {
                held.name == line.name && held.blob.first_chunk::<4>() == line.blob.first_chunk()
            };
            let stands =
                if line.name == origin { lines.iter().any(same_key) } else { lines.contains(line) };
            if !stands {
                lines.push(line.clone());
            }
        }
        lines.sort_by(|a, b| {
            let key = |line: &NoteSignature| (line.name != origin, line.name.clone());
            key(a).cmp(&key(b)).then_with(|| b.blob.cmp(&a.blob))
        });
        lines.dedup();
        Self::compose(head, &lines)
    }
}

impl VerifiedCheckpoint {
    /// The times at which this witness cosigned this head, the first one first; none where it has
    /// no line here.
    ///
    /// Every line with its name and key id must hold, as signed-note asks of known keys. A witness
    /// that is asked again of an idle log signs the same head at a newer time: both lines are
    /// true, the first says since when the head existed, and the last until when nothing newer was
    /// shown. An error would let anyone spoil a head by putting two true lines on it.
    pub fn cosigned_by(&self, witness: &WitnessKey) -> Result<Vec<Timestamp>, CheckpointError> {
        let times = witness.lines(self.signed());
        let mut times: Vec<_> = times
            .map(|payload| witness.time(payload, self.checkpoint()))
            .collect::<Result<_, _>>()?;
        times.sort_unstable();
        times.dedup();
        Ok(times)
    }

    /// This head with the log's own line and, of each of these witnesses, the first and the last
    /// line that holds, and no other: what a node keeps and passes on, so that nobody can fill a
    /// head with lines that nobody asked for, or spoil it with a false one.
    pub fn only_cosigned_by(
        &self,
        witnesses: &[WitnessKey],
    ) -> Result<SignedCheckpoint, CheckpointError> {
        let head = self.checkpoint();
        let name = head.origin.to_string();
        let id = note::key_id(&name, note::ED25519, &self.key());
        let is_own = |line: &&NoteSignature| line.payload(&name, id).is_some();
        let mut lines: Vec<_> = self.signed().signatures().iter().filter(is_own).cloned().collect();
        for witness in witnesses {
            let mut true_lines: Vec<_> = witness
                .lines(self.signed())
                .filter_map(|payload| Some((witness.time(payload, head).ok()?, payload)))
                .collect();
            true_lines.sort_unstable();
            let ends = [true_lines.last(), true_lines.first()];
            for (_, payload) in ends.into_iter().flatten() {
                let line = NoteSignature::new(witness.name(), witness.id(), payload);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        SignedCheckpoint::compose(head, &lines)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::digest::Digest;
    use crate::key::{SecretKey, SignError};
    use crate::log::Origin;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn head(size: u64) -> SignedCheckpoint {
        let origin = Origin::new(&"test".parse().unwrap(), &key(3).public_key(), 2026);
        Checkpoint { origin, size, root: Digest::of(b"root") }.sign(&key(3)).unwrap()
    }

    fn witness(name: &str, seed: u8) -> WitnessKey {
        WitnessKey::new(name, key(seed).public_key()).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn time(head: &SignedCheckpoint, by: &WitnessKey) -> Result<Option<i64>, CheckpointError> {
        let time = head.verify(&key(3).public_key()).unwrap().cosigned_by(by)?;
        Ok(time.last().map(|time| time.as_unix()))
    }

    #[test]
    fn the_verifier_key_that_golang_documents() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let raw = BASE64_STANDARD.decode(text.split('+').nth(2).unwrap()).unwrap();
        let key = PublicKey::from_bytes(raw.last_chunk().unwrap()).unwrap();
        assert_eq!(note::vkey("PeterNeumann", note::ED25519, &key), text);
    }

    #[test]
    fn a_witness_key_reads_back_in_one_spelling() {
        let text = witness("witness.example/w1", 5).to_string();
        assert_eq!(text.parse::<WitnessKey>().unwrap(), witness("witness.example/w1", 5));
        let log = head(1).unverified().origin.vkey(&key(3).public_key()).unwrap();
        let (name, rest) = text.split_once('+').unwrap();
        for broken in [
            String::new(),
            log,
            rest.to_owned(),
            format!("{name}x+{rest}"),
            format!("+{rest}"),
            format!("{name} +{rest}"),
            format!("{name}+{}", rest.to_uppercase()),
            format!("{name}+0{rest}"),
            format!("{text}="),
            format!("{text} "),
        ] {
            assert!(broken.parse::<WitnessKey>().is_err(), "{broken}");
        }
        assert!(head(1).unverified().origin.vkey(&key(4).public_key()).is_err());
    }

    #[test]
    fn names_that_cannot_stand_in_a_line_are_refused() {
        let long = "w".repeat(257);
        for name in ["", "two words", "two\u{2003}words", "a+b", "line\n", "\u{7}", &long] {
            assert!(WitnessKey::new(name, key(5).public_key()).is_err(), "{name:?}");
            assert!(head(1).cosign(name, &key(5), at(1)).is_err(), "{name:?}");
        }
        witness(&"w".repeat(256), 5);
    }

    #[test]
    fn a_cosignature_tells_its_time_and_only_once() {
        let signed = head(7).cosign("w", &key(5), at(1_780_000_000)).unwrap();
        assert_eq!(time(&signed, &witness("w", 5)).unwrap(), Some(1_780_000_000));
        assert_eq!(time(&head(7), &witness("w", 5)).unwrap(), None);
        assert!(matches!(
            signed.cosign("w", &key(5), at(1_790_000_000)),
            Err(CheckpointError::CosignedAlready { .. })
        ));
        // Another key of that name is another witness.
        let both = signed.cosign("w", &key(6), at(0)).unwrap();
        assert_eq!(time(&both, &witness("w", 6)).unwrap(), Some(0));
    }

    #[test]
    fn a_back_end_that_signs_with_another_key_is_found_out() {
        struct Wrong;
        impl Sign for Wrong {
            fn public_key(&self) -> PublicKey {
                key(5).public_key()
            }
            fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
                key(6).sign(message)
            }
        }
        let made = head(7).cosign("w", &Wrong, at(1));
        assert!(matches!(made, Err(CheckpointError::Cosignature { .. })));
    }

    #[test]
    fn a_time_beyond_what_we_can_say_is_refused_and_not_moved() {
        for seconds in [253_402_207_201, u64::from(u32::MAX) << 32, u64::MAX] {
            let unsigned = head(7);
            let signature =
                key(5).sign(message(seconds, unsigned.unverified()).as_bytes()).unwrap();
            let payload = [seconds.to_be_bytes().as_slice(), &signature].concat();
            let mut lines = unsigned.signatures().to_vec();
            lines.push(NoteSignature::new("w", witness("w", 5).id(), &payload));
            let signed = SignedCheckpoint::compose(unsigned.unverified(), &lines).unwrap();
            let refused = time(&signed, &witness("w", 5));
            assert!(matches!(refused, Err(CheckpointError::Cosignature { .. })), "{seconds}");
        }
    }

    #[test]
    fn merged_copies_have_every_line_once_in_one_order() {
        let a = head(7).cosign("b", &key(5), at(10)).unwrap().cosign("a", &key(6), at(5)).unwrap();
        let b = head(7).cosign("b", &key(5), at(20)).unwrap();
        let merged = a.with_signatures_of(&b).unwrap();
        assert_eq!(merged, b.with_signatures_of(&a).unwrap());
        assert_eq!(merged, merged.with_signatures_of(&merged).unwrap());
        assert_eq!(merged, merged.with_signatures_of(&a).unwrap());
        let names: Vec<_> = merged.signatures().iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names.get(1..), Some(["a", "b", "b"].as_slice()));
        assert_eq!(time(&merged, &witness("a", 6)).unwrap(), Some(5));
        // Of two true lines the newest counts.
        assert_eq!(time(&merged, &witness("b", 5)).unwrap(), Some(20));
        assert!(matches!(a.with_signatures_of(&head(8)), Err(CheckpointError::OtherHead { .. })));
    }

    #[test]
    fn a_second_line_by_the_logs_own_key_is_not_merged_in() {
        let head = head(7);
        let mut lines = head.signatures().to_vec();
        lines.first_mut().unwrap().blob.push(0);
        let other = SignedCheckpoint::compose(head.unverified(), &lines).unwrap();
        assert_eq!(head.with_signatures_of(&other).unwrap(), head);
    }

    #[test]
    fn merging_and_cosigning_keep_the_bounds() {
        let full = (0..63)
            .fold(head(7), |head, n: u8| head.cosign(&format!("w{n}"), &key(5), at(1)).unwrap());
        let one = head(7).cosign("one more", &key(5), at(1));
        assert!(one.is_err());
        let one = head(7).cosign("one-more", &key(5), at(1)).unwrap();
        let too_long = |made| matches!(made, Err(CheckpointError::TooLong { .. }));
        assert!(too_long(full.cosign("one-more", &key(5), at(1))));
        assert!(too_long(full.with_signatures_of(&one)));
    }

    #[test]
    fn what_is_passed_on_has_no_false_and_no_unknown_line() {
        let good = head(7).cosign("w", &key(5), at(10)).unwrap();
        let newer = |head: &SignedCheckpoint, seconds| {
            let newer = head_again(head).cosign("w", &key(5), at(seconds)).unwrap();
            head.with_signatures_of(&newer).unwrap()
        };
        let good = newer(&newer(&good, 15), 20);
        let noise = good.cosign("noise", &key(6), at(1)).unwrap();
        let mut lines = noise.signatures().to_vec();
        lines.push(NoteSignature::new("w", witness("w", 5).id(), &[9; 72]));
        let spoiled = SignedCheckpoint::compose(noise.unverified(), &lines).unwrap();
        assert!(time(&spoiled, &witness("w", 5)).is_err());
        let known = [witness("w", 5), witness("w", 5), witness("absent", 5)];
        let verified = spoiled.verify(&key(3).public_key()).unwrap();
        let kept = verified.only_cosigned_by(&known).unwrap();
        let ends = newer(&head(7).cosign("w", &key(5), at(10)).unwrap(), 20);
        assert_eq!(kept, ends, "the first and the last line, and none between");
    }

    fn head_again(head: &SignedCheckpoint) -> SignedCheckpoint {
        head.unverified().sign(&key(3)).unwrap()
    }
}
