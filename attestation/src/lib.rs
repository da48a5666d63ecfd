//! What rebuilders sign, and how a consumer's policy concludes from it: steps 5, 6 and 9, without I/O, clock or randomness.
//!
//! The modules stand in the order of the data. Verification is a chain of types with private
//! fields, each made only by the step before:
//!
//! ```text
//! 1 authentic       bytes -> Envelope -> Authentic -> Logged      spelling, signature, key's log
//! 2 this artifact   bytes -> HashedFile -> Question; Evidence -> Relevant
//! 3 all rules       Relevant -> Counted -> Voice -> Tally -> Verdict
//! ```
//!
//! Nothing here turns an error into a verdict: what does not verify is listed and not counted.

pub mod limits;
mod quoted;
pub mod blame;
pub mod digest;
pub mod time;
pub mod key;
pub mod artifact;
mod strict;
pub mod canonical;
pub mod outcome;
pub mod envelope;
pub mod statement;
pub mod log;
pub mod bundle;
pub mod evidence;
pub mod version;
pub mod scan;
pub mod policy;
pub mod file;
pub mod verdict;
mod relevant;
mod standing;
mod objections;
mod count;
mod voice;
mod tally;
mod rules;
pub mod quorum;
pub mod deployment;
pub mod export;

pub use artifact::{NetworkId, Purl};
pub use bundle::{Bundle, LoggedAt};
pub use digest::{Digest, Digester};
pub use envelope::{Authentic, Envelope};
pub use evidence::{Completeness, Evidence};
pub use file::HashedFile;
pub use key::{PublicKey, SecretKey, Sign};
pub use outcome::{ArtifactOutcome, Outcome};
pub use policy::Policy;
pub use quorum::{Grounds, conclude, conclude_showing};
pub use statement::{
    Announcement, Authority, BuildFacts, Certificate, Certified, Claim, Material, OperatorWord,
    Rebuild, Retraction, Revocation, Rotation,
};
pub use time::Timestamp;
pub use verdict::{Conclusion, Question, Reason, Verdict};
