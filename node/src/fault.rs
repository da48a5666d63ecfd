//! An operational fault of this program or its machine: exit 1, one clear line, never a verdict.

use std::error::Error;
use std::fmt;

/// What went wrong, in one line, with its causes.
#[derive(Debug)]
pub struct Fault {
    context: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with its cause.
    pub fn new(
        context: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { context: context.into(), source: Some(source.into()) }
    }

    /// A fault that needs no cause.
    pub fn text(context: impl Into<String>) -> Self {
        Self { context: context.into(), source: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            // Transparent errors print their source already.
            cause =
                error.source().filter(|source| !error.to_string().contains(&source.to_string()));
        }
        Ok(())
    }
}

impl Error for Fault {}

/// Errors that say by themselves what was found, what was needed and what to do.
macro_rules! speaks_for_itself {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::text(error.to_string())
            }
        }
    )*};
}

speaks_for_itself!(
    crate::link::LinkError,
    crate::decisions::BreakglassError,
    crate::decisions::LogError,
    crate::store::LogError,
    crate::store::queue::QueueError,
    reattest_rebuilder::CasError,
    reattest_rebuilder::FetchProblem,
    reattest_rebuilder::RebuildError,
    reattest_rebuilder::inputs::InputsError,
    reattest_rebuilder::retention::RetentionError,
    reattest_rebuilder::ReferenceError,
);
