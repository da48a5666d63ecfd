//! Steps 5 and 6, attest and log: the signer role, the only process that reaches a key.
//!
//! It speaks with the node (entries, heads, announcements) and with the builder (sealed results).
//! It hashes the produced files itself and composes the statement itself; nobody hands it bytes to
//! sign.

pub mod messages;
pub mod custody;
mod awaiting;
mod journal;
mod mailbox;
mod seen;
mod statement;
mod witness;
pub mod resume;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use reattest_attestation::log::{Checkpoint, Origin, leaf_hash};
use reattest_attestation::{Announcement, Digest, Envelope, NetworkId, PublicKey, Purl};
use serde_bytes::ByteBuf;

use crate::clock;
use crate::config::{Config, Role};
use crate::confine;
use crate::fault::Fault;
use crate::link::{Link, LinkError};
use awaiting::Awaiting;
use custody::Key;
use journal::{Journal, Pending, State};
use mailbox::{Mail, Mailbox};
use messages::{Attest, FromSigner, Receipt, ToSigner};
use seen::Standing;
use statement::Uncomposed;
use witness::Witness;

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

/// Runs the process that holds a token's session for a signer.
pub(crate) fn hold_token() -> Result<(), Fault> {
    custody::holder::run()
}

/// Serves one node and one builder until the node ends.
fn serve(config: &Config, node: Link, builder: &Link) -> Result<(), Fault> {
    let link = |error| Fault::new("the signer's links", error);
    let own = config.has(Role::Rebuild).then(|| custody::open(config)).transpose()?;
    let witness = Witness::open(config)?;
    let of_witness = witness.as_ref().map(Witness::public_key);
    let awaiting = Awaiting::of(config, of_witness, clock::now())?;
    let directory = config.data.join("signer");
    // Before any thread begins, and before anything is read that somebody else wrote.
    confine::signer(&directory)?;
    let mails = Mailbox::open(node.try_clone().map_err(link)?, builder.try_clone().map_err(link)?);
    if let Some(witness) = &witness {
        node.send(&witness.greeting())?;
    }
    let Some(key) = own else {
        return serve_witness(witness.as_ref(), &node, &mails);
    };
    let mut signer = Signer::open(config, directory, key, node, mails)?;
    signer.awaiting = awaiting;
    signer.greet()?;
    signer.begin()?;
    while let Some(mail) = signer.next_mail()? {
        match mail {
            Mail::Node(ToSigner::Announce(purl)) => {
                let answer = signer.announce(purl)?;
                signer.node.send(&FromSigner::Announced(answer))?;
            }
            Mail::Node(ToSigner::Seen { checkpoint }) => signer.seen(&checkpoint)?,
            // An acknowledgement that nobody waits for repeats an earlier one.
            Mail::Node(ToSigner::Stored { .. }) => {}
            Mail::Node(ToSigner::Cosign { checkpoint, key, old, proof }) => {
                cosign(witness.as_ref(), &signer.node, (&checkpoint, &key), old, proof)?;
            }
            Mail::Builder(result, files) => {
                let answer = signer.attest(*result, files)?;
                builder.send(&Receipt(answer))?;
                signer.mails.answered();
            }
        }
    }
    Ok(())
}

/// Serves a node that signs nothing of its own.
fn serve_witness(witness: Option<&Witness>, node: &Link, mails: &Mailbox) -> Result<(), Fault> {
    while let Some(mail) = mails.next()? {
        match mail {
            Mail::Node(ToSigner::Cosign { checkpoint, key, old, proof }) => {
                cosign(witness, node, (&checkpoint, &key), old, proof)?;
            }
            Mail::Node(ToSigner::Announce(_)) => {
                let why = "this signer has the key of a witness only".to_owned();
                node.send(&FromSigner::Announced(Err(why)))?;
            }
            Mail::Node(ToSigner::Seen { .. } | ToSigner::Stored { .. }) => {}
            Mail::Builder(..) => {
                return Err(Fault::text("a witness has no builder, and something spoke as one"));
            }
        }
    }
    Ok(())
}

fn cosign(
    witness: Option<&Witness>,
    node: &Link,
    (head, key): (&[u8], &PublicKey),
    old: u64,
    proof: Vec<Digest>,
) -> Result<(), Fault> {
    let Some(witness) = witness else {
        return Err(Fault::text("the node asks for a cosignature, and this is no witness"));
    };
    Ok(node.send(&witness.cosign(head, key, old, proof)?)?)
}

/// What a request came to: a place in the log, or why it is refused. A signer that can refuse one
/// goes on; a [`Fault`] of its own ends it.
type Answer = Result<u64, String>;

struct Signer {
    key: Key,
    certificate: Vec<u8>,
    network: NetworkId,
    origin: Origin,
    directory: PathBuf,
    journal: Journal,
    state: State,
    node: Link,
    mails: Mailbox,
    awaiting: Awaiting,
    /// A result that came while witnesses are waited for: the builder gives no second one.
    held: Option<Mail>,
}

impl Signer {
    fn open(
        config: &Config,
        directory: PathBuf,
        (key, certificate): (Key, Vec<u8>),
        node: Link,
        mails: Mailbox,
    ) -> Result<Self, Fault> {
        let network = config.network.clone();
        let origin = Origin::new(&network, &key.public_key(), clock::now().year());
        let journal = Journal::of(&directory, &origin);
        let state = journal.load(&origin)?;
        let (awaiting, held) = (Awaiting::nobody(), None);
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
            awaiting,
            held,
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

    /// Finishes what a crash interrupted, unless witnesses are to be heard first. A log that has
    /// nothing yet can be behind nothing.
    fn begin(&mut self) -> Result<(), Fault> {
        let pending = self.journal.pending()?.is_some();
        if self.state.frontier.size() == 0 && !pending {
            self.awaiting = Awaiting::nobody();
        }
        if self.awaiting.waits() {
            return Ok(self.node.send(&FromSigner::Awaits(true))?);
        }
        self.finish_pending()
    }

    /// The next message; results of the builder wait as long as witnesses are waited for.
    fn next_mail(&mut self) -> Result<Option<Mail>, Fault> {
        loop {
            if !self.awaiting.waits()
                && let Some(held) = self.held.take()
            {
                return Ok(Some(held));
            }
            match self.mails.next()? {
                Some(result @ Mail::Builder(..)) if self.awaiting.waits() => {
                    self.held = Some(result);
                }
                mail => return Ok(mail),
            }
        }
    }

    /// Somebody showed a head of the own log.
    fn seen(&mut self, note: &[u8]) -> Result<(), Fault> {
        let Some(head) = self.standing().check(note)? else { return Ok(()) };
        if head.checkpoint().origin == self.origin && self.awaiting.heard(&head) {
            self.node.send(&FromSigner::Awaits(false))?;
            self.finish_pending()?;
        }
        Ok(())
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

    fn announce(&mut self, purl: Purl) -> Result<Answer, Fault> {
        if self.awaiting.waits() {
            return Ok(Err(self.awaiting.refusal()));
        }
        let announcement =
            Announcement { network: self.network.clone(), purl, announced: clock::now() };
        match announcement.to_payload() {
            Ok(payload) => self.log(payload, None).map(Ok),
            Err(error) => Ok(Err(format!("the announcement cannot be composed: {error}"))),
        }
    }

    fn attest(&mut self, result: Attest, files: Vec<OwnedFd>) -> Result<Answer, Fault> {
        match statement::compose(&self.network, &*self.key, result, files) {
            Ok(composed) => self.log(composed.payload, composed.links).map(Ok),
            Err(Uncomposed::Refused(fault)) => Ok(Err(fault.to_string())),
            Err(Uncomposed::Unsigned(fault)) => Err(fault),
        }
    }

    /// Where the own log stands, for heads of it that somebody shows.
    fn standing(&self) -> Standing<'_> {
        Standing {
            directory: &self.directory,
            network: &self.network,
            key: self.key.public_key(),
            origin: &self.origin,
            state: &self.state,
        }
    }

    /// Signs a statement of this process's own making, and logs it.
    fn log(&mut self, payload: Vec<u8>, links: Option<Vec<u8>>) -> Result<u64, Fault> {
        self.begin_year()?;
        let envelope = Envelope::sign(payload, &*self.key)
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
        let standing = self.standing();
        self.mails
            .wait_until_stored(index.saturating_add(1), |note| standing.check(note).map(drop))?;
        let mut frontier = self.state.frontier.clone();
        frontier.push(leaf);
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: frontier.size(),
            root: frontier.root(),
        }
        .sign(&*self.key)
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
}

#[cfg(test)]
mod tests;
