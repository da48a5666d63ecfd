//! `reattest verify`: the verdict of the consumer's own policy on files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use reattest_attestation::policy::{Accept, Door};
use reattest_attestation::statement::Normalizer;
use reattest_attestation::verdict::Normalized;
use reattest_attestation::{Conclusion, HashedFile, Policy, Purl, Question, Verdict};
use reattest_rebuilder::normalize::{self, NormalizeError};

use super::deciding::{self, Deciding};
use super::{Exit, config_file, output, own_rebuild, render};
use crate::config::Config;
use crate::fault::Fault;
use crate::query::{self, Source};
use crate::setup;

/// The verdict of your policy on files.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Files to judge.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the file is meant to be, as a full purl.
    #[arg(long = "as", value_name = "PURL")]
    as_purl: Option<Purl>,
    /// Has the own node rebuild it first; its outcome counts where the policy's quorum has it.
    #[arg(long, requires = "as_purl", conflicts_with_all = ["bundle", "offline"])]
    rebuild: bool,
    #[command(flatten)]
    evidence: EvidenceFrom,
    /// Decides as the policy's environment for the door `cli` says, and records it.
    #[arg(long, requires = "as_purl")]
    decide: bool,
    /// One JSON document: the verdict, or a list of them where several files are judged.
    #[arg(long)]
    json: bool,
}

/// Which policy judges, and where its evidence comes from.
#[derive(Debug, Args)]
pub(super) struct EvidenceFrom {
    /// The policy; without it, the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Evidence from this bundle instead of the own node.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Reads the logs on disk, and asks no running node.
    #[arg(long)]
    offline: bool,
}

impl Verify {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        if self.decide {
            return self.decide(config);
        }
        let (policy, source) = self.evidence.open(config)?;
        if let (true, Some(purl)) = (self.rebuild, &self.as_purl) {
            own_rebuild::rebuild(&Config::load(&config_file(config)?)?, &policy, purl)?;
        }
        let mut verdicts = Vec::new();
        for file in &self.files {
            let question = question(file, self.as_purl.as_ref(), Some(&policy))?;
            verdicts.push(query::judge(&policy, &source, &question)?);
        }
        show(&verdicts, self.json)?;
        Ok(worst(&verdicts))
    }

    fn decide(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let deciding = Deciding::open(&self.evidence, config, Door::Cli)?;
        if let (true, Some(purl)) = (self.rebuild, &self.as_purl) {
            let policy = setup::policy_in_force(&self.evidence.policy_file(config)?)?;
            own_rebuild::rebuild(&Config::load(&config_file(config)?)?, &policy, purl)?;
        }
        let purl = self.as_purl.as_ref();
        let questions = self.files.iter().map(|file| question(file, purl, deciding.policy()));
        let decisions = deciding.decide(&questions.collect::<Result<Vec<_>, _>>()?)?;
        deciding::show(&decisions, self.json)?;
        Ok(deciding::exit(&decisions))
    }
}

impl EvidenceFrom {
    /// The policy, and the evidence that it judges.
    pub(super) fn open(&self, config: Option<&Path>) -> Result<(Policy, Source), Fault> {
        let policy = setup::policy_in_force(&self.policy_file(config)?)?;
        Ok((policy, self.source(config)?))
    }

    /// The policy's file, read or not.
    pub(super) fn policy_file(&self, config: Option<&Path>) -> Result<PathBuf, Fault> {
        match &self.policy {
            Some(path) => Ok(path.clone()),
            None => Ok(Config::load(&config_file(config)?)?.policy),
        }
    }

    /// Where evidence comes from.
    pub(super) fn source(&self, config: Option<&Path>) -> Result<Source, Fault> {
        let load = || Config::load(&config_file(config)?);
        Ok(match &self.bundle {
            Some(path) => Source::Bundle(read_bundle(path)?),
            None if self.offline => Source::Disk(load()?.data),
            None => Source::Node(Box::new(load()?)),
        })
    }

    /// Whether everything comes from the own node, its policy too.
    pub(super) fn is_of_node(&self) -> bool {
        self.policy.is_none() && self.bundle.is_none() && !self.offline
    }
}

pub(super) fn read_bundle(path: &Path) -> Result<Vec<u8>, Fault> {
    let limit = reattest_attestation::limits::BUNDLE_MAX as u64;
    let fail = |error| Fault::new(path.display().to_string(), error);
    let file = File::open(path).map_err(fail)?;
    let told = file.metadata().map_err(fail)?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(told).unwrap_or(0).saturating_add(1));
    // One byte more than allowed, so that the bundle's own check names the limit.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// What is asked about a file, which is hashed while it is read, and normalized where the policy
/// that will judge it allows what is equivalent.
pub(super) fn question(
    path: &Path,
    purl: Option<&Purl>,
    policy: Option<&Policy>,
) -> Result<Question, Fault> {
    let fail = |error| Fault::new(path.display().to_string(), error);
    let mut file = File::open(path).map_err(fail)?;
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(Fault::text(format!("{} is not a file", path.display())));
    }
    let mut beginning = Vec::new();
    file.by_ref().take(PACKAGE.len() as u64).read_to_end(&mut beginning).map_err(fail)?;
    if purl.is_some_and(|purl| purl.kind() == "deb") && beginning != PACKAGE {
        output::note(&format!(
            "note: {} does not begin as a Debian package does (found {:?}, needed \"!<arch>\")",
            path.display(),
            String::from_utf8_lossy(beginning.get(..8).unwrap_or(&beginning))
        ));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let whole = beginning.as_slice().chain(&file);
    let hashed = HashedFile::read(&name.unwrap_or_default(), whole).map_err(fail)?;
    let mut question = Question::about(hashed, purl.cloned());
    if let Some(policy) = policy {
        question.normalized = normalized(&question, policy, &file, path)?;
    }
    Ok(question)
}

/// What the normalizers of the file's form make of it, where the policy allows all of them; for
/// every other file nothing is read again. A file without a normalized form is judged bit for bit.
fn normalized(
    question: &Question,
    policy: &Policy,
    file: &File,
    path: &Path,
) -> Result<Vec<Normalized>, Fault> {
    let accept = &policy.demands().accept;
    if *accept == Accept::Bitwise {
        return Ok(Vec::new());
    }
    let told = question.purl.as_ref().and_then(Purl::file_name);
    let name = told.as_deref().unwrap_or_else(|| question.file.name());
    let chain: Vec<Normalizer> = normalize::chain(name).iter().map(Normalizer::from).collect();
    if !accept.allows(&chain) {
        return Ok(Vec::new());
    }
    match normalize::normalized(name, file) {
        Ok(normalized) => Ok(normalized.into_iter().collect()),
        Err(NormalizeError::Refused(refusal)) => {
            let shown = path.display();
            output::note(&format!("note: {shown} has no normalized form: {refusal}"));
            Ok(Vec::new())
        }
        Err(fault) => Err(Fault::new(path.display().to_string(), fault)),
    }
}

/// deb(5): an `ar` archive whose first member is `debian-binary`.
const PACKAGE: &[u8] = b"!<arch>\ndebian-binary";

pub(super) fn show(verdicts: &[Verdict], json: bool) -> Result<(), Fault> {
    match verdicts {
        [one] if json => output::json(one),
        many if json => output::json(&many),
        many => {
            let lines: Vec<String> = many.iter().flat_map(render::verdict_lines).collect();
            output::line(&lines.join("\n"));
            Ok(())
        }
    }
}

/// The worst verdict counts; of none, nothing is known.
pub(super) fn worst(verdicts: &[Verdict]) -> Exit {
    let exit = |verdict: &Verdict| match verdict.verdict {
        Conclusion::Accepted => Exit::Fine,
        Conclusion::Rejected => Exit::Rejected,
        Conclusion::Inconclusive => Exit::Inconclusive,
    };
    if verdicts.iter().any(|verdict| exit(verdict) == Exit::Rejected) {
        return Exit::Rejected;
    }
    verdicts.iter().map(exit).max().unwrap_or(Exit::Inconclusive)
}
