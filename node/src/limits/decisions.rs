//! Bounds of the decision log, of breakglasses and of alarms, each with its reason.

use std::time::Duration;

/// Bytes of one record of the decision log: a verdict with the votes of 1,024 operators has some 300 KiB,
/// its reasons some more.
pub const DECISION_BYTES: usize = 1024 * 1024;

/// Bytes of the file with one file's scans: as many as are looked at, of 32 KiB each.
pub const SCAN_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes after which the decision log goes on in another file: small enough to copy and look at.
pub const DECISION_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of records that are written before the head names them: what a crash may leave after it.
pub const DECISION_WRITE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of the decision log's head: 400, and its open breakglasses.
pub const DECISION_HEAD_BYTES: usize = 64 * 1024;

/// Bytes of a decision's words for people: some screens.
pub const DECISION_WORDS_BYTES: usize = 8 * 1024;

/// Breakglasses that nobody reviewed: more of them are no exception any more. The head has 300 bytes of each.
pub const BREAKGLASSES_OPEN: usize = 64;

/// The longest breakglass: whoever needs it longer says so again.
pub const BREAKGLASS_LONGEST: Duration = Duration::from_hours(7 * 24);

/// Bytes of a reason or a remark: a paragraph.
pub const BREAKGLASS_TEXT_BYTES: usize = 2_000;

/// Bytes of one alarm: a reason, a finding, and names.
pub const ALARM_BYTES: usize = 16 * 1024;

/// How long a receiver of alarms may take: somebody waits at a terminal.
pub const ALARM_WAIT: Duration = Duration::from_secs(10);

/// Time between two looks of a node at alarms that nobody took yet.
pub const ALARMS_EVERY: Duration = Duration::from_secs(30);

/// Alarms that wait for their receivers: every open breakglass and many findings, twice.
pub const ALARMS_SPOOLED: usize = 1_000;

/// Findings of one reading of the decision log that are listed; the rest is counted.
pub const DECISION_FINDINGS: usize = 1_000;

/// How long a process waits for another that writes decisions: ten thousand of them take a second.
pub const DECISIONS_LOCKED: Duration = Duration::from_secs(10);

/// Time between two looks at the decision log's lock.
pub const DECISIONS_LOOK: Duration = Duration::from_millis(5);

/// Files that were let in and are judged again: ten machines' packages, at some 5 KiB each in memory.
pub const WATCHED: usize = 20_000;

/// Bytes of what is remembered of findings: 40 for each that every watched file may have.
pub const WATCH_STATE_BYTES: u64 = 16 * 1024 * 1024;

/// Time between two rounds, where nobody says.
pub const WATCH_EVERY: Duration = Duration::from_mins(5);

/// How long `verify --rebuild` waits for the own node: the largest Debian packages take hours.
pub const OWN_REBUILD_WAIT: Duration = Duration::from_hours(12);

/// Time between two looks for the own node's outcome.
pub const OWN_REBUILD_LOOK: Duration = Duration::from_secs(1);
