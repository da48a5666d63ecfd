//! Log replication: ranges of entries from several peers at once, each proven under a signed head
//! before it is stored.
//!
//! With each range a peer sends the consistency proof from the tree that ends with it to the head. So
//! a catch-up costs hashing and a few hashes a range, nothing is held but the ranges under way, what
//! is stored needs not be asked for again after a stop, and whoever sent something else is known.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::log::Origin;
use reattest_attestation::{Digest, Timestamp};

use super::Core;
use super::effect::{Effect, Notice};
use super::message::Request;
use super::peers::{Peer, RequestId};
use super::pull::{Arrived, Proven, Pull, Range};
use super::refusal::Refusal;
use crate::limits::{LEARNED_ENTRIES, RANGES, RANGES_PER_PEER, REQUEST_SECONDS};

/// Whether `seconds` have passed since `at`; a clock that jumped back counts as passed.
pub(super) fn is_due(at: Timestamp, seconds: i64, now: Timestamp) -> bool {
    let passed = now.as_unix().saturating_sub(at.as_unix());
    passed >= seconds || passed < 0
}

impl Core {
    /// Pulls a log towards the newest head seen, where nothing else of it is under way.
    pub(super) fn pull(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        self.begin_pull(origin, effects);
        self.ask_ranges(origin, now, effects);
        self.end_pull(origin, effects);
    }

    /// Goes on with every log that has room again.
    pub(super) fn pull_all(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let wants = |log: &super::Followed| {
            log.wanted.is_some() || log.pull.as_ref().is_some_and(Pull::has_more)
        };
        let origins: Vec<Origin> =
            self.logs.iter().filter(|(_, log)| wants(log)).map(|(name, _)| name.clone()).collect();
        for origin in origins {
            self.pull(&origin, now, effects);
        }
    }

    fn begin_pull(&mut self, origin: &Origin, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get_mut(origin) else { return };
        if log.pull.is_some() || log.is_forked() {
            return;
        }
        let Some(target) = log.wanted.clone() else { return };
        if log.extended.size() > target.size() || log.untidy {
            // More on disk than under this head, or nobody knows what: an earlier pull left it.
            log.untidy = false;
            log.extended = log.frontier.clone();
            effects.push(Effect::Rewind { origin: origin.clone(), size: log.size() });
        }
        log.pull = Some(Pull::towards(target, log.extended.clone()));
    }

    /// Asks peers for what is missing, as far as the bounds on ranges go.
    fn ask_ranges(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut open: usize =
            self.logs.values().filter_map(|log| log.pull.as_ref()).map(Pull::open).sum();
        let pulling = self.logs.values().filter(|log| log.pull.is_some()).count().max(1);
        // Every log that is pulled gets its share, and at least one range.
        let share = RANGES.checked_div(pulling).unwrap_or(1).max(1);
        let mut load = self.range_load();
        let Some(log) = self.logs.get_mut(origin) else { return };
        let Some(pull) = &mut log.pull else { return };
        while pull.has_more() && pull.open() < share && open < RANGES.max(pulling) {
            let size = pull.target.size();
            let able = log.providers.iter().filter(|(peer, shown)| {
                **shown >= size && self.peers.is_connected(peer) && !pull.passed.contains(*peer)
            });
            let least =
                able.map(|(peer, _)| (load.get(peer).copied().unwrap_or(0), peer.clone())).min();
            let Some((count, peer)) = least else { break };
            if count >= RANGES_PER_PEER || !self.peers.may_ask(&peer, now) {
                break;
            }
            let Some((from, until)) = pull.next_range() else { break };
            let request = self.peers.new_request();
            let question = Request::Entries { origin: origin.to_string(), from, until, head: size };
            effects.push(Effect::Ask { peer: peer.clone(), request, question });
            load.insert(peer.clone(), count.saturating_add(1));
            pull.asked.insert(request, Range { peer, from, until, since: now });
            open = open.saturating_add(1);
        }
        let stuck = pull.asked.is_empty() && pull.unstored == 0 && !pull.ending;
        let able = log.providers.iter().any(|(peer, shown)| {
            *shown >= pull.target.size()
                && self.peers.is_connected(peer)
                && !pull.passed.contains(peer)
        });
        if stuck && !able && pull.frontier.size() < pull.target.size() {
            // Whoever shows its heads next begins this again, where it stopped.
            log.pull = None;
            log.wanted = None;
        }
    }

    /// Ranges that are asked of each peer, over all logs.
    fn range_load(&self) -> BTreeMap<Peer, usize> {
        let mut load = BTreeMap::new();
        for range in self
            .logs
            .values()
            .filter_map(|log| log.pull.as_ref())
            .flat_map(|pull| pull.asked.values())
        {
            let count: &mut usize = load.entry(range.peer.clone()).or_default();
            *count = count.saturating_add(1);
        }
        load
    }

    /// Entries came, or the peer has none.
    pub(super) fn pulled(
        &mut self,
        from: &Peer,
        request: RequestId,
        answer: Option<(Vec<u8>, Vec<Digest>)>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let asked = |log: &super::Followed| {
            let range = log.pull.as_ref()?.asked.get(&request)?;
            (range.peer == *from).then(|| range.clone())
        };
        let found = self.logs.iter().find_map(|(name, log)| Some((name.clone(), asked(log)?)));
        // Late answers to what was given up are nobody's fault.
        let Some((origin, range)) = found else { return };
        let Some(pull) = self.logs.get_mut(&origin).and_then(|log| log.pull.as_mut()) else {
            return;
        };
        pull.asked.remove(&request);
        if let Some((bundle, proof)) = answer {
            let (peer, until) = (range.peer, range.until);
            pull.arrived.insert(range.from, Arrived { peer, until, bundle, proof });
            self.advance(&origin, now, effects);
        } else {
            pull.gaps.insert(range.from, range.until);
            pull.pass_over(from);
            self.peers.refuse(from, Refusal::Withheld, effects);
        }
        self.pull_all(now, effects);
    }

    /// Takes in what has arrived, in the order of the log.
    fn advance(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        loop {
            let Some(log) = self.logs.get_mut(origin) else { return };
            let Some(pull) = &mut log.pull else { return };
            let at = pull.frontier.size();
            let Some(range) = pull.arrived.remove(&at) else { return };
            let Arrived { peer, until, bundle, proof } = range;
            match pull.prove(until, bundle, proof) {
                Proven::Entries(range, frontier) => {
                    let size = frontier.size();
                    if size < until {
                        pull.gaps.insert(size, until);
                    }
                    pull.proven = true;
                    pull.frontier = frontier;
                    pull.unstored = pull.unstored.saturating_add(1);
                    if pull.target.size().saturating_sub(at) <= LEARNED_ENTRIES {
                        self.learn_entries(range.head().key(), (origin, at), &range.entries());
                    }
                    effects.push(Effect::Extend(range));
                }
                Proven::Wrong => {
                    pull.gaps.insert(at, until);
                    pull.pass_over(&peer);
                    self.peers.refuse(&peer, Refusal::WrongEntries, effects);
                    return;
                }
                Proven::Elsewhere => {
                    pull.gaps.insert(at, until);
                    self.leads_elsewhere(origin, &peer, now, effects);
                    return;
                }
            }
        }
    }

    /// A range does not lead from what is held to the head: what is on disk may be of another
    /// history, the peer may lie, or the key may have signed two histories.
    fn leads_elsewhere(
        &mut self,
        origin: &Origin,
        peer: &Peer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(log) = self.logs.get_mut(origin) else { return };
        let Some(pull) = &mut log.pull else { return };
        let stored = log.stored.clone();
        if pull.proven || (stored.is_none() && pull.frontier.size() == 0) {
            pull.pass_over(peer);
            self.peers.refuse(peer, Refusal::WrongEntries, effects);
            return;
        }
        if pull.frontier.size() > log.frontier.size() {
            // Left by an earlier pull, and not proven since: begin again under the stored head.
            log.extended = log.frontier.clone();
            log.pull = None;
            let size = log.size();
            effects.push(Effect::Rewind { origin: origin.clone(), size });
            return;
        }
        pull.pass_over(peer);
        let target = pull.target.clone();
        if let Some(held) = stored {
            self.doubt(peer, held, target, now, effects);
        }
    }

    /// Ranges are written: once all are, the head is published.
    pub(super) fn extended(&mut self, origin: &Origin, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get_mut(origin) else { return };
        let Some(pull) = &mut log.pull else { return };
        pull.unstored = pull.unstored.saturating_sub(1);
        if pull.unstored == 0 {
            log.extended = pull.frontier.clone();
        }
        self.end_pull(origin, effects);
        self.pull_all(now, effects);
    }

    /// The head is reached: it is given to the store.
    fn end_pull(&mut self, origin: &Origin, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get_mut(origin) else { return };
        let Some(pull) = &mut log.pull else { return };
        if pull.ending || pull.unstored > 0 || pull.frontier.size() < pull.target.size() {
            return;
        }
        if pull.frontier.root() != pull.target.root() {
            // Everything was on disk already, and it is of another history than this head.
            log.extended = log.frontier.clone();
            log.pull = None;
            effects.push(Effect::Rewind { origin: origin.clone(), size: log.size() });
            return;
        }
        pull.ending = true;
        effects.push(Effect::StoreHead { head: pull.target.clone() });
    }

    /// What was pulled is on disk, under its head.
    pub(super) fn stored(
        &mut self,
        origin: &Origin,
        size: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(log) = self.logs.get_mut(origin) else { return };
        // A head that only has new cosignatures ends no pull.
        let ends = |pull: &mut Pull| pull.ending && pull.target.size() == size;
        let Some(pull) = log.pull.take_if(ends) else { return };
        let from = log.size();
        log.wanted.take_if(|wanted| wanted.size() <= size);
        log.extended = pull.frontier.clone();
        log.frontier = pull.frontier;
        log.stored = Some(pull.target);
        effects.push(Effect::Notice(Notice::Grew { origin: origin.clone(), from, size }));
        self.answer_early(origin, effects);
        self.cosign(origin, now, effects);
        self.pull_all(now, effects);
        self.ask_for_documents(now, effects);
        self.start_builds(now);
    }

    /// The disk took nothing: the log stays where its newest head is.
    pub(super) fn not_stored(&mut self, origin: &Origin) {
        if let Some(log) = self.logs.get_mut(origin) {
            // The next head that a peer shows begins it again.
            log.untidy = true;
            log.pull = None;
            log.wanted = None;
        }
    }

    /// A request for a range was not answered.
    pub(super) fn range_unanswered(
        &mut self,
        from: &Peer,
        request: RequestId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        for log in self.logs.values_mut() {
            let Some(pull) = &mut log.pull else { continue };
            let asked = pull.asked.get(&request).is_some_and(|range| range.peer == *from);
            if asked {
                pull.pass_over(from);
            }
        }
        self.pull_all(now, effects);
    }

    /// Ranges that nothing came of are asked of somebody else.
    pub(super) fn ask_again(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut slow = Vec::new();
        for log in self.logs.values_mut() {
            let Some(pull) = &mut log.pull else { continue };
            let late: BTreeSet<Peer> = pull
                .asked
                .values()
                .filter(|range| is_due(range.since, REQUEST_SECONDS, now))
                .map(|range| range.peer.clone())
                .collect();
            for peer in late {
                pull.pass_over(&peer);
                slow.push(peer);
            }
        }
        for peer in slow {
            self.peers.refuse(&peer, Refusal::Silent, effects);
        }
        self.pull_all(now, effects);
    }

    /// A peer went away: what was asked of it is asked of somebody else.
    pub(super) fn forget_provider(
        &mut self,
        peer: &Peer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        for log in self.logs.values_mut() {
            log.providers.remove(peer);
            if let Some(pull) = &mut log.pull {
                pull.pass_over(peer);
                pull.passed.remove(peer);
            }
        }
        self.pull_all(now, effects);
    }
}
