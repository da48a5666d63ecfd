//! What operators say about their keys (certificates, revocations, rotations), kept as files below `words/`.
//!
//! A word is no entry of a log: the key of a log cannot speak about itself once it is stolen. Each file
//! is one envelope under its digest, signed by the operator that it names; whoever carries it changes
//! nothing. Words are never replaced: a revocation is for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use reattest_attestation::limits::ENVELOPE_MAX;
use reattest_attestation::statement::{OperatorError, Said};
use reattest_attestation::{Digest, Envelope, OperatorWord, PublicKey};

use crate::disk::{self, SharedDisk};
use crate::limits::{WORDS, WORDS_PER_OPERATOR};
use crate::store::durable;

/// A word that is not kept.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// The disk refused.
    #[error("{path}: {source}; check the disk, and that this user may write there")]
    Disk {
        /// The file or directory.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Not what an operator says about a key, or not signed by that operator.
    #[error(transparent)]
    NotAWord(#[from] OperatorError),
    /// One operator has said very much.
    #[error(
        "found {WORDS_PER_OPERATOR} words of operator {operator} already, needed fewer; ask it why it has so many keys"
    )]
    Operator {
        /// Its fingerprint.
        operator: String,
    },
    /// All operators together have.
    #[error(
        "found {WORDS} words of operators already, needed fewer; remove those of operators that no policy names"
    )]
    Full,
}

/// A file that is no word, and is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Its path.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Every word that one data directory holds.
#[derive(Debug)]
pub struct Words {
    disk: SharedDisk,
    directory: PathBuf,
    held: BTreeMap<Digest, (OperatorWord, Envelope)>,
    damaged: Vec<Damaged>,
}

impl Words {
    /// Reads the words of a data directory; what is damaged is named in [`Self::damaged`].
    pub fn open(data: &Path) -> Result<Self, WordsError> {
        Self::open_on(disk::local(), data)
    }

    /// As [`Words::open`], on a disk.
    pub fn open_on(disk: SharedDisk, data: &Path) -> Result<Self, WordsError> {
        let directory = data.join("words");
        let mut words = Self { disk, directory, held: BTreeMap::new(), damaged: Vec::new() };
        for path in words.files()? {
            if let Err(why) = words.load(&path) {
                tracing::warn!(path = %path.display(), why, "an operator's word is passed over");
                words.damaged.push(Damaged { path, why });
            }
        }
        Ok(words)
    }

    /// The files, by name; twice as many as may be held, so that rubbish does not hide words.
    fn files(&self) -> Result<BTreeSet<PathBuf>, WordsError> {
        let files = match self.disk.list(&self.directory) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(refused(&self.directory, error)),
        };
        // A name that begins so is of a write that was interrupted.
        let left_over = |path: &PathBuf| {
            path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
        };
        let files = files.into_iter().filter(|path| !left_over(path));
        Ok(files.take(WORDS.saturating_mul(2)).collect())
    }

    fn load(&mut self, path: &Path) -> Result<(), String> {
        let said = |error: io::Error| error.to_string();
        let length = self.disk.length(path).map_err(said)?;
        if length > ENVELOPE_MAX as u64 {
            return Err(format!("it has {length} bytes, needed {ENVELOPE_MAX} at most"));
        }
        let bytes = self.disk.read(path).map_err(said)?;
        let envelope = Envelope::parse(&bytes).map_err(|error| error.to_string())?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name != envelope.digest().to_string() {
            return Err(format!("it holds sha256:{}", envelope.digest()));
        }
        self.admit(envelope).map(drop).map_err(|error| error.to_string())
    }

    /// Takes a word into memory, within the bounds.
    fn admit(&mut self, envelope: Envelope) -> Result<bool, WordsError> {
        if self.held.contains_key(&envelope.digest()) {
            return Ok(false);
        }
        let word = OperatorWord::verify(&envelope)?;
        let operator = operator_of(&word);
        if self.of(&operator).count() >= WORDS_PER_OPERATOR {
            return Err(WordsError::Operator { operator: operator.fingerprint() });
        }
        if self.held.len() >= WORDS {
            return Err(WordsError::Full);
        }
        self.held.insert(envelope.digest(), (word, envelope));
        Ok(true)
    }

    /// Keeps a word; whether it is new. When this returns, it is on disk.
    pub fn put(&mut self, envelope: &Envelope) -> Result<bool, WordsError> {
        if !self.admit(envelope.clone())? {
            return Ok(false);
        }
        let path = self.path(&envelope.digest());
        durable::write(&*self.disk, &path, envelope.as_bytes()).map_err(|source| {
            self.held.remove(&envelope.digest());
            refused(&path, source)
        })?;
        Ok(true)
    }

    /// Where a word is kept.
    pub fn path(&self, word: &Digest) -> PathBuf {
        self.directory.join(word.to_string())
    }

    /// Every word, by digest.
    pub fn all(&self) -> impl Iterator<Item = &Envelope> {
        self.held.values().map(|(_, envelope)| envelope)
    }

    /// What one operator says.
    pub fn of<'a>(&'a self, operator: &'a PublicKey) -> impl Iterator<Item = &'a OperatorWord> {
        let words = self.held.values().map(|(word, _)| word);
        words.filter(move |word| operator_of(word) == *operator)
    }

    /// The words that name one of these keys, each by the SHA-256 of its raw bytes, as logs do.
    pub fn about(&self, keys: &BTreeSet<Digest>) -> impl Iterator<Item = &Envelope> {
        let named = |word: &OperatorWord| {
            keys_of(word).into_iter().flatten().any(|key| keys.contains(&key.digest()))
        };
        self.held.values().filter(move |(word, _)| named(word)).map(|(_, envelope)| envelope)
    }

    /// Whether a word is here.
    pub fn holds(&self, word: &Digest) -> bool {
        self.held.contains_key(word)
    }

    /// Files that are no words.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }
}

/// Whose word it is.
pub fn operator_of(word: &OperatorWord) -> PublicKey {
    match word.said() {
        Said::Certificate(certificate) => certificate.operator,
        Said::Revocation(revocation) => revocation.operator,
        Said::Rotation(rotation) => rotation.operator(),
    }
}

/// The key that is certified, and the key that is closed.
fn keys_of(word: &OperatorWord) -> [Option<PublicKey>; 2] {
    match word.said() {
        Said::Certificate(certificate) => [Some(certificate.rebuilder), None],
        Said::Revocation(revocation) => [None, Some(revocation.rebuilder)],
        Said::Rotation(rotation) => {
            [Some(rotation.certificate.rebuilder), Some(rotation.revocation.rebuilder)]
        }
    }
}

fn refused(path: &Path, source: io::Error) -> WordsError {
    WordsError::Disk { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::fs;

    use super::*;
    use reattest_attestation::{SecretKey, Sign};

    fn certificate(operator: u8, rebuilder: u8) -> Envelope {
        let operator = SecretKey::from_seed(&[operator; 32]);
        let rebuilder = SecretKey::from_seed(&[rebuilder; 32]).public_key();
        crate::operator::certify(&operator, rebuilder, 30).unwrap()
    }

    #[test]
    fn a_word_is_kept_once_and_found_after_a_start() {
        let data = tempfile::tempdir().unwrap();
        let mut words = Words::open(data.path()).unwrap();
        let (one, other) = (certificate(1, 2), certificate(3, 4));
        assert!(words.put(&one).unwrap() && words.put(&other).unwrap());
        assert!(!words.put(&one).unwrap());
        let again = Words::open(data.path()).unwrap();
        assert_eq!(again.all().count(), 2);
        let operator = SecretKey::from_seed(&[1; 32]).public_key();
        assert_eq!(again.of(&operator).count(), 1);
        let key = SecretKey::from_seed(&[4; 32]).public_key().digest();
        let about: Vec<_> = again.about(&BTreeSet::from([key])).collect();
        assert_eq!(about, [&other]);
    }

    #[test]
    fn what_no_operator_signed_is_refused_and_not_written() {
        let data = tempfile::tempdir().unwrap();
        let mut words = Words::open(data.path()).unwrap();
        let right = certificate(1, 2);
        // Signed by another key than the operator that it names.
        let payload = right.unverified_payload().to_vec();
        let forged = Envelope::sign(payload, &SecretKey::from_seed(&[9; 32])).unwrap();
        assert!(matches!(words.put(&forged), Err(WordsError::NotAWord(_))));
        assert!(!data.path().join("words").exists());
    }

    #[test]
    fn damaged_files_are_named_and_hide_no_word() {
        let data = tempfile::tempdir().unwrap();
        let mut words = Words::open(data.path()).unwrap();
        let (one, other) = (certificate(1, 2), certificate(1, 3));
        words.put(&one).unwrap();
        words.put(&other).unwrap();
        let place = data.path().join("words");
        fs::write(words.path(&one.digest()), "torn").unwrap();
        fs::write(place.join("note.txt"), other.as_bytes()).unwrap();
        fs::write(place.join("huge"), vec![b' '; ENVELOPE_MAX + 2]).unwrap();
        fs::create_dir(place.join("directory")).unwrap();
        fs::write(place.join(".new-torn"), "half").unwrap();
        let again = Words::open(data.path()).unwrap();
        assert_eq!(again.all().collect::<Vec<_>>(), [&other]);
        assert_eq!(again.damaged().len(), 4, "{:?}", again.damaged());
    }

    #[test]
    fn one_operator_takes_no_more_than_its_share() {
        let data = tempfile::tempdir().unwrap();
        let mut words = Words::open(data.path()).unwrap();
        let operator = SecretKey::from_seed(&[1; 32]);
        let word = |number: usize| {
            let mut seed = [0; 32];
            seed.first_chunk_mut::<8>().unwrap().copy_from_slice(&number.to_be_bytes());
            let rebuilder = SecretKey::from_seed(&seed).public_key();
            crate::operator::certify(&operator, rebuilder, 30).unwrap()
        };
        for number in 0..WORDS_PER_OPERATOR {
            assert!(words.admit(word(number)).unwrap());
        }
        let error = words.put(&word(WORDS_PER_OPERATOR)).unwrap_err();
        assert!(matches!(error, WordsError::Operator { .. }), "{error}");
        assert!(words.put(&certificate(2, 3)).unwrap(), "others have theirs");
    }
}
