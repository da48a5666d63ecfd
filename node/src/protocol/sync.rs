//! Log replication: entries are pulled by range and believed only when they lead to a signed head.

use reattest_attestation::Timestamp;
use reattest_attestation::log::Origin;
use reattest_attestation::log::{Frontier, leaf_hash};
use serde_bytes::ByteBuf;

use super::Core;
use super::event::{Effect, Notice};
use super::heads::CheckedHead;
use super::message::Request;
use super::peers::{Peer, RequestId};
use super::refusal::Refusal;
use crate::limits::{PULL_BYTES, REQUEST_SECONDS};

/// One log on its way towards one head, from one peer.
#[derive(Debug)]
pub(super) struct Pull {
    peer: Peer,
    target: CheckedHead,
    frontier: Frontier,
    entries: Vec<Vec<u8>>,
    bytes: usize,
    state: Waiting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    ForPeer { request: RequestId, since: Timestamp },
    ForStore,
}

impl Pull {
    /// Hashes entries on; whether the head is reached.
    fn take(&mut self, entries: Vec<ByteBuf>) -> Result<bool, Refusal> {
        if entries.is_empty() {
            return Err(Refusal::Withheld);
        }
        for entry in entries {
            self.bytes = self.bytes.saturating_add(entry.len());
            if self.frontier.size() >= self.target.size() || self.bytes > PULL_BYTES {
                return Err(Refusal::WrongEntries);
            }
            self.frontier.push(leaf_hash(&entry));
            self.entries.push(entry.into_vec());
        }
        if self.frontier.size() < self.target.size() {
            return Ok(false);
        }
        if self.frontier.root() == self.target.checkpoint().checkpoint().root {
            return Ok(true);
        }
        let held = self.frontier.size().saturating_sub(self.entries.len() as u64);
        Err(if held == 0 { Refusal::WrongEntries } else { Refusal::OtherHistory })
    }

    fn answers(&self, peer: &Peer, request: RequestId) -> bool {
        self.peer == *peer
            && matches!(self.state, Waiting::ForPeer { request: asked, .. } if asked == request)
    }
}

/// Whether `seconds` have passed since `at`; a clock that jumped back counts as passed.
pub(super) fn is_due(at: Timestamp, seconds: i64, now: Timestamp) -> bool {
    let passed = now.as_unix().saturating_sub(at.as_unix());
    passed >= seconds || passed < 0
}

impl Core {
    /// Begins to pull a log towards the newest head seen, where nothing is under way.
    pub(super) fn pull(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get_mut(origin) else {
            return;
        };
        if log.pull.is_some() || log.is_forked() {
            return;
        }
        let Some((target, providers)) = &log.wanted else {
            return;
        };
        let peers = &self.peers;
        let Some(peer) = providers.iter().find(|peer| peers.is_connected(peer)).cloned() else {
            // Whoever connects next is asked for its heads, and this begins again.
            log.wanted = None;
            return;
        };
        let (target, frontier) = (target.clone(), log.frontier.clone());
        let request = self.peers.new_request();
        effects.push(ask(&peer, request, &target, frontier.size()));
        let state = Waiting::ForPeer { request, since: now };
        log.pull = Some(Pull { peer, target, frontier, entries: Vec::new(), bytes: 0, state });
    }

    /// Entries came.
    pub(super) fn pulled(
        &mut self,
        from: &Peer,
        request: RequestId,
        entries: Vec<ByteBuf>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let found = self
            .logs
            .iter_mut()
            .find(|(_, log)| log.pull.as_ref().is_some_and(|pull| pull.answers(from, request)));
        let Some((origin, log)) = found else {
            // Late answers to a pull that was given up are nobody's fault.
            return;
        };
        let (origin, first) = (origin.clone(), log.size());
        let Some(pull) = &mut log.pull else { return };
        match pull.take(entries) {
            Ok(false) => {
                let request = self.peers.new_request();
                effects.push(ask(&pull.peer, request, &pull.target, pull.frontier.size()));
                pull.state = Waiting::ForPeer { request, since: now };
            }
            Ok(true) => {
                pull.state = Waiting::ForStore;
                let head = pull.target.clone();
                let entries = pull.entries.clone();
                effects.push(Effect::Store { head, from: first, entries });
            }
            Err(refusal) => {
                self.peers.refuse(from, refusal, effects);
                self.give_up(&origin, from, now, effects);
            }
        }
    }

    /// What was pulled is on disk.
    pub(super) fn stored(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get_mut(origin) else {
            return;
        };
        let Some(pull) = log.pull.take() else { return };
        let from = log.size();
        let size = pull.target.size();
        if log.wanted.as_ref().is_some_and(|(wanted, _)| wanted.size() <= size) {
            log.wanted = None;
        }
        let key = pull.target.key();
        log.stored = Some(pull.target);
        log.frontier = pull.frontier;
        self.learn_entries(key, &pull.entries);
        effects.push(Effect::Notice(Notice::Grew { origin: origin.clone(), from, size }));
        self.pull(origin, now, effects);
        self.ask_for_documents(now, effects);
        self.start_builds(now, effects);
    }

    pub(super) fn not_stored(&mut self, origin: &Origin) {
        if let Some(log) = self.logs.get_mut(origin) {
            // The next head that a peer shows begins it again.
            log.pull = None;
            log.wanted = None;
        }
    }

    pub(super) fn unanswered(
        &mut self,
        from: &Peer,
        request: RequestId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let origins: Vec<Origin> = self
            .logs
            .iter()
            .filter(|(_, log)| log.pull.as_ref().is_some_and(|pull| pull.answers(from, request)))
            .map(|(origin, _)| origin.clone())
            .collect();
        for origin in origins {
            self.give_up(&origin, from, now, effects);
        }
        self.document_did_not_come(from, request);
        self.peers.heads_ended(from, request);
    }

    /// Pulls that nothing came of are asked of somebody else.
    pub(super) fn ask_again(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let late: Vec<(Origin, Peer)> = self
            .logs
            .iter()
            .filter_map(|(origin, log)| {
                let pull = log.pull.as_ref()?;
                let Waiting::ForPeer { since, .. } = pull.state else {
                    return None;
                };
                is_due(since, REQUEST_SECONDS, now).then(|| (origin.clone(), pull.peer.clone()))
            })
            .collect();
        for (origin, peer) in late {
            self.give_up(&origin, &peer, now, effects);
        }
    }

    /// A peer went away: what was pulled from it is asked of somebody else.
    pub(super) fn forget_provider(
        &mut self,
        peer: &Peer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let origins: Vec<Origin> = self.logs.keys().cloned().collect();
        for origin in origins {
            self.give_up(&origin, peer, now, effects);
        }
    }

    /// Stops asking `peer` for a log, and asks another that showed its newest head.
    fn give_up(&mut self, origin: &Origin, peer: &Peer, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get_mut(origin) else {
            return;
        };
        if let Some((_, providers)) = &mut log.wanted {
            providers.retain(|provider| provider != peer);
        }
        let stops = log
            .pull
            .as_ref()
            .is_some_and(|pull| pull.peer == *peer && pull.state != Waiting::ForStore);
        if stops {
            log.pull = None;
            self.pull(origin, now, effects);
        }
    }
}

fn ask(peer: &Peer, request: RequestId, target: &CheckedHead, from: u64) -> Effect {
    let question =
        Request::Entries { origin: target.origin().to_string(), from, until: target.size() };
    Effect::Ask { peer: peer.clone(), request, question }
}
