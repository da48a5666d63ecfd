//! The signer's own memory: the frontier of its log, its last head, and the entry under way.
//!
//! The order makes "no two heads of one size" hold across a crash at any point: the entry is synced
//! here, then synced and acknowledged by the node, then the head over it is synced here, and only
//! then does anyone see it. An interrupted entry is finished at the next start, with the same bytes.

use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::log::{Frontier, Origin, SignedCheckpoint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::seen::refusal;
use crate::codec;
use crate::disk::{Disk, SharedDisk};
use crate::fault::Fault;
use crate::limits::LINK_MESSAGE_BYTES;
use crate::store::durable;

/// What was signed so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// The log.
    pub(super) origin: String,
    /// The frontier under the last head.
    pub(super) frontier: Frontier,
    /// The last head.
    pub(super) checkpoint: Option<ByteBuf>,
}

/// An entry that no head covers yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Its index.
    pub(super) index: u64,
    /// The envelope.
    pub(super) envelope: ByteBuf,
    /// The links that it names, where it names some.
    pub(super) links: Option<ByteBuf>,
}

/// Why nothing is signed with a key: a head of one of its logs that its states do not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Held {
    /// A C2SP signed note, by the key itself.
    pub(super) checkpoint: ByteBuf,
}

/// The two files of one log, and the one that holds its key.
#[derive(Debug)]
pub(super) struct Journal {
    disk: SharedDisk,
    state: PathBuf,
    pending: PathBuf,
    held: PathBuf,
}

impl Journal {
    /// The journal of a log below the signer's directory.
    pub(super) fn of(disk: &SharedDisk, directory: &Path, origin: &Origin) -> Self {
        let base = directory.join(origin.to_string());
        let held = base.parent().unwrap_or(&base).join("held");
        let disk = disk.clone();
        Self { disk, state: base.join("state"), pending: base.join("pending"), held }
    }

    /// The state to sign on from, or that of an empty log; nothing while the key is held.
    pub(super) fn load(&self, origin: &Origin) -> Result<State, Fault> {
        let Some(held) = self.held()? else {
            return self.state(origin);
        };
        match SignedCheckpoint::parse(&held.checkpoint) {
            Ok(shown) => Err(refusal(shown.unverified())),
            Err(error) => Err(Fault::new(self.held.display().to_string(), error)),
        }
    }

    /// The state as it is on disk, or that of an empty log.
    pub(super) fn state(&self, origin: &Origin) -> Result<State, Fault> {
        let empty =
            State { origin: origin.to_string(), frontier: Frontier::new(), checkpoint: None };
        let state = read(&*self.disk, &self.state)?.unwrap_or(empty);
        if state.origin == origin.to_string() {
            return Ok(state);
        }
        Err(Fault::text(format!(
            "{} is of log {}, needed that of {origin}; put back the state that belongs to this key",
            self.state.display(),
            state.origin
        )))
    }

    /// The head for which nothing is signed with this key.
    pub(super) fn held(&self) -> Result<Option<Held>, Fault> {
        read(&*self.disk, &self.held)
    }

    /// From here on nothing is signed with this key.
    pub(super) fn hold(&self, held: &Held) -> Result<(), Fault> {
        write(&*self.disk, &self.held, held)
    }

    /// A state that the operator vouches for. What was damaged is kept beside it.
    pub(super) fn restore(
        &self,
        state: &State,
        pending: Option<&Pending>,
        lifted: bool,
    ) -> Result<(), Fault> {
        if read::<State>(&*self.disk, &self.state).is_err() {
            let aside = self.state.with_extension("damaged");
            self.disk
                .rename(&self.state, &aside)
                .map_err(|error| Fault::new(self.state.display().to_string(), error))?;
        }
        match pending {
            Some(pending) => write(&*self.disk, &self.pending, pending)?,
            None => remove(&*self.disk, &self.pending)?,
        }
        write(&*self.disk, &self.state, state)?;
        if lifted { remove(&*self.disk, &self.held) } else { Ok(()) }
    }

    pub(super) fn pending(&self) -> Result<Option<Pending>, Fault> {
        read(&*self.disk, &self.pending)
    }

    /// The entry that goes where the state ends: one of before was committed already.
    pub(super) fn unfinished(&self, origin: &Origin) -> Result<Option<Pending>, Fault> {
        let Some(pending) = self.pending()? else { return Ok(None) };
        let size = self.state(origin)?.frontier.size();
        Ok((pending.index == size).then_some(pending))
    }

    pub(super) fn begin(&self, pending: &Pending) -> Result<(), Fault> {
        write(&*self.disk, &self.pending, pending)
    }

    /// The head over the pending entry is signed: from here on it is the log.
    pub(super) fn commit(&self, state: &State) -> Result<(), Fault> {
        write(&*self.disk, &self.state, state)?;
        remove(&*self.disk, &self.pending)
    }
}

/// Removes a file that may not be there.
fn remove(disk: &dyn Disk, path: &Path) -> Result<(), Fault> {
    durable::remove(disk, path).map_err(|error| Fault::new(path.display().to_string(), error))
}

/// A value and the SHA-256 over it: a torn or altered file is refused, never guessed at.
pub(super) fn write<T: Serialize>(disk: &dyn Disk, path: &Path, value: &T) -> Result<(), Fault> {
    let fail = |error: Box<dyn std::error::Error + Send + Sync>| {
        Fault::new(format!("the signer cannot write {}", path.display()), error)
    };
    let mut bytes = codec::encode(value).map_err(|error| fail(error.into()))?;
    bytes.extend(Digest::of(&bytes).as_bytes());
    durable::write(disk, path, &bytes).map_err(|error| fail(error.into()))
}

/// Reads what [`write`] wrote; nothing where there is no such file.
pub(super) fn read<T: Serialize + DeserializeOwned>(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Option<T>, Fault> {
    let bytes =
        durable::read(disk, path).map_err(|error| Fault::new(path.display().to_string(), error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let damaged = || {
        Fault::text(format!(
            "{} is damaged; the signer does not guess where its log stood: learn its \
             last head from peers or witnesses, stop the node, and run: reattest log resume --at SIZE:ROOT",
            path.display()
        ))
    };
    let (value, digest) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
    if Digest::of(value).as_bytes() != digest {
        return Err(damaged());
    }
    codec::decode::<LINK_MESSAGE_BYTES, T>(value).map(Some).map_err(|_| damaged())
}
