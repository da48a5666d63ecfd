//! The policies of the world's consumers: a few rules that the checkers can read as well as the production code.

use std::fmt::Write as _;

use reattest_attestation::{Policy, PublicKey, Timestamp};

use crate::checkers::{Broken, Invariant};
use crate::network::Name;
use crate::rebuilds::ARCHIVE;
use crate::signer::witness;

/// Heads that witnesses saw lately.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// So many of the world's witnesses.
    pub witnesses: usize,
    /// As policies write it.
    pub max_head_age: &'static str,
}

/// A policy before it is written down.
#[derive(Debug, Clone)]
pub struct Rules {
    /// k.
    pub need: usize,
    /// d, where it is less than k leaves.
    pub max_dissent: Option<usize>,
    /// The operators that vote.
    pub voters: Vec<PublicKey>,
    /// Until when the first of them is believed.
    pub believed_until: Option<Timestamp>,
    /// Whether evidence that cannot show dissent is refused.
    pub checked: bool,
    /// How fresh heads must be.
    pub fresh: Option<Fresh>,
    /// The archives that count.
    pub archives: Vec<&'static str>,
}

impl Rules {
    /// k of these operators, and nothing else.
    pub fn new(need: usize, voters: Vec<PublicKey>) -> Self {
        let archives = vec![ARCHIVE];
        Self {
            need,
            max_dissent: None,
            voters,
            believed_until: None,
            checked: false,
            fresh: None,
            archives,
        }
    }

    /// The policies that consumers of a seed's world have, each in its turn.
    pub fn drawn(voters: &[PublicKey], soon: Timestamp) -> Vec<Self> {
        let of = |need: usize| Self::new(need, voters.to_vec());
        let all = voters.len();
        vec![
            of(all / 2 + 1),
            Self { max_dissent: Some(0), ..of(1) },
            Self { max_dissent: Some(0), checked: true, ..of(2) },
            of(2),
            Self { believed_until: Some(soon), ..of(2) },
            of(all),
        ]
    }

    /// How many may dissent.
    pub fn limit(&self) -> usize {
        let left = self.voters.len().saturating_sub(self.need);
        self.max_dissent.map_or(left, |limit| limit.min(left))
    }

    /// The policy.
    pub fn policy(&self) -> Result<Policy, Broken> {
        Policy::parse(&self.text())
            .map_err(|error| Broken::new(Invariant::Verdicts, format!("a policy: {error}")))
    }

    fn text(&self) -> String {
        let mut text = "version = 1\nnetwork = \"simulated\"\n\
                        expires = 2027-01-01T00:00:00Z\n"
            .to_owned();
        let mut tables = String::new();
        // Writing to a text cannot fail.
        for (at, key) in self.voters.iter().enumerate() {
            let _written = write!(text, "[[operator]]\nname = \"o{at}\"\nkey = \"{key}\"\n");
            if let Some(until) = self.believed_until.filter(|_| at == 0) {
                let _written = writeln!(text, "expires = {until}");
            }
        }
        let _written = write!(
            text,
            "[[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = {:?}\n[quorum]\nneed = {}\n",
            self.archives, self.need
        );
        let names: Vec<String> = (0..self.voters.len()).map(|at| format!("o{at}")).collect();
        let _written = write!(text, "of = {names:?}\nmax_dissent = {}\n", self.limit());
        if let Some(Fresh { witnesses, max_head_age }) = self.fresh {
            let _written =
                write!(text, "witnesses = {witnesses}\nmax_head_age = \"{max_head_age}\"\n");
            for witness in [Name(0), Name(1)].into_iter().filter_map(|name| witness(name).ok()) {
                let _written = write!(tables, "[[witness]]\nkey = \"{witness}\"\n");
            }
        }
        if self.checked {
            text.push_str("unchecked_dissent = \"refuse\"\n");
        }
        text.push_str(&tables);
        text
    }
}
