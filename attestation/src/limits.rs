//! Every bound of the formats (steps 5, 6 and 9) in one place, each with its reason.
//!
//! A bound is part of the format: a document beyond one is refused by every reader, so that no two
//! readers can disagree about what counts. Sizes are bytes unless the name says otherwise.

/// Bytes of one envelope: a C2SP tile stores an entry behind a 16-bit length, and an entry of a
/// log is the envelope itself.
pub const ENVELOPE_MAX: usize = 65_535;

/// Artifacts of one statement: a build with more outputs is split, which keeps one envelope below
/// [`ENVELOPE_MAX`] with room for its environment.
pub const ARTIFACTS_MAX: usize = 64;

/// Depth of nested JSON arrays and objects: statements need 7, recipes 5; a bound keeps hostile
/// input off the stack.
pub const JSON_DEPTH_MAX: usize = 16;

/// Largest integer (and, negated, the smallest) that every JSON reader holds exactly: 2^53 - 1
/// is the bound of RFC 7493; 2^53 itself is refused because 2^53 + 1 rounds to it.
pub const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Bytes of a purl: Debian's longest package names, versions and qualifiers together stay under
/// 300.
pub const PURL_MAX: usize = 512;

/// Bytes of a network id: it stands in every origin and every statement.
pub const NETWORK_ID_MAX: usize = 64;

/// Bytes of a URI in a statement: mirrors' paths stay under 300.
pub const URI_MAX: usize = 1_024;

/// Bytes of a short text in a statement: kernel, CPU, versions, file names, invocation ids.
pub const TEXT_MAX: usize = 256;

/// Bytes of one argument, environment value or learned value: a whole `DEB_BUILD_OPTIONS` or a
/// small shell script passed to `sh -c` fits.
pub const VALUE_MAX: usize = 4_096;

/// Entries of a command, an environment, or the learned values: a build needs about a dozen.
pub const FACTS_MAX: usize = 64;

/// Sources of one build: a Debian source package has at most a few dozen component tarballs.
pub const SOURCES_MAX: usize = 64;

/// Signers of one signed index: Debian's `InRelease` carries three.
pub const SIGNERS_MAX: usize = 16;

/// Entries of one log: keeps sizes exact in JSON and below the 2^63 where proof arithmetic of
/// `ct-merkle` would stop.
pub const LOG_SIZE_MAX: u64 = 1 << 48;

/// Hashes of one proof: a tree of [`LOG_SIZE_MAX`] leaves has paths of at most 48, and a
/// consistency proof one more.
pub const PROOF_HASHES_MAX: usize = 64;

/// Bytes of a signed checkpoint: the text is under 300 and a cosignature line under 200, so this
/// carries more witnesses than anyone will name.
pub const CHECKPOINT_MAX: usize = 16 * 1_024;

/// Signature lines of a checkpoint that are looked at, the log's own included.
pub const CHECKPOINT_SIGNATURES_MAX: usize = 64;

/// Entries of a full tile, from C2SP tlog-tiles.
pub const ENTRIES_PER_TILE: u16 = 256;

/// Bytes of a recipe or a lock: a lock of 600 packages at about 250 bytes each is 150 KiB.
pub const DOCUMENT_MAX: usize = 1024 * 1024;

/// Bytes of a bundle: 64 attestations of 64 KiB, their proofs, and a few locks.
pub const BUNDLE_MAX: usize = 16 * 1024 * 1024;

/// Lines of a bundle: a file about one artifact with 500 operators needs about 2,000.
pub const BUNDLE_LINES_MAX: usize = 4_096;

/// Bytes of a policy: one of 500 operators is under 100 KiB.
pub const POLICY_MAX: usize = 1024 * 1024;

/// Operators of a policy.
pub const OPERATORS_MAX: usize = 1_024;

/// `[[authority]]` tables of a policy, keys of one, and tags of an operator.
pub const POLICY_LIST_MAX: usize = 256;

/// `[[environment]]` tables of a policy: each request is held against every one.
pub const ENVIRONMENTS_MAX: usize = 256;

/// Labels of one deployment request or one environment's scope: stage, region, team and their like.
pub const LABELS_MAX: usize = 32;

/// Bytes of a label's name and of its value: those of cluster labels are at most 63, prefixes of
/// names come on top.
pub const LABEL_MAX: usize = 128;

/// Bytes of one scan of a file: a long report of a large image with a thousand findings.
pub const SCAN_MAX: usize = 1024 * 1024;

/// Scans that are looked at for one file: a dozen scanners, each with a month of daily scans.
pub const SCANS_MAX: usize = 512;

/// Told reasons why scans are not used: a person mends the first.
pub const SCAN_REFUSALS_MAX: usize = 8;

/// Reasons of one verdict: a reader acts on the first few, and rules come before statements.
pub const REASONS_MAX: usize = 64;

/// Last good heads of one revocation: a key has one log a year and network.
pub const LAST_GOOD_MAX: usize = 64;

/// Groups inside groups of a policy's quorum: a person must still be able to read it.
pub const GROUP_DEPTH_MAX: usize = 8;

/// Seconds by which another machine's clock may run ahead of this one: beyond that, a statement
/// is dated in the future and supports nothing yet.
pub const CLOCK_AHEAD_MAX: i64 = 600;
/// Bytes of a witness's name: names are URLs without a scheme, and stand in every line.
pub const WITNESS_NAME_MAX: usize = 256;

/// Bytes of a tlog-proof: a checkpoint, and [`PROOF_HASHES_MAX`] lines of 45 with a short head.
pub const TLOG_PROOF_MAX: usize = CHECKPOINT_MAX + 4 * 1_024;

/// Bytes of a file's name in a link: file systems stop at 255, and the link's own file adds 25.
pub const LINK_NAME_MAX: usize = 200;

/// Envelopes that one verification summary names: each takes about 270 bytes of the summary's
/// own envelope, which stays below [`ENVELOPE_MAX`].
pub const SUMMARY_INPUTS_MAX: usize = 200;
