//! `reattest log resume`: a new state for a signer whose own is damaged, lost or old.
//!
//! The operator says where the log stands, as its witnesses or peers show it. The state is written
//! only when the entries on this disk lead there, and when nothing that is known here contradicts it.

use std::fmt;
use std::str::FromStr;

use reattest_attestation::log::{Checkpoint, Frontier, Origin, SignedCheckpoint};
use reattest_attestation::{Digest, Envelope, PublicKey};
use serde_bytes::ByteBuf;

use super::journal::{Journal, Pending, State};
use super::{custody, seen};
use crate::clock;
use crate::config::Config;
use crate::disk;
use crate::fault::Fault;
use crate::shell;
use crate::store::{Log, Store};

/// A place of a log: `SIZE:ROOT`, the root as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("found {text:?}, needed SIZE:ROOT, such as 12:9f86d081...");
        let (size, root) = text.split_once(':').ok_or_else(expected)?;
        Ok(Self {
            size: size.parse().map_err(|_| expected())?,
            root: root.parse().map_err(|_| expected())?,
        })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.size, self.root)
    }
}

/// What a resumed signer goes on with.
#[derive(Debug)]
pub struct Resumed {
    /// The log.
    pub origin: Origin,
    /// Whether an entry that no head covers yet is finished at the next start.
    pub unfinished: bool,
}

/// The head for which a key is held: nothing is signed with it until the log is resumed.
pub fn held(config: &Config, key: &PublicKey) -> Result<Option<Checkpoint>, Fault> {
    let this_year = Origin::new(&config.network, key, clock::now().year());
    let journal = Journal::of(&disk::local(), &config.data.join("signer"), &this_year);
    let Some(file) = journal.held()? else {
        return Ok(None);
    };
    let signed = SignedCheckpoint::parse(&file.checkpoint)
        .map_err(|error| Fault::new("the head for which the key is held", error))?;
    Ok(Some(signed.unverified().clone()))
}

/// Writes the state of a log at a place that its entries on disk lead to.
pub fn resume(config: &Config, at: At, origin: Option<Origin>) -> Result<Resumed, Fault> {
    let _lock = shell::lock(&config.data)?;
    let certificate = config.certificate.as_ref().ok_or_else(|| {
        Fault::text(
            "the configuration names no `certificate`, needed one: it says whose log is meant",
        )
    })?;
    let key = custody::read_certificate(certificate)?.1.certificate().rebuilder;
    let (disk, directory) = (disk::local(), config.data.join("signer"));
    let this_year = Origin::new(&config.network, &key, clock::now().year());
    let held = Journal::of(&disk, &directory, &this_year).held()?;
    let held = held.and_then(|held| seen::own(&held.checkpoint, &config.network, &key));
    let held = held.as_ref().map(reattest_attestation::log::VerifiedCheckpoint::checkpoint);
    let origin = origin.or_else(|| held.map(|head| head.origin.clone())).unwrap_or(this_year);
    if origin.key_digest() != key.digest() {
        return Err(Fault::text(format!("{origin} is no log of {}", key.fingerprint())));
    }
    // Opened as a node opens it: an entry beyond the head is seen too.
    let store = Store::open(&config.data)?;
    let log = store.log(&origin).ok_or_else(|| {
        Fault::text(format!(
            "log {origin} is not on this disk, needed its entries; a node with roles = [\"consume\"] fetches \
             them from peers"
        ))
    })?;
    let frontier = leads_to(log, at)?;
    let journal = Journal::of(&disk, &directory, &origin);
    for (what, size, root) in known(log, &journal, &key, &origin) {
        agrees(log, at, what, size, root)?;
    }
    if let Some(head) = held.filter(|head| head.origin == origin) {
        agrees(log, at, "the head that stopped the signer", head.size, head.root)?;
    }
    let pending = unfinished(log, at, &journal, &key)?;
    let checkpoint = log.checkpoint().filter(|signed| signed.unverified().size == at.size);
    let checkpoint = checkpoint.map(|signed| ByteBuf::from(signed.as_bytes()));
    let state = State { origin: origin.to_string(), frontier, checkpoint };
    let lifted = held.is_none_or(|head| head.origin == origin);
    journal.restore(&state, pending.as_ref(), lifted)?;
    Ok(Resumed { origin, unfinished: pending.is_some() })
}

/// The frontier at a place, when the entries on disk lead there.
fn leads_to(log: &Log, at: At) -> Result<Frontier, Fault> {
    if log.size() < at.size {
        return Err(Fault::text(format!(
            "log {} has {} entries on this disk, needed {}; a node with roles = [\"consume\"] fetches the rest \
             from peers",
            log.origin(),
            log.size(),
            at.size
        )));
    }
    let frontier = log.frontier(at.size)?;
    if frontier.root() == at.root {
        return Ok(frontier);
    }
    Err(Fault::text(format!(
        "the first {} entries of log {} on this disk have root {}, needed {}; move its directory away and let \
         a node with roles = [\"consume\"] fetch it again, or correct --at",
        at.size,
        log.origin(),
        frontier.root(),
        at.root
    )))
}

/// What this machine knows to be signed: the head on the node's disk, and the signer's state, where it
/// can still be read.
fn known(
    log: &Log,
    journal: &Journal,
    key: &PublicKey,
    origin: &Origin,
) -> Vec<(&'static str, u64, Digest)> {
    let head = log.checkpoint().and_then(|signed| signed.verify(key).ok());
    let head = head
        .map(|head| ("the signed head on disk", head.checkpoint().size, head.checkpoint().root));
    let state = journal.state(origin).ok();
    let state =
        state.map(|state| ("the signer's state", state.frontier.size(), state.frontier.root()));
    head.into_iter().chain(state).collect()
}

/// A head that is known must be a beginning of what is resumed at.
fn agrees(log: &Log, at: At, what: &str, size: u64, root: Digest) -> Result<(), Fault> {
    if size > at.size {
        return Err(Fault::text(format!(
            "{what} has {size} entries, and --at names {}; resume at {size}:{root} or beyond, or two heads of \
             one size would be signed",
            at.size
        )));
    }
    if log.frontier(size)?.root() == root {
        return Ok(());
    }
    Err(Fault::text(format!(
        "{what} at {size} entries has root {root}, and the log on disk has another: this key signed two \
         histories; run: reattest key rotate, and name the last good head"
    )))
}

/// The entry that was stored and that no head covers: it is finished with the same bytes.
fn unfinished(
    log: &Log,
    at: At,
    journal: &Journal,
    key: &PublicKey,
) -> Result<Option<Pending>, Fault> {
    let begun = journal.pending().ok().flatten().filter(|pending| pending.index == at.size);
    match log.size().saturating_sub(at.size) {
        0 => Ok(begun),
        1 => {
            let entry = log.entry(at.size)?.unwrap_or_default();
            let own = Envelope::parse(&entry).is_ok_and(|envelope| envelope.verify(key).is_ok());
            if !own {
                return Err(Fault::text(format!(
                    "entry {} of log {} on this disk is not signed by its key; move its directory away and let a \
                     node with roles = [\"consume\"] fetch it again",
                    at.size,
                    log.origin()
                )));
            }
            let links =
                begun.filter(|begun| *begun.envelope == entry).and_then(|begun| begun.links);
            Ok(Some(Pending { index: at.size, envelope: ByteBuf::from(entry), links }))
        }
        more => Err(Fault::text(format!(
            "log {} has {more} entries on this disk beyond {}, needed one at most; resume at {}:{}",
            log.origin(),
            at.size,
            log.size(),
            log.frontier(log.size())?.root()
        ))),
    }
}
