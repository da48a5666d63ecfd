//! Step 6, log: the own log's order of steps: an entry, the node's disk, the head over it.
//!
//! One entry is under way at a time. What is asked meanwhile waits its turn, but a head that somebody
//! shows does not, because the next one must not be signed over it.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

use reattest_attestation::log::{Checkpoint, Origin, leaf_hash};
use reattest_attestation::{Envelope, NetworkId, PublicKey, Purl, Timestamp};
use serde_bytes::ByteBuf;

use super::awaiting::Awaiting;
use super::core::Reply;
use super::custody::Key;
use super::journal::{Journal, Pending, State};
use super::messages::{Attest, FromSigner, Receipt};
use super::seen::Standing;
use super::statement::{Composed, Produced, Uncomposed, compose};
use crate::disk::SharedDisk;
use crate::fault::Fault;
use crate::limits::SIGNER_DEFERRED;

/// What is to be logged.
#[derive(Debug)]
pub(super) enum Asked {
    /// That a release exists.
    Announcement(Purl),
    /// What a rebuild gave.
    Attestation(Box<Attest>, Vec<Produced>),
}

/// Who waits for the place of an entry.
#[derive(Debug, Clone, Copy)]
enum Asker {
    /// Whoever did is gone: the entry is of a former life.
    Nobody,
    Node,
    Builder,
}

/// What a request came to: a place in the log, or why it is refused.
type Answer = Result<u64, String>;

impl Asker {
    fn told(self, answer: Answer) -> Option<Reply> {
        match self {
            Self::Nobody => None,
            Self::Node => Some(Reply::Node(FromSigner::Announced(answer))),
            Self::Builder => Some(Reply::Builder(Receipt(answer))),
        }
    }
}

/// The log of one key, as its signer keeps it.
pub struct OwnLog {
    key: Key,
    certificate: Vec<u8>,
    network: NetworkId,
    origin: Origin,
    disk: SharedDisk,
    directory: PathBuf,
    journal: Journal,
    state: State,
    awaiting: Awaiting,
    /// Whether the node is to be told when nothing is waited for any more.
    unready: bool,
    /// The entry that the node has not stored yet.
    under_way: Option<(Pending, Asker)>,
    waiting: VecDeque<Asked>,
}

impl fmt::Debug for OwnLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, size) = (&self.origin, self.state.frontier.size());
        f.debug_struct("OwnLog")
            .field("origin", origin)
            .field("size", &size)
            .finish_non_exhaustive()
    }
}

impl OwnLog {
    /// Opens the log of this year below a data directory, or makes it; nothing is signed with a key
    /// that is held.
    pub fn open(
        disk: SharedDisk,
        data: &Path,
        network: NetworkId,
        (key, certificate): (Key, Vec<u8>),
        awaiting: Awaiting,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let directory = data.join("signer");
        let of_year = |year| Origin::new(&network, &key.public_key(), year);
        let (mut origin, last) = (of_year(now.year()), of_year(now.year().saturating_sub(1)));
        if Journal::of(&disk, &directory, &last).unfinished(&last)?.is_some() {
            // Interrupted by a crash before the new year came.
            origin = last;
        }
        let journal = Journal::of(&disk, &directory, &origin);
        let state = journal.load(&origin)?;
        Ok(Self {
            key,
            certificate,
            network,
            origin,
            disk,
            directory,
            journal,
            state,
            awaiting,
            unready: false,
            under_way: None,
            waiting: VecDeque::new(),
        })
    }

    /// The key of the log.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Says where the log stands, and finishes what a crash interrupted, unless witnesses are to be
    /// heard first. A log that has nothing yet can be behind nothing; and of one without a head no
    /// witness can tell: its first entry, which is there already, is finished before they are heard.
    pub(super) fn begin(&mut self, replies: &mut Vec<Reply>) -> Result<(), Fault> {
        let headless = self.state.frontier.size() == 0;
        let unfinished = self.journal.unfinished(&self.origin)?.is_some();
        if headless && self.journal.pending()?.is_none() {
            self.awaiting = Awaiting::nobody();
        }
        self.unready = self.awaiting.waits() || unfinished;
        replies.push(self.hello());
        if self.awaiting.waits() && !headless {
            return Ok(());
        }
        self.finish_pending(replies)
    }

    /// Says once that nothing is waited for any more: the node looks at its log then, and builds what
    /// is not in it.
    fn be_ready(&mut self, replies: &mut Vec<Reply>) {
        if self.unready && !self.awaiting.waits() && !self.waits_for_node() {
            self.unready = false;
            replies.push(Reply::Node(FromSigner::Ready));
        }
    }

    fn hello(&self) -> Reply {
        Reply::Node(FromSigner::Hello {
            key: self.key.public_key(),
            certificate: ByteBuf::from(self.certificate.clone()),
            origin: self.origin.to_string(),
            size: self.state.frontier.size(),
            checkpoint: self.state.checkpoint.clone(),
            awaits: self.unready,
        })
    }

    /// Somebody showed a head of the own log.
    pub(super) fn seen(
        &mut self,
        note: &[u8],
        now: Timestamp,
        replies: &mut Vec<Reply>,
    ) -> Result<(), Fault> {
        self.awaiting.set_back(now);
        let standing = Standing {
            disk: &self.disk,
            directory: &self.directory,
            network: &self.network,
            key: self.key.public_key(),
            origin: &self.origin,
            state: &self.state,
        };
        let Some(head) = standing.check(note)? else { return Ok(()) };
        if head.checkpoint().origin == self.origin && self.awaiting.heard(&head) {
            self.finish_pending(replies)?;
            self.be_ready(replies);
        }
        Ok(())
    }

    /// What a crash interrupted is finished with the same bytes.
    fn finish_pending(&mut self, replies: &mut Vec<Reply>) -> Result<(), Fault> {
        if let Some(pending) = self.journal.unfinished(&self.origin)? {
            self.hand_over(pending, Asker::Nobody, replies);
        }
        Ok(())
    }

    /// Takes a request in, for its turn.
    pub(super) fn ask(&mut self, asked: Asked, replies: &mut Vec<Reply>) -> Result<(), Fault> {
        if self.awaiting.waits() && matches!(asked, Asked::Announcement(_)) {
            replies.extend(Asker::Node.told(Err(self.awaiting.refusal())));
            return Ok(());
        }
        if self.waiting.len() >= SIGNER_DEFERRED {
            return Err(Fault::text(format!(
                "the node sent {SIGNER_DEFERRED} messages while one entry waits to be stored, needed that \
                 it stores the entry; the signer ends, and finishes the entry at the next start"
            )));
        }
        self.waiting.push_back(asked);
        Ok(())
    }

    /// Begins what may begin: one entry after the other, and none while witnesses are waited for.
    pub(super) fn go_on(&mut self, now: Timestamp, replies: &mut Vec<Reply>) -> Result<(), Fault> {
        while !self.awaiting.waits()
            && !self.waits_for_node()
            && let Some(asked) = self.waiting.pop_front()
        {
            match asked {
                Asked::Announcement(purl) => {
                    match Composed::announcement(&self.network, purl, now) {
                        Ok(composed) => self.log(composed, Asker::Node, now, replies)?,
                        Err(fault) => replies.extend(Asker::Node.told(Err(fault.to_string()))),
                    }
                }
                Asked::Attestation(result, files) => {
                    match compose(&self.network, &*self.key, *result, &files) {
                        Ok(composed) => self.log(composed, Asker::Builder, now, replies)?,
                        Err(Uncomposed::Refused(fault)) => {
                            replies.extend(Asker::Builder.told(Err(fault.to_string())));
                        }
                        Err(Uncomposed::Unsigned(fault)) => return Err(fault),
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an entry is on its way to the node's disk.
    pub(super) fn waits_for_node(&self) -> bool {
        self.under_way.is_some()
    }

    /// Signs a statement of this process's own making: from here on it will be logged.
    fn log(
        &mut self,
        composed: Composed,
        asker: Asker,
        now: Timestamp,
        replies: &mut Vec<Reply>,
    ) -> Result<(), Fault> {
        self.begin_year(now, replies)?;
        let (payload, links) = composed.into_parts();
        let envelope = Envelope::sign(payload, &*self.key)
            .map_err(|error| Fault::new("the statement cannot be signed", error))?;
        let index = self.state.frontier.size();
        let (envelope, links) = (ByteBuf::from(envelope.as_bytes()), links.map(ByteBuf::from));
        let pending = Pending { index, envelope, links };
        self.journal.begin(&pending)?;
        self.hand_over(pending, asker, replies);
        Ok(())
    }

    /// A key begins a new log each year, so that old ones can be archived whole.
    fn begin_year(&mut self, now: Timestamp, replies: &mut Vec<Reply>) -> Result<(), Fault> {
        let origin = Origin::new(&self.network, &self.key.public_key(), now.year());
        if origin == self.origin {
            return Ok(());
        }
        self.journal = Journal::of(&self.disk, &self.directory, &origin);
        self.state = self.journal.load(&origin)?;
        self.origin = origin;
        replies.push(self.hello());
        Ok(())
    }

    /// Node's disk, then head, then everybody: in this order.
    fn hand_over(&mut self, pending: Pending, asker: Asker, replies: &mut Vec<Reply>) {
        let Pending { index, envelope, links } = pending.clone();
        replies.push(Reply::Node(FromSigner::Entry { index, envelope, links }));
        self.under_way = Some((pending, asker));
    }

    /// The node has so many entries on its disk. Of a size that was never asked for, or repeated, it
    /// says nothing.
    pub(super) fn stored(&mut self, size: u64, replies: &mut Vec<Reply>) -> Result<(), Fault> {
        let is_meant =
            |(pending, _): &mut (Pending, Asker)| pending.index.checked_add(1) == Some(size);
        let Some((pending, asker)) = self.under_way.take_if(is_meant) else { return Ok(()) };
        let mut frontier = self.state.frontier.clone();
        frontier.push(leaf_hash(&pending.envelope));
        let (origin, root) = (self.origin.clone(), frontier.root());
        let checkpoint = Checkpoint { origin, size: frontier.size(), root }
            .sign(&*self.key)
            .map_err(|error| Fault::new("the head cannot be signed", error))?;
        let checkpoint = ByteBuf::from(checkpoint.as_bytes());
        let origin = self.origin.to_string();
        let state = State { origin, frontier, checkpoint: Some(checkpoint.clone()) };
        self.journal.commit(&state)?;
        self.state = state;
        replies.push(Reply::Node(FromSigner::Head { checkpoint }));
        replies.extend(asker.told(Ok(pending.index)));
        self.be_ready(replies);
        Ok(())
    }
}
