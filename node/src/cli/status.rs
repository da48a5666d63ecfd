//! `reattest status`: how the running node is.

use clap::Args;

use super::render::align;
use super::{Exit, output};
use crate::config::Config;
use crate::fault::Fault;
use crate::shell::control::{self, Answer, Ask};

/// How the running node is.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let socket = config.socket();
        let status = match control::ask(&socket, &Ask::Status)? {
            Some(Answer::Status(status)) => status,
            Some(_) => return Err(Fault::text("the node answered another question")),
            None => {
                return Err(Fault::text(format!(
                    "no node runs at {}; start one with `reattest node`",
                    socket.display()
                )));
            }
        };
        if self.json {
            output::json(&status)?;
            return Ok(Exit::Fine);
        }
        output::line(&format!("network    {}", status.network));
        for address in &status.listening {
            output::line(&format!("listening  {address}"));
        }
        output::line(&format!("peers      {} connected", status.peers.len()));
        let rows: Vec<[String; 3]> = status
            .logs
            .iter()
            .map(|log| {
                let state = if log.forked { "FORKED" } else { "" };
                [log.operator.clone(), format!("{} entries", log.size), state.to_owned()]
            })
            .collect();
        for row in align(&rows) {
            output::line(&format!("log        {row}"));
        }
        Ok(Exit::Fine)
    }
}
