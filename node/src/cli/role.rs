//! `reattest role`: one process of a node, started by the node with its links.

use clap::{Args, ValueEnum};

use super::Exit;
use crate::config::Config;
use crate::fault::Fault;
use crate::{builder, signer};

/// One process of a node.
#[derive(Debug, Args)]
pub(super) struct Role {
    /// Which.
    role: Name,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    Signer,
    Builder,
}

impl Role {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        match self.role {
            // The signer sees the end of its link and may finish what it writes.
            Name::Signer => signer::run(config)?,
            Name::Builder => {
                die_with_parent()?;
                builder::run(config)?;
            }
        }
        Ok(Exit::Fine)
    }
}

/// Even a node that is killed leaves no process behind.
pub(super) fn die_with_parent() -> Result<(), Fault> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| Fault::new("the kernel does not bind this process to its parent", error))
}
