//! The operators of the demonstration: one node process each, on loopback.
#![expect(clippy::disallowed_methods, reason = "the demonstration has patience")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reattest_attestation::{Bundle, Completeness, Digest, Evidence, Purl, Sign, Verdict};
use tokio::sync::mpsc;

use super::operator::{Operator, reattest};
use super::stage::Stage;
use super::{OperatorOutcome, Plan, evidence_question};
use crate::clock;
use crate::fault::Fault;
use crate::setup;
use crate::shell::control::{Answer, Ask};
use crate::shell::report::{Report, progress_line};
use crate::store::index::Selector;

/// Names of operators: as many as a demonstration may have.
const NAMES: [&str; 9] =
    ["alder", "birch", "cedar", "dogwood", "elm", "fir", "gorse", "hazel", "ivy"];

/// How long a first run may take: an environment is fetched and made in it.
const PATIENCE: Duration = Duration::from_mins(30);

/// All nodes of the demonstration.
pub(super) struct Network {
    operators: Vec<Operator>,
    policy: PathBuf,
    reports: mpsc::Receiver<(&'static str, Option<Report>)>,
    reporter: mpsc::Sender<(&'static str, Option<Report>)>,
}

impl Network {
    /// Keys, certificates, configurations, and the consumer's policy.
    pub(super) fn set_up(plan: &Plan, home: &Path, archive: &[String]) -> Result<Self, Fault> {
        let policy = home.join("policy.toml");
        let honest = plan.nodes.saturating_sub(plan.liars);
        let mut operators = Vec::new();
        for (number, name) in NAMES.into_iter().take(plan.nodes).enumerate() {
            operators.push(Operator::set_up(name, home, &policy, number >= honest)?);
        }
        let text = policy_text(&operators, archive);
        setup::write_new(&policy, text.as_bytes(), 0o644)?;
        let (reporter, reports) = mpsc::channel(256);
        Ok(Self { operators, policy, reports, reporter })
    }

    pub(super) fn introduce(&self, stage: Stage) {
        for operator in &self.operators {
            let lies =
                if operator.config.lies { "  (its node will sign false outcomes)" } else { "" };
            let key = operator.key.public_key().fingerprint();
            stage.says(operator.name, &format!("offline key {key}{lies}"));
        }
        let (need, of) = (majority(self.operators.len()), self.operators.len());
        stage.line(&format!("the consumer's policy: {need} of these {of} must agree"));
    }

    pub(super) fn operators(&self) -> Vec<OperatorOutcome> {
        let outcome = |operator: &Operator| OperatorOutcome {
            operator: operator.name.to_owned(),
            key: operator.key.public_key().fingerprint(),
            lies: operator.config.lies,
        };
        self.operators.iter().map(outcome).collect()
    }

    /// Starts one node after the other; each dials those before it.
    pub(super) async fn start(&mut self) -> Result<(), Fault> {
        let mut addresses = Vec::new();
        for operator in &mut self.operators {
            operator.config.peers.clone_from(&addresses);
            operator.start(self.reporter.clone())?;
            addresses.push(listening(operator.name, &mut self.reports).await?);
        }
        Ok(())
    }

    /// The first operator announces.
    pub(super) fn announce(&self, purl: &Purl) -> Result<(), Fault> {
        match self.ask_first(&Ask::Announce { purl: purl.clone(), again: false })? {
            Answer::Announced(_) => Ok(()),
            Answer::Failed(why) => Err(Fault::new("the announcement failed", why)),
            _ => Err(Fault::text("the node answered another question")),
        }
    }

    fn ask_first(&self, question: &Ask) -> Result<Answer, Fault> {
        let Some(first) = self.operators.first() else {
            return Err(Fault::text("a network without nodes"));
        };
        first.ask(question)
    }

    /// Tells what the nodes say until every one of them holds every outcome, and every document that
    /// the outcomes name.
    pub(super) async fn wait_for_outcomes(
        &mut self,
        stage: Stage,
        purl: &Purl,
    ) -> Result<(), Fault> {
        let deadline = Instant::now() + PATIENCE;
        let selector = Selector::Package(purl.clone());
        let mut attested = 0;
        loop {
            if attested >= self.operators.len() && self.all_hold(&selector)? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Fault::text("the nodes did not come to outcomes in half an hour"));
            }
            let pause = Duration::from_millis(200);
            let Ok(Some((name, report))) = tokio::time::timeout(pause, self.reports.recv()).await
            else {
                continue;
            };
            match report {
                None => return Err(self.ended(name)),
                Some(Report::Fault { why, .. } | Report::GivenUp { why, .. }) => {
                    return Err(Fault::text(format!("{name} came to no outcome: {why}")));
                }
                Some(report) => {
                    attested += usize::from(matches!(report, Report::Attested { .. }));
                    if let Some(line) = spoken(&report) {
                        stage.says(name, &line);
                    }
                }
            }
        }
    }

    fn all_hold(&self, selector: &Selector) -> Result<bool, Fault> {
        for operator in &self.operators {
            let bundle = evidence(operator.ask(&evidence_question(selector))?)?;
            let bundle = Bundle::parse(&bundle).map_err(|error| Fault::text(error.to_string()))?;
            if bundle.envelopes.len() < self.operators.len() || !is_whole(&bundle) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The evidence as the first node holds it.
    pub(super) fn bundle(&self, selector: &Selector) -> Result<Vec<u8>, Fault> {
        evidence(self.ask_first(&evidence_question(selector))?)
    }

    /// Runs `reattest verify` as a consumer would, against the first node.
    pub(super) async fn verify(&self, file: &Path, purl: &Purl) -> Result<Verdict, Fault> {
        let Some(first) = self.operators.first() else {
            return Err(Fault::text("a network without nodes"));
        };
        let output = reattest()?
            .arg("--config")
            .arg(&first.config_file)
            .arg("verify")
            .arg(file)
            .args(["--as", purl.as_str(), "--json", "--policy"])
            .arg(&self.policy)
            .output()
            .await
            .map_err(|error| Fault::new("`reattest verify` did not run", error))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Fault::new("`reattest verify` gave no verdict", said)
        })
    }

    /// Ends every node and waits for it.
    pub(super) async fn stop(&mut self) {
        for operator in &self.operators {
            operator.terminate();
        }
        for operator in &mut self.operators {
            if let Some(mut process) = operator.process.take() {
                let patience = Duration::from_secs(10);
                if tokio::time::timeout(patience, process.wait()).await.is_err() {
                    let _ended = process.kill().await;
                }
            }
        }
    }

    fn ended(&self, name: &str) -> Fault {
        let log = self
            .operators
            .iter()
            .find(|operator| operator.name == name)
            .and_then(|operator| std::fs::read_to_string(operator.log()).ok())
            .unwrap_or_default();
        let last =
            log.lines().rev().find(|line| line.contains("error")).unwrap_or("without a word");
        Fault::text(format!("the node of {name} ended: {last}"))
    }
}

/// Whether every recipe, lock and document of links that is named has arrived, too.
fn is_whole(bundle: &Bundle) -> bool {
    let Some(head) = bundle.checkpoints.first() else { return false };
    let network = head.unverified().origin.network();
    let evidence = Evidence::verify(bundle, network, Completeness::Complete);
    let documents = [&bundle.recipes, &bundle.locks, &bundle.links].into_iter().flatten();
    let arrived: BTreeSet<Digest> = documents.map(|document| Digest::of(document)).collect();
    evidence.rebuilds().iter().all(|logged| {
        let said = logged.claim();
        [Some(said.recipe), Some(said.lock), said.links]
            .iter()
            .flatten()
            .all(|d| arrived.contains(d))
    })
}

/// Waits until a node can be reached.
async fn listening(
    name: &str,
    reports: &mut mpsc::Receiver<(&'static str, Option<Report>)>,
) -> Result<String, Fault> {
    let patience = Duration::from_secs(30);
    let wait = async {
        while let Some((from, report)) = reports.recv().await {
            match report {
                Some(Report::Listening { address }) if from == name => return Some(address),
                None => return None,
                Some(_) => {}
            }
        }
        None
    };
    match tokio::time::timeout(patience, wait).await {
        Ok(Some(address)) => Ok(address),
        _ => Err(Fault::text(format!("the node of {name} did not begin to listen"))),
    }
}

fn evidence(answer: Answer) -> Result<Vec<u8>, Fault> {
    match answer {
        Answer::Evidence { bundle, .. } => Ok(bundle.into_vec()),
        Answer::Failed(why) => Err(Fault::new("the node gave no evidence", why)),
        _ => Err(Fault::text("the node answered another question")),
    }
}

/// What of a node's reports belongs on the stage.
fn spoken(report: &Report) -> Option<String> {
    match report {
        Report::Progress { progress, .. } => {
            use reattest_rebuilder::Progress;
            // Many files come one by one; only that they are all there is worth a line.
            let counts = match progress {
                Progress::Fetching { done, total, .. } => done == total,
                Progress::Found { .. } => false,
                _ => true,
            };
            counts.then(|| progress_line(progress))
        }
        Report::Attested { .. }
        | Report::Followed { .. }
        | Report::Grew { .. }
        | Report::Forked { .. } => Some(report.line()),
        _ => None,
    }
}

/// The smallest quorum that two disjoint groups cannot both have.
fn majority(of: usize) -> usize {
    of / 2 + 1
}

/// The consumer's policy, with the reason of each part.
fn policy_text(operators: &[Operator], archive: &[String]) -> String {
    let need = majority(operators.len());
    let year = clock::now().year().saturating_add(1);
    let names: Vec<&str> = operators.iter().map(|operator| operator.name).collect();
    let tables: Vec<String> = operators
        .iter()
        .map(|operator| {
            let key = operator.key.public_key().to_string();
            format!("[[operator]]\nname = {:?}\nkey = {key:?}\n\n", operator.name)
        })
        .collect();
    format!(
        "# Whom this consumer believes: these operators, {need} of whom must agree, on packages whose\n\
         # release and sources the Debian archive's own keys bind together.\n\
         version = 1\nnetwork = \"demo\"\nexpires = {year}-12-31T00:00:00Z\n\n\
         {operators}\
         [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = {archive:?}\n\n\
         [quorum]\nneed = {need}\nof = {names:?}\n",
        operators = tables.concat(),
    )
}
