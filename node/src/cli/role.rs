//! `reattest role`: one process of a node, started by the node with its links.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use reattest_rebuilder::report;

use super::{Exit, load, output};
use crate::fault::Fault;
use crate::{builder, signer};

/// One process of a node.
#[derive(Debug, Args)]
pub(super) struct Role {
    /// Which.
    role: Name,
    /// For a report: the published file, the produced file, and the names to show for them.
    #[arg(hide = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    Signer,
    Builder,
    /// Holds a PKCS#11 token's session for the signer.
    Token,
    /// Compares two files of strangers, inside a sandbox without configuration.
    Report,
}

impl Role {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let role = self.role.to_possible_value();
        let role = role.as_ref().map_or("", |value| value.get_name());
        tracing::info!(event = "started", role, pid = std::process::id(), "started");
        match self.role {
            // The signer sees the end of its link and may finish what it writes.
            Name::Signer => signer::run(&load(config)?)?,
            Name::Builder => {
                die_with_parent()?;
                builder::run(&load(config)?)?;
            }
            Name::Token => signer::hold_token()?,
            Name::Report => self.report()?,
        }
        Ok(Exit::Fine)
    }

    fn report(&self) -> Result<(), Fault> {
        let [published, produced, names @ ..] = self.files.as_slice() else {
            return Err(Fault::text("a report needs two files; `reattest rebuild` names them"));
        };
        let name = |index: usize, file: &Path| {
            names.get(index).map_or(file, PathBuf::as_path).to_string_lossy().into_owned()
        };
        let names = (name(0, published), name(1, produced));
        let document = report::document(published, produced, (&names.0, &names.1))
            .map_err(|error| Fault::text(error.to_string()))?;
        output::line(&String::from_utf8_lossy(&document));
        Ok(())
    }
}

/// Even a node that is killed leaves no process behind.
pub(super) fn die_with_parent() -> Result<(), Fault> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| Fault::new("the kernel does not bind this process to its parent", error))
}
