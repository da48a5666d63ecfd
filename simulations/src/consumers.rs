//! Steps 9 and 10: what consumers conclude from the logs of their node, through every door, and whether they may.

use std::collections::BTreeMap;

use reattest::entry::mentions;
use reattest::store::index::Selector;
use reattest_attestation::log::Origin;
use reattest_attestation::{
    Bundle, Completeness, Conclusion, Digest, Evidence, HashedFile, NetworkId, Purl, Question,
    Timestamp, Verdict, conclude,
};

use crate::canary::{Asked, Canary};
use crate::checkers::{Broken, Checkers, Invariant, Members};
use crate::clocks::Clock;
use crate::disk::{Disk, StoredLog};
use crate::expected::{Expected, expected, newest, under};
use crate::failure::Failure;
use crate::member::Member;
use crate::network::Name;
use crate::releases::{Cast, forged, sound};
use crate::rules::Rules;
use crate::world::World;

/// The entries under the heads of a disk that say something of a package.
pub(crate) struct About<'a> {
    pub(crate) log: &'a StoredLog,
    pub(crate) index: u64,
    pub(crate) entry: &'a [u8],
}

/// Finds them, log by log, in the logs' order.
pub(crate) fn about<'a>(disk: &'a Disk, purl: &Purl) -> BTreeMap<&'a Origin, Vec<About<'a>>> {
    let mut found = BTreeMap::new();
    for (origin, log) in &disk.logs {
        let speaks = |entry: &[u8]| mentions(entry).purls.iter().any(|of| of == purl.as_str());
        let entries = (0..).zip(under(log)).filter(|(_, entry)| speaks(entry));
        found.insert(origin, entries.map(|(index, entry)| About { log, index, entry }).collect());
    }
    found
}

/// Asks production about files of a package.
pub(crate) fn verdicts(
    asked: &Asked,
    purl: &Purl,
    files: &[Digest],
) -> Result<Vec<Verdict>, Broken> {
    let network: NetworkId = "simulated".parse().map_err(|_| wrong("a network's name"))?;
    let evidence = Evidence::verify(&asked.bundle, &network, asked.completeness);
    let policy = asked.rules.policy()?;
    let verdict = |file: &Digest| {
        let file = HashedFile::elsewhere("asked", *file);
        conclude(&policy, &evidence, &Question::about(file, Some(purl.clone())), asked.now)
    };
    Ok(files.iter().map(verdict).collect())
}

fn wrong(found: impl Into<String>) -> Broken {
    Broken::new(Invariant::Verdicts, found.into())
}

/// One question of one consumer.
#[derive(Debug)]
pub(crate) struct Consumer<'a> {
    pub(crate) name: Name,
    pub(crate) members: &'a Members,
    pub(crate) checkers: &'a Checkers,
    pub(crate) cast: &'a Cast,
    pub(crate) rules: &'a Rules,
    pub(crate) canary: Option<Canary>,
}

impl Consumer<'_> {
    /// Asks about files of a package, and checks the answers in every way there is.
    pub(crate) fn check(
        &self,
        purl: &Purl,
        files: &[Digest],
        now: Timestamp,
    ) -> Result<Vec<Conclusion>, Broken> {
        let Some(member) = self.members.get(&self.name) else { return Ok(Vec::new()) };
        let Some((bundle, completeness)) = member.evidence(&Selector::Package(purl.clone()))?
        else {
            return Ok(Vec::new());
        };
        let asked = Asked { rules: self.rules.clone(), bundle, completeness, now };
        let whole = verdicts(&self.bent(&asked), purl, files)?;
        let about = about(&member.disk, purl);
        let said = newest(&about, self.members, &member.disk.words, purl);
        for (file, verdict) in files.iter().zip(&whole) {
            self.check_ground(verdict, purl, *file, now)?;
            // Of a log that comes in, entries count already that no head on the disk covers.
            if completeness == Completeness::Complete {
                let expected = expected(self.rules, &said, purl, *file, now);
                self.check_reading(verdict, expected, *file)?;
            }
        }
        self.check_doors(&asked, member, purl, (files, &whole))?;
        if completeness == Completeness::Complete {
            self.check_bundle(asked, purl, files, &whole)?;
        }
        Ok(whole.iter().map(|verdict| verdict.verdict).collect())
    }

    /// Who asks by the file, and who reads the disk beside the node, gets the same verdict, byte for
    /// byte. Nobody but the node knows of a log that comes in.
    fn check_doors(
        &self,
        asked: &Asked,
        member: &Member,
        purl: &Purl,
        (files, whole): (&[Digest], &[Verdict]),
    ) -> Result<(), Broken> {
        let json = |verdict: &Verdict| serde_json::to_string(verdict).unwrap_or_default();
        for (file, verdict) in files.iter().zip(whole) {
            let of_file = member.evidence(&Selector::File(*file))?;
            let mut doors = vec![("by its digest", of_file)];
            if asked.completeness == Completeness::Complete {
                let offline = member.evidence_offline(&Selector::Package(purl.clone()))?;
                doors.push(("from the disk", offline));
            }
            for (door, evidence) in doors {
                let Some((bundle, completeness)) = evidence else { continue };
                // Nobody said anything of this file: its digest leads nowhere.
                if bundle.envelopes.is_empty() || completeness != asked.completeness {
                    continue;
                }
                let asked = self.bent(&Asked { bundle, completeness, ..asked.clone() });
                for other in verdicts(&asked, purl, &[*file])? {
                    if json(&other) != json(verdict) {
                        let found = format!("{door}: {}, not {}", json(&other), json(verdict));
                        return Err(Broken::new(Invariant::DoorsAgree, found));
                    }
                }
            }
        }
        Ok(())
    }

    /// What the production code is asked: other than it should be, where a canary sings.
    fn bent(&self, asked: &Asked) -> Asked {
        let mut asked = asked.clone();
        if let Some(canary) = self.canary {
            canary.bend(&mut asked, self.members);
        }
        asked
    }

    /// Whatever was carried to whom: what is accepted has enough honest rebuilders behind it that
    /// the colluders could not have done it alone, and they really said so.
    pub(crate) fn check_ground(
        &self,
        verdict: &Verdict,
        purl: &Purl,
        file: Digest,
        now: Timestamp,
    ) -> Result<(), Broken> {
        if verdict.verdict != Conclusion::Accepted {
            return Ok(());
        }
        let believed =
            |at: usize| at > 0 || self.rules.believed_until.is_none_or(|until| now <= until);
        let voters = self.rules.voters.iter().enumerate().filter(|(at, _)| believed(*at));
        let behind = voters.filter(|(_, voter)| {
            let mut own = self.members.iter().filter(|(_, one)| one.signer.operator == **voter);
            own.any(|(name, member)| {
                let honest = !self.cast.colluders.contains(name);
                let said = || self.checkers.attested(member, purl);
                !honest || (self.cast.says(*name, purl).supports(file) && said())
            })
        });
        let (behind, need) = (behind.count(), self.rules.need);
        if behind >= need {
            return Ok(());
        }
        let found = format!(
            "{} accepted sha256:{file} as {purl}: needed {need} operators, and only {behind} are \
             colluders or reproduced it",
            self.name
        );
        Err(Broken::new(Invariant::NoFalseAcceptance, found))
    }

    /// The verdict is the one that the design words.
    fn check_reading(
        &self,
        verdict: &Verdict,
        expected: Expected,
        file: Digest,
    ) -> Result<(), Broken> {
        if (verdict.verdict, verdict.quorum.have) == (expected.verdict, expected.have) {
            return Ok(());
        }
        let rules: Vec<_> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
        Err(wrong(format!(
            "{}'s consumer: {} with {} supporters ({}) on sha256:{file}, needed {} with {}, under {:?}",
            self.name,
            verdict.verdict,
            verdict.quorum.have,
            rules.join(", "),
            expected.verdict,
            expected.have,
            self.rules,
        )))
    }

    /// A bundle of the same evidence, written and read again, gives the same verdicts and says that
    /// it could hide dissent; where the policy refuses that, it accepts nothing.
    fn check_bundle(
        &self,
        asked: Asked,
        purl: &Purl,
        files: &[Digest],
        whole: &[Verdict],
    ) -> Result<(), Broken> {
        let broken = |found: String| Broken::new(Invariant::BundlesAgree, found);
        let bytes = asked.bundle.to_bytes().map_err(|error| broken(error.to_string()))?;
        let bundle = Bundle::parse(&bytes).map_err(|error| broken(error.to_string()))?;
        let asked = self.bent(&Asked { bundle, completeness: Completeness::Excerpt, ..asked });
        for (carried, whole) in verdicts(&asked, purl, files)?.iter().zip(whole) {
            let expected = match whole.verdict {
                Conclusion::Accepted if self.rules.checked => Conclusion::Inconclusive,
                same => same,
            };
            let same = carried.votes == whole.votes && carried.reasons == whole.reasons;
            if carried.dissent == Completeness::Excerpt
                && (self.rules.checked || same)
                && carried.verdict == expected
            {
                continue;
            }
            return Err(broken(format!(
                "{} from a bundle (dissent {:?}), {} from the logs that it is made of",
                carried.verdict, carried.dissent, whole.verdict
            )));
        }
        Ok(())
    }
}

impl World {
    /// Liveness of verdicts: the first release on which two honest nodes that hold the same conclude
    /// differently, or by other votes, whatever file is asked about and under whatever policy. Their
    /// reasons may differ in what they tell of a forked log: each holds of it what it held when it
    /// learned of the fork.
    pub(crate) fn disagreement(&self) -> Result<Option<String>, Broken> {
        let now = Clock::default().at(self.now);
        for purl in &self.announced {
            let mut first: Option<(Name, Vec<_>)> = None;
            for (name, member) in self.members.iter().filter(|(_, one)| one.liar.is_none()) {
                let evidence = member.evidence(&Selector::Package(purl.clone()))?;
                let Some((bundle, completeness)) = evidence else { continue };
                let mut said = Vec::new();
                for rules in &self.rules {
                    let (rules, bundle) = (rules.clone(), bundle.clone());
                    let asked = Asked { rules, bundle, completeness, now };
                    let files = [sound(purl), forged(purl)];
                    let all = verdicts(&asked, purl, &files)?;
                    said.extend(all.into_iter().map(|one| (one.verdict, one.quorum, one.votes)));
                }
                let (other, agreed) = first.get_or_insert_with(|| (*name, said.clone()));
                if *agreed != said {
                    return Ok(Some(format!("{name} and {other} differ on {purl}")));
                }
            }
        }
        Ok(None)
    }

    /// Some honest consumer asks about both files of a release, each time another.
    pub(crate) fn consume(&mut self) -> Result<(), Failure> {
        let turn = self.asked;
        self.asked = turn.saturating_add(1);
        let honest = u64::from(self.odds.honest).max(1);
        let name = Name(u8::try_from(turn.checked_rem(honest).unwrap_or(0)).unwrap_or(0));
        let at = |of: usize| usize::try_from(turn / honest).unwrap_or(0).checked_rem(of);
        let rules = at(self.rules.len()).and_then(|at| self.rules.get(at));
        let known = usize::try_from(turn).unwrap_or(0).checked_rem(self.announced.len());
        let purl = known.and_then(|at| self.announced.iter().nth(at));
        let Some((rules, purl)) = rules.zip(purl) else { return Ok(()) };
        let (members, cast, canary) = (&self.members, &self.cast, self.options.canary);
        let checkers = &self.checkers;
        let consumer = Consumer { name, members, checkers, cast, rules, canary };
        let checked = consumer.check(purl, &[sound(purl), forged(purl)], self.clock(name));
        for conclusion in checked.map_err(|broken| self.failure(name, broken))? {
            let times = self.summary.verdicts.entry(conclusion.to_string()).or_default();
            *times = times.saturating_add(1);
            let line = format!("{name}'s consumer: {conclusion}");
            self.trace.line(self.now, &line);
            self.trace.knows(self.now, &line);
        }
        Ok(())
    }
}
