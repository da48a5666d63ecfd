//! What an environment asks of the rebuilds behind a file, operator by operator (steps 9 and 10).

use std::collections::BTreeSet;

use super::{duration, first};
use crate::count::Court;
use crate::evidence::{Evidence, Logged};
use crate::limits::CLOCK_AHEAD_MAX;
use crate::log::{VerifiedCheckpoint, WitnessKey};
use crate::policy::{Command, Environment, Operator, Policy, Rules, Voter};
use crate::quoted::quoted;
use crate::relevant::Relevant;
use crate::rules::{needed, standing};
use crate::standing::{Place, Standing};
use crate::statement::Rebuild;
use crate::tally::Tally;
use crate::time::Timestamp;
use crate::verdict::Reason;
use crate::voice::voices;

/// The operators behind the file, with the rebuilds that they stand on.
pub(super) struct Supports<'a> {
    policy: &'a Policy,
    evidence: &'a Evidence,
    tally: Tally<'a>,
    each: Vec<Support<'a>>,
}

struct Support<'a> {
    voter: Voter,
    operator: &'a Operator,
    rebuilds: Vec<&'a Logged<Rebuild>>,
}

/// What is wrong with an operator's rebuild, if anything.
type Wrong<'a> = Box<dyn Fn(&Operator, &Logged<Rebuild>) -> Option<String> + 'a>;

/// A rule about rebuilds.
struct OfRebuilds<'a> {
    name: &'static str,
    wrong: Wrong<'a>,
    expected: String,
    fix: String,
}

impl<'a> Supports<'a> {
    pub(super) fn of(policy: &'a Policy, relevant: Relevant<'a>, now: Timestamp) -> Self {
        let evidence = relevant.evidence();
        let voices = voices(&Court::new(policy, relevant, now));
        let tally = Tally::of(policy, &voices, relevant.file());
        let supporters = tally.supporters();
        let about = |logged: &&Logged<Rebuild>| {
            let mut artifacts = logged.claim().artifacts.iter();
            artifacts.any(|a| a.purl == *relevant.purl() && a.published == relevant.file())
        };
        let voting = policy.voters().zip(&voices).enumerate();
        let each = voting.filter(|(voter, _)| supporters.contains(voter));
        let each = each.map(|(voter, (operator, voice))| {
            let stands_on = |logged: &&Logged<Rebuild>| voice.rests_on.contains(&logged.digest());
            let rebuilds = evidence.rebuilds().iter().filter(stands_on).filter(about).collect();
            Support { voter, operator, rebuilds }
        });
        let each = each.collect();
        Self { policy, evidence, tally, each }
    }

    fn holds(&self, voters: &BTreeSet<Voter>) -> bool {
        self.policy.formula().holds(voters) && self.tally.alike(voters).is_empty()
    }

    pub(super) fn reasons(&self, environment: &Environment, now: Timestamp) -> Vec<Reason> {
        let asked = self.asked(&environment.rules, &environment.name, now);
        let mut reasons: Vec<Reason> = asked.iter().filter_map(|rule| self.reason(rule)).collect();
        let all = |support: &Support<'_>| {
            support.rebuilds.iter().any(|logged| {
                asked.iter().all(|rule| (rule.wrong)(support.operator, logged).is_none())
            })
        };
        let keeping: BTreeSet<Voter> =
            self.each.iter().filter(|s| all(s)).map(|s| s.voter).collect();
        let everybody: BTreeSet<Voter> = self.each.iter().map(|s| s.voter).collect();
        if reasons.is_empty() && keeping != everybody && !self.holds(&keeping) {
            reasons.push(Reason::new(
                "rules-together",
                format!("{} keep every rule of environment {:?}, each rule being kept by other operators", self.standing(&keeping), quoted(&environment.name)),
                format!("{} that keep all of {}", needed(self.policy), asked.iter().map(|rule| rule.name).collect::<Vec<_>>().join(", ")),
                "wait for rebuilds that keep all rules at once",
            ));
        }
        reasons
    }

    /// The reason of one rule: the quorum does not hold among those who keep it.
    fn reason(&self, rule: &OfRebuilds<'_>) -> Option<Reason> {
        let (mut keeping, mut wrong) = (BTreeSet::new(), Vec::new());
        for support in &self.each {
            let said = support.rebuilds.iter().map(|logged| (rule.wrong)(support.operator, logged));
            let said: Vec<Option<String>> = said.collect();
            if said.iter().any(Option::is_none) {
                keeping.insert(support.voter);
            } else {
                let why = said.into_iter().flatten().next();
                let why = why.unwrap_or_else(|| "has no rebuild of it here".to_owned());
                wrong.push(format!("{} {why}", support.operator.name));
            }
        }
        if wrong.is_empty() || self.holds(&keeping) {
            return None;
        }
        let found = format!("{} keep it; {}", self.standing(&keeping), first(&wrong));
        let expected = format!("{} with {}", needed(self.policy), rule.expected);
        Some(Reason::new(rule.name, found, expected, rule.fix.clone()))
    }

    fn standing(&self, voters: &BTreeSet<Voter>) -> String {
        standing(self.policy, voters)
    }

    fn asked<'b>(
        &'b self,
        rules: &'b Rules,
        environment: &str,
        now: Timestamp,
    ) -> Vec<OfRebuilds<'b>> {
        let mut asked = Vec::new();
        let place = format!("the rules of environment {:?}", quoted(environment));
        if let Some(patterns) = &rules.approved_sources {
            asked.push(OfRebuilds {
                name: "approved-sources",
                wrong: Box::new(|_, logged| unapproved(patterns, logged.claim())),
                expected: format!("sources from {}", first(&patterns.iter().cloned().collect::<Vec<_>>())),
                fix: format!("wait for rebuilds from an approved source; or check that source and add it to approved_sources in {place}"),
            });
        }
        if let Some(commands) = &rules.commands {
            let told: Vec<String> = commands.iter().map(in_words).collect();
            asked.push(OfRebuilds {
                name: "commands",
                wrong: Box::new(|_, logged| foreign(commands, &logged.claim().facts.command)),
                expected: format!("a build by {}", first(&told)),
                fix: format!("wait for rebuilds by an allowed command; or check that command and add it, or its flag, to commands in {place}"),
            });
        }
        if let Some(age) = rules.max_age {
            asked.push(OfRebuilds {
                name: "max-age",
                wrong: Box::new(move |operator, logged| self.too_old(operator, logged, age, now)),
                expected: format!("a rebuild of the last {}", duration(age)),
                fix: format!("ask the operators to rebuild it, or raise max_age in {place}"),
            });
        }
        if !rules.witnesses.is_empty() {
            let names: Vec<String> = rules.witnesses.iter().map(|w| w.name().to_owned()).collect();
            asked.push(OfRebuilds {
                name: "witnesses",
                wrong: Box::new(move |operator, logged| self.unseen(rules, operator, logged, now)),
                expected: format!("a rebuild that {} cosigned", names.join(" and ")),
                fix: format!("wait until the witness has seen the log, ask the operator to have it cosigned, or change witnesses in {place}"),
            });
        }
        asked
    }

    fn too_old(
        &self,
        operator: &Operator,
        logged: &Logged<Rebuild>,
        age: u64,
        now: Timestamp,
    ) -> Option<String> {
        let standing = Standing::of(self.policy, self.evidence, operator, logged.key(), now);
        let finished = logged.claim().facts.finished;
        // Witnesses bound a time from above, as for the quorum's own max_age.
        let since = match standing.place(logged, self.policy, now) {
            Ok(Place::Signed(Some(seen))) => seen.min(finished),
            _ => finished,
        };
        let old =
            now.as_unix().saturating_sub(since.as_unix()) > i64::try_from(age).unwrap_or(i64::MAX);
        old.then(|| format!("rebuilt it at {since}, and it is {now}"))
    }

    /// A witness that the operator runs itself says nothing new about the operator's log.
    fn unseen(
        &self,
        rules: &Rules,
        operator: &Operator,
        logged: &Logged<Rebuild>,
        now: Timestamp,
    ) -> Option<String> {
        let latest = now.as_unix().saturating_add(CLOCK_AHEAD_MAX);
        let own = |name: &str| {
            let mut witnesses = self.policy.witnesses().iter();
            witnesses.any(|w| w.key.name() == name && w.run_by.as_ref() == Some(&operator.name))
        };
        let heads = self.evidence.heads(&logged.key());
        let saw = |witness: &&WitnessKey| {
            let above = |head: &&VerifiedCheckpoint| {
                logged.under().iter().any(|under| under.head == *head.checkpoint())
            };
            !own(witness.name())
                && heads.iter().filter(above).any(|head| {
                    let times = head.cosigned_by(witness).unwrap_or_default();
                    times.iter().any(|time| time.as_unix() <= latest)
                })
        };
        let missing = rules.witnesses.iter().find(|witness| !saw(witness))?;
        Some(if own(missing.name()) {
            format!("runs {} itself", missing.name())
        } else {
            format!("has no head above it that {} cosigned", missing.name())
        })
    }
}

fn unapproved(patterns: &BTreeSet<String>, rebuild: &Rebuild) -> Option<String> {
    let (packages, places): (Vec<_>, Vec<_>) = patterns.iter().partition(|p| p.starts_with("pkg:"));
    if packages.iter().any(|pattern| rebuild.source.matches(pattern)) {
        return None;
    }
    let approved = |uri: &str| {
        // What a server makes of dots in a path is the server's to say.
        let plain =
            !uri.split('/').any(|part| part == "." || part == "..") && !uri.contains(['%', '\\']);
        let below = |pattern: &&String| uri.starts_with(pattern.trim_end_matches('*'));
        plain && places.iter().any(below)
    };
    let stranger = rebuild.sources.iter().find(|source| !approved(&source.uri));
    stranger.map(|source| {
        format!("built {} from {}", quoted(rebuild.source.as_str()), quoted(&source.uri))
    })
}

fn foreign(commands: &[Command], command: &[String]) -> Option<String> {
    let allowed = commands.iter().any(|allowed| allowed.allows(command));
    (!allowed).then(|| format!("built by {}", quoted(&command.join(" "))))
}

fn in_words(command: &Command) -> String {
    let flags: Vec<&str> = command.flags.iter().map(String::as_str).collect();
    match flags.as_slice() {
        [] => format!("{} without arguments", command.run),
        flags => format!("{} with only {}", command.run, flags.join(" ")),
    }
}
