//! The order of a suite's signed indexes (step 1): one older than the newest seen here is refused.
//!
//! Stable suites have no end of validity, so whoever stands between could otherwise serve the index
//! of last year, with all its holes, for ever. Only the date is remembered. Who can write the cache
//! can make this machine forget it, and gains an old index and no false one.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::{IndexError, SignedIndex};

/// Compares with the newest date seen, and remembers this one where it is newer.
pub(super) fn check(
    signed: &SignedIndex,
    location: &str,
    directory: &Path,
) -> Result<(), IndexError> {
    let memory = directory.join(format!("{}.newest", signed.codename()));
    let newest = fs::read_to_string(&memory).ok().and_then(|text| text.trim().parse::<i64>().ok());
    match newest {
        Some(seconds) if seconds > signed.seconds() => Err(IndexError::Older {
            location: location.to_owned(),
            date: signed.date().to_owned(),
            newest: jiff::Timestamp::from_second(seconds)
                .map_or_else(|_| seconds.to_string(), |time| time.to_string()),
            memory: memory.display().to_string(),
        }),
        Some(seconds) if seconds == signed.seconds() => Ok(()),
        _ => {
            // A machine that cannot remember can still check everything else.
            if let Err(error) = remember(&memory, signed.seconds()) {
                tracing::warn!(%error, "the index's date was not remembered");
            }
            Ok(())
        }
    }
}

fn remember(memory: &Path, seconds: i64) -> std::io::Result<()> {
    let parent = memory.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    writeln!(file, "{seconds}")?;
    file.persist(memory).map(drop).map_err(|e| e.error)
}
