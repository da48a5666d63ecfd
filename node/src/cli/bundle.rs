//! `reattest bundle`: the evidence on a file, to carry along with it.

use std::path::{Path, PathBuf};

use clap::Args;
use reattest_attestation::Purl;

use super::verify::question;
use super::{Exit, config_file, output};
use crate::config::Config;
use crate::fault::Fault;
use crate::query::{self, Source};
use crate::setup;

/// The evidence on a file, to carry along with it.
#[derive(Debug, Args)]
pub(super) struct Bundle {
    /// The file.
    file: PathBuf,
    /// What the file is meant to be, as a full purl.
    #[arg(long = "as", value_name = "PURL")]
    as_purl: Option<Purl>,
    /// Where to write it; without it, beside the file as FILE.reattest.jsonl.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Reads the logs on disk, and asks no running node.
    #[arg(long)]
    offline: bool,
}

impl Bundle {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let config = Config::load(&config_file(config)?)?;
        let source =
            if self.offline { Source::Disk(config.data) } else { Source::Node(Box::new(config)) };
        let question = question(&self.file, self.as_purl.as_ref(), None)?;
        let (bundle, _) = source.gather(&query::selector(&question))?;
        if bundle.envelopes.is_empty() {
            return Err(Fault::text(format!(
                "no evidence on {}; `reattest announce` asks for it",
                self.file.display()
            )));
        }
        let bytes = bundle.to_bytes().map_err(|error| Fault::text(error.to_string()))?;
        let path = self.output.clone().unwrap_or_else(|| beside(&self.file));
        setup::write_new(&path, &bytes, 0o644)?;
        output::line(&format!("{}: {} statements", path.display(), bundle.envelopes.len()));
        Ok(Exit::Fine)
    }
}

/// The name that verifiers look for.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".reattest.jsonl");
    file.with_file_name(name)
}
