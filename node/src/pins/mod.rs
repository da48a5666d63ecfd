//! Step 10, query: what is pinned or installed, before a policy, and what is made of the answers.
//!
//! ```text
//! lockfiles/, debs, installed -> pins -> judged -> exemptions -> report -> table, JSON, SARIF, JUnit
//! ```

mod debs;
mod installed;
mod judged;
mod exemptions;
mod report;
mod sarif;
mod junit;

pub use exemptions::{Exempt, Exemption, Exemptions, ExemptionsError};
pub use judged::{Answer, Judged, judge};
pub use junit::junit;
pub use report::{Checked, Pass, Report, Row, Told};
pub use sarif::sarif;
