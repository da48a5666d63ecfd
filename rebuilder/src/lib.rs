//! Rebuilds one published artifact, hermetically, on one machine: steps 1 to 4 of the way of the data.
//!
//! The modules follow that way: what is asked for ([`Reference`]), what the archive signed
//! ([`Release`]), which exact bytes the build may use ([`recipe`]), where it runs ([`environment`],
//! [`sandbox`]), and what came out ([`Rebuilt`]). Only [`Mirror`] touches the network, and only
//! behind the [`Fetch`] trait, so a process without network can do everything else.

// What everything stands on.
mod clock;
pub mod error;
pub mod limits;
mod means;
pub mod progress;
pub mod scratch;

// Step 1: who says what, and what is asked for.
pub mod reference;
pub mod release;

// Step 2: every input by its digest, and how long it stays.
pub mod cas;
pub mod fetch;
pub mod inputs;
pub mod retention;

// Steps 1 to 3, by the rules of each kind of package, until everything is named by digest.
mod debian;
mod pin;
pub mod python;
pub mod recipe;
pub mod recipe_file;

// Step 3: where a build runs, and its runs.
mod build;
pub mod environment;
pub mod plan;
pub mod sandbox;
mod vary;

// Step 4: what came out, and why.
mod compare;
mod explain;
mod facts;
pub mod normalize;
pub mod report;

// All of it, in order.
pub mod rebuild;

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
