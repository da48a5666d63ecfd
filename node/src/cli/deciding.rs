//! Deciding at the command line: a verdict weighed by the policy's environment, and recorded before it is told.

use std::collections::BTreeMap;
use std::path::Path;

use reattest_attestation::policy::Door;
use reattest_attestation::{Conclusion, HashedFile, Policy, Question};

use super::output::{BAD, DIM, GOOD, UNSURE, styled};
use super::verify::EvidenceFrom;
use super::{Exit, config_file, output};
use crate::config::Config;
use crate::decisions::{Asked, Decision, Desk, Effect, PolicyRead, Request, Why};
use crate::fault::Fault;
use crate::query::{self, Source};

/// A door at the command line: everything that its decisions rest on.
pub(super) struct Deciding {
    desk: Desk,
    policy: PolicyRead,
    asked: Asked,
    labels: BTreeMap<String, String>,
    door: Door,
}

impl Deciding {
    /// Opens a door. A policy that is mistaken or expired is no error here: it is decided on.
    pub(super) fn open(
        evidence: &EvidenceFrom,
        config: Option<&Path>,
        door: Door,
    ) -> Result<Self, Fault> {
        let loaded = Config::load(&config_file(config)?)?;
        let policy = PolicyRead::file(&evidence.policy_file(config)?);
        let source = match evidence.source(config)? {
            // Opened once for all questions; logs that are not there are decided on.
            Source::Disk(data) if data.is_dir() => Source::Disk(data).held()?,
            source => source,
        };
        let (desk, asked) = (Desk::of(&loaded), Asked::of(source, &loaded));
        Ok(Self { desk, policy, asked, labels: loaded.labels, door })
    }

    /// The policy, where it can be read.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.policy.policy().ok()
    }

    /// A decision on each question, in their order, all recorded. Each question names a purl.
    pub(super) fn decide(&self, questions: &[Question]) -> Result<Vec<Decision>, Fault> {
        let requests = questions.iter().map(|question| self.request(question));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        Ok(self.desk.decide_all(&self.policy, requests, &mut |request| self.asked.ask(request)))
    }

    fn request(&self, question: &Question) -> Result<Request, Fault> {
        // Where evidence cannot be asked what it calls these bytes, deciding finds that out again.
        let named = self
            .policy()
            .and_then(|policy| query::named(policy, self.asked.evidence(), question).ok());
        let question = named.as_ref().unwrap_or(question);
        let Some(purl) = &question.purl else {
            return Err(Fault::text("found a file without a purl, needed what it is meant to be"));
        };
        let name = match question.file.name() {
            "" => purl.name(),
            name => name.to_owned(),
        };
        let file = HashedFile::elsewhere(&name, question.file.sha256());
        Ok(Request::new(self.door, purl.clone(), &file)
            .with_labels(self.labels.clone())
            .with_normalized(&question.normalized))
    }
}

/// Prints decisions: one line each and what people are told.
pub(super) fn show(decisions: &[Decision], json: bool) -> Result<(), Fault> {
    match decisions {
        [one] if json => return output::json(one),
        many if json => return output::json(&many),
        _ => {}
    }
    for decision in decisions {
        output::line(&headline(decision));
        decision.words.lines().for_each(|line| output::line(&format!("  {line}")));
    }
    Ok(())
}

fn headline(decision: &Decision) -> String {
    let Decision { verdict, environment, record, .. } = decision;
    let what = verdict.as_ref().map(|verdict| match &verdict.artifact.purl {
        Some(purl) => format!("  {} as {purl}", verdict.artifact.name),
        None => format!("  {}", verdict.artifact.name),
    });
    let place = environment.as_ref().map(|one| format!("environment {}", one.name));
    let record = record.map_or("not recorded".to_owned(), |number| format!("record {number}"));
    let beside: Vec<String> = place.into_iter().chain([record]).collect();
    let beside = styled(DIM, &format!("({})", beside.join(", ")));
    format!("{}{}  {beside}", word(decision), what.unwrap_or_default())
}

/// What the door is told, in colour.
pub(super) fn word(decision: &Decision) -> String {
    match (decision.effect, decision.why) {
        (Effect::Allowed, Why::Accepted) => styled(GOOD, "allowed"),
        (Effect::Allowed, _) => styled(UNSURE, "allowed"),
        (Effect::Refused, _) => styled(BAD, "refused"),
    }
}

/// Success where the door opens for all; else as for verdicts, and a fault where none could be drawn.
pub(super) fn exit(decisions: &[Decision]) -> Exit {
    let refused = decisions.iter().filter(|decision| !decision.is_allowed());
    let exit = |decision: &Decision| match (&decision.verdict, decision.why) {
        (_, Why::Unrecorded) | (None, _) => Exit::Fault,
        (Some(verdict), _) if verdict.verdict == Conclusion::Rejected => Exit::Rejected,
        (Some(_), _) => Exit::Inconclusive,
    };
    let exits: Vec<Exit> = refused.map(exit).collect();
    let worst = [Exit::Rejected, Exit::Fault, Exit::Inconclusive];
    worst.into_iter().find(|one| exits.contains(one)).unwrap_or(Exit::Fine)
}
