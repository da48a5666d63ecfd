//! The control socket: how commands of the same user speak to a running node.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell runs one task for each command that asks"
)]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use reattest_attestation::{Completeness, Purl, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use super::jobs::QueueStatus;
use crate::codec;
use crate::config::Role;
use crate::fault::Fault;
use crate::limits::{CONTROL_BYTES, CONTROL_WAIT};
use crate::store::index::Selector;

/// What a command asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ask {
    /// How is the node?
    Status,
    /// Who is connected?
    Peers,
    /// Sign and gossip an announcement, and rebuild it here first.
    Announce {
        /// What.
        purl: Purl,
        /// Rebuild it also where the own log has an outcome of it.
        again: bool,
    },
    /// What waits, and what runs?
    Queue,
    /// All evidence on a package or a file, as a bundle.
    Evidence(Selector),
}

/// What the node answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// How the node is.
    Status(Box<Status>),
    /// Who is connected.
    Peers(Vec<PeerStatus>),
    /// The announcement's place in the own log.
    Announced(u64),
    /// What waits, and what runs.
    Queue(QueueStatus),
    /// Evidence.
    Evidence {
        /// A bundle, to be verified by whoever asked.
        bundle: ByteBuf,
        /// Whether a dissent would be in it.
        complete: Completeness,
    },
    /// The node could not.
    Failed(String),
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The network.
    pub network: String,
    /// What it does.
    pub roles: Vec<Role>,
    /// Addresses at which peers reach it.
    pub listening: Vec<String>,
    /// Where it serves its files and metrics over HTTP.
    pub http: Option<String>,
    /// Connected peers, mirrors among them.
    pub peers: Vec<String>,
    /// Connections that peers opened.
    pub inbound: u64,
    /// Connections that this node opened.
    pub outbound: u64,
    /// Static copies of logs that it follows.
    pub mirrors: Vec<MirrorStatus>,
    /// Logs, with the operator's name in the policy and the number of entries.
    pub logs: Vec<LogStatus>,
    /// Its own newest log.
    pub own: Option<String>,
    /// Whether its signer signs nothing until witnesses showed it that log's newest head.
    pub signer_awaits: bool,
    /// Logs of operators outside the policy that it heard of.
    pub strangers: u64,
    /// How often something was refused since the start, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Releases in the queue.
    pub queue: QueueCounts,
    /// Bytes of entries that were stored since the start.
    pub stored_bytes: u64,
}

/// How many releases the queue has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    /// Releases that are built.
    pub running: u64,
    /// Releases that wait.
    pub waiting: u64,
    /// Releases that were given up.
    pub given_up: u64,
}

/// One log of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStatus {
    /// The log.
    pub origin: String,
    /// Its operator, as the policy names it.
    pub operator: String,
    /// Entries under the newest head.
    pub size: u64,
    /// When that head was stored.
    pub head_stored: Option<Timestamp>,
    /// Whether its key signed two histories.
    pub forked: bool,
}

/// One mirror that a node follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorStatus {
    /// Where it is.
    pub url: String,
    /// Whether it answered when it was last asked.
    pub answers: bool,
    /// What was last wrong with it, and may be still.
    pub why: Option<String>,
}

/// One connected peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub peer: String,
    /// Where it is.
    pub address: String,
    /// `inbound`, `outbound` or `mirror`.
    pub direction: String,
    /// Points for what it did wrong; dropped at `limit`.
    pub penalty: u32,
    /// The points at which it is dropped.
    pub limit: u32,
}

/// One question and where its answer goes.
pub(crate) type Call = (Ask, oneshot::Sender<Answer>);

/// Listens; a socket that nobody listens at any more is replaced.
pub(super) fn listen(path: &Path, calls: mpsc::Sender<Call>) -> Result<(), Fault> {
    let name = path.display();
    if UnixStream::connect(path).is_ok() {
        return Err(Fault::text(format!(
            "another node answers at {name}; stop it, or give this one another `data` directory"
        )));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Fault::new(name.to_string(), error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| {
        Fault::new(
            format!("cannot make the control socket {name} (a socket's path holds 107 bytes; choose a shorter `data`)"),
            error,
        )
    })?;
    // Commands of the same user only, whatever the umask is.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|error| Fault::new(name.to_string(), error))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let calls = calls.clone();
            tokio::spawn(async move {
                if let Err(error) = tokio::time::timeout(CONTROL_WAIT, serve(stream, calls)).await {
                    tracing::debug!(%error, "a command on the control socket was too slow");
                }
            });
        }
    });
    Ok(())
}

async fn serve(
    mut stream: tokio::net::UnixStream,
    calls: mpsc::Sender<Call>,
) -> std::io::Result<()> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > CONTROL_BYTES {
        return Ok(());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    let answer = match codec::decode::<CONTROL_BYTES, Ask>(&bytes) {
        Err(error) => Answer::Failed(error.to_string()),
        Ok(ask) => {
            let (reply, answer) = oneshot::channel();
            let asked = calls.send((ask, reply)).await.is_ok();
            let stopping = || Answer::Failed("the node is stopping".to_owned());
            if asked { answer.await.unwrap_or_else(|_| stopping()) } else { stopping() }
        }
    };
    let bytes = frame(&answer)?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Asks the node behind a socket; `None` where no node runs.
pub fn ask(socket: &Path, question: &Ask) -> Result<Option<Answer>, Fault> {
    exchange(socket, question).map_err(|error| {
        Fault::new(format!("the node at {} does not answer", socket.display()), error)
    })
}

/// The same, with the system's own error. It is `Other` where the node answered with what is no
/// answer, and anything else where it could not be asked.
pub fn exchange(socket: &Path, question: &Ask) -> std::io::Result<Option<Answer>> {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(CONTROL_WAIT))?;
    let bytes = frame(question)?;
    stream.write_all(&bytes)?;
    read_frame(&mut stream).map(Some)
}

/// Asks the node behind a socket, which must run.
pub fn ask_running(socket: &Path, question: &Ask) -> Result<Answer, Fault> {
    ask(socket, question)?.ok_or_else(|| {
        let at = socket.display();
        Fault::text(format!("no node runs at {at}; start one with `reattest node`"))
    })
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused)
}

fn frame<T: Serialize>(value: &T) -> std::io::Result<Vec<u8>> {
    let bytes = codec::encode(value).map_err(std::io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    Ok([length.to_be_bytes().as_slice(), &bytes].concat())
}

fn read_frame<T: Serialize + DeserializeOwned>(stream: &mut UnixStream) -> std::io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > CONTROL_BYTES {
        return Err(std::io::Error::other("an answer longer than any answer may be"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    codec::decode::<CONTROL_BYTES, T>(&bytes).map_err(std::io::Error::other)
}
