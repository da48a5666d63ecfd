//! What the core asks the shell to do.

use reattest_attestation::log::Origin;
use reattest_attestation::{Digest, Purl};

use super::addresses::Address;
use super::heads::CheckedHead;
use super::message::{Fork, Request, Response};
use super::peers::{MessageId, Peer, RequestId, Ticket};
use super::pull::ProvenRange;
use super::queue::Change;
use super::refusal::Refusal;

/// Something is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Tell all peers.
    Publish(Vec<u8>),
    /// Say whether a gossiped message is passed on.
    Judge {
        /// The transport's name of the message.
        id: MessageId,
        /// Who handed it over.
        from: Peer,
        /// What becomes of it.
        judgement: Judgement,
    },
    /// Ask a peer.
    Ask {
        /// Whom.
        peer: Peer,
        /// Our name of the request.
        request: RequestId,
        /// What.
        question: Request,
    },
    /// Answer a peer.
    Reply {
        /// Where the answer goes.
        ticket: Ticket,
        /// The answer.
        response: Response,
    },
    /// Answer a peer with entries from the store.
    Serve {
        /// Where the answer goes.
        ticket: Ticket,
        /// Which log.
        origin: Origin,
        /// The first entry.
        from: u64,
        /// The first entry not to be served.
        until: u64,
        /// The size of the head that the answer is proven under.
        head: u64,
    },
    /// Answer a peer with the root at one size and the way from it to another.
    ServeConsistency {
        /// Where the answer goes.
        ticket: Ticket,
        /// Which log.
        origin: Origin,
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
    },
    /// Answer a peer with a document from the store.
    ServeDocument {
        /// Where the answer goes.
        ticket: Ticket,
        /// The SHA-256 of the document.
        digest: Digest,
    },
    /// Append entries to a log: the head that they are proven under is stored once all under it are
    /// here.
    Extend(Box<ProvenRange>),
    /// Forget the entries beyond a size: they belong to no head.
    Rewind {
        /// Which log.
        origin: Origin,
        /// The size under the newest stored head.
        size: u64,
    },
    /// Make the entries under a head durable, and publish it: on disk, or not at all. Also for a
    /// head that is stored already and has new cosignatures.
    StoreHead {
        /// The head.
        head: CheckedHead,
    },
    /// Look up which root the own copy of a log has at the size of this head, and the way from there
    /// to the size `with`.
    Compare {
        /// A head that is not larger than what is stored.
        head: Box<CheckedHead>,
        /// The size of the stored head.
        with: u64,
    },
    /// Let the signer cosign a head as a witness: consistent with all that it cosigned before.
    Cosign {
        /// The head, which is stored.
        head: Box<CheckedHead>,
    },
    /// Show the signer a head of its own log.
    ShowSigner {
        /// The checkpoint: a C2SP signed note.
        checkpoint: Vec<u8>,
    },
    /// Keep the proof that a log's key signed two histories.
    KeepFork {
        /// Which log.
        origin: Origin,
        /// The proof.
        proof: Box<Fork>,
    },
    /// Keep an operator's word.
    StoreWord(Vec<u8>),
    /// Open a connection.
    Dial {
        /// Who is expected there, where that is known.
        peer: Option<Peer>,
        /// Where.
        address: Address,
    },
    /// Look whether a recipe or a lock is on disk; answered by [`Event::NoDocument`] where it is
    /// not.
    FindDocument(Digest),
    /// Keep a recipe or a lock.
    StoreDocument(Vec<u8>),
    /// Write changes of the queue down, durably, before any later effect is performed; where that
    /// fails, the node cannot go on.
    Record(Vec<Change>),
    /// Look which of these have an outcome in the own log; the answer is [`Event::Recalled`], and
    /// answers come in the order of the questions.
    Recall(Vec<Purl>),
    /// Rebuild a release.
    Build {
        /// Our name of the job.
        job: u64,
        /// What.
        purl: Purl,
        /// Bytes of memory that it may use.
        memory: u64,
    },
    /// Stop a job whose lease ran out.
    CancelBuild {
        /// Which job.
        job: u64,
    },
    /// End the builder, which does not even stop a job: all its jobs end with it.
    EndBuilder,
    /// Announce a release in the own log.
    Announce(Purl),
    /// Close the connection to a peer that did too much wrong.
    Drop(Peer),
    /// Something that an operator wants to know.
    Notice(Notice),
}

/// What becomes of a gossiped message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Passed on.
    Accept,
    /// Not passed on, nobody's fault.
    Ignore,
    /// Not passed on, and the peer that sent it is scored down.
    Reject,
}

/// Something that an operator wants to know.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A log grew.
    Grew {
        /// Which log.
        origin: Origin,
        /// Its size before.
        from: u64,
        /// Its size now.
        size: u64,
    },
    /// A key signed two histories.
    Forked {
        /// Which log.
        origin: Origin,
        /// The proof.
        proof: Box<Fork>,
    },
    /// A peer shows less of a log than it showed before: its disk came back from a backup, or it
    /// hides something.
    RolledBack {
        /// Which log.
        origin: Origin,
        /// Who.
        peer: Peer,
        /// The size that it shows now.
        shown: u64,
        /// The size that it showed before.
        before: u64,
    },
    /// A peer shows more of the own log than its signer remembers: this machine came back from a
    /// backup, or another one signs with the same key.
    OwnLogAhead {
        /// The size that the signer's node has.
        held: u64,
        /// The size that a peer shows.
        shown: u64,
    },
    /// An operator revoked or replaced a key.
    Word {
        /// The envelope's digest.
        digest: Digest,
    },
    /// A peer did something wrong.
    Refused {
        /// Who.
        peer: Peer,
        /// What.
        refusal: Refusal,
    },
    /// A release was given up.
    GaveUp {
        /// Which release.
        purl: Purl,
        /// Why.
        why: String,
    },
}
