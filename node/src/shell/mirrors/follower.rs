//! One mirror: looks for new heads now and then, and answers what the core asks out of its files.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell has one thread for each mirror, which waits for HTTP; ended with the process, \
              it holds nobody up"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use reattest_attestation::limits::{CHECKPOINT_MAX, ENVELOPE_MAX};
use reattest_attestation::log::{Origin, SignedCheckpoint};
use reattest_attestation::{Bundle, Certificate, Envelope, NetworkId, PublicKey};
use serde_bytes::ByteBuf;
use tokio::sync::mpsc;

use super::tree::{Tiles, Tree, Trouble};
use super::{News, Question, name};
use crate::config::MirrorOf;
use crate::limits::{
    BAN_SECONDS, FORK_BYTES, HEADS_PER_RESPONSE, LOGS, MIRROR_RETRY, ORIGINS_BYTES,
};
use crate::protocol::{Address, Event, Fork, Head, Identity, Peer, Request, RequestId, Response};

/// One mirror and what it showed.
pub(super) struct Follower {
    peer: Peer,
    tree: Tree,
    every: Duration,
    network: NetworkId,
    operators: BTreeSet<PublicKey>,
    questions: Receiver<Question>,
    said: mpsc::Sender<(Peer, News)>,
    heads: BTreeMap<Origin, Shown>,
    /// Logs of operators who are not followed.
    strangers: BTreeSet<Origin>,
    /// Logs that this look has not come to.
    left: VecDeque<Origin>,
    connected: bool,
    /// Until the next attempt, where the last one failed.
    pause: Duration,
    next: Instant,
}

/// A head that the mirror has.
struct Shown {
    head: Head,
    size: u64,
    fork: Option<Fork>,
    /// Whether the core was told since the last look.
    told: bool,
}

/// The node stopped.
struct Stopped;

impl Follower {
    pub(super) fn new(
        mirror: &MirrorOf,
        identity: &Identity,
        questions: Receiver<Question>,
        said: mpsc::Sender<(Peer, News)>,
    ) -> Self {
        Self {
            peer: name(mirror),
            tree: Tree::at(mirror.base()),
            every: mirror.every(),
            network: identity.network.clone(),
            operators: identity.operators.clone(),
            questions,
            said,
            heads: BTreeMap::new(),
            strangers: BTreeSet::new(),
            left: VecDeque::new(),
            connected: false,
            pause: mirror.every(),
            next: Instant::now(),
        }
    }

    pub(super) fn start(mut self) {
        std::thread::spawn(move || while self.step().is_ok() {});
    }

    /// Answers one question, or looks at one file: neither waits for long behind the other.
    fn step(&mut self) -> Result<(), Stopped> {
        let wait = if self.left.is_empty() {
            self.next.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        match self.questions.recv_timeout(wait) {
            Ok(Question::Ask(request, question)) => self.answer(request, question),
            Ok(Question::Dropped) => {
                self.let_go(Duration::from_secs(BAN_SECONDS.unsigned_abs()));
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => match self.left.pop_front() {
                Some(origin) => self.look_at(origin),
                None => self.look(),
            },
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    fn say(&self, news: News) -> Result<(), Stopped> {
        self.said.blocking_send((self.peer.clone(), news)).map_err(|_| Stopped)
    }

    fn tell(&self, event: Event) -> Result<(), Stopped> {
        self.say(News::Event(Box::new(event)))
    }

    /// Nothing of it is believed to be still there.
    fn let_go(&mut self, pause: Duration) {
        self.connected = false;
        self.heads.clear();
        self.left.clear();
        self.tree.forget();
        self.next = Instant::now() + pause.max(self.every);
    }

    /// Looks which logs there are.
    fn look(&mut self) -> Result<(), Stopped> {
        let listed = match self.tree.file("logs/origins", ORIGINS_BYTES) {
            Ok(Some(bytes)) => Ok(self.followed(&bytes)),
            Ok(None) => {
                Err("found no logs/origins, needed a copy of a node's data directory".to_owned())
            }
            Err(Trouble::Absent) => return Ok(()),
            Err(Trouble::Broken(why)) => Err(why),
        };
        match listed {
            Ok(origins) => {
                self.pause = self.every;
                self.next = Instant::now() + self.every;
                self.left = origins;
                self.tree.forget();
                self.say(News::Answers)?;
                if self.connected {
                    return Ok(());
                }
                self.connected = true;
                let text = self.peer.0.trim_start_matches(super::PREFIX).to_owned();
                let address = Address { text, ip: None };
                self.tell(Event::Connected { peer: self.peer.clone(), address, dialled: false })
            }
            Err(why) => {
                self.say(News::Trouble(why))?;
                if self.connected {
                    self.tell(Event::Disconnected(self.peer.clone()))?;
                }
                self.let_go(self.pause);
                self.pause = self.pause.saturating_mul(2).min(MIRROR_RETRY);
                Ok(())
            }
        }
    }

    /// The logs of this network among those that are listed.
    fn followed(&self, listed: &[u8]) -> VecDeque<Origin> {
        let text = String::from_utf8_lossy(listed);
        let origins = text.lines().filter_map(|line| line.parse::<Origin>().ok());
        let ours = origins.filter(|origin| *origin.network() == self.network);
        let ours: BTreeSet<Origin> =
            ours.filter(|o| !self.strangers.contains(o)).take(LOGS).collect();
        ours.into_iter().collect()
    }

    /// Looks at the head of one log.
    fn look_at(&mut self, origin: Origin) -> Result<(), Stopped> {
        match self.shown(&origin) {
            Ok(Some(shown)) => {
                self.heads.insert(origin, shown);
            }
            Ok(None) | Err(Trouble::Absent) => {}
            Err(Trouble::Broken(why)) => self.say(News::Trouble(why))?,
        }
        Ok(())
    }

    fn shown(&mut self, origin: &Origin) -> Result<Option<Shown>, Trouble> {
        let file = |name: &str, limit| self.tree.file(&format!("logs/{origin}/{name}"), limit);
        let held = self.heads.get(origin);
        let mut certificate = held.map(|shown| shown.head.certificate.to_vec());
        if certificate.is_none() {
            let Some(found) = file("certificate", ENVELOPE_MAX)? else { return Ok(None) };
            if !self.is_followed(&found) {
                self.strangers.insert(origin.clone());
                return Ok(None);
            }
            certificate = Some(found);
        }
        let Some(checkpoint) = file("checkpoint", CHECKPOINT_MAX)? else { return Ok(None) };
        if held.is_some_and(|shown| shown.head.checkpoint != checkpoint) {
            // A key that was certified anew goes on in the same log.
            certificate = file("certificate", ENVELOPE_MAX)?;
        }
        let Some(certificate) = certificate else { return Ok(None) };
        let fork = file("fork", FORK_BYTES)?.and_then(|bytes| {
            let proof = Bundle::parse(&bytes).ok()?.forks.pop()?;
            Some(Fork::of_proof(&certificate, &proof))
        });
        let size = SignedCheckpoint::parse(&checkpoint).map_or(0, |note| note.unverified().size);
        let (certificate, checkpoint) = (ByteBuf::from(certificate), ByteBuf::from(checkpoint));
        Ok(Some(Shown { head: Head { certificate, checkpoint }, size, fork, told: false }))
    }

    /// Whether a certificate is of an operator who is followed. One that is none is shown to the
    /// core, which refuses it.
    fn is_followed(&self, certificate: &[u8]) -> bool {
        let verified = Envelope::parse(certificate).ok().map(|e| Certificate::verify(&e));
        match verified {
            Some(Ok(certified)) => self.operators.contains(&certified.certificate().operator),
            _ => true,
        }
    }

    fn answer(&mut self, request: RequestId, question: Request) -> Result<(), Stopped> {
        let answered = match question {
            Request::Heads { after } => Ok(self.new_heads(&after)),
            Request::Entries { origin, from, until, head } => {
                self.with_tiles(&origin, head, |tree, tiles| {
                    let (bundle, proof) = tree.range(tiles, from, until)?;
                    Ok(Response::Entries { bundle: ByteBuf::from(bundle), proof })
                })
            }
            Request::Consistency { origin, old, new } => {
                self.with_tiles(&origin, new, |tree, tiles| {
                    let (root, proof) = tree.way(tiles, old)?;
                    Ok(Response::Consistency { root, proof })
                })
            }
            Request::Document(digest) => {
                self.tree.document(digest).map(|found| Response::Document(found.map(ByteBuf::from)))
            }
            Request::Cosigned { .. } => Ok(Response::Nothing),
        };
        let from = self.peer.clone();
        match answered {
            Ok(response) => self.tell(Event::Answered { from, request, response }),
            Err(Trouble::Absent) => {
                self.tell(Event::Answered { from, request, response: Response::Nothing })
            }
            Err(Trouble::Broken(why)) => {
                self.say(News::Trouble(why))?;
                self.tell(Event::Unanswered { from, request })
            }
        }
    }

    fn with_tiles(
        &mut self,
        origin: &str,
        head: u64,
        read: impl FnOnce(&mut Tree, Tiles<'_>) -> Result<Response, Trouble>,
    ) -> Result<Response, Trouble> {
        let origin: Origin = origin.parse().map_err(|_| Trouble::Absent)?;
        let newest = self.heads.get(&origin).map_or(head, |shown| shown.size);
        read(&mut self.tree, Tiles { origin: &origin, head, newest })
    }

    /// The heads that the core was not told since the last look. A pull that came to nothing is
    /// begun again by the next look, not by every question.
    fn new_heads(&mut self, after: &str) -> Response {
        let (mut heads, mut forks) = (Vec::new(), Vec::new());
        let untold = self.heads.iter_mut().filter(|(origin, shown)| {
            !shown.told && (after.is_empty() || origin.to_string().as_str() > after)
        });
        for (_, shown) in untold.take(HEADS_PER_RESPONSE) {
            shown.told = true;
            heads.push(shown.head.clone());
            forks.extend(shown.fork.clone());
        }
        Response::Heads { heads, forks, words: Vec::new() }
    }
}
