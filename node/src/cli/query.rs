//! `reattest query`: what the network says of a package or a file.

use std::path::Path;

use clap::Args;
use reattest_attestation::{Digest, HashedFile, Purl, Question};

use super::verify::{EvidenceFrom, show, worst};
use super::{Exit, output};
use crate::fault::Fault;
use crate::query;

/// What the network says of a package or a file.
#[derive(Debug, Args)]
pub(super) struct Query {
    /// A full purl, or `sha256:HEX`.
    about: About,
    #[command(flatten)]
    evidence: EvidenceFrom,
    /// One JSON document: the verdict, or a list of them where several files are known.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone)]
enum About {
    Package(Purl),
    File(Digest),
}

impl std::str::FromStr for About {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(hex) = text.strip_prefix("sha256:") {
            return hex.parse().map(Self::File).map_err(|error| format!("{error}"));
        }
        text.parse().map(Self::Package).map_err(|error| format!("{error}"))
    }
}

impl Query {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let (policy, source) = self.evidence.open(config)?;
        let verdicts = match &self.about {
            About::Package(purl) => query::judge_package(&policy, &source, purl)?,
            About::File(sha256) => {
                let question = Question::about(HashedFile::elsewhere("", *sha256), None);
                vec![query::judge(&policy, &source, &question)?]
            }
        };
        if verdicts.is_empty() && !self.json {
            output::line(
                "nobody said anything about this package; `reattest announce` asks for it",
            );
        } else {
            show(&verdicts, self.json)?;
        }
        Ok(worst(&verdicts))
    }
}
