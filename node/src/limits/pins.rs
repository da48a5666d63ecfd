//! The bounds of lockfiles, bills of materials and what is installed.

/// Bytes of a lockfile: monorepos have 20 MB, and reading takes ten times as much memory.
pub const PINS_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Pins in one file: twice as many as a batch of verdicts, and more than any lockfile seen.
pub const PINS: usize = 20_000;

/// Files that one pin may name: a release for every Python and platform has some 100.
pub const FILES_PER_PIN: usize = 512;

/// Bytes of a file of exemptions: [`PINS`] of some 400 bytes each.
pub const EXEMPTIONS_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of the reason of an exemption: a sentence, and a ticket.
pub const EXEMPTION_REASON_BYTES: usize = 500;

/// Questions that are judged between two looks at the progress bar.
pub const PINS_AT_ONCE: usize = 64;

/// Bytes of a node's answer to a batch of verdicts: 10,000, each of some kilobytes.
pub const CLIENT_ANSWER_BYTES: usize = 256 * 1024 * 1024;
