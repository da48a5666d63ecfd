//! What the shell tells the core.

use std::collections::BTreeSet;

use reattest_attestation::log::{ConsistencyProof, Frontier, Origin};
use reattest_attestation::{Digest, Purl};

use super::addresses::{Address, Source};
use super::heads::CheckedHead;
use super::message::{Fork, Request, Response};
use super::peers::{MessageId, Peer, RequestId, Ticket};
use super::schedule::Listed;

/// A log as it was found on disk at the start.
#[derive(Debug)]
pub struct Recovered {
    /// Its newest head, checked again.
    pub head: CheckedHead,
    /// The frontier under that head.
    pub frontier: Frontier,
    /// The frontier over every entry on disk: what was pulled beyond the head before a stop.
    pub extended: Frontier,
    /// The proof that its key signed two histories, where it was seen.
    pub forked: Option<Box<Fork>>,
    /// Its last entries, about [`LEARNED_ENTRIES`](crate::limits::LEARNED_ENTRIES), to learn what is
    /// announced. Those beyond the head are among them: they were proven before they were written,
    /// and are not pulled again.
    pub recent: Vec<Vec<u8>>,
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A peer connected.
    Connected {
        /// Who.
        peer: Peer,
        /// Where it is.
        address: Address,
        /// Whether this node opened the connection.
        dialled: bool,
    },
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
    /// A peer said what it speaks.
    Identified {
        /// Who.
        peer: Peer,
        /// The name of its protocol, with network and version.
        protocol: String,
    },
    /// A peer may be found at an address: by the configuration, the local network, or other peers.
    Discovered {
        /// Who, where that is known before it is dialled.
        peer: Option<Peer>,
        /// Where.
        address: Address,
        /// Who says so.
        source: Source,
    },
    /// A peer asks.
    Asked {
        /// Who asks.
        from: Peer,
        /// Where the answer goes.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// A peer sent a request that is none of this protocol, or is longer than any.
    Garbled(Peer),
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
    /// What [`Effect::Extend`] asked for is written, and not yet synced.
    Extended {
        /// Which log.
        origin: Origin,
    },
    /// What [`Effect::StoreHead`] asked for is on disk, with all entries under it.
    Stored {
        /// Which log.
        origin: Origin,
        /// The size of that head.
        size: u64,
    },
    /// The store refused; the log stays as it was under its newest head.
    NotStored {
        /// Which log.
        origin: Origin,
    },
    /// What [`Effect::Compare`] asked for; none where the own tiles could not be read.
    Compared {
        /// The head of the smaller size.
        head: Box<CheckedHead>,
        /// The size that the proof leads to.
        with: u64,
        /// The root that the own copy of the log has at the size of that head, and the way from it
        /// to `with`.
        held: Option<(Digest, ConsistencyProof)>,
    },
    /// The signer cosigned a head as a witness, or would not.
    Cosigned {
        /// Which log.
        origin: Origin,
        /// The head's note with the witness's line; none where it was refused.
        checkpoint: Option<Vec<u8>>,
    },
    /// What [`Effect::KeepFork`] asked for could not be written.
    ForkNotKept {
        /// Which log.
        origin: Origin,
    },
    /// An operator's word could not be written; its digest.
    WordNotKept(Digest),
    /// What [`Effect::FindDocument`] asked for is not on disk.
    NoDocument(Digest),
    /// A document came and could not be written: the disk is full, or worse.
    DocumentNotKept(Digest),
    /// The signer waits for nothing any more: witnesses showed it the newest head of its own log, and
    /// what a crash interrupted is logged.
    SignerReady,
    /// An operator's word was found on this machine: a command left it here.
    Word(Vec<u8>),
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
        /// Why it gave no outcome; empty where it gave one.
        why: String,
    },
    /// The builder works on a job.
    BuildAlive {
        /// Which job.
        job: u64,
        /// Whether all inputs are here and the build itself runs.
        building: bool,
    },
    /// What of [`Effect::Recall`] has an outcome in the own log.
    Recalled {
        /// Those that have one.
        built: BTreeSet<Purl>,
    },
    /// A person at this machine wants a release rebuilt.
    Wanted {
        /// Which.
        purl: Purl,
        /// Also where the own log has an outcome of it.
        again: bool,
    },
    /// A followed registry changed.
    Followed {
        /// Releases that it did not have before.
        new: Vec<Listed>,
        /// Releases that it has no more.
        superseded: Vec<Purl>,
    },
    /// Time passed.
    Tick,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildEnd {
    /// An outcome was signed and logged, whatever it was.
    Attested,
    /// This machine's own fault, which may pass: tried again soon, and not for ever.
    Fault,
    /// The node ended while it ran.
    Interrupted,
    /// It needs more memory than its size class has.
    TooLarge,
    /// Another job builds the same source.
    Busy,
    /// Something is not on the mirror, which fills: tried again another day.
    Absent,
    /// A fault that time does not mend, such as a kind of package that is not rebuilt here.
    Hopeless,
}
