//! Rebuilds one published artifact, hermetically, on one machine: steps 1 to 4 of the way of the data.
//!
//! The modules follow that way: what is asked for ([`Reference`]), what the archive signed
//! ([`Release`]), which exact bytes the build may use ([`recipe`]), where it runs ([`environment`],
//! [`sandbox`]), and what came out ([`Rebuilt`]). Only [`Mirror`] touches the network, and only
//! behind the [`Fetch`] trait, so a process without network can do everything else.

pub mod limits;
mod clock;
pub mod reference;
pub mod cas;
pub mod fetch;
pub mod release;
pub mod recipe;
pub mod plan;
pub mod sandbox;
pub mod environment;
pub mod scratch;
pub mod progress;
pub mod error;
mod compare;
mod build;
mod facts;
pub mod rebuild;
pub mod report;

pub use cas::{Cas, CasError};
pub use error::RebuildError;
pub use fetch::{Fetch, FetchProblem, Mirror, Want};
pub use progress::{Cancel, Progress};
pub use rebuild::{Output, Rebuilt, Run, Workshop, rebuild};
pub use recipe::{Document, Lock, Recipe};
pub use reference::{Reference, ReferenceError};
pub use release::{Published, Release, SourceFile};
