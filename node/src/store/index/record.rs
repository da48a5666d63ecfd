//! One index record: 16 bytes that say that an entry of a log answers a selector.

use reattest_attestation::{Digest, Digester};

use super::Selector;

/// What a selector is looked up by: the first half of half of a SHA-256 under the index's own random key.
///
/// Two selectors of a million share one with odds of 1 in 10^7, which shows an entry that says nothing of
/// what was asked and so decides nothing; without the key nobody can make them share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

impl Key {
    /// The key of a selector under an index's secret.
    pub(super) fn of(selector: &Selector, secret: &[u8; 32]) -> Self {
        match selector {
            Selector::Package(purl) => Self::of_purl(purl.as_str(), secret),
            Selector::File(digest) => Self::of_file(*digest, secret),
            Selector::Recipe(digest) => Self::of_recipe(*digest, secret),
        }
    }

    pub(super) fn of_purl(purl: &str, secret: &[u8; 32]) -> Self {
        Self::hashed(b'p', purl.as_bytes(), secret)
    }

    pub(super) fn of_file(digest: Digest, secret: &[u8; 32]) -> Self {
        Self::hashed(b'f', digest.as_bytes(), secret)
    }

    pub(super) fn of_recipe(digest: Digest, secret: &[u8; 32]) -> Self {
        Self::hashed(b'r', digest.as_bytes(), secret)
    }

    fn hashed(kind: u8, bytes: &[u8], secret: &[u8; 32]) -> Self {
        let mut digester = Digester::new();
        digester.update(secret);
        digester.update(&[kind]);
        digester.update(bytes);
        Self(u64::from_be_bytes(
            digester.finish().as_bytes().first_chunk().copied().unwrap_or_default(),
        ))
    }
}

/// A key (64 bits), the number of a log (16) and an entry's index there (48, the bound of a log).
/// Records sort by key, then log, then entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record(u128);

/// Bits of an entry's index.
const INDEX_BITS: u32 = 48;

impl Record {
    pub(super) fn new(key: Key, log: u16, index: u64) -> Self {
        let place = (u64::from(log) << INDEX_BITS) | (index & ((1 << INDEX_BITS) - 1));
        Self((u128::from(key.0) << 64) | u128::from(place))
    }

    /// Not after any record of the key.
    pub(super) fn first(key: Key) -> Self {
        Self(u128::from(key.0) << 64)
    }

    /// Not before any record of the key.
    pub(super) fn last(key: Key) -> Self {
        Self((u128::from(key.0) << 64) | u128::from(u64::MAX))
    }

    /// The number of the log.
    pub(super) fn log(self) -> u16 {
        u16::try_from((self.0 >> INDEX_BITS) & u128::from(u16::MAX)).unwrap_or_default()
    }

    /// The entry's index in its log.
    pub(super) fn index(self) -> u64 {
        u64::try_from(self.0 & ((1 << INDEX_BITS) - 1)).unwrap_or_default()
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}
