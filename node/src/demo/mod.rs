//! The demonstration: operators on this machine rebuild a real package and agree, and a consumer
//! verifies the real download and refuses what was tampered with.
//!
//! Everything is real: processes, keys, sockets, sandboxes, the archive. Only the distances are short.

pub mod forgery;
mod network;
mod operator;
mod stage;

use std::path::{Path, PathBuf};

use reattest_attestation::{Purl, Verdict};
use reattest_rebuilder::{Fetch, Mirror, Published, Reference, Release, Want, Workshop};
use serde::Serialize;

use crate::cli::Case;
use crate::config::{Archive, Directories};
use crate::fault::Fault;
use crate::setup;
use crate::shell::control::Ask;
use crate::store::index::Selector;
use network::Network;
use stage::Stage;

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The package.
    pub artifact: Reference,
    /// Operators.
    pub nodes: usize,
    /// Of those, how many sign false outcomes.
    pub liars: usize,
    /// Where everything is kept; a temporary directory otherwise.
    pub keep: Option<PathBuf>,
    /// Tells on standard error, and leaves standard output to one document.
    pub quiet: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The package's full purl.
    pub purl: String,
    /// The operators, and what each signed.
    pub operators: Vec<OperatorOutcome>,
    /// Every question to the consumer's policy.
    pub verdicts: Vec<Case>,
    /// Whether all of them came out as they must.
    pub held: bool,
}

/// One operator of the demonstration.
#[derive(Debug, Serialize)]
pub struct OperatorOutcome {
    /// Its name in the policy.
    pub operator: String,
    /// The fingerprint of its offline key.
    pub key: String,
    /// Whether its node signs false outcomes.
    pub lies: bool,
}

/// Runs the demonstration.
pub async fn run(plan: &Plan) -> Result<Outcome, Fault> {
    let home = Home::new(plan.keep.as_deref())?;
    let interrupted = tokio::signal::ctrl_c();
    let result = tokio::select! {
        result = play(plan, &home) => result,
        _ = interrupted => Err(Fault::text("stopped; the nodes are ended and nothing is left behind")),
    };
    if result.is_err() {
        home.discard();
    }
    result
}

/// The directory of the demonstration.
struct Home {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Home {
    fn new(keep: Option<&Path>) -> Result<Self, Fault> {
        let Some(path) = keep else {
            let directory = tempfile::Builder::new()
                .prefix("reattest-demo-")
                .tempdir()
                .map_err(|error| Fault::new("no temporary directory", error))?;
            return Ok(Self { path: directory.path().to_owned(), temporary: Some(directory) });
        };
        let fail = |error| Fault::new(path.display().to_string(), error);
        std::fs::create_dir_all(path).map_err(fail)?;
        if std::fs::read_dir(path).map_err(fail)?.next().is_some() {
            return Err(Fault::text(format!(
                "{} is not empty; name a new directory for --keep",
                path.display()
            )));
        }
        let path = std::path::absolute(path).map_err(fail)?;
        Ok(Self { path, temporary: None })
    }

    /// What a failed run made is of no use to anybody, except what --keep asked for.
    fn discard(self) {
        if let Some(directory) = self.temporary {
            reattest_rebuilder::scratch::remove(directory.path());
        }
    }
}

async fn play(plan: &Plan, home: &Home) -> Result<Outcome, Fault> {
    let stage = Stage::new(plan.quiet);
    let consumer = Consumer::look_up(plan, stage).await?;
    let file = consumer.download(&home.path.join("artifacts"))?;
    stage.act("A network of independent operators");
    let mut network = Network::set_up(plan, &home.path, &consumer.archive_keys()?)?;
    network.introduce(stage);
    network.start().await?;
    stage.act("One of them hears of the release and tells the others");
    network.announce(&consumer.published.purl)?;
    stage.line("each node checks the archive, derives the recipe and builds by itself");
    network.wait_for_outcomes(stage, &consumer.published.purl).await?;
    stage.act("Every node holds every log");
    let bundle = network.bundle(&Selector::Package(consumer.published.purl.clone()))?;
    let bundles = home.path.join("bundles");
    let name = format!("{}.reattest.jsonl", consumer.published.file_name);
    setup::write_new(&bundles.join(name), &bundle, 0o644)?;
    stage.line(&format!("{} outcomes travelled by gossip and log replication", plan.nodes));
    stage.act("A consumer asks its own policy");
    let verdicts = ask_all(plan, &consumer, &file, &network, stage).await?;
    network.stop().await;
    let held = verdicts.iter().all(|case| case.held);
    stage.end(held, plan.keep.as_deref());
    Ok(Outcome {
        purl: consumer.published.purl.to_string(),
        operators: network.operators(),
        verdicts,
        held,
    })
}

/// The three questions: the real file, a forged one, and the real one under another name.
async fn ask_all(
    plan: &Plan,
    consumer: &Consumer,
    file: &Path,
    network: &Network,
    stage: Stage,
) -> Result<Vec<Case>, Fault> {
    let purl = &consumer.published.purl;
    let forged = forgery::forge(file)?;
    let forged_title = if plan.liars > 0 {
        "the file that the liar says it built"
    } else {
        "a copy with one flipped byte"
    };
    let questions = [
        ("the real file", file, purl.clone(), "accepted"),
        (forged_title, forged.as_path(), purl.clone(), "rejected"),
        ("the real file, under another package's name", file, another_name(purl)?, "not accepted"),
    ];
    let mut cases = Vec::new();
    for (title, file, purl, expected) in questions {
        stage.question(title, file, &purl);
        let verdict: Verdict = network.verify(file, &purl).await?;
        stage.verdict(&verdict);
        let word = verdict.verdict.to_string();
        let held = if expected == "not accepted" { word != "accepted" } else { word == expected };
        let verdict = serde_json::to_value(&verdict)
            .map_err(|error| Fault::new("a verdict cannot be written as JSON", error))?;
        cases.push(Case { case: title.to_owned(), expected, held, verdict });
    }
    Ok(cases)
}

fn another_name(purl: &Purl) -> Result<Purl, Fault> {
    let name = if purl.name() == "hostname" { "netbase" } else { "hostname" };
    let (arch, distro) = (purl.qualifier("arch"), purl.qualifier("distro"));
    let qualifiers: Vec<(&str, &str)> = [("arch", arch.as_deref()), ("distro", distro.as_deref())]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    Purl::new("deb", Some("debian"), name, purl.version().as_deref(), &qualifiers)
        .map_err(|error| Fault::text(error.to_string()))
}

/// Who downloads the package, as anybody does.
struct Consumer {
    workshop: Workshop,
    release: Release,
    published: Published,
}

impl Consumer {
    async fn look_up(plan: &Plan, stage: Stage) -> Result<Self, Fault> {
        let workshop = Workshop::new(&Directories::of_user()?.cache);
        stage.act(&format!("{}, as the archive names it today", plan.artifact));
        let (reference, place) = (plan.artifact.clone(), workshop.clone());
        let found = tokio::task::spawn_blocking(move || {
            setup::look_up(&reference, &place, &Archive::default())
        });
        let release = found.await.map_err(|error| Fault::new("the look-up ended", error))??;
        let Some(published) = release.published().first().cloned() else {
            return Err(Fault::text(format!("{} publishes nothing", release.source())));
        };
        stage.line(&format!(
            "{} holds, by {} of its keys",
            release.index(),
            release.authority().signers.len()
        ));
        stage.line(&format!("{}", published.purl));
        stage.line(&format!("sha256:{}", published.sha256));
        Ok(Self { workshop, release, published })
    }

    /// Fetches the published file into a directory.
    fn download(&self, directory: &Path) -> Result<PathBuf, Fault> {
        let published = &self.published;
        let want = Want::pinned(&published.location, published.sha256, published.size);
        let mut mirror = open_mirror(&self.workshop)?;
        for fetched in mirror.fetch(&[want]) {
            fetched.map_err(|problem| Fault::text(problem.to_string()))?;
        }
        let path = directory.join(&published.file_name);
        let fail = |error: std::io::Error| Fault::new(path.display().to_string(), error);
        std::fs::create_dir_all(directory).map_err(fail)?;
        reattest_rebuilder::Cas::below(&self.workshop.cache)
            .and_then(|cas| cas.copy_to(&published.sha256, &path))
            .map_err(|error| Fault::text(error.to_string()))?;
        Ok(path)
    }

    /// The archive keys that the consumer's policy names: those that signed the index.
    fn archive_keys(&self) -> Result<Vec<String>, Fault> {
        let keys = &self.release.authority().signers;
        let keys: Vec<String> =
            keys.iter().map(|key| key.trim_start_matches("openpgp:").to_owned()).collect();
        if keys.is_empty() {
            return Err(Fault::text("the index has no signer"));
        }
        Ok(keys)
    }
}

fn open_mirror(workshop: &Workshop) -> Result<Mirror, Fault> {
    setup::mirror(workshop, &Archive::default()).map_err(|problem| Fault::text(problem.to_string()))
}

/// What the consumer's node is asked for a bundle.
fn evidence_question(selector: &Selector) -> Ask {
    Ask::Evidence(selector.clone())
}
