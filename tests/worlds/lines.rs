//! Worlds as one line each: what the keys signed, in log order, each `<operator><key><what><file><marks>`.
//!
//! ```text
//! a1+F   operator a's first key reproduced F as P          marks: '  from other sources
//! a1=F   ... made something equal to F once normalized            q  as the purl Q
//! a1-F   ... says F differs from what it built twice              u  relying on an unknown authority
//! a1~F   ... built two different files where F is published       w  in another network
//! a1!F   ... could not build where F is published                 l  its environment from an unknown archive
//! a1rF   ... takes its support of F back                          k  its environment from LOCK_ARCHIVE
//! a1aF   ... announces it                                         v  normalizers in version 1.15
//! a1+F@-30d, a1+F@+600s: when the build ended                     y  in last year's log
//!                                                                 o  as O, an older version of P
//! ```
//!
//! What befell a key, several with commas between: `a1^forked,w1@-2h`.
//!
//! ```text
//! none           not certified        from@+1s  certified from then on    forked     two heads of one size
//! expired        no longer            until@+0s until then                split      two entries at one place
//! unlogged       no proofs            w1@-2h    witness 1 saw the head    revoked@2  closed after two entries
//! unsigned       no signed head       w1@-2h#1  ... of one entry          rotated@2>3 ... and key 3 certified
//! ```

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::bundle::{Bundle, LoggedAt};
use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash, prove_inclusion};
use reattest_attestation::{
    Announcement, Authority, Digest, Envelope, Purl, Rebuild, Retraction, Rotation, SecretKey, Sign,
};

use super::asking::normalizer;
use super::{
    DAY, LOCK_ARCHIVE, NOW, O, P, Q, STRANGE_ARCHIVE, at, certificate, certify, file, network,
    operator, outcome, rebuild, rebuilder, revocation, revoke, seconds, witness, witness_name,
};

/// Operator and number.
pub(crate) type Key = (char, char);

/// One log of one key.
pub(crate) struct Log {
    key: SecretKey,
    origin: Origin,
    entries: Vec<Envelope>,
    leaves: Vec<Digest>,
}

impl Log {
    fn new(key: Key, year: i16) -> Self {
        let secret = rebuilder(key.0, key.1);
        let origin = Origin::new(&network(), &secret.public_key(), year);
        Self { key: secret, origin, entries: Vec::new(), leaves: Vec::new() }
    }

    /// Appends.
    pub(crate) fn push(&mut self, envelope: Envelope) {
        self.leaves.push(leaf_hash(envelope.as_bytes()));
        self.entries.push(envelope);
    }

    /// How many entries it has.
    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Its head when it had this many entries.
    pub(crate) fn head(&self, size: u64) -> Checkpoint {
        let mut frontier = Frontier::new();
        self.leaves.iter().take(usize::try_from(size).unwrap()).for_each(|l| frontier.push(*l));
        Checkpoint { origin: self.origin.clone(), size, root: frontier.root() }
    }

    /// The places of the entries below the head of this size.
    pub(crate) fn proofs(&self, size: u64) -> Vec<LoggedAt> {
        let leaves = &self.leaves[..usize::try_from(size).unwrap()];
        let proof = |(index, envelope): (u64, &Envelope)| LoggedAt {
            envelope: envelope.digest(),
            origin: self.origin.clone(),
            size,
            proof: prove_inclusion(leaves, index).unwrap(),
        };
        (0..size).zip(&self.entries).map(proof).collect()
    }
}

/// Everything that the world's keys signed, as a bundle.
pub(crate) fn world(line: &str) -> Bundle {
    let mut bundle = Bundle::default();
    let fates = fates(line);
    let mut certified = BTreeSet::new();
    for (key, log) in logs(line) {
        let fate = fates.get(&key).map_or(&[][..], Vec::as_slice);
        if certified.insert(key) {
            operators_words(&mut bundle, key, fate, &log);
        }
        add_log(&mut bundle, key, &log, fate);
    }
    bundle
}

/// These envelopes in their keys' logs, certified: for statements that no line can say.
pub(crate) fn carried(entries: impl IntoIterator<Item = (Key, Envelope)>) -> Bundle {
    let mut logs: BTreeMap<Key, Log> = BTreeMap::new();
    for (key, envelope) in entries {
        logs.entry(key).or_insert_with(|| Log::new(key, 2026)).push(envelope);
    }
    let mut bundle = Bundle::default();
    for (key, log) in logs {
        operators_words(&mut bundle, key, &[], &log);
        add_log(&mut bundle, key, &log, &[]);
    }
    bundle
}

/// What the key says of F, with one text in the payload replaced before it was signed.
pub(crate) fn altered(key: Key, what: char, from: &str, to: &str) -> Envelope {
    let secret = rebuilder(key.0, key.1);
    let said = rebuild(outcome(P, file('F'), what));
    let payload = String::from_utf8(said.to_payload(&secret.public_key()).unwrap()).unwrap();
    assert!(payload.contains(from), "{from} in {payload}");
    Envelope::sign(payload.replace(from, to).into_bytes(), &secret).unwrap()
}

/// The logs of the world's keys, by year.
pub(crate) fn logs(line: &str) -> Vec<(Key, Log)> {
    let mut logs: BTreeMap<(Key, i16), Log> = BTreeMap::new();
    for (number, token) in line.split_whitespace().enumerate() {
        if !token.contains('^') {
            let (key, year, envelope) = statement(number, token);
            logs.entry((key, -year)).or_insert_with(|| Log::new(key, year)).push(envelope);
        }
    }
    // This year's log first: operators' words are about that one.
    logs.into_iter().map(|((key, _), log)| (key, log)).collect()
}

fn fates(line: &str) -> BTreeMap<Key, Vec<&str>> {
    let mut fates: BTreeMap<Key, Vec<&str>> = BTreeMap::new();
    for (key, fate) in line.split_whitespace().filter_map(|token| token.split_once('^')) {
        let mut chars = key.chars();
        let key = (chars.next().unwrap(), chars.next().unwrap());
        fates.entry(key).or_default().extend(fate.split(','));
    }
    fates
}

/// One statement of a world, with the year of its log.
fn statement(number: usize, token: &str) -> (Key, i16, Envelope) {
    let (token, when) = token.split_once('@').unwrap_or((token, ""));
    let mut chars = token.chars();
    let mut next = || chars.next().unwrap();
    let (key, what, letter) = ((next(), next()), next(), next());
    let marks: Vec<char> = chars.collect();
    let secret = rebuilder(key.0, key.1);
    let purl = [('q', Q), ('o', O)].into_iter().find(|(mark, _)| marks.contains(mark));
    let purl: Purl = purl.map_or(P, |(_, purl)| purl).parse().unwrap();
    let year = if marks.contains(&'y') { 2025 } else { 2026 };
    // Two runs are never the same statement, even where they say the same.
    let run = format!("run {number}");
    let elsewhere = marks.contains(&'w').then(|| "elsewhere".parse().unwrap());
    let network = elsewhere.unwrap_or_else(network);
    let payload = match what {
        'r' => {
            let (published, retracted) = (file(letter), at(NOW - DAY));
            Retraction { network, purl, published, reason: run, retracted }.to_payload().unwrap()
        }
        'a' => {
            let announced = at(NOW - DAY);
            Announcement { network, purl, announced }.to_payload().unwrap()
        }
        what => {
            let mut rebuild = rebuild(outcome(purl.as_str(), file(letter), what));
            (rebuild.network, rebuild.facts.invocation) = (network, run);
            if !when.is_empty() {
                rebuild.facts.finished = at(NOW + seconds(when));
                rebuild.facts.started = rebuild.facts.finished;
            }
            marked(&mut rebuild, what, &marks);
            rebuild.to_payload(&secret.public_key()).unwrap()
        }
    };
    (key, year, Envelope::sign(payload, &secret).unwrap())
}

fn marked(rebuild: &mut Rebuild, what: char, marks: &[char]) {
    let mut version = "1.14";
    for mark in marks {
        match mark {
            'q' | 'o' | 'w' | 'y' => {}
            '\'' => rebuild.sources.truncate(1),
            'u' => rebuild.authority.signers = vec![format!("openpgp:{STRANGE_ARCHIVE}")],
            'l' => rebuild.lock_authorities.push(authority(STRANGE_ARCHIVE)),
            'k' => rebuild.lock_authorities.push(authority(LOCK_ARCHIVE)),
            'v' => version = "1.15",
            other => panic!("{other} is no mark"),
        }
    }
    if what == '=' {
        rebuild.facts.normalizers = vec![normalizer(version)];
    }
}

fn authority(archive: &str) -> Authority {
    Authority {
        uri: "dists/trixie/InRelease".to_owned(),
        digest: Digest::of(archive.as_bytes()),
        signers: vec![format!("openpgp:{archive}")],
    }
}

/// What the operator's offline key says about one key.
fn operators_words(bundle: &mut Bundle, key: Key, fate: &[&str], log: &Log) {
    let (boss, secret) = (operator(key.0), rebuilder(key.0, key.1));
    let said = |what: &str| fate.iter().find_map(|fate| fate.strip_prefix(what));
    let until = if fate.contains(&"expired") { -DAY } else { 30 * DAY };
    let until = said("until@").map_or(until, seconds);
    let from = said("from@").map_or(-60 * DAY, seconds);
    if !fate.contains(&"none") {
        bundle.certificates.push(certify(&boss, &secret, from, until));
    }
    let heads = |size: &str| match size.parse().unwrap() {
        0 => Vec::new(),
        size => vec![log.head(size)],
    };
    for size in fate.iter().filter_map(|fate| fate.strip_prefix("revoked@")) {
        bundle.certificates.push(revoke(&boss, &secret, heads(size)));
    }
    if let Some((size, next)) = said("rotated@").and_then(|fate| fate.split_once('>')) {
        let next = rebuilder(key.0, next.parse().unwrap());
        let rotation = Rotation {
            certificate: certificate(&boss, &next, -60, 30 * DAY),
            revocation: revocation(&boss, &secret, heads(size)),
        };
        bundle.certificates.push(Envelope::sign(rotation.to_payload().unwrap(), &boss).unwrap());
    }
}

fn add_log(bundle: &mut Bundle, key: Key, log: &Log, fate: &[&str]) {
    let full = log.head(log.size());
    let mut sizes = BTreeSet::from([log.size()]);
    if !fate.contains(&"unsigned") {
        bundle.checkpoints.push(full.sign(&log.key).unwrap());
    }
    if fate.contains(&"forked") {
        let other = Checkpoint { root: Digest::of(b"another history"), ..full };
        bundle.checkpoints.push(other.sign(&log.key).unwrap());
    }
    for fate in fate {
        if let Some(size) = fate.strip_prefix("revoked@").or(fate.strip_prefix("rotated@")) {
            sizes.insert(size.split('>').next().unwrap().parse().unwrap());
        } else if let Some((number, time)) =
            fate.strip_prefix('w').and_then(|fate| fate.split_once('@'))
        {
            let (time, size) = time.split_once('#').unwrap_or((time, ""));
            let size = if size.is_empty() { log.size() } else { size.parse().unwrap() };
            let number = number.parse().unwrap();
            let head = log.head(size).sign(&log.key).unwrap();
            let time = at(NOW + seconds(time));
            let cosigned = head.cosign(&witness_name(number), &witness(number), time).unwrap();
            bundle.checkpoints.push(cosigned);
            sizes.insert(size);
        }
    }
    sizes.retain(|size| (1..=log.size()).contains(size));
    if !fate.contains(&"unlogged") {
        bundle.proofs.extend(sizes.into_iter().flat_map(|size| log.proofs(size)));
    }
    if fate.contains(&"split") {
        split(bundle, log, key);
    }
    bundle.envelopes.extend(log.entries.iter().cloned());
}

/// Another history of one entry more, whose first entry is another one.
fn split(bundle: &mut Bundle, log: &Log, key: Key) {
    let (_, _, first) = statement(99, &format!("{}{}rHq", key.0, key.1));
    let mut other = Log::new(key, log.origin.year());
    other.push(first.clone());
    log.entries.iter().for_each(|entry| other.push(entry.clone()));
    bundle.checkpoints.push(other.head(other.size()).sign(&other.key).unwrap());
    bundle.proofs.extend(other.proofs(other.size()).into_iter().take(1));
    bundle.envelopes.push(first);
}
