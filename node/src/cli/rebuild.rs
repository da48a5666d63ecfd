//! `reattest rebuild`: one rebuild on this machine, no network of nodes needed.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reattest_attestation::statement::Normalizer;
use reattest_attestation::{ArtifactOutcome, Outcome};
use reattest_rebuilder::fetch::Transferred;
use reattest_rebuilder::report::{Rendering, Report};
use reattest_rebuilder::{
    Cancel, Progress, Rebuilt, Reference, ReferenceError, Unpublished, Workshop, Written, rebuild,
    rebuild_as, rebuild_recipe,
};
use serde::Serialize;

use super::output::{BAD, GOOD, UNSURE, styled};
use super::recipe::{beside, read_lock, read_recipe};
use super::{Exit, output};
use crate::builder;
use crate::config::{Archive, Config, Directories};
use crate::fault::Fault;
use crate::setup;
use crate::shell::report::progress_line;
use crate::signals::cancel_on_stop;

/// Rebuilds one package on this machine.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Rebuild {
    /// A purl, a short form (`deb:NAME[@VERSION]`, `pypi:NAME[@VERSION]`), or a recipe file
    /// (`recipe.toml`, with its lock beside it).
    what: Subject,
    /// Keeps the outputs, the recipe, the lock and the log in this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes why it differs: FILE.html, FILE.json or FILE.txt; of several artifacts, the first.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Shows what diffoscope says, too, where it is installed; it runs in the sandbox.
    #[arg(long)]
    diffoscope: bool,
    /// Builds a second time also where the first run made what was published.
    #[arg(long)]
    twice: bool,
    /// The `.buildinfo` of the publisher's build of a Debian package: builds in its exact versions.
    #[arg(long, value_name = "FILE")]
    buildinfo: Option<PathBuf>,
    /// Shows what the build says while it runs.
    #[arg(long, short)]
    verbose: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// What is rebuilt.
#[derive(Debug, Clone)]
enum Subject {
    /// Something that a registry published.
    Reference(Reference),
    /// What a recipe file says.
    Recipe(PathBuf),
}

impl FromStr for Subject {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let path = Path::new(text);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(Self::Recipe(path.to_owned()));
        }
        text.parse().map(Self::Reference)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    source: String,
    recipe: String,
    lock: String,
    artifacts: &'a [ArtifactOutcome],
    unpublished: &'a [Unpublished],
    reports: &'a [Report],
    normalizers: &'a [Normalizer],
    confinement: Option<&'a str>,
    seconds: i64,
}

impl Rebuild {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let (mut workshop, archive) = workshop(config)?;
        workshop.twice = self.twice;
        workshop.live = self.verbose;
        workshop.deepen = self.diffoscope;
        workshop.program = std::env::current_exe().ok();
        let rendering = self.report.as_deref().map(rendering).transpose()?;
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| Fault::new(path.display().to_string(), error))
        };
        let record = self.buildinfo.as_ref().map(read).transpose()?;
        if let Some(out) = &self.out {
            make_empty(out)?;
        }
        let cancel = Cancel::new();
        cancel_on_stop(cancel.clone())?;
        let bar = Bar::new();
        let transfers = bar.clone();
        let mut mirror = setup::mirror(&workshop, &archive)
            .map_err(|problem| Fault::text(problem.to_string()))?
            .with_cancel(&cancel)
            .with_progress(Box::new(move |transferred| transfers.transfer(transferred)));
        let mut show = |progress| bar.show(&progress);
        let rebuilt = match (&self.what, &record) {
            (Subject::Reference(reference), None) => {
                rebuild(reference, &workshop, &mut mirror, &mut show, &cancel)
            }
            (Subject::Reference(reference), Some(record)) => {
                rebuild_as(reference, record, &workshop, &mut mirror, &mut show, &cancel)
            }
            (Subject::Recipe(_), Some(_)) => {
                return Err(Fault::text("a recipe file has no .buildinfo: leave it out"));
            }
            (Subject::Recipe(path), None) => {
                let (file, lock) = (read_recipe(path)?, read_lock(path)?);
                let written = Written { file: &file, beside: beside(path), lock: &lock };
                rebuild_recipe(&written, &workshop, &mut mirror, &mut show, &cancel)
            }
        };
        bar.finish();
        let rebuilt = rebuilt?;
        if let Some(out) = &self.out {
            keep(&rebuilt, out)?;
        }
        if let (Some(path), Some(rendering)) = (&self.report, rendering) {
            write_report(&rebuilt, path, rendering)?;
        }
        self.show(&rebuilt)?;
        Ok(exit(&rebuilt))
    }

    fn show(&self, rebuilt: &Rebuilt) -> Result<(), Fault> {
        if self.json {
            let run = &rebuilt.first;
            return output::json(&Document {
                source: rebuilt.release.source().to_string(),
                recipe: format!("sha256:{}", rebuilt.recipe.digest()),
                lock: format!("sha256:{}", rebuilt.lock.digest()),
                artifacts: rebuilt.outcomes(),
                unpublished: rebuilt.unpublished(),
                reports: rebuilt.reports(),
                normalizers: &rebuilt.facts.normalizers,
                confinement: rebuilt.facts.confinement.as_deref(),
                seconds: run.finished.as_unix().saturating_sub(run.started.as_unix()),
            });
        }
        for artifact in rebuilt.outcomes() {
            let style = match artifact.outcome {
                Outcome::Reproduced => GOOD,
                Outcome::Equivalent => UNSURE,
                Outcome::Differs | Outcome::Unstable | Outcome::BuildFailed => BAD,
            };
            output::line(&format!(
                "{}  {}",
                styled(style, &artifact.outcome.to_string()),
                artifact.purl
            ));
            output::line(&format!("  published  sha256:{}", artifact.published));
            let runs = [("produced", artifact.produced), ("again", artifact.again)];
            for (name, digest) in runs {
                if let Some(digest) = digest {
                    output::line(&format!("  {name:<9}  sha256:{digest}"));
                }
            }
        }
        rebuilt.unpublished().iter().for_each(show_unpublished);
        let normalizers = &rebuilt.facts.normalizers;
        if !normalizers.is_empty() {
            let names: Vec<_> =
                normalizers.iter().map(|n| format!("{}@{}", n.name, n.version)).collect();
            output::line(&format!("  normalized by  {}", names.join(" ")));
        }
        rebuilt.reports().iter().for_each(|report| show_why(report, self.report.is_some()));
        if self.diffoscope {
            let none = "diffoscope gave nothing: it is not installed, or failed, or had nothing to compare";
            output::line(rebuilt.deeper().map_or(none, |deeper| deeper.text.as_str()));
        }
        Ok(())
    }
}

pub(super) fn workshop(config: Option<&Path>) -> Result<(Workshop, Archive), Fault> {
    let directories = Directories::of_user()?;
    let default = directories.config_file();
    // A first rebuild needs no `init`.
    let path = config.or_else(|| default.exists().then_some(default.as_path()));
    match path {
        Some(path) => {
            let config = Config::load(path)?;
            let mut workshop = builder::workshop(&config)?;
            // A running node keeps its own scratch space.
            workshop.scratch = directories.cache.join("scratch");
            Ok((workshop, config.archive))
        }
        None => Ok((Workshop::new(&directories.cache), Archive::default())),
    }
}

fn rendering(path: &Path) -> Result<Rendering, Fault> {
    Rendering::of(path).ok_or_else(|| {
        let found = path.display();
        Fault::text(format!(
            "found --report {found}; needed a name that ends in .html, .json or .txt"
        ))
    })
}

/// Without a difference there is no report, which is said and is no fault.
fn write_report(rebuilt: &Rebuilt, path: &Path, rendering: Rendering) -> Result<(), Fault> {
    let Some(report) = rebuilt.reports().first() else {
        output::note("  no report: nothing differs, or the files could not be compared");
        return Ok(());
    };
    let fail =
        |error: &dyn std::fmt::Display| Fault::new(path.display().to_string(), error.to_string());
    let text = report.render(rendering).map_err(|error| fail(&error))?;
    // Colours are for terminals; other renderings hold no escape sequence.
    let text = anstream::adapter::strip_str(&text).to_string();
    std::fs::write(path, text).map_err(|error| fail(&error))
}

/// The report in a few lines; all of it has hundreds.
fn show_why(report: &Report, is_written: bool) {
    output::line(&format!("\nwhy: {}", report.summary));
    for finding in &report.causes {
        output::line(&format!("  {:<11}  {}", finding.cause.name(), finding.words));
    }
    if let Some(variation) = &report.variation {
        output::line(&format!("  varied run   {}", variation.words));
    }
    if !is_written {
        output::note("  --report FILE.html shows every difference, down to the bytes");
    }
}

/// Nothing was published to compare with, so the digest itself is the result.
fn show_unpublished(made: &Unpublished) {
    let (style, word) = match (made.produced, made.again) {
        (Some(first), Some(again)) if first == again => (GOOD, "made"),
        (Some(_), _) => (BAD, "unstable"),
        (None, _) => (BAD, "build-failed"),
    };
    output::line(&format!("{}  {}", styled(style, word), made.purl));
    for (name, digest) in [("produced", made.produced), ("again", made.again)] {
        if let Some(digest) = digest {
            output::line(&format!("  {name:<9}  sha256:{digest}"));
        }
    }
}

/// The asked artifact decides; it is the first. Of what was never published, two equal runs are fine.
fn exit(rebuilt: &Rebuilt) -> Exit {
    if rebuilt.outcomes().is_empty() {
        let made = rebuilt.unpublished();
        return match made.iter().find(|m| m.produced.is_none() || m.produced != m.again) {
            None => Exit::Fine,
            Some(Unpublished { produced: None, .. }) => Exit::BuildFailed,
            Some(_) => Exit::Differs,
        };
    }
    match rebuilt.outcomes().first().map(|artifact| artifact.outcome) {
        Some(Outcome::Reproduced) => Exit::Fine,
        Some(Outcome::Equivalent) => Exit::Equivalent,
        Some(Outcome::Differs | Outcome::Unstable) => Exit::Differs,
        Some(Outcome::BuildFailed) | None => Exit::BuildFailed,
    }
}

fn make_empty(out: &Path) -> Result<(), Fault> {
    let fail = |error| Fault::new(out.display().to_string(), error);
    std::fs::create_dir_all(out).map_err(fail)?;
    if std::fs::read_dir(out).map_err(fail)?.next().is_some() {
        return Err(Fault::text(format!("{} is not empty; name a new directory", out.display())));
    }
    Ok(())
}

fn keep(rebuilt: &Rebuilt, out: &Path) -> Result<(), Fault> {
    let fail = |error: std::io::Error| Fault::new(out.display().to_string(), error);
    std::fs::write(out.join("recipe.json"), rebuilt.recipe.bytes()).map_err(fail)?;
    std::fs::write(out.join("lock.json"), rebuilt.lock.bytes()).map_err(fail)?;
    let runs = [("", Some(&rebuilt.first)), ("again-", rebuilt.second.as_ref())];
    for (prefix, run) in runs {
        let Some(run) = run else { continue };
        std::fs::copy(&run.log, out.join(format!("{prefix}build.log"))).map_err(fail)?;
        for output in &run.outputs {
            let name = output.path.file_name().unwrap_or_default().to_string_lossy();
            std::fs::copy(&output.path, out.join(format!("{prefix}{name}"))).map_err(fail)?;
        }
    }
    Ok(())
}

/// Lines for what is done, and a bar for what takes long, on a terminal only.
#[derive(Clone)]
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, output::bars());
        let bar = Self { bar };
        bar.style("  {spinner} {msg} {elapsed}");
        bar.bar.set_message("asking the archive");
        bar.bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    pub(super) fn show(&self, progress: &Progress) {
        let text = progress_line(progress);
        match progress {
            // The transfer itself is shown while it lasts.
            Progress::Fetching { .. } => {}
            Progress::Solving
            | Progress::EnvironmentBuilding { .. }
            | Progress::Building { .. } => {
                self.style("  {spinner} {msg} {elapsed}");
                self.bar.reset_elapsed();
                self.bar.set_message(text);
            }
            _ => self.bar.suspend(|| output::note(&format!("  {text}"))),
        }
    }

    pub(super) fn transfer(&self, transferred: Transferred) {
        let Transferred { done, total, bytes, total_bytes, .. } = transferred;
        self.style("  {spinner} {msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}");
        self.bar.set_length(total_bytes);
        self.bar.set_position(bytes);
        self.bar.set_message(format!("fetching {done} of {total}"));
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
