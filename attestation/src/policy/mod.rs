//! The consumer's policy: which operators, authorities and witnesses count, and how many must agree (step 9).
//!
//! Deliberately small, so that every refusal can say what to change. Mistakes are refused when the
//! file is read, with line and column; only the clock is left to [`crate::conclude`].

mod deployment_rules;
mod environment;
mod formula;
mod meta;
mod mistake;
mod read;
mod read_environment;
mod read_quorum;
mod read_rules;

pub use deployment_rules::{Command, RULES, Rules, ScanRule, Scanner};
pub use environment::{
    DeploymentRequest, Door, Environment, EnvironmentError, LabelError, Scope, WhenUnavailable,
};
pub use formula::{Group, Member, Voter};
pub use meta::MetaPolicy;
pub use mistake::{Mistake, PolicyError};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::artifact::{NetworkId, Purl};
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::log::WitnessKey;
use crate::statement::Normalizer;
use crate::time::Timestamp;

/// What a verdict does to its asker.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Anything but `accepted` stops. What a policy means outside of every environment.
    #[default]
    Enforce,
    /// Nothing stops; what would have been decided is recorded.
    DryRun,
    /// Nothing is asked.
    Off,
}

impl Mode {
    /// The word of policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::DryRun => "dry-run",
            Self::Off => "off",
        }
    }
}

/// An operator that the policy believes.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Operator {
    /// The policy's own name for it, 1 to 256 bytes.
    pub name: String,
    /// Its offline key.
    pub key: PublicKey,
    /// What sets it apart from others, such as `country = "de"`; for rules about diversity.
    pub tags: BTreeMap<String, String>,
    /// Last second at which it is believed, where the policy says one.
    pub expires: Option<Timestamp>,
}

/// A witness whose times the policy believes.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Witness {
    /// Its name and cosignature key.
    pub key: WitnessKey,
    /// The operator that runs it, on whose own logs its word is nothing new.
    pub run_by: Option<String>,
}

/// How near to the published file a rebuild must come.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub enum Accept {
    /// Bit for bit.
    #[default]
    Bitwise,
    /// Equal under these normalizers too, each written `NAME@VERSION`.
    Equivalent(BTreeSet<String>),
}

/// Supporters must differ in a tag.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Diversity {
    /// The tag's name.
    pub tag: String,
    /// How many values of it the supporters must show together.
    pub distinct: usize,
}

/// Everything that a quorum asks besides its formula.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Demands {
    /// d: how many operators may dissent.
    pub max_dissent: usize,
    /// Whether evidence that cannot show dissent is not enough.
    pub checked_dissent: bool,
    /// How near a rebuild must come.
    pub accept: Accept,
    /// Seconds after which a rebuild no longer counts as support.
    pub max_age: Option<u64>,
    /// Witnesses that must have cosigned a head above a supporting statement.
    pub witnesses: usize,
    /// Seconds since those witnesses last saw a log, after which it supports nothing.
    pub max_head_age: Option<u64>,
    /// How supporters must differ.
    pub diversity: Vec<Diversity>,
}

/// A policy without the mistakes that can be found without a clock.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Policy {
    digest: Digest,
    network: NetworkId,
    expires: Timestamp,
    /// Line and column of `expires`.
    expires_at: (usize, usize),
    mode: Mode,
    operators: Vec<Operator>,
    voters: Vec<usize>,
    formula: Group,
    demands: Demands,
    witnesses: Vec<Witness>,
    authorities: Vec<AuthorityRule>,
    scanners: Vec<Scanner>,
    environments: Vec<Environment>,
}

/// Who may bind the purls of a pattern, in the words of statements.
#[derive(Clone, Eq, PartialEq, Debug)]
struct AuthorityRule {
    purl: String,
    releases: BTreeSet<String>,
    locks: BTreeSet<String>,
    expires: Option<Timestamp>,
}

/// Who may speak about one purl at one time.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Authorities<'a> {
    /// Who may bind it to a file and sources.
    pub releases: BTreeSet<&'a str>,
    /// Who may cover the packages of the environment that it is built in.
    pub locks: BTreeSet<&'a str>,
}

impl Policy {
    /// Reads a policy. One without operators is a policy that trusts nobody yet.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        read::policy(text).map_err(|(span, mistake)| {
            let (line, column) = line_and_column(text, &span);
            PolicyError { line, column, mistake }
        })
    }

    /// Refuses a policy that has expired at `now`, where the file says so.
    pub fn in_force(self, now: Timestamp) -> Result<Self, PolicyError> {
        if now <= self.expires {
            return Ok(self);
        }
        let (line, column) = self.expires_at;
        let mistake = Mistake::Expired { expires: self.expires, now };
        Err(PolicyError { line, column, mistake })
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

    /// The operators that vote, in the order in which the quorum names them.
    pub fn voters(&self) -> impl Iterator<Item = &Operator> {
        self.voters.iter().filter_map(|at| self.operators.get(*at))
    }

    /// The quorum formula over [`Policy::voters`]. Nobody's, it needs nothing of nothing.
    pub fn formula(&self) -> &Group {
        &self.formula
    }

    /// What the quorum asks besides.
    pub fn demands(&self) -> &Demands {
        &self.demands
    }

    /// The witnesses whose times count.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The scanners whose word on vulnerabilities is taken.
    pub fn scanners(&self) -> &[Scanner] {
        &self.scanners
    }

    /// n: how many operators vote, whoever answers.
    pub fn of(&self) -> usize {
        self.voters.len()
    }

    /// Every `[[authority]]`: its pattern, who may bind releases, and until when it is believed.
    pub fn authority_patterns(
        &self,
    ) -> impl Iterator<Item = (&str, &BTreeSet<String>, Option<Timestamp>)> {
        self.authorities.iter().map(|rule| (rule.purl.as_str(), &rule.releases, rule.expires))
    }

    /// Who may speak about this purl at `now`, over every `[[authority]]` that covers it.
    pub fn authorities_of(&self, purl: &Purl, now: Timestamp) -> Authorities<'_> {
        let mut found = Authorities::default();
        for rule in self.authorities.iter().filter(|rule| purl.matches(&rule.purl)) {
            if rule.expires.is_none_or(|expires| now <= expires) {
                found.releases.extend(rule.releases.iter().map(String::as_str));
                found.locks.extend(rule.locks.iter().map(String::as_str));
            }
        }
        found
    }
}

impl Accept {
    /// Whether a file that is equal under these normalizers is near enough.
    pub fn allows(&self, normalizers: &[Normalizer]) -> bool {
        let named = |n: &Normalizer| format!("{}@{}", n.name, n.version);
        match self {
            Self::Bitwise => false,
            Self::Equivalent(allowed) => {
                !normalizers.is_empty() && normalizers.iter().all(|n| allowed.contains(&named(n)))
            }
        }
    }
}

/// Line and column of the beginning of a byte range, both from 1, columns in characters.
fn line_and_column(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
