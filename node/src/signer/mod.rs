//! Steps 5 and 6, attest and log: the signer role, the only process that reaches a key.
//!
//! It speaks with the node (entries, heads, announcements) and with the builder (sealed results).
//! It hashes the produced files itself and composes the statement itself; nobody hands it bytes to
//! sign.

pub mod messages;
pub mod custody;
mod core;
mod own_log;
mod awaiting;
mod journal;
mod mailbox;
mod seen;
mod statement;
mod witness;
pub mod resume;

use std::os::fd::OwnedFd;

use crate::clock;
use crate::config::{Config, Role};
use crate::confine;
use crate::disk;
use crate::fault::Fault;
use crate::link::Link;
use mailbox::{Letter, Mailbox};
use messages::{Attest, FromSigner, Receipt};

pub use self::core::{Mail, Reply, Signer};
pub use awaiting::Awaiting;
pub use own_log::OwnLog;
pub use statement::Produced;
pub use witness::Witness;

/// Runs the role: the node's link is at standard input, the builder's at standard output.
pub fn run(config: &Config) -> Result<(), Fault> {
    let link = |error| Fault::new("the signer was not started by a node", error);
    let node = Link::at_stdin("node").map_err(link)?;
    let builder = Link::at_stdout("builder").map_err(link)?;
    if let Err(fault) = serve(config, &node, &builder) {
        node.send(&FromSigner::Failed(fault.to_string()))?;
    }
    Ok(())
}

/// Runs the process that holds a token's session for a signer.
pub(crate) fn hold_token() -> Result<(), Fault> {
    custody::holder::run()
}

/// Serves one node and one builder until the node ends.
fn serve(config: &Config, node: &Link, builder: &Link) -> Result<(), Fault> {
    let link = |error| Fault::new("the signer's links", error);
    let own = config.has(Role::Rebuild).then(|| custody::open(config)).transpose()?;
    let witness = Witness::open(config)?;
    let of_witness = witness.as_ref().map(Witness::public_key);
    let awaiting = Awaiting::of(config, of_witness, clock::now())?;
    // Before any thread begins, and before anything is read that somebody else wrote.
    confine::signer(&config.data.join("signer"))?;
    let mails = Mailbox::open(node.try_clone().map_err(link)?, builder.try_clone().map_err(link)?);
    let (network, now) = (config.network.clone(), clock::now());
    let own = own.map(|key| OwnLog::open(disk::local(), &config.data, network, key, awaiting, now));
    let mut signer = Signer::new(witness, own.transpose()?);
    let post = |replies: Vec<Reply>| -> Result<(), Fault> {
        for reply in replies {
            match reply {
                Reply::Node(message) => node.send(&message)?,
                Reply::Builder(receipt) => {
                    builder.send(&receipt)?;
                    mails.answered();
                }
            }
        }
        Ok(())
    };
    post(signer.begin()?)?;
    while let Some(letter) = mails.next()? {
        post(match opened(letter) {
            Ok(mail) => signer.handle(mail, clock::now())?,
            Err(refused) => vec![refused],
        })?;
    }
    signer.end()
}

/// What came, with the builder's files hashed by this process; a file that can still change refuses
/// its result.
fn opened(letter: Letter) -> Result<Mail, Reply> {
    match letter {
        Letter::Node(message) => Ok(Mail::Node(message)),
        Letter::Builder(result, files) => {
            hashed(result, files).map_err(|fault| Reply::Builder(Receipt(Err(fault.to_string()))))
        }
    }
}

fn hashed(result: Box<Attest>, files: Vec<OwnedFd>) -> Result<Mail, Fault> {
    let files = files.into_iter().map(Produced::of_sealed).collect::<Result<_, _>>()?;
    Ok(Mail::Built(result, files))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod core_tests;
