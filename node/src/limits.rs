//! Every bound of the node, in one place, each with its reason.

// With their paths, because the fuzzers include this file as it is.
#[path = "limits/decisions.rs"]
mod decisions;
#[path = "limits/doors.rs"]
mod doors;
#[path = "limits/pins.rs"]
mod pins;

use std::time::Duration;

pub use decisions::*;
pub use doors::*;
pub use pins::*;

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

/// Addresses that one peer may say to listen at: a few interfaces, each with TCP and QUIC.
pub const ADDRESSES_PER_PEER: usize = 16;

/// Heads in one response: one for each log of some 30 operators over two years.
pub const HEADS_PER_RESPONSE: usize = 64;

/// Bytes of a recipe or a lock that peers exchange: a lock of 2,000 packages has about 500 KiB.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;

/// Documents that are looked for at once: those of some thousand attestations. What is not asked
/// for now is only missing in bundles.
pub const DOCUMENTS_WANTED: usize = 10_000;

/// Entries of one range that a peer is asked for: a tile, which is one file on its disk.
pub const RANGE_ENTRIES: u64 = 256;

/// Ranges that are asked for or held at once, over all logs: with [`RESPONSE_ENTRY_BYTES`] each they
/// take 16 MiB, and keep a link of 100 ms and 1 Gbit/s full.
pub const RANGES: usize = 16;

/// Ranges that are asked of one peer at once: below what its transport takes in parallel.
pub const RANGES_PER_PEER: usize = 8;

/// Entries below a head that are looked at for announcements and documents: what was announced
/// before them is history, and its documents are asked for when somebody asks.
pub const LEARNED_ENTRIES: u64 = 4096;

/// Heads below the newest one that were found consistent, remembered for each log: peers that are
/// behind show them again and again.
pub const OLDER_HEADS: usize = 16;

/// Questions for consistency that are out at once: one for each peer.
pub const DOUBTS: usize = 128;

/// Documents that are asked for at once: of some hundred KiB each, they take as much as ranges.
pub const DOCUMENTS_ASKED: usize = 32;

/// Logs that a node follows: operators of a policy, some years each.
pub const LOGS: usize = 1024;

/// Connected peers that the core keeps state for; the transport refuses more.
pub const PEERS: usize = 128;

/// Bytes of resident memory at which no connection is let in or opened any more: ten times what a node
/// takes that stores a million entries, and half of a small machine.
pub const MEMORY_BYTES: usize = 512 * 1024 * 1024;

/// Releases in the queue: all 37,588 sources of Debian 13 at once, and what others announce. A row has
/// some 400 bytes in memory.
pub const SCHEDULED: usize = 50_000;

/// Releases in the queue that one operator's key announced: its whole archive of a day, and no more
/// than a fifth of the queue.
pub const SCHEDULED_BY_OPERATOR: usize = 10_000;

/// Releases in the queue that one stranger announced.
pub const SCHEDULED_BY_STRANGER: usize = 100;

/// Packages of which it is remembered what their last build took; a line has 100 bytes.
pub const BUILDS_REMEMBERED: usize = 20_000;

/// Bytes of the reason that is kept with a release: the longest messages of a rebuild have as many.
pub const WHY_BYTES: usize = 400;

/// Attempts at a build that ended in this machine's own fault, the first included.
pub const BUILD_ATTEMPTS: u32 = 5;

/// Seconds before a build that failed by our own fault is tried again; twice as long each time.
pub const BUILD_RETRY_SECONDS: i64 = 30;

/// Gossiped messages that one peer may hand over, a second and at once: heads of a large network at
/// one a second each, and twice that many after a partition.
pub const GOSSIP_PER_SECOND: u32 = 200;
/// See [`GOSSIP_PER_SECOND`].
pub const GOSSIP_BURST: u32 = 2_000;

/// Requests that one peer may send, a second and at once: catching up takes one for 256 entries, or
/// one for a document.
pub const REQUESTS_PER_SECOND: u32 = 2_000;
/// See [`REQUESTS_PER_SECOND`].
pub const REQUEST_BURST: u32 = 8_000;

/// Heads of strangers, operators whom the policy does not name: their share of memory is some MiB,
/// whatever their number.
pub const STRANGERS: usize = 256;

/// Heads of strangers that came from one peer.
pub const STRANGERS_PER_PEER: usize = 32;

/// Seconds for which a stranger's head is kept.
pub const STRANGER_SECONDS: i64 = 3_600;

/// Seconds after which one penalty point is forgiven.
pub const PENALTY_SECONDS: i64 = 60;

/// Seconds for which a dropped peer stays out.
pub const BAN_SECONDS: i64 = 600;

/// Dropped peers that are remembered; the oldest is forgotten first.
pub const BANNED: usize = 1024;

/// Connections that this node opens by itself: as many as gossip's mesh wants.
pub const OUTBOUND: usize = 8;

/// Connections that this node opens into one range of addresses (an IPv4 /16, an IPv6 /32), so that
/// whoever owns one range cannot be all that it knows.
pub const OUTBOUND_PER_RANGE: usize = 2;

/// Connections from one range of addresses; those of this machine are not counted.
pub const INBOUND_PER_RANGE: usize = 32;

/// Addresses of peers that are remembered, at most as many of one range as
/// [`INBOUND_PER_RANGE`].
pub const KNOWN_ADDRESSES: usize = 1024;

/// Seconds after which a witness cosigns the head of an idle log again.
pub const COSIGN_SECONDS: i64 = 3_600;

/// Heads that a witness's signer is given at one beat of the clock.
pub const COSIGN_AT_ONCE: usize = 32;

/// Seconds that a witness's clock may be behind a signer's: its cosignature counts as made since the
/// signer's start.
pub const WITNESS_CLOCK_SECONDS: i64 = 300;

/// Questions of all peers for entries that are still on their way here: each head that is passed on may bring
/// one from each peer.
pub const EARLY_QUESTIONS: usize = 4 * PEERS;

/// Seconds that such a question waits: longer than a range of entries takes, and well below
/// [`REQUEST_SECONDS`], after which its peer gives up by itself.
pub const EARLY_SECONDS: i64 = 3;

/// Peers that wait for a cosignature of one log.
pub const COSIGN_WAITING: usize = 32;

/// Seconds after a start before what ran when the node ended is built again: the signer first logs
/// what it signed before.
pub const RESUME_SECONDS: i64 = 5;

/// Seconds until something that was not on the mirror is looked for again: mirrors fill by the day.
pub const ABSENCE_SECONDS: i64 = 24 * 3600;

/// Times that something is looked for on a mirror that lacks it: a month.
pub const ABSENCES: u32 = 30;

/// The longest wait that anything sets; one beyond it was written by a clock that was wrong.
pub const LONGEST_WAIT_SECONDS: i64 = ABSENCE_SECONDS;

/// Seconds after which a release that was given up is tried again if it is announced once more.
pub const GIVEN_UP_SECONDS: i64 = 24 * 3600;

/// Seconds that the own log's word of a signed outcome may take: both come within milliseconds.
pub const LOGGED_SECONDS: i64 = 60;

/// Seconds without a sign of life after which a job's lease ends: eight heartbeats.
pub const LEASE_SECONDS: i64 = 120;

/// Time between two signs of life of a job.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Seconds that a job may run in all: three runs of at most 4 hours, downloads, an environment.
pub const JOB_SECONDS: i64 = 16 * 3600;

/// Seconds that a cancelled job may take to end: its sandbox ends within one.
pub const CANCEL_SECONDS: i64 = 60;

/// Processors for each build at a time, where nobody says: most builds use two to four.
pub const PROCESSORS_PER_JOB: usize = 4;

/// Bytes of memory for each build at a time, where nobody says: nine of ten need less.
pub const MEMORY_PER_JOB: u64 = 4 * 1024 * 1024 * 1024;

/// Releases that one answer about the queue names.
pub const QUEUE_SHOWN: usize = 1000;

/// Time between two looks at a followed registry, where nobody says: archives change four times a day.
pub const FOLLOW_USUAL: Duration = Duration::from_hours(1);

/// The least time between two looks: an index that did not change costs one small request.
pub const FOLLOW_LEAST: Duration = Duration::from_secs(1);

/// The part of that time by which nodes differ.
pub const FOLLOW_JITTER: f64 = 0.2;

/// Releases of a followed registry that are queued in one beat: a suite takes 40 s, and the node
/// answers meanwhile.
pub const FOLLOWED_AT_ONCE: usize = 500;

/// Bytes of a list or a lockfile: a lock of 2,000 packages has about 500 KiB.
pub const FOLLOWED_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// References in a list or a lockfile: each Python package is a page of the index to be asked for.
pub const FOLLOWED_REFERENCES: usize = 4000;

/// Bytes of what is remembered of a followed registry: as many releases as the queue holds, of 512
/// bytes at most.
pub const FEED_BYTES: u64 = 32 * 1024 * 1024;

/// Builds that may go before a larger one that waits for room.
pub const OVERTAKES: u32 = 8;

/// Bytes of a source whose build is taken for a small one before any build of it was seen.
pub const SMALL_SOURCE_BYTES: u64 = 1024 * 1024;

/// Seconds below which a build is a small one the next time.
pub const SMALL_BUILD_SECONDS: u64 = 120;

/// Seconds from which on a build gets the machine for itself the next time.
pub const LARGE_BUILD_SECONDS: u64 = 3600;

/// Entries of a log after which it is noted how far it was read, where nothing else is.
pub const LEARNED_NOTED: u64 = 10_000;

/// Changes of the queue in one line of its file: a row has at most 1.5 KB as JSON.
pub const CHANGES_PER_LINE: usize = 256;

/// Bytes of one line of the queue's file.
pub const QUEUE_LINE_BYTES: usize = 1024 * 1024;

/// Bytes below which the queue's file is not written anew: reading them takes 0.1 s.
pub const QUEUE_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Seconds until a request that no answer came to is asked of another peer.
pub const REQUEST_SECONDS: i64 = 10;

/// Seconds between two questions for all heads to one peer: what gossip lost is found this way. With
/// every [`HEADS_PER_RESPONSE`] logs as many more: a thousand heads every five seconds from each of 16
/// peers would be 360 GB a day.
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

/// Days that a certificate may hold: two years and two months. A key that is forgotten ends by itself, and a
/// yearly habit may slip once.
pub const CERTIFICATE_DAYS_MAX: u32 = 800;

/// Heads of one log that an operator vouches for and evidence is proven under: an operator ends a key once,
/// and may correct itself.
pub const VOUCHED_HEADS: usize = 8;

/// Words of one operator on its keys: a certificate a year for each of 30 rebuilders, over four years.
pub const WORDS_PER_OPERATOR: usize = 128;

/// Words of all operators: those of 64 at their bound. Each has some 2 KiB, and 64 KiB at most.
pub const WORDS: usize = 8192;

/// Messages of the node that wait in the signer while an entry is on its way to disk: announcements that
/// were asked for meanwhile. A purl is short, so they hold a few hundred KiB; a node that waits for each
/// answer never has two.
pub const SIGNER_DEFERRED: usize = 1024;

/// Bytes of a file with a key, a PIN or a certificate: a rotation that names 64 heads has about 24 KiB.
pub const KEY_FILE_BYTES: u64 = 64 * 1024;

/// Bytes of one answer of an SSH agent; OpenSSH's own bound on the messages of its agent.
pub const AGENT_MESSAGE_BYTES: u32 = 256 * 1024;

/// How long an SSH agent may take for one answer: a person may have to touch a key or to confirm.
pub const AGENT_WAIT: Duration = Duration::from_mins(1);

/// Seconds between two beats of the node's clock.
pub const TICK: Duration = Duration::from_millis(500);

/// Packages that one file is judged as where nobody says which is meant: a file belongs to one or
/// two releases, and the empty file to any number.
pub const FILE_PACKAGES: usize = 64;

/// Index records in memory before they become a segment: 4 MiB, of some 90,000 entries.
pub const INDEX_PENDING: usize = 256 * 1024;

/// Index records in the database of the newest ones before they become a segment: filling it takes
/// about a second in all, and reading them again from the logs after a kill less.
pub const INDEX_NEWEST: usize = 16 * 1024;

/// Segments of similar size that are merged into one: at most three of each size stay, some 40 for
/// 10^12 records.
pub const INDEX_SIMILAR: usize = 4;

/// Index records that one question looks at, 1 MiB: what more entries than this speak of, such as
/// the empty file, is not answered for all of them.
pub const INDEX_MATCHES: usize = 64 * 1024;

/// Bytes of an index's manifest: 65,535 logs of some 150 bytes.
pub const MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// HTTP connections at a time: a scraper, some mirrors, a few dozen readers of tiles.
pub const HTTP_CONNECTIONS: usize = 64;

/// Bytes of one HTTP request's head, and lines in it: a path of the tree has some 150.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;
/// See [`HTTP_HEAD_BYTES`].
pub const HTTP_HEADERS: usize = 64;

/// How long an HTTP request's head may take to come.
pub const HTTP_HEAD_WAIT: Duration = Duration::from_secs(10);

/// How long one HTTP connection may last: the largest tile, 16 MiB, at half a Mbit/s.
pub const HTTP_CONNECTION: Duration = Duration::from_mins(5);

/// Bytes that are read from a file at once and sent.
pub const HTTP_CHUNK_BYTES: usize = 64 * 1024;

/// Time after which the bytes on disk are counted again: counting looks at every file.
pub const DISK_COUNTED: Duration = Duration::from_mins(10);

/// Mirrors that a node follows: one of them would do.
pub const MIRRORS: usize = 16;

/// Time between two looks at a mirror for new heads, where nobody says; it costs two requests a log.
pub const MIRROR_EVERY: Duration = Duration::from_mins(1);

/// The least time between two looks at a mirror.
pub const MIRROR_EVERY_LEAST: Duration = Duration::from_secs(1);

/// The longest time between two attempts at a mirror that does not answer.
pub const MIRROR_RETRY: Duration = Duration::from_hours(1);

/// How long one file of a mirror may take: less than a request, which has [`REQUEST_SECONDS`].
pub const MIRROR_WAIT: Duration = Duration::from_secs(8);

/// Questions that wait for one mirror: the ranges, the documents and some heads at their bounds.
pub const MIRROR_QUESTIONS: usize = 64;

/// Bytes of a mirror's list of logs: twice as many as are followed, of some 100 bytes each.
pub const ORIGINS_BYTES: usize = 256 * 1024;

/// Bytes of the proof of a fork in a log's directory: two checkpoints and a consistency proof.
pub const FORK_BYTES: usize = 64 * 1024;

/// Bytes of a file of entries: 256 of the largest, each behind two bytes of length.
pub const ENTRY_TILE_BYTES: usize = 256 * (64 * 1024 + 1);

/// Tiles of hashes that are kept of one mirror while ranges are proven: 8 KiB each.
pub const MIRROR_TILES: usize = 64;
