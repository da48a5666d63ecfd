//! `reattest export`: the evidence on a file in the formats of other people's tools.

use std::path::{Path, PathBuf};

use clap::Args;
use reattest_attestation::export::NamedFile;
use reattest_attestation::{
    Conclusion, Evidence, Policy, Purl, Question, Timestamp, Verdict, conclude_showing,
};
use serde::Serialize;

use super::verify::{EvidenceFrom, question};
use super::{Exit, config_file, output, render};
use crate::clock;
use crate::config::Config;
use crate::export::{Exhibit, Format, summaries};
use crate::fault::Fault;
use crate::query::{self, Source};
use crate::setup;
use crate::signer::custody::read_key;

/// The evidence on a file in the formats of other tools.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file.
    file: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    format: Format,
    /// What the file is meant to be, as a full purl.
    #[arg(long = "as", value_name = "PURL")]
    as_purl: Option<Purl>,
    #[command(flatten)]
    evidence: EvidenceFrom,
    /// The directory to write into; without it, the file's own.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// For a summary: the time of the verdict, to derive an earlier one again; without it, now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// For a summary: the consumer's key; without it, the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// One JSON document with the names of the files that were written.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    files: Vec<PathBuf>,
}

impl Export {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let (policy, source) = self.evidence.open(config)?;
        let question = question(&self.file, self.as_purl.as_ref(), Some(&policy))?;
        if self.format == Format::Vsa {
            return self.summary(config, &policy, &source, &question);
        }
        let (bundle, completeness) = source.gather(&query::selector(&question))?;
        let evidence = Evidence::verify(&bundle, policy.network(), completeness);
        let exhibit = Exhibit::of(&bundle, &evidence, &question);
        if exhibit.is_empty() {
            return Err(Fault::text(format!(
                "no evidence on {}; `reattest announce` asks for it",
                self.file.display()
            )));
        }
        let files = exhibit.files(self.format)?;
        if files.is_empty() {
            return Err(Fault::text(format!(
                "nothing of this format on {}: links are made only for files that were reproduced bit for bit",
                self.file.display()
            )));
        }
        self.write(&files)?;
        Ok(Exit::Fine)
    }

    /// A summary says PASSED or FAILED; what is inconclusive is shown, and no summary of it made.
    fn summary(
        &self,
        config: Option<&Path>,
        policy: &Policy,
        source: &Source,
        question: &Question,
    ) -> Result<Exit, Fault> {
        let key = match &self.key {
            Some(path) => path.clone(),
            None => Config::load(&config_file(config)?)?.consumer_key.ok_or_else(|| {
                Fault::text("a summary needs the consumer's key; name it with --key, or as `consumer_key` in the configuration")
            })?,
        };
        let key = read_key(&key)?;
        let at = self.at.unwrap_or_else(clock::now);
        let (bundle, completeness) = source.gather(&query::selector(question))?;
        let evidence = Evidence::verify(&bundle, policy.network(), completeness);
        let (verdict, grounds) = conclude_showing(policy, &evidence, question, at);
        if verdict.verdict == Conclusion::Inconclusive {
            show_to_stderr(&verdict);
            return Ok(Exit::Inconclusive);
        }
        self.write(&summaries(&verdict, &grounds, at, &key)?)?;
        Ok(if verdict.verdict == Conclusion::Accepted { Exit::Fine } else { Exit::Rejected })
    }

    /// All of them, or none: no name may be taken.
    fn write(&self, files: &[NamedFile]) -> Result<(), Fault> {
        let beside = self.file.parent().unwrap_or(Path::new("."));
        let directory = self.output.as_deref().unwrap_or(beside);
        let paths: Vec<PathBuf> = files.iter().map(|file| directory.join(&file.name)).collect();
        if let Some(taken) = paths.iter().find(|path| path.exists()) {
            return Err(Fault::text(format!(
                "{} exists already and is not overwritten; remove it, or choose another directory with -o",
                taken.display()
            )));
        }
        for (path, file) in paths.iter().zip(files) {
            setup::write_new(path, &file.bytes, 0o644)?;
        }
        if self.json {
            return output::json(&Written { files: paths });
        }
        for path in &paths {
            output::line(&path.display().to_string());
        }
        Ok(())
    }
}

fn show_to_stderr(verdict: &Verdict) {
    for line in render::verdict_lines(verdict) {
        output::note(&line);
    }
}
