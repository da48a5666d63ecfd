//! `reattest announce`: signs and gossips that a release exists.

use clap::Args;
use reattest_rebuilder::Reference;

use super::{Exit, output};
use crate::builder::workshop;
use crate::config::Config;
use crate::fault::Fault;
use crate::setup;
use crate::shell::control::{self, Answer, Ask};

/// Tells the network that a release exists.
#[derive(Debug, Args)]
pub(super) struct Announce {
    /// A purl, or the short form `deb:NAME[@VERSION]`.
    reference: Reference,
    /// Rebuilds it here once more although this node has an outcome of it, such as after the
    /// packages that it is built with have changed.
    #[arg(long)]
    again: bool,
}

impl Announce {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let workshop = workshop(config)?;
        // The full purl is what others look up; the index says what it is today.
        let release = setup::look_up(&self.reference, &workshop, &config.archive)?;
        let Some(published) = release.published().first() else {
            return Err(Fault::text(format!("{} publishes nothing", release.source())));
        };
        let purl = published.purl.clone();
        let ask = Ask::Announce { purl: purl.clone(), again: self.again };
        match control::ask_running(&config.socket(), &ask)? {
            Answer::Announced(index) => {
                output::line(&format!("{purl} announced, entry {index} of the own log"));
                Ok(Exit::Fine)
            }
            Answer::Failed(why) => Err(Fault::new("the node did not announce", why)),
            _ => Err(Fault::text("the node answered another question")),
        }
    }
}
