//! Every bound of a rebuild in one place, each with its reason.

use std::time::Duration;

/// A signed archive index: Debian's is 140 KB, so 4 MiB leaves room for ten times the suites.
pub const SIGNED_INDEX_BYTES: u64 = 4 << 20;
/// A compressed package or source index: Debian 13's are 10 MB.
pub const INDEX_BYTES: u64 = 64 << 20;
/// The same unpacked and in memory: Debian 13's `Packages` and `Sources` have 57 MB each; beyond this it is a decompression bomb.
pub const INDEX_UNPACKED_BYTES: u64 = 512 << 20;
/// One stanza of an index: the longest in Debian 13 is under 100 KB.
pub const STANZA_BYTES: usize = 1 << 20;
/// How far ahead of this machine's clock an index may be dated: clocks set by hand are off by minutes.
pub const INDEX_AHEAD_SECONDS: i64 = 3_600;
/// A `.dsc` or `.buildinfo`: Debian 13's largest has 300 KB.
pub const DSC_BYTES: u64 = 4 << 20;
/// The changelog entry of a rebuild by the archive: a header, a reason, a name and a date; they have 300 bytes.
pub const ENTRY_BYTES: u64 = 4 << 10;
/// Packages of one build that are looked through for that entry: some have none, links lead to others.
pub const ENTRY_PACKAGES: usize = 4;
/// Packages that one `.buildinfo` lists: the largest environments have 1,500.
pub const EXACT_PACKAGES: usize = 4_000;
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
/// Entries of one wheel: the largest have 20,000.
pub const WHEEL_ENTRIES: usize = 200_000;
/// `WHEEL` or `METADATA` of a wheel: a long description has 1 MB; beyond this it is a bomb.
pub const METADATA_BYTES: u64 = 8 << 20;
/// A source distribution unpacked: the largest have 500 MB; beyond this it is a bomb.
pub const SDIST_UNPACKED_BYTES: u64 = 2 << 30;
/// Entries of a source distribution: the largest have 50,000.
pub const SDIST_ENTRIES: u64 = 500_000;
/// What a tar says about its next entry in an entry of its own: a name of 4,096 bytes and a few times.
pub const TAR_DESCRIPTION_BYTES: u64 = 64 << 10;
/// `pyproject.toml`: the longest seen have 60 KB.
pub const PROJECT_FILE_BYTES: u64 = 1 << 20;
/// Directories of a backend in the source tree: one is used, two were seen.
pub const BACKEND_PATHS: usize = 16;
/// One dependency as text: the longest markers have 400 bytes.
pub const REQUIREMENT_BYTES: usize = 1024;
/// Conditions and parentheses of one marker: the library multiplies them out, so few are many.
pub const MARKER_TERMS: usize = 24;
/// Dependencies that one wheel or source states: packages with many extras have 500.
pub const REQUIREMENTS: usize = 2_000;
/// Wheels of one build: the largest sets seen have 20.
pub const RESOLVED_WHEELS: usize = 128;
/// Times that a set is chosen anew until it does not change: a chain of dependencies takes one each.
pub const RESOLVE_ROUNDS: usize = 64;
/// Times that a backend may ask for more: two were seen.
pub const HOOK_ROUNDS: usize = 3;
/// A wheel may be built with what was published up to a day later: clocks and upload queues differ,
/// and projects of one repository are uploaded in any order.
pub const PUBLICATION_MARGIN_SECONDS: i64 = 86_400;
/// Outputs of one build that are compared: the most that one statement carries.
pub const OUTPUTS: usize = 64;
/// Near names shown for an unknown package.
pub const SUGGESTIONS: usize = 3;
/// A Python project's page: the largest have 30 MB; one that is wanted here has under 1 MB.
pub const PROJECT_PAGE_BYTES: u64 = 64 << 20;
/// What a package manager prints when it is asked where its registry is: its help has 20 KB.
pub const CLIENT_ANSWER_BYTES: u64 = 256 << 10;
/// How long it may take for that: an interpreter starts in a second, on a busy machine in ten.
pub const CLIENT_ANSWER_WALL: Duration = Duration::from_secs(30);
/// Redirects that one request follows: a mirror redirector needs one, some add one for https.
pub const REDIRECTS: u32 = 5;
/// One file beside a recipe: it is held in memory while it is packed.
pub const RECIPE_FILE_BYTES: u64 = 256 << 20;
/// Symbolic links on the way of one path: the kernel's own bound.
pub const LINKS: u32 = 40;
/// What normalizers list of one archive, and a zip's central directory: the entries of the largest
/// documentation packages take 20 MB.
pub const LISTING_BYTES: usize = 64 << 20;
/// A name in an archive that is normalized: file systems allow 4,096, and nobody uses a quarter.
pub const NAME_BYTES: usize = 1024;
/// An extended header of a tar: two names of the longest kind, and a few numbers.
pub const PAX_BYTES: u64 = 64 << 10;
/// Records in one of them: the seven that are known, and room to say which one is not.
pub const PAX_RECORDS: usize = 64;
/// Memory for one xz stream: its highest level needs 65 MiB.
pub const XZ_MEMORY: u64 = 128 << 20;
/// A download that grew by this much between two interruptions makes progress and may go on.
pub const RESUME_PROGRESS_BYTES: u64 = 1 << 20;
/// The longest that a busy server may ask to be left alone; beyond it the next one is asked.
pub const RETRY_AFTER: Duration = Duration::from_mins(1);
/// One answer of a snapshot service: the package with most files has 2 MB.
pub const SERVICE_ANSWER_BYTES: u64 = 16 << 20;
/// The record of one rebuild's kept outputs: 64 outputs of two runs take 20 KB.
pub const KEPT_RECORD_BYTES: u64 = 1 << 20;
/// Memory of one build, as a share of the machine's: a quarter stays for the node, the signer and the
/// file cache, so that a build at its bound does not push the node out.
pub const MEMORY_SHARE: (u64, u64) = (3, 4);
/// Free memory at which a build ends where no cgroup counts it, as a share of the machine's: what a
/// process hides from `/proc` (unmapped memory files, pipes) is missed here and nowhere else.
pub const FREE_MEMORY_SHARE: (u64, u64) = (1, 16);
/// Processes and threads of one build: the widest Debian builds have some hundred for each core.
pub const BUILD_PROCESSES: u64 = 8192;
/// CPU time of one build: its wall time on eight busy cores.
pub const BUILD_CPU: Duration = Duration::from_hours(32);
/// Open files of one process: what parallel linkers and test suites ask for at most; Debian's default.
pub const OPEN_FILES: u64 = 16_384;
/// The part of that which a process has without asking; the default of every Debian system, and the
/// same on every rebuilder, so that no build depends on the machine here.
pub const OPEN_FILES_AT_START: u64 = 1024;
/// One file that a build writes: debug symbols of the largest programs have 8 GB.
pub const FILE_BYTES: u64 = 16 << 30;
/// What each file counts at least: an inode and its name, so that empty files are bounded, too.
pub const FILE_COST_BYTES: u64 = 4 << 10;
/// Free space that no build may eat up: the node's store is on the same disk and must go on.
pub const DISK_RESERVE_BYTES: u64 = 256 << 20;
/// Directories that are looked through for cgroups which a killed builder left.
pub const CGROUPS_SWEPT: usize = 1024;
/// What a disk must lose beyond twice a build's bound before an unseen file of the build is the only
/// likely cause: other builds on the same disk write some gigabytes at a time.
pub const UNSEEN_BYTES: u64 = 16 << 30;

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
