//! What the shell tells the core, and what the core asks the shell to do.

use reattest_attestation::Purl;
use reattest_attestation::log::{Frontier, Origin};

use super::heads::CheckedHead;
use super::message::{Head, Request, Response};
use super::peers::{MessageId, Peer, RequestId, Ticket};
use super::refusal::Refusal;

/// A log as it was found on disk at the start.
#[derive(Debug)]
pub struct Recovered {
    /// Its newest head, checked again.
    pub head: CheckedHead,
    /// The frontier under that head.
    pub frontier: Frontier,
    /// Two heads of it that cannot both be true, where they were seen.
    pub forked: Option<Box<(Head, Head)>>,
    /// Its entries, to learn what is announced and what was built.
    pub entries: Vec<Vec<u8>>,
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A peer connected.
    Connected(Peer),
    /// The last connection to a peer closed.
    Disconnected(Peer),
    /// A message came by gossip; it is passed on only after a [`Effect::Judge`].
    Gossiped {
        /// The peer that handed it over, which need not be its author.
        from: Peer,
        /// The transport's name of the message.
        id: MessageId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A peer asks.
    Asked {
        /// Where the answer goes.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// A peer answered a request of ours.
    Answered {
        /// Who answered.
        from: Peer,
        /// Which request.
        request: RequestId,
        /// The answer.
        response: Response,
    },
    /// No answer came.
    Unanswered {
        /// Who was asked.
        from: Peer,
        /// Which request.
        request: RequestId,
    },
    /// What [`Effect::Store`] asked for is on disk.
    Stored {
        /// Which log.
        origin: Origin,
    },
    /// The store refused; the log stays as it was.
    NotStored {
        /// Which log.
        origin: Origin,
    },
    /// The signer published a new head of the own log, which is on disk already.
    OwnHead {
        /// The head.
        head: Box<CheckedHead>,
        /// The frontier under it.
        frontier: Frontier,
        /// The entries that it adds.
        entries: Vec<Vec<u8>>,
    },
    /// The builder is done with a job.
    BuildEnded {
        /// Which job.
        job: u64,
        /// How it ended.
        end: BuildEnd,
    },
    /// Time passed.
    Tick,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildEnd {
    /// An outcome was signed and logged, whatever it was.
    Attested,
    /// This machine's own fault, which may pass: tried again.
    Fault,
    /// A fault that trying again does not mend, such as a source that the mirror lacks.
    Hopeless,
}

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
        /// The first entry not to be served: the size of the head that covers the answer.
        until: u64,
    },
    /// Answer a peer with a document from the store.
    ServeDocument {
        /// Where the answer goes.
        ticket: Ticket,
        /// The SHA-256 of the document.
        digest: reattest_attestation::Digest,
    },
    /// Append entries to a log and publish its head: on disk, or not at all.
    Store {
        /// The head that covers the log after it.
        head: CheckedHead,
        /// The index of the first entry.
        from: u64,
        /// The entries.
        entries: Vec<Vec<u8>>,
    },
    /// Keep a recipe or a lock.
    StoreDocument(Vec<u8>),
    /// Rebuild a release.
    Build {
        /// Our name of the job.
        job: u64,
        /// What.
        purl: Purl,
    },
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
    /// A key signed two histories; both heads are the proof.
    Forked {
        /// Which log.
        origin: Origin,
        /// The two heads.
        proof: Box<(Head, Head)>,
    },
    /// A peer did something wrong.
    Refused {
        /// Who.
        peer: Peer,
        /// What.
        refusal: Refusal,
    },
    /// A release was given up after repeated faults of this machine.
    GaveUp {
        /// Which release.
        purl: Purl,
    },
}
