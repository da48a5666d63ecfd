//! The signer's own memory: the frontier of its log, its last head, and the entry under way.
//!
//! The order makes "no two heads of one size" hold across a crash at any point: the entry is synced
//! here, then synced and acknowledged by the node, then the head over it is synced here, and only
//! then does anyone see it. An interrupted entry is finished at the next start, with the same bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;
use reattest_attestation::log::{Frontier, Origin};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec;
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

/// The two files, for one log.
#[derive(Debug)]
pub(super) struct Journal {
    state: PathBuf,
    pending: PathBuf,
}

impl Journal {
    /// The journal of a log below the signer's directory.
    pub(super) fn of(directory: &Path, origin: &Origin) -> Self {
        let base = directory.join(origin.to_string());
        Self { state: base.join("state"), pending: base.join("pending") }
    }

    /// The state, or that of an empty log.
    pub(super) fn load(&self, origin: &Origin) -> Result<State, Fault> {
        let empty =
            State { origin: origin.to_string(), frontier: Frontier::new(), checkpoint: None };
        let state = read(&self.state)?.unwrap_or(empty);
        if state.origin == origin.to_string() {
            return Ok(state);
        }
        Err(Fault::text(format!(
            "{} is of log {}, needed that of {origin}; put back the state that belongs to this key",
            self.state.display(),
            state.origin
        )))
    }

    pub(super) fn pending(&self) -> Result<Option<Pending>, Fault> {
        read(&self.pending)
    }

    pub(super) fn begin(&self, pending: &Pending) -> Result<(), Fault> {
        write(&self.pending, pending)
    }

    /// The head over the pending entry is signed: from here on it is the log.
    pub(super) fn commit(&self, state: &State) -> Result<(), Fault> {
        write(&self.state, state)?;
        fs::remove_file(&self.pending)
            .map_err(|error| Fault::new(self.pending.display().to_string(), error))
    }
}

/// A value and the SHA-256 over it: a torn or altered file is refused, never guessed at.
fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Fault> {
    let fail = |error: Box<dyn std::error::Error + Send + Sync>| {
        Fault::new(format!("the signer cannot write {}", path.display()), error)
    };
    let mut bytes = codec::encode(value).map_err(|error| fail(error.into()))?;
    bytes.extend(Digest::of(&bytes).as_bytes());
    durable::write(path, &bytes).map_err(|error| fail(error.into()))
}

fn read<T: Serialize + DeserializeOwned>(path: &Path) -> Result<Option<T>, Fault> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::new(path.display().to_string(), error)),
    };
    let damaged = || {
        Fault::text(format!(
            "{} is damaged; the signer does not guess where its log stood: restore it from a backup \
             that is not older than the log's last published head",
            path.display()
        ))
    };
    let (value, digest) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
    if Digest::of(value).as_bytes() != digest {
        return Err(damaged());
    }
    codec::decode::<LINK_MESSAGE_BYTES, T>(value).map(Some).map_err(|_| damaged())
}
