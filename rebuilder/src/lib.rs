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
pub mod retention;
pub mod release;
pub mod recipe;
pub mod recipe_file;
mod means;
pub mod inputs;
pub mod plan;
pub mod sandbox;
pub mod environment;
pub mod python;
pub mod scratch;
pub mod progress;
pub mod error;
mod debian;
mod pin;
mod compare;
mod vary;
pub mod normalize;
mod build;
mod explain;
mod facts;
pub mod rebuild;
pub mod report;

pub use cas::{Cas, CasError};
pub use debian::LearnedError;
pub use error::RebuildError;
pub use fetch::{Fetch, FetchProblem, Mirror, Want};
pub use progress::{Cancel, Progress};
pub use rebuild::{
    Output, Rebuilt, Run, Unpublished, VariedRun, Workshop, lock_recipe, rebuild, rebuild_as,
    rebuild_recipe,
};
pub use recipe::{Document, Lock, Recipe};
pub use recipe_file::Written;
pub use reference::{Reference, ReferenceError};
pub use release::{Published, Release, SourceFile};
pub use vary::Varied;
