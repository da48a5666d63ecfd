//! What can be wrong with a policy file, with its place and how to mend it (step 9).

use crate::time::Timestamp;

/// A mistake in a policy file.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("policy line {line}, column {column}: {mistake}")]
pub struct PolicyError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong and how to mend it.
    pub mistake: Mistake,
}

/// What can be wrong with a policy.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// Not TOML, or a key that is missing or unknown.
    #[error("{why}; compare with the policy chapter of FORMAT.md")]
    Syntax {
        /// What the parser said.
        why: String,
    },
    /// Longer than a policy or one of its lists may be.
    #[error("found {what} of {found}, needed at most {limit}; shorten it")]
    TooLong {
        /// The text or list.
        what: &'static str,
        /// What it has.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Another version.
    #[error("found version {found}, needed version = 1; a newer reattest may read it")]
    Version {
        /// The version.
        found: i64,
    },
    /// A value in another form.
    #[error("{field}: {why}")]
    Value {
        /// The key.
        field: &'static str,
        /// What was found and needed.
        why: String,
    },
    /// The policy is out of force.
    #[error(
        "found a policy that expired at {expires}, and it is {now}; review it and set a later \"expires\", or check this machine's clock"
    )]
    Expired {
        /// The last second of force.
        expires: Timestamp,
        /// The time of the question.
        now: Timestamp,
    },
    /// One name or key stands for two things.
    #[error("found {what} {found:?} twice, needed each once; remove one of the two")]
    Duplicate {
        /// Such as `operator name` or `witness key`.
        what: &'static str,
        /// The text.
        found: String,
    },
    /// One operator or group would be counted in two places of the quorum.
    #[error(
        "found {found:?} in {one} and in {other}, needed it in one place: one operator votes once; take it out of one of the two"
    )]
    TwicePlaced {
        /// The operator or group.
        found: String,
        /// Where it stood first.
        one: String,
        /// Where it stands again.
        other: String,
    },
    /// The quorum names something that no table describes.
    #[error("found {found:?} in {place} and no [[operator]] or [[group]] of that name; {fix}")]
    Unknown {
        /// The name.
        found: String,
        /// The quorum, or the group that names it.
        place: String,
        /// What to do, with the nearest name that there is.
        fix: String,
    },
    /// A group that the quorum does not lead to.
    #[error(
        "found group {found:?} that nothing names, needed it in \"of\" of [quorum] or of a group; name it, or remove it"
    )]
    Unused {
        /// The group.
        found: String,
    },
    /// A group inside itself, or groups nested too deep.
    #[error(
        "found group {found:?} inside itself or nested more than {limit} deep; take it out of \"of\""
    )]
    Nested {
        /// The group.
        found: String,
        /// The bound.
        limit: usize,
    },
    /// A demand that nothing in the policy can meet.
    #[error("found {what}, needed {needed}")]
    Unmeetable {
        /// The demand.
        what: String,
        /// What it would take.
        needed: String,
    },
    /// Operators and no quorum among them.
    #[error("found operators and no [quorum]; add one with need = K and of = [names]")]
    NoQuorum,
    /// More votes needed than there are voters, or none.
    #[error(
        "found need = {need} of {of} members, needed 1 to {of}, \"all\" or \"any\"; change need, or name more members"
    )]
    Need {
        /// k, as written.
        need: String,
        /// n.
        of: usize,
    },
    /// More dissent allowed than there are voters beside the quorum.
    #[error(
        "found max_dissent = {found}, needed 0 to {limit}: of {of} operators at least {need} must support; lower it, or leave it out"
    )]
    MaxDissent {
        /// d.
        found: i64,
        /// n - k.
        limit: usize,
        /// n.
        of: usize,
        /// The fewest supporters with which the quorum holds.
        need: usize,
    },
}
