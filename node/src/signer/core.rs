//! The signer as a state machine: one mail in, what is to be sent out; no socket, no clock, nothing to wait for.
//!
//! What must be on its disk is there when [`Signer::handle`] returns, before anybody sees a reply. The
//! process around it (`mod.rs`) reads links and sends replies; the simulator does it in memory.

use reattest_attestation::Timestamp;

use super::messages::{Attest, FromSigner, Receipt, ToSigner};
use super::own_log::{Asked, OwnLog};
use super::statement::Produced;
use super::witness::Witness;
use crate::fault::Fault;

/// What reaches a signer.
#[derive(Debug)]
pub enum Mail {
    /// The node said something.
    Node(ToSigner),
    /// The builder's result, with the files that it names.
    Built(Box<Attest>, Vec<Produced>),
}

/// What a signer says.
#[derive(Debug)]
pub enum Reply {
    /// To the node.
    Node(FromSigner),
    /// To the builder, which may hand over its next result.
    Builder(Receipt),
}

/// A signer: of an own log, as a witness, or both.
#[derive(Debug)]
pub struct Signer {
    witness: Option<Witness>,
    own: Option<OwnLog>,
}

impl Signer {
    /// A signer that said nothing yet.
    pub fn new(witness: Option<Witness>, own: Option<OwnLog>) -> Self {
        Self { witness, own }
    }

    /// Who this is and where its log stands; what a crash interrupted is finished, unless witnesses
    /// are to be heard first.
    pub fn begin(&mut self) -> Result<Vec<Reply>, Fault> {
        let mut replies = Vec::new();
        replies.extend(self.witness.as_ref().map(|witness| Reply::Node(witness.greeting())));
        if let Some(own) = &mut self.own {
            own.begin(&mut replies)?;
        }
        Ok(replies)
    }

    /// One mail, and what is said to it, in this order. A request that can be refused is; an error is
    /// this signer's own, and its end.
    pub fn handle(&mut self, mail: Mail, now: Timestamp) -> Result<Vec<Reply>, Fault> {
        let mut replies = Vec::new();
        match mail {
            Mail::Node(ToSigner::Cosign { checkpoint, key, old, proof }) => {
                let witness = self.witness.as_ref().ok_or_else(|| {
                    Fault::text("the node asks for a cosignature, and this is no witness")
                })?;
                replies.push(Reply::Node(witness.cosign(&checkpoint, &key, old, proof, now)?));
            }
            Mail::Node(message) => match &mut self.own {
                Some(own) => of_node(own, message, now, &mut replies)?,
                None => replies.extend(without_log(&message)),
            },
            Mail::Built(result, files) => {
                let own = self.own.as_mut().ok_or_else(|| {
                    Fault::text("a witness has no builder, and something spoke as one")
                })?;
                own.ask(Asked::Attestation(result, files), &mut replies)?;
            }
        }
        if let Some(own) = &mut self.own {
            own.go_on(now, &mut replies)?;
        }
        Ok(replies)
    }

    /// The node is gone, and nobody is left to log for.
    pub fn end(&self) -> Result<(), Fault> {
        match &self.own {
            Some(own) if own.waits_for_node() => Err(Fault::text(
                "the node ended before the entry was on its disk; it is logged at the next start",
            )),
            _ => Ok(()),
        }
    }
}

fn of_node(
    own: &mut OwnLog,
    message: ToSigner,
    now: Timestamp,
    replies: &mut Vec<Reply>,
) -> Result<(), Fault> {
    match message {
        ToSigner::Announce(purl) => own.ask(Asked::Announcement(purl), replies),
        ToSigner::Stored { size } => own.stored(size, replies),
        ToSigner::Seen { checkpoint } => own.seen(&checkpoint, now, replies),
        ToSigner::Cosign { .. } => Ok(()),
    }
}

/// What a witness alone says to what is meant for a log.
fn without_log(message: &ToSigner) -> Option<Reply> {
    let why = "this signer has the key of a witness only".to_owned();
    matches!(message, ToSigner::Announce(_)).then(|| Reply::Node(FromSigner::Announced(Err(why))))
}
