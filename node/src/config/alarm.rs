//! The configuration's table about alarms: whom this machine calls when somebody breaks the glass.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::place::{Key, Mistake};
use super::web::is_url;

/// Where the system's log takes messages, where nobody says otherwise.
const SYSLOG: &str = "/dev/log";

/// Whom this machine calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarms {
    /// A URL that takes a JSON document by POST, and answers with 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The socket of the system's log; `/dev/log` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<PathBuf>,
}

impl Alarms {
    /// The socket of the system's log.
    pub fn syslog(&self) -> &Path {
        self.syslog.as_deref().unwrap_or(Path::new(SYSLOG))
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), Mistake> {
        match self.webhook.as_deref().filter(|url| !is_url(url)) {
            None => Ok(()),
            Some(found) => {
                let why =
                    format!("found {found:?}, needed a URL such as https://example.org/alarm");
                Err(Mistake::new(&[Key::Of("alarms"), Key::Of("webhook")], why))
            }
        }
    }
}
