//! `reattest peers`: who is connected to the running node.

use clap::Args;

use super::render::align;
use super::{Exit, output};
use crate::config::Config;
use crate::fault::Fault;
use crate::shell::control::{self, Answer, Ask, PeerStatus};

/// Who is connected to the running node.
#[derive(Debug, Args)]
pub(super) struct Peers {
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

impl Peers {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let Answer::Peers(peers) = control::ask_running(&config.socket(), &Ask::Peers)? else {
            return Err(Fault::text("the node answered another question"));
        };
        if self.json {
            output::json(&peers)?;
            return Ok(Exit::Fine);
        }
        if peers.is_empty() {
            output::line("nobody is connected; `peers` in the configuration names whom to dial");
            return Ok(Exit::Fine);
        }
        let head = ["PEER", "ADDRESS", "DIRECTION", "PENALTY"].map(str::to_owned);
        let rows: Vec<[String; 4]> = std::iter::once(head).chain(peers.iter().map(row)).collect();
        for line in align(&rows) {
            output::line(&line);
        }
        Ok(Exit::Fine)
    }
}

/// A mirror's name is its address.
fn row(peer: &PeerStatus) -> [String; 4] {
    let name = if peer.direction == "mirror" { "-" } else { &peer.peer };
    [
        name.to_owned(),
        peer.address.clone(),
        peer.direction.clone(),
        format!("{} of {}", peer.penalty, peer.limit),
    ]
}
