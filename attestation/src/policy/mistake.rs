//! What can be wrong with a policy file, with its place and how to mend it (step 9).

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
    /// One name or key stands for two operators.
    #[error("found operator {what} {found:?} twice, needed each once; remove one of the two")]
    Duplicate {
        /// `name`, `key` or `in the quorum`.
        what: &'static str,
        /// The text.
        found: String,
    },
    /// The quorum names an operator that no table describes.
    #[error(
        "found operator {found:?} in the quorum and no [[operator]] of that name; add one, or take it out of \"of\""
    )]
    UnknownOperator {
        /// The name.
        found: String,
    },
    /// Operators and no quorum among them.
    #[error("found operators and no [quorum]; add one with need = K and of = [names]")]
    NoQuorum,
    /// More votes needed than there are voters, or none.
    #[error(
        "found need = {need} of {of} operators, needed 1 to {of}; change need, or name more operators"
    )]
    Need {
        /// k.
        need: i64,
        /// n.
        of: usize,
    },
    /// More dissent allowed than there are voters beside the quorum.
    #[error(
        "found max_dissent = {found}, needed 0 to {limit}: of {of} operators {need} must support; lower it, or leave it out"
    )]
    MaxDissent {
        /// d.
        found: i64,
        /// n - k.
        limit: usize,
        /// n.
        of: usize,
        /// k.
        need: usize,
    },
}
