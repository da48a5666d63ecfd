//! Every bound of a rebuild in one place, each with its reason.

use std::time::Duration;

/// A signed archive index: Debian's is 140 KB, so 4 MiB leaves room for ten times the suites.
pub const SIGNED_INDEX_BYTES: u64 = 4 << 20;
/// A compressed package or source index: Debian 13's are 10 MB.
pub const INDEX_BYTES: u64 = 64 << 20;
/// The same unpacked: Debian 13's `Packages` is 55 MB; beyond this it is a decompression bomb.
pub const INDEX_UNPACKED_BYTES: u64 = 1 << 30;
/// One stanza of an index: the longest in Debian 13 is under 100 KB.
pub const STANZA_BYTES: usize = 1 << 20;
/// One input file: the largest package of a build environment has 60 MB, sources reach 1 GB.
pub const INPUT_BYTES: u64 = 2 << 30;
/// A package unpacked: compilers reach 300 MB; beyond this it is a decompression bomb.
pub const PACKAGE_UNPACKED_BYTES: u64 = 4 << 30;
/// Entries in one package: the largest documentation packages have 60,000.
pub const PACKAGE_ENTRIES: u64 = 500_000;
/// The control part of a package, unpacked: scripts, checksums and templates.
pub const CONTROL_BYTES: u64 = 64 << 20;
/// The log of one build: the largest have 60 MB.
pub const LOG_BYTES: u64 = 256 << 20;
/// What one build may leave in its directory.
pub const SCRATCH_BYTES: u64 = 32 << 30;
/// The temporary file systems of a sandbox, each.
pub const TMPFS_BYTES: u64 = 2 << 30;
/// One build: the slowest of the archive take days, but nothing that this version can sandbox.
pub const BUILD_WALL: Duration = Duration::from_hours(4);
/// A preparing step (solve, configure): seconds where it was measured.
pub const STEP_WALL: Duration = Duration::from_mins(30);
/// Downloads at a time: polite to a public mirror, and enough to fill a home line.
pub const PARALLEL_FETCHES: usize = 4;
/// Attempts at one download before the mirror counts as unreachable.
pub const FETCH_ATTEMPTS: u32 = 4;
/// Unpackers at a time: the disk is the limit beyond this.
pub const PARALLEL_UNPACKS: usize = 8;
/// Outputs of one build that are compared: the most that one statement carries.
pub const OUTPUTS: usize = 64;
/// Near names shown for an unknown package.
pub const SUGGESTIONS: usize = 3;

// Reports (rebuilder/src/report.rs): memory is what they cost, and a reader's patience.

/// One file of a report, held in memory: twice this, and what is unpacked of it.
pub const REPORT_FILE_BYTES: u64 = 256 << 20;
/// Bytes that a report unpacks of each side: both of a 300 MB compiler package fit in 2 GiB.
pub const REPORT_UNPACKED_BYTES: u64 = 512 << 20;
/// Unpacked for each packed byte: real packages reach 200, bombs 1,000 (gzip) to 7,000 (xz).
pub const REPORT_RATIO: u64 = 500;
/// Containers in each other: a wheel in a zip in a tar in xz in a .deb is 5.
pub const REPORT_DEPTH: usize = 8;
/// Members on each side: the largest documentation packages have 60,000.
pub const REPORT_MEMBERS: usize = 100_000;
/// Differences told in full: more than anyone reads.
pub const REPORT_DIFFERENCES: usize = 200;
/// Rows, runs or lines of one difference: a screen.
pub const REPORT_EXCERPTS: usize = 24;
/// Lines aligned: 4,000 against 4,000 others take a second at worst, in a tenth of the memory.
pub const REPORT_LINES: usize = 4_000;
/// The document: statements name it, peers may fetch it.
pub const REPORT_JSON_BYTES: usize = 256 << 10;
/// One comparison: seconds where it was measured; it stops nothing else.
pub const REPORT_WALL: Duration = Duration::from_mins(5);
/// The text of another tool beside the report.
pub const REPORT_DEEPER_BYTES: u64 = 1 << 20;
/// That tool reads and runs much more than we do; ten minutes is what people wait.
pub const REPORT_DEEPER_WALL: Duration = Duration::from_mins(10);
