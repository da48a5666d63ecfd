//! Breaking the glass: recorded first, with whoever the system says it was; then an alarm; open until somebody reviewed it (step 10).

use std::fs;
use std::path::Path;
use std::time::Duration;

use reattest_attestation::{Sign, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::alarms::Spool;
use super::record::{Artifact, Breakglass, Event, Identity};
use super::{Chain, Line, LogError};
use crate::limits::{BREAKGLASS_LONGEST, BREAKGLASS_TEXT_BYTES};

/// A breakglass that nobody reviewed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenBreakglass {
    /// Its number.
    pub record: u64,
    /// When it was opened.
    pub since: Timestamp,
    /// Whether its time is over, so that only the review is missing.
    pub overdue: bool,
    /// What it is.
    #[serde(flatten)]
    pub breakglass: Breakglass,
}

/// Why the glass stays whole.
#[derive(Debug, thiserror::Error)]
pub enum BreakglassError {
    /// The decision log or the spool of alarms.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A text that says nothing, or too much.
    #[error(
        "found {what} of {found} bytes, needed 1 to {BREAKGLASS_TEXT_BYTES}; say in a sentence or two what an examiner must know"
    )]
    Text {
        /// Which.
        what: &'static str,
        /// Its bytes.
        found: usize,
    },
    /// A time that is over at once, or a standing permission.
    #[error("found a breakglass for {found} s, needed 1 s to {limit} s; open another one when it is over", limit = BREAKGLASS_LONGEST.as_secs())]
    Time {
        /// Seconds.
        found: u64,
    },
    /// Nothing to review.
    #[error("found no open breakglass {number}, needed one of `reattest breakglass list`")]
    NotOpen {
        /// The number.
        number: u64,
    },
}

/// Breaks the glass for one artifact: the alarm is in the spool before the record is in the log,
/// and both are on disk when this returns. The key, where there is one, signs the record.
pub fn break_glass(
    chain: &Chain,
    spool: &Spool,
    artifact: Artifact,
    reason: &str,
    lasts: Duration,
    key: Option<&dyn Sign>,
) -> Result<(Line, Breakglass), BreakglassError> {
    let reason = text("a reason", reason)?;
    if lasts.is_zero() || lasts > BREAKGLASS_LONGEST {
        return Err(BreakglassError::Time { found: lasts.as_secs() });
    }
    let mut taken = chain.take()?;
    let now = taken.now();
    let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    let expires = Timestamp::from_unix(now.as_unix().saturating_add(seconds));
    let breakglass = Breakglass { artifact, reason, expires, by: identity() };
    let record = taken.next_number();
    let name = format!("{record:012}-breakglass");
    spool.put(
        &name,
        &json!({
            "alarm": "breakglass",
            "record": record,
            "time": now,
            "artifact": breakglass.artifact.to_string(),
            "reason": breakglass.reason,
            "expires": breakglass.expires,
            "by": breakglass.by.to_string(),
            "host": breakglass.by.host,
            "signed_by": key.map(|key| key.public_key().fingerprint()),
        }),
    )?;
    match taken.append_signed(vec![Event::Breakglass(breakglass.clone())], key) {
        Ok(lines) => match lines.into_iter().next() {
            Some(line) => Ok((line, breakglass)),
            None => Err(LogError::Unwritable("nothing was appended".to_owned()).into()),
        },
        Err(error) => {
            spool.take_back(&name);
            Err(error.into())
        }
    }
}

/// Records that somebody looked at a breakglass, which ends it. The key, where there is one, signs it.
pub fn review(
    chain: &Chain,
    number: u64,
    remark: &str,
    key: Option<&dyn Sign>,
) -> Result<(Line, Breakglass), BreakglassError> {
    let remark = text("a remark", remark)?;
    let mut taken = chain.take()?;
    let open = taken.open_breakglasses()?;
    let found = open.into_iter().find(|(other, _, _)| *other == number);
    let (_, _, breakglass) = found.ok_or(BreakglassError::NotOpen { number })?;
    let event = Event::Reviewed { breakglass: number, by: identity(), remark };
    let line = taken.append_signed(vec![event], key)?.into_iter().next();
    let line = line.ok_or_else(|| LogError::Unwritable("nothing was appended".to_owned()))?;
    Ok((line, breakglass))
}

/// Every breakglass that nobody reviewed yet.
pub fn open(chain: &Chain, now: Timestamp) -> Result<Vec<OpenBreakglass>, LogError> {
    let open = chain.open_breakglasses()?.into_iter();
    let one = |(record, since, breakglass): (u64, Timestamp, Breakglass)| OpenBreakglass {
        record,
        since,
        overdue: now > breakglass.expires,
        breakglass,
    };
    Ok(open.map(one).collect())
}

fn text(what: &'static str, text: &str) -> Result<String, BreakglassError> {
    let text = text.trim();
    if text.is_empty() || text.len() > BREAKGLASS_TEXT_BYTES {
        return Err(BreakglassError::Text { what, found: text.len() });
    }
    Ok(text.to_owned())
}

/// Who runs this process, as the system tells it.
pub fn identity() -> Identity {
    let uid = rustix::process::getuid().as_raw();
    let login = fs::read_to_string("/proc/self/loginuid").ok();
    let terminal = fs::read_link("/proc/self/fd/0").ok();
    let is_terminal = |path: &Path| {
        path.starts_with("/dev/pts") || path.to_string_lossy().starts_with("/dev/tty")
    };
    Identity {
        uid,
        user: name_of(uid),
        login_uid: login
            .and_then(|text| text.trim().parse().ok())
            // The kernel's word for nobody.
            .filter(|login| *login != u32::MAX),
        sudo_user: std::env::var("SUDO_USER").ok().filter(|name| name.len() <= 256),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        terminal: terminal
            .filter(|path| is_terminal(path))
            .map(|path| path.to_string_lossy().into_owned()),
    }
}

/// The name in this machine's own list of users; none where users come from elsewhere.
fn name_of(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
