//! The consumer's policy: which operators and authorities count, and how many must agree (step 9).
//!
//! Deliberately small, so that every refusal can say what to change. Mistakes are refused when the
//! file is read, with line and column; only the clock is left to [`crate::conclude`].

mod mistake;
mod read;

pub use mistake::{Mistake, PolicyError};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::artifact::{NetworkId, Purl};
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::time::Timestamp;

/// What a verdict does to its asker.
#[derive(Copy, Clone, Eq, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Anything but `accepted` stops. The only mode yet.
    #[default]
    Enforce,
}

/// An operator that the policy believes.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Operator {
    /// The policy's own name for it, 1 to 256 bytes.
    pub name: String,
    /// Its offline key.
    pub key: PublicKey,
    /// Free words, kept for rules about diversity.
    pub tags: Vec<String>,
}

/// A policy without the mistakes that can be found without a clock.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Policy {
    digest: Digest,
    network: NetworkId,
    expires: Timestamp,
    mode: Mode,
    operators: Vec<Operator>,
    voters: Vec<usize>,
    need: usize,
    max_dissent: usize,
    authorities: Vec<AuthorityRule>,
}

/// Who may bind the purls of a pattern.
#[derive(Clone, Eq, PartialEq, Debug)]
struct AuthorityRule {
    purl: String,
    openpgp: BTreeSet<String>,
}

impl Policy {
    /// Reads a policy. One without operators is a policy that trusts nobody yet.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        read::policy(text).map_err(|(span, mistake)| {
            let before = text.get(..span.start.min(text.len())).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            PolicyError { line, column, mistake }
        })
    }

    /// SHA-256 of the file's text: what a verdict names as its policy.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The network whose statements count.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// Last second at which the policy can accept.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// What a verdict does to its asker.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Every operator of the file, in its order.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// The operators that vote, in the quorum's order.
    pub fn voters(&self) -> impl Iterator<Item = &Operator> {
        self.voters.iter().filter_map(|at| self.operators.get(*at))
    }

    /// k: how many must support a file. 0 only where nobody votes.
    pub fn need(&self) -> usize {
        self.need
    }

    /// n: how many operators vote, whoever answers.
    pub fn of(&self) -> usize {
        self.voters.len()
    }

    /// d: how many may dissent; n - k unless the file says less.
    pub fn max_dissent(&self) -> usize {
        self.max_dissent
    }

    /// The fingerprints that may bind this purl, as statements spell them (`openpgp:` and
    /// uppercase digits), over every `[[authority]]` whose pattern covers it.
    pub fn authorities_of(&self, purl: &Purl) -> BTreeSet<&str> {
        let covering = self.authorities.iter().filter(|rule| purl.matches(&rule.purl));
        covering.flat_map(|rule| rule.openpgp.iter().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::key::{SecretKey, Sign as _};

    const FINGERPRINT: &str = "B8B8 0B5B 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8";

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public_key()
    }

    fn policy() -> String {
        format!(
            "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n\n\
             [[operator]]\nname = \"alder\"\nkey = \"{} alder@host\"\ntags = [\"eu\"]\n\n\
             [[operator]]\nname = \"birch\"\nkey = \"{}\"\n\n\
             [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{FINGERPRINT}\"]\n\n\
             [quorum]\nneed = 1\nof = [\"alder\", \"birch\"]\n",
            key(1),
            key(2)
        )
    }

    #[test]
    fn a_policy_is_read() {
        let policy = Policy::parse(&policy()).unwrap();
        assert_eq!((policy.need(), policy.of(), policy.max_dissent()), (1, 2, 1));
        assert_eq!(policy.expires().to_string(), "2027-01-01T00:00:00Z");
        let netbase = "pkg:deb/debian/netbase@6.5?arch=all".parse().unwrap();
        assert_eq!(
            policy.authorities_of(&netbase).into_iter().collect::<Vec<_>>(),
            ["openpgp:B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"]
        );
        assert!(policy.authorities_of(&"pkg:deb/ubuntu/netbase@6.5".parse().unwrap()).is_empty());
    }

    #[test]
    fn a_first_policy_trusts_nobody() {
        let text = "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!((policy.need(), policy.of()), (0, 0));
    }

    #[test]
    fn mistakes_are_refused_where_they_stand() {
        let second = key(2).to_string();
        for (from, to, place, part) in [
            ("version = 1", "version = 2", (1, 11), "version = 1"),
            ("expires = 2027-01-01T00:00:00Z\n", "", (1, 1), "expires"),
            ("expires = 2027-01-01T00:00:00Z", "expires = 2027-01-01", (3, 11), "2026-01-31"),
            ("\"test\"", "\"Test\"", (2, 11), "a-z"),
            ("tags =", "tag =", (8, 1), "tag"),
            (second.as_str(), &key(1).to_string(), (12, 7), "twice"),
            ("name = \"birch\"", "name = \"alder\"", (11, 8), "twice"),
            ("\"birch\"]", "\"cedar\"]", (20, 16), "no [[operator]]"),
            ("\"birch\"]", "\"alder\"]", (20, 16), "twice"),
            ("need = 1", "need = 3", (19, 8), "1 to 2"),
            ("need = 1", "need = 0", (19, 8), "1 to 2"),
            ("need = 1", "need = 1\nmax_dissent = 2", (20, 15), "0 to 1"),
            ("[quorum]\nneed = 1\nof = [\"alder\", \"birch\"]\n", "", (18, 1), "[quorum]"),
            ("debian/*", "debian*", (15, 8), "pkg:deb/debian/*"),
            (FINGERPRINT, "B8B80B5B", (16, 12), "40 or 64"),
            ("[quorum]", "mode = \"enforce\"\n[quorum]", (18, 1), "mode"),
        ] {
            let text = policy().replace(from, to);
            let error = Policy::parse(&text).unwrap_err();
            assert_eq!((error.line, error.column), place, "{from} -> {to}: {error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
