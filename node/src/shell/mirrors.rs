//! Mirrors: static copies of logs over HTTP. To the protocol core each is a peer, whose answers the
//! shell makes out of files; so what comes from a mirror is checked as what comes from anybody.

mod follower;
mod tree;

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::mpsc;

use super::control::MirrorStatus;
use super::node::Node;
use super::report::Report;
use crate::config::MirrorOf;
use crate::limits::MIRROR_QUESTIONS;
use crate::protocol::{Event, Identity, Peer, Request, RequestId};
use follower::Follower;

/// What the names of mirrors among the peers begin with. No other peer's name has a colon.
pub(super) const PREFIX: &str = "mirror:";

/// The name of a mirror among the peers.
pub(super) fn name(mirror: &MirrorOf) -> Peer {
    Peer(format!("{PREFIX}{}", mirror.base()))
}

/// What a mirror is told.
#[derive(Debug)]
enum Question {
    /// The core asks.
    Ask(RequestId, Request),
    /// The core dropped it for what it did.
    Dropped,
}

/// What comes of a mirror.
#[derive(Debug)]
pub(super) enum News {
    /// For the core.
    Event(Box<Event>),
    /// It answers.
    Answers,
    /// It does not answer, or what it has is no file of the tree.
    Trouble(String),
}

/// The mirrors that are followed.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    followed: BTreeMap<Peer, Mirror>,
}

#[derive(Debug)]
struct Mirror {
    url: String,
    questions: SyncSender<Question>,
    answers: bool,
    why: Option<String>,
}

impl Mirrors {
    /// Begins to follow mirrors, each in a thread that ends with the node.
    pub(super) fn follow(
        mirrors: &[MirrorOf],
        identity: &Identity,
        said: &mpsc::Sender<(Peer, News)>,
    ) -> Self {
        let followed = mirrors.iter().map(|mirror| {
            let (questions, asked) = sync_channel(MIRROR_QUESTIONS);
            Follower::new(mirror, identity, asked, said.clone()).start();
            let url = mirror.base().to_owned();
            (name(mirror), Mirror { url, questions, answers: false, why: None })
        });
        Self { followed: followed.collect() }
    }

    pub(super) fn has(&self, peer: &Peer) -> bool {
        self.followed.contains_key(peer)
    }

    /// Asks a mirror; the answer comes later, but for one that has too much to answer already.
    pub(super) fn ask(&self, peer: &Peer, request: RequestId, question: Request) -> Option<Event> {
        let mirror = self.followed.get(peer)?;
        let asked = mirror.questions.try_send(Question::Ask(request, question));
        asked.is_err().then(|| Event::Unanswered { from: peer.clone(), request })
    }

    /// The core dropped a mirror: it is left alone for a while.
    pub(super) fn dropped(&self, peer: &Peer) -> Option<Event> {
        let mirror = self.followed.get(peer)?;
        // Where the queue is full, the answers to it go to nobody, and the next ones are refused too.
        let _full = mirror.questions.try_send(Question::Dropped);
        Some(Event::Disconnected(peer.clone()))
    }

    pub(super) fn status(&self) -> Vec<MirrorStatus> {
        let shown = |mirror: &Mirror| MirrorStatus {
            url: mirror.url.clone(),
            answers: mirror.answers,
            why: mirror.why.clone(),
        };
        self.followed.values().map(shown).collect()
    }
}

impl Node {
    pub(super) fn mirror_said(&mut self, peer: &Peer, news: News) {
        let Some(mirror) = self.mirrors.followed.get_mut(peer) else { return };
        match news {
            News::Event(event) => self.feed(*event),
            News::Answers if !mirror.answers => {
                (mirror.answers, mirror.why) = (true, None);
                let url = mirror.url.clone();
                self.report(&Report::Mirror { url, why: None });
            }
            News::Answers => {}
            News::Trouble(why) => {
                let is_new = mirror.why.as_ref() != Some(&why);
                mirror.answers = false;
                mirror.why = Some(why.clone());
                let url = mirror.url.clone();
                if is_new {
                    self.report(&Report::Mirror { url, why: Some(why) });
                }
            }
        }
    }
}
