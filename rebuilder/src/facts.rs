//! What else a statement records of a build (step 4): machine, times, command, log.

use std::fs::{self, File};
use std::io;

use reattest_attestation::{BuildFacts, Digest};

use crate::build::Made;
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::pin::Pinned;
use crate::rebuild::Run;
use crate::recipe::{Document, FORMAT};
use crate::release::architecture;
use crate::sandbox::Confinement;

/// The facts of the first run; its log goes into the store, where its digest finds it.
pub(crate) fn of(
    pinned: &Pinned,
    made: &Made,
    confinement: Confinement,
    cas: &Cas,
) -> Result<BuildFacts, RebuildError> {
    let (recipe, run) = (&pinned.recipe, &made.first);
    let command = recipe.steps.last().map(|step| step.command.clone()).unwrap_or_default();
    Ok(BuildFacts {
        command,
        environment: recipe.environment.clone(),
        source_date_epoch: made.source_time,
        learned: recipe.learned.clone(),
        kernel: read("/proc/sys/kernel/osrelease"),
        cpu: cpu(),
        architecture: architecture().to_owned(),
        node_version: env!("CARGO_PKG_VERSION").to_owned(),
        format_version: FORMAT,
        started: run.started,
        finished: run.finished,
        invocation: invocation(&pinned.document, run),
        log: keep_log(run, cas)?,
        diff: None,
        normalizers: Vec::new(),
        confinement: Some(confinement.to_string()),
    })
}

fn keep_log(run: &Run, cas: &Cas) -> Result<Digest, RebuildError> {
    let mut blob = cas.writer()?;
    let io = |e| RebuildError::io("cannot keep the log", &run.log, e);
    // A build that failed before it said anything has no log.
    if let Ok(mut log) = File::open(&run.log) {
        io::copy(&mut log, &mut blob).map_err(io)?;
    }
    Ok(blob.keep(None)?)
}

/// A name for this run: unlike any other of this machine, and telling nothing about it.
fn invocation(document: &Document, run: &Run) -> String {
    let id = format!("{} {} {}", document.digest(), run.started.as_unix(), run.log.display());
    let digest = Digest::of(id.as_bytes()).to_string();
    digest.chars().take(32).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().chars().take(128).collect()
}

/// The first processor's model name; see `proc_cpuinfo(5)`. Some architectures have none.
fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).chars().take(128).collect()
}
