//! What stand-ins say in one state of the world, signed and logged, and what production concludes from it (step 9).

use std::collections::BTreeMap;
use std::rc::Rc;

use reattest_attestation::log::tree::root_of;
use reattest_attestation::log::{Checkpoint, InclusionProof, Origin, SignedCheckpoint, leaf_hash};
use reattest_attestation::{
    Bundle, Certificate, Completeness, Conclusion, Digest, Envelope, Evidence, HashedFile,
    LoggedAt, NetworkId, Policy, Purl, Question, SecretKey, Sign as _, Timestamp, conclude,
};

use super::WhatIfError;
use super::shape::{NETWORK, operator};
use crate::rebuilds::{ARCHIVE, Said};

/// The second at which stand-ins are judged: 2026-06-01T00:00:00Z.
const NOW: i64 = 1_780_272_000;

/// What an operator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// It says what it saw.
    Honest,
    /// It says what the others that are compromised say.
    Compromised,
    /// It says nothing.
    Offline,
}

/// What an operator says about the file that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Nothing.
    Nothing,
    /// It reproduced the file.
    Support,
    /// It reproduced another file of the same package.
    Other,
    /// What it made is not the file, twice.
    Against,
}

/// One word, signed, alone in a log.
#[derive(Debug)]
struct Cast {
    envelope: Envelope,
    head: SignedCheckpoint,
}

/// The key of one seat, with every word that it may say.
#[derive(Debug)]
struct Stand {
    certificate: Envelope,
    origin: Origin,
    casts: BTreeMap<Word, Cast>,
}

/// Stand-ins who can say anything.
#[derive(Debug)]
pub struct Ballots {
    network: NetworkId,
    question: Question,
    stands: Vec<Stand>,
}

/// What the colluders can reach in one state of the world, whichever way they choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The false file is accepted: handed to one consumer while the others saw the true one, or
    /// published for all while honest rebuilders dissent.
    pub false_accepted: bool,
    /// The worse verdict on the true file, while they stand behind the false one or dissent.
    pub true_file: Conclusion,
}

impl Ballots {
    /// Signs every word of so many stand-ins.
    pub fn new(seats: usize) -> Result<Self, WhatIfError> {
        let network: NetworkId = sound(NETWORK.parse())?;
        let qualifiers = [("arch", "all"), ("distro", "trixie")];
        let purl = sound(Purl::new("deb", Some("debian"), "package", Some("1.0"), &qualifiers))?;
        let file = Digest::of(b"the file that is asked for");
        let question = Question::about(HashedFile::elsewhere("asked", file), Some(purl.clone()));
        let stands: Result<_, _> =
            (0..seats).map(|seat| stand(seat, &network, &purl, file)).collect();
        Ok(Self { network, question, stands: stands? })
    }

    /// What is known where each seat said its word.
    pub fn evidence(&self, words: &[Word]) -> Evidence {
        let mut bundle = Bundle::default();
        for (stand, word) in self.stands.iter().zip(words) {
            bundle.certificates.push(stand.certificate.clone());
            let Some(cast) = stand.casts.get(word) else { continue };
            bundle.checkpoints.push(cast.head.clone());
            bundle.proofs.push(LoggedAt {
                envelope: cast.envelope.digest(),
                origin: stand.origin.clone(),
                size: 1,
                proof: InclusionProof { index: 0, hashes: Vec::new() },
            });
            bundle.envelopes.push(cast.envelope.clone());
        }
        Evidence::verify(&bundle, &self.network, Completeness::Complete)
    }

    /// The production verdict on the file that is asked for.
    pub fn conclude(&self, policy: &Policy, evidence: &Evidence) -> Conclusion {
        conclude(policy, evidence, &self.question, Timestamp::from_unix(NOW)).verdict
    }

    /// What colluders can reach under each policy, where seats have these parts.
    pub fn judge(&self, policies: &[Policy], parts: &[Part]) -> Vec<Judged> {
        // What honest operators say, what colluders say.
        let ways = [
            [Word::Other, Word::Support],
            [Word::Against, Word::Support],
            [Word::Support, Word::Other],
            [Word::Support, Word::Against],
        ];
        let [swapped, published, outvoted, slandered] = ways.map(|[honest, compromised]| {
            let word = |part: &Part| match part {
                Part::Honest => honest,
                Part::Compromised => compromised,
                Part::Offline => Word::Nothing,
            };
            self.evidence(&parts.iter().map(word).collect::<Vec<_>>())
        });
        let judged = |policy: &Policy| {
            let asked = |evidence| self.conclude(policy, evidence);
            let accepted = |evidence| asked(evidence) == Conclusion::Accepted;
            Judged {
                false_accepted: accepted(&swapped) || accepted(&published),
                true_file: worse(asked(&outvoted), asked(&slandered)),
            }
        };
        policies.iter().map(judged).collect()
    }
}

fn worse(one: Conclusion, other: Conclusion) -> Conclusion {
    match (one, other) {
        (Conclusion::Rejected, _) | (_, Conclusion::Rejected) => Conclusion::Rejected,
        (Conclusion::Accepted, Conclusion::Accepted) => Conclusion::Accepted,
        _ => Conclusion::Inconclusive,
    }
}

/// Verdicts by state: exchangeable seats need not be asked in every order.
#[derive(Debug)]
pub(super) struct Judge {
    ballots: Ballots,
    policies: Vec<Policy>,
    /// Seats that are alike.
    classes: Vec<Vec<usize>>,
    known: BTreeMap<Vec<[usize; 2]>, Rc<[Judged]>>,
}

impl Judge {
    pub(super) fn new(
        policies: Vec<Policy>,
        classes: Vec<Vec<usize>>,
    ) -> Result<Self, WhatIfError> {
        let ballots = Ballots::new(classes.iter().map(Vec::len).sum())?;
        Ok(Self { ballots, policies, classes, known: BTreeMap::new() })
    }

    /// What colluders can reach where so many of each class are compromised and offline.
    pub(super) fn of(&mut self, state: &[[usize; 2]]) -> Rc<[Judged]> {
        if let Some(known) = self.known.get(state) {
            return Rc::clone(known);
        }
        let mut parts = vec![Part::Honest; self.classes.iter().map(Vec::len).sum()];
        for (class, [compromised, offline]) in self.classes.iter().zip(state) {
            for (at, seat) in class.iter().enumerate() {
                let part = match at {
                    at if at < *compromised => Part::Compromised,
                    at if at < compromised.saturating_add(*offline) => Part::Offline,
                    _ => Part::Honest,
                };
                if let Some(seat) = parts.get_mut(*seat) {
                    *seat = part;
                }
            }
        }
        let judged: Rc<[Judged]> = self.ballots.judge(&self.policies, &parts).into();
        self.known.insert(state.to_vec(), Rc::clone(&judged));
        judged
    }

    /// Different states that were put to production.
    pub(super) fn asked(&self) -> usize {
        self.known.len()
    }
}

fn sound<T, E: ToString>(made: Result<T, E>) -> Result<T, WhatIfError> {
    made.map_err(|error| WhatIfError::StandIn(error.to_string()))
}

fn stand(
    seat: usize,
    network: &NetworkId,
    purl: &Purl,
    file: Digest,
) -> Result<Stand, WhatIfError> {
    let boss = operator(seat);
    let key = SecretKey::from_seed(Digest::of(format!("rebuilder {seat}").as_bytes()).as_bytes());
    let (now, day) = (Timestamp::from_unix(NOW), 86_400);
    let certificate = Certificate {
        operator: boss.public_key(),
        rebuilder: key.public_key(),
        not_before: Timestamp::from_unix(NOW.saturating_sub(day)),
        not_after: Timestamp::from_unix(NOW.saturating_add(day)),
    };
    let origin = Origin::new(network, &key.public_key(), now.year());
    let other = Digest::of(b"another file");
    let mut casts = BTreeMap::new();
    for (word, published, produced) in
        [(Word::Support, file, file), (Word::Other, other, other), (Word::Against, file, other)]
    {
        let documents = [Digest::of(b"recipe"), Digest::of(b"lock")];
        let said =
            Said { network, purl, published, produced, archive: ARCHIVE, documents, finished: now };
        let payload = sound(sound(said.rebuild())?.to_payload(&key.public_key()))?;
        let envelope = sound(Envelope::sign(payload, &key))?;
        let root = root_of(&[leaf_hash(envelope.as_bytes())]);
        let head = sound(Checkpoint { origin: origin.clone(), size: 1, root }.sign(&key))?;
        casts.insert(word, Cast { envelope, head });
    }
    let certificate = sound(Envelope::sign(sound(certificate.to_payload())?, &boss))?;
    Ok(Stand { certificate, origin, casts })
}
