//! Steps 5 and 6, attest and log: the signer role, the only process that reaches a key.
//!
//! It speaks with the node (entries, heads, announcements) and with the builder (sealed results).
//! It hashes the produced files itself and composes the statement itself; nobody hands it bytes to
//! sign.
#![expect(clippy::disallowed_methods, reason = "two links need a thread each")]

pub mod messages;
pub(crate) mod custody;
mod journal;
mod statement;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use reattest_attestation::log::{Checkpoint, Origin, leaf_hash};
use reattest_attestation::{Announcement, Envelope, NetworkId, Purl, SecretKey, Sign};
use serde_bytes::ByteBuf;

use crate::clock;
use crate::config::Config;
use crate::confine;
use crate::fault::Fault;
use crate::limits::LINK_FILES;
use crate::link::{Link, LinkError};
use journal::{Journal, Pending, State};
use messages::{Attest, FromSigner, Receipt, ToSigner};

/// Runs the role: the node's link is at standard input, the builder's at standard output.
pub fn run(config: &Config) -> Result<(), Fault> {
    let link = |error| Fault::new("the signer was not started by a node", error);
    let node = Link::at_stdin("node").map_err(link)?;
    let builder = Link::at_stdout("builder").map_err(link)?;
    let last_word = node.try_clone().map_err(link)?;
    if let Err(fault) = serve(config, node, &builder) {
        last_word.send(&FromSigner::Failed(fault.to_string()))?;
    }
    Ok(())
}

/// Serves one node and one builder until the node ends.
fn serve(config: &Config, node: Link, builder: &Link) -> Result<(), Fault> {
    let link = |error| Fault::new("the signer's links", error);
    let key = custody::open(config)?;
    let directory = config.data.join("signer");
    // Before any thread begins, and before anything is read that somebody else wrote.
    confine::signer(&directory)?;
    let mails = listen(node.try_clone().map_err(link)?, builder.try_clone().map_err(link)?);
    let mut signer = Signer::open(config, directory, key, node, mails)?;
    signer.greet()?;
    signer.finish_pending()?;
    while let Some(mail) = signer.next_mail() {
        match mail {
            Mail::Node(ToSigner::Announce(purl)) => {
                let answer = signer.announce(purl).map_err(|fault| fault.to_string());
                signer.node.send(&FromSigner::Announced(answer))?;
            }
            // An acknowledgement that nobody waits for repeats an earlier one.
            Mail::Node(ToSigner::Stored { .. }) => {}
            Mail::Builder(result, files) => {
                let answer = signer.attest(*result, files).map_err(|fault| fault.to_string());
                builder.send(&Receipt(answer))?;
            }
        }
    }
    Ok(())
}

enum Mail {
    Node(ToSigner),
    Builder(Box<Attest>, Vec<OwnedFd>),
}

/// One mailbox for both links. It closes when the node ends: without it there is nobody to log for.
fn listen(node: Link, builder: Link) -> mpsc::Receiver<Option<Mail>> {
    let (post, mails) = mpsc::sync_channel(LINK_FILES);
    let post_results = post.clone();
    thread::spawn(move || {
        while let Ok(message) = node.receive() {
            if post.send(Some(Mail::Node(message))).is_err() {
                return;
            }
        }
        let _closed = post.send(None);
    });
    thread::spawn(move || {
        while let Ok((message, files)) = builder.receive_with() {
            if post_results.send(Some(Mail::Builder(Box::new(message), files))).is_err() {
                return;
            }
        }
    });
    mails
}

struct Signer {
    key: SecretKey,
    certificate: Vec<u8>,
    network: NetworkId,
    origin: Origin,
    directory: PathBuf,
    journal: Journal,
    state: State,
    node: Link,
    mails: mpsc::Receiver<Option<Mail>>,
    deferred: VecDeque<Mail>,
}

impl Signer {
    fn open(
        config: &Config,
        directory: PathBuf,
        (key, certificate): (SecretKey, Vec<u8>),
        node: Link,
        mails: mpsc::Receiver<Option<Mail>>,
    ) -> Result<Self, Fault> {
        let network = config.network.clone();
        let origin = Origin::new(&network, &key.public_key(), clock::now().year());
        let journal = Journal::of(&directory, &origin);
        let state = journal.load(&origin)?;
        let deferred = VecDeque::new();
        Ok(Self {
            key,
            certificate,
            network,
            origin,
            directory,
            journal,
            state,
            node,
            mails,
            deferred,
        })
    }

    fn greet(&self) -> Result<(), LinkError> {
        self.node.send(&FromSigner::Hello {
            key: self.key.public_key(),
            certificate: ByteBuf::from(self.certificate.clone()),
            origin: self.origin.to_string(),
            size: self.state.frontier.size(),
            checkpoint: self.state.checkpoint.clone(),
        })
    }

    /// What a crash interrupted is finished with the same bytes.
    fn finish_pending(&mut self) -> Result<(), Fault> {
        match self.journal.pending()? {
            Some(pending) if pending.index == self.state.frontier.size() => {
                self.publish(&pending).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn next_mail(&mut self) -> Option<Mail> {
        self.deferred.pop_front().or_else(|| self.mails.recv().ok().flatten())
    }

    fn announce(&mut self, purl: Purl) -> Result<u64, Fault> {
        let announcement =
            Announcement { network: self.network.clone(), purl, announced: clock::now() };
        let payload = announcement
            .to_payload()
            .map_err(|error| Fault::new("the announcement cannot be composed", error))?;
        self.log(payload, None)
    }

    fn attest(&mut self, result: Attest, files: Vec<OwnedFd>) -> Result<u64, Fault> {
        let composed = statement::compose(&self.network, &self.key, result, files)?;
        self.log(composed.payload, composed.links)
    }

    /// Signs a statement of this process's own making, and logs it.
    fn log(&mut self, payload: Vec<u8>, links: Option<Vec<u8>>) -> Result<u64, Fault> {
        self.begin_year()?;
        let envelope = Envelope::sign(payload, &self.key)
            .map_err(|error| Fault::new("the statement cannot be signed", error))?;
        let index = self.state.frontier.size();
        let (envelope, links) = (ByteBuf::from(envelope.as_bytes()), links.map(ByteBuf::from));
        let pending = Pending { index, envelope, links };
        self.journal.begin(&pending)?;
        self.publish(&pending)
    }

    /// A key begins a new log each year, so that old ones can be archived whole.
    fn begin_year(&mut self) -> Result<(), Fault> {
        let origin = Origin::new(&self.network, &self.key.public_key(), clock::now().year());
        if origin == self.origin {
            return Ok(());
        }
        self.journal = Journal::of(&self.directory, &origin);
        self.state = self.journal.load(&origin)?;
        self.origin = origin;
        Ok(self.greet()?)
    }

    /// Node's disk, then head, then everybody: in this order.
    fn publish(&mut self, pending: &Pending) -> Result<u64, Fault> {
        let Pending { index, envelope, links } = pending.clone();
        let leaf = leaf_hash(&envelope);
        self.node.send(&FromSigner::Entry { index, envelope, links })?;
        self.wait_until_stored(index.saturating_add(1))?;
        let mut frontier = self.state.frontier.clone();
        frontier.push(leaf);
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: frontier.size(),
            root: frontier.root(),
        }
        .sign(&self.key)
        .map_err(|error| Fault::new("the head cannot be signed", error))?;
        let checkpoint = ByteBuf::from(checkpoint.as_bytes());
        let state = State {
            origin: self.origin.to_string(),
            frontier,
            checkpoint: Some(checkpoint.clone()),
        };
        self.journal.commit(&state)?;
        self.state = state;
        self.node.send(&FromSigner::Head { checkpoint })?;
        Ok(index)
    }

    /// Everything else that comes meanwhile waits its turn.
    fn wait_until_stored(&mut self, wanted: u64) -> Result<(), Fault> {
        while let Ok(Some(mail)) = self.mails.recv() {
            match mail {
                Mail::Node(ToSigner::Stored { size }) if size >= wanted => return Ok(()),
                other => self.deferred.push_back(other),
            }
        }
        Err(Fault::text(
            "the node ended before the entry was on its disk; it is logged at the next start",
        ))
    }
}

#[cfg(test)]
mod tests;
