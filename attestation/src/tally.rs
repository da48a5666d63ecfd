//! What the operators' voices add up to for one file (step 9).

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::policy::{Policy, Voter};
use crate::voice::{Stance, Subject, Voice};

/// The operators by what they mean for one file.
pub(crate) struct Tally<'a> {
    policy: &'a Policy,
    file: Digest,
    /// Supporters by subject, for this file and others of the purl.
    support: BTreeMap<Subject, BTreeSet<Voter>>,
    /// Names of the operators that dissent.
    pub(crate) dissent: Vec<String>,
    /// Operators that may still support anything.
    pub(crate) silent: BTreeSet<Voter>,
    /// Names of the operators whose logs no witness saw lately.
    pub(crate) unheard: Vec<String>,
}

impl<'a> Tally<'a> {
    pub(crate) fn of(policy: &'a Policy, voices: &[Voice], file: Digest) -> Self {
        let mut tally = Self {
            policy,
            file,
            support: BTreeMap::new(),
            dissent: Vec::new(),
            silent: BTreeSet::new(),
            unheard: Vec::new(),
        };
        for (voter, (operator, voice)) in policy.voters().zip(voices).enumerate() {
            let mut dissents = false;
            match &voice.stance {
                Stance::Silent | Stance::Failed => drop(tally.silent.insert(voter)),
                Stance::Supports(subject) => {
                    tally.support.entry(subject.clone()).or_default().insert(voter);
                }
                Stance::Contradicts => dissents = true,
                Stance::Against(subject) => dissents = subject.published == file,
                Stance::Near(_) => {}
            }
            if dissents {
                tally.dissent.push(operator.name.clone());
            } else if !voice.heard {
                tally.unheard.push(operator.name.clone());
            }
        }
        tally
    }

    /// Who supports the file, of those who agree on its sources: the set that meets most.
    pub(crate) fn supporters(&self) -> BTreeSet<Voter> {
        let of_file = self.support.iter().filter(|(subject, _)| subject.published == self.file);
        let best = of_file.map(|(_, voters)| voters).max_by_key(|voters| {
            let formula = self.policy.formula();
            let diverse = formula.holds(voters) && self.alike(voters).is_empty();
            (diverse, formula.have(voters), voters.len())
        });
        best.cloned().unwrap_or_default()
    }

    /// Whether the formula could still hold if every silent operator supported this file.
    pub(crate) fn in_reach(&self) -> bool {
        let formula = self.policy.formula();
        let with = |voters: &BTreeSet<Voter>| {
            formula.holds(&voters.union(&self.silent).copied().collect())
        };
        let mut of_file = self.support.iter().filter(|(subject, _)| subject.published == self.file);
        with(&BTreeSet::new()) || of_file.any(|(_, voters)| with(voters))
    }

    /// Another file of the purl for which the formula holds, the best supported.
    pub(crate) fn other(&self) -> Option<(Digest, BTreeSet<Voter>)> {
        let others = self.support.iter().filter(|(subject, _)| subject.published != self.file);
        let met = others.filter(|(_, voters)| self.policy.formula().holds(voters));
        met.max_by_key(|(_, voters)| voters.len())
            .map(|(subject, voters)| (subject.published, voters.clone()))
    }

    /// Whether supporters of this file disagree about its sources.
    pub(crate) fn sources_differ(&self) -> bool {
        self.support.keys().filter(|subject| subject.published == self.file).count() > 1
    }

    /// The tags in which these supporters do not differ enough: name, values found, values asked.
    pub(crate) fn alike(
        &self,
        voters: &BTreeSet<Voter>,
    ) -> Vec<(&'a str, BTreeSet<&'a str>, usize)> {
        let operators: Vec<_> = self.policy.voters().collect();
        let mut alike = Vec::new();
        for diversity in &self.policy.demands().diversity {
            let tags =
                voters.iter().filter_map(|voter| operators.get(*voter)?.tags.get(&diversity.tag));
            let values: BTreeSet<&str> = tags.map(String::as_str).collect();
            if values.len() < diversity.distinct {
                alike.push((diversity.tag.as_str(), values, diversity.distinct));
            }
        }
        alike
    }
}
