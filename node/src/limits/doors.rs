//! Bounds of the doors to a verdict, each with its reason.

use std::time::Duration;

/// Fields of one message between apt and its methods: the first carries apt's whole configuration, which
/// has a thousand values on a plain system.
pub const APT_FIELDS: usize = 10_000;

/// Bytes of one line that apt writes: a long description of a package has some thousands.
pub const APT_LINE_BYTES: u64 = 64 * 1024;

/// Bytes that apt may tell a hook: configuration, and a line of 300 bytes for each package.
pub const APT_TRANSACTION_BYTES: u64 = 64 * 1024 * 1024;

/// Packages of one transaction: a release upgrade of a large desktop has some ten thousand.
pub const APT_PACKAGES: usize = 100_000;

/// Last bytes of a package that are kept back from apt until the verdict: the end of the data member, so
/// that nothing can be unpacked from what is there.
pub const APT_WITHHELD_BYTES: u64 = 64 * 1024;

/// Files in apt's directory of lists that are looked at: five for each of two thousand sources.
pub const APT_LISTS: usize = 10_000;

/// Bytes of an `InRelease` that are read for its first fields; Debian's has 140 KB in all.
pub const APT_RELEASE_BYTES: u64 = 64 * 1024;

/// Time between two looks at a package that arrives.
pub const APT_LOOK: Duration = Duration::from_millis(100);

/// Refused packages that apt's hook explains one by one.
pub const APT_EXPLAINED: usize = 20;

/// Bytes of a policy's test cases: a thousand of them at 500 bytes, and room for long purls.
pub const POLICY_CASES_BYTES: u64 = 1024 * 1024;

/// Test cases of one policy: each reads a bundle and verifies it.
pub const POLICY_CASES: usize = 1_024;

/// Questions in one batch to the local service: the pins of the largest lockfiles are some thousands.
pub const DOORS_BATCH: usize = 10_000;

/// Bytes of one request to the local service: ten thousand digests, each with a purl of 600 bytes.
pub const DOORS_BODY_BYTES: usize = 8 * 1024 * 1024;

/// How long the local service may take for one answer, the largest batch from a cold disk included.
pub const DOORS_ANSWER: Duration = Duration::from_mins(2);

/// Seconds for which logs and policy are held open between questions: an answer is at most that old.
pub const DOORS_HELD_SECONDS: i64 = 1;

/// Items on one page of the local service.
pub const DOORS_PAGE: usize = 1_000;

/// Artifacts of one log that lists of the local service hold in memory: three times Debian's packages for one
/// architecture, some 60 MB.
pub const LISTED_ARTIFACTS: i32 = 200_000;
