//! What the operators' voices add up to for one file (step 9).

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::policy::Policy;
use crate::voice::{Stance, Subject, Voice};

/// The operators by what they mean for one file.
pub(crate) struct Tally {
    /// Supporters by subject, for this file and others of the purl.
    support: BTreeMap<Subject, usize>,
    /// Names of the operators that dissent.
    pub(crate) dissent: Vec<String>,
    /// Operators that may still support anything.
    pub(crate) silent: usize,
}

impl Tally {
    pub(crate) fn of(policy: &Policy, voices: &[Voice], file: Digest) -> Self {
        let mut tally = Self { support: BTreeMap::new(), dissent: Vec::new(), silent: 0 };
        for (operator, voice) in policy.voters().zip(voices) {
            match &voice.stance {
                Stance::Silent | Stance::Failed => tally.silent += 1,
                Stance::Reproduced(subject) => {
                    *tally.support.entry(subject.clone()).or_default() += 1;
                }
                Stance::Contradicts => tally.dissent.push(operator.name.clone()),
                Stance::Against(subject) if subject.published == file => {
                    tally.dissent.push(operator.name.clone());
                }
                Stance::Against(_) | Stance::Near(_) => {}
            }
        }
        tally
    }

    /// Supporters of the best-supported subject of this file.
    pub(crate) fn have(&self, file: Digest) -> usize {
        let of_file = self.support.iter().filter(|(subject, _)| subject.published == file);
        of_file.map(|(_, count)| *count).max().unwrap_or(0)
    }

    /// Another file of the purl behind which the quorum stands, the best supported.
    pub(crate) fn other(&self, file: Digest, need: usize) -> Option<(Digest, usize)> {
        let others = self.support.iter().filter(|(subject, _)| subject.published != file);
        let met = others.filter(|(_, count)| **count >= need);
        met.map(|(subject, count)| (subject.published, *count)).max_by_key(|(_, count)| *count)
    }

    /// Whether supporters of this file disagree about its sources.
    pub(crate) fn sources_differ(&self, file: Digest) -> bool {
        self.support.keys().filter(|subject| subject.published == file).count() > 1
    }
}
