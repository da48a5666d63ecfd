//! What a policy is worth before anybody uses it: the chance of a false acceptance and of no verdict (step 9).
//!
//! Nothing here knows the rules of a quorum. Stand-in operators sign what each state of the world
//! has them say, and the production `conclude` answers; what is computed is how likely each state is.
//!
//! | what | file |
//! |---|---|
//! | who sits where in the quorum, and which seats are alike | `shape` |
//! | signed statements of stand-ins, and the verdicts on them | `ballots` |
//! | how likely so many are compromised and so many are offline | `likelihood` |
//! | the sums, for every k | `advice` |

mod shape;
mod ballots;
mod likelihood;
mod advice;

pub use advice::{Advice, Ask, Method, Row, advise};
pub use ballots::{Ballots, Judged, Part, Word};
pub use likelihood::{Frequency, Likelihood};
pub use shape::Shape;

/// A question that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// The policy that was asked about, or one with another k, has a mistake.
    #[error(transparent)]
    Policy(#[from] reattest_attestation::policy::PolicyError),
    /// Numbers that do not fit together.
    #[error("found {found}, needed {needed}")]
    Numbers {
        /// What was said.
        found: String,
        /// What can be computed.
        needed: String,
    },
    /// A statement of a stand-in could not be made: a fault of this program.
    #[error("a stand-in's statement could not be made: {0}; this is a bug of the simulator")]
    StandIn(String),
}

impl WhatIfError {
    fn numbers(found: impl Into<String>, needed: impl Into<String>) -> Self {
        Self::Numbers { found: found.into(), needed: needed.into() }
    }
}
