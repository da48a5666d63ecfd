//! Every bound of the node, in one place, each with its reason.

use std::time::Duration;

/// Bytes of one message between two processes of a node. A packet of a `SOCK_SEQPACKET` socket is
/// sent whole or not at all, and the kernel's default send buffer holds 212,992 bytes with its
/// bookkeeping.
pub const LINK_MESSAGE_BYTES: usize = 128 * 1024;

/// Files that travel with one message between processes: two runs of the 64 artifacts that a
/// statement may hold. The kernel's own limit is 253.
pub const LINK_FILES: usize = 128;

/// Wants in one fetch request from a builder: 128 of some 300 bytes stay far below a link message.
pub const WANTS_PER_REQUEST: usize = 128;

/// Bytes of one gossiped message: two heads at most, each a certificate envelope (about 1 KiB) and
/// a checkpoint (at most 16 KiB).
pub const GOSSIP_BYTES: usize = 48 * 1024;

/// Bytes of one request between nodes: a request names an origin and two numbers.
pub const REQUEST_BYTES: usize = 1024;

/// Bytes of entries in one response: 16 of the largest entries, some 300 usual ones.
pub const RESPONSE_ENTRY_BYTES: usize = 1024 * 1024;

/// Bytes of one response between nodes: entries or one document, and their framing.
pub const RESPONSE_BYTES: usize = 2 * 1024 * 1024;

/// Heads in one response: one for each log of some 30 operators over two years.
pub const HEADS_PER_RESPONSE: usize = 64;

/// Bytes of a recipe or a lock that peers exchange: a lock of 2,000 packages has about 500 KiB.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;

/// Documents that are looked for at once: those of some thousand attestations. What is not asked
/// for now is only missing in bundles.
pub const DOCUMENTS_WANTED: usize = 10_000;

/// Bytes of entries held in memory while one log is pulled towards one checkpoint.
///
/// KNOWN: a log that is further behind than this is not caught up. Verifying ranges by consistency
/// proofs lifts it.
pub const PULL_BYTES: usize = 64 * 1024 * 1024;

/// Logs that a node follows: operators of a policy, some years each.
pub const LOGS: usize = 1024;

/// Connected peers that the core keeps state for; the transport refuses more.
pub const PEERS: usize = 128;

/// Releases in the schedule: all of a large suite's packages at once.
pub const SCHEDULED: usize = 100_000;

/// Attempts at a build that ended in this machine's own fault, the first included.
pub const BUILD_ATTEMPTS: u32 = 3;

/// Seconds before a build that failed by our own fault is tried again, times the attempt.
pub const BUILD_RETRY_SECONDS: i64 = 30;

/// Seconds until a request that no answer came to is asked of another peer.
pub const REQUEST_SECONDS: i64 = 10;

/// Seconds between two questions for all heads to one peer: what gossip lost is found this way.
pub const HEADS_SECONDS: i64 = 5;

/// Seconds between two attempts to dial a configured peer.
pub const DIAL_SECONDS: i64 = 2;

/// Penalty points at which a peer is dropped.
pub const PENALTY_LIMIT: u32 = 100;

/// Bytes of one message on the control socket: the evidence for one package, recipes and locks
/// included, is some hundred KiB.
pub const CONTROL_BYTES: usize = 16 * 1024 * 1024;

/// How long a command waits for the node's answer on the control socket.
pub const CONTROL_WAIT: Duration = Duration::from_secs(30);

/// Entries that one query looks at: more votes on one package than this are not read.
pub const EVIDENCE_ENTRIES: usize = 1024;

/// Bytes of one produced file that the signer hashes; the largest Debian package has about 2 GiB.
pub const OUTPUT_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Seconds between two beats of the node's clock.
pub const TICK: Duration = Duration::from_millis(500);

/// Packages that one file is judged as where nobody says which is meant: a file belongs to one or
/// two releases, and the empty file to any number.
pub const FILE_PACKAGES: usize = 64;
