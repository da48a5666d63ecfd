//! Alarms to a webhook and to the system's log: written to a spool before they are sent, and sent until they are taken (step 10).
//!
//! One file an alarm and receiver, removed when the receiver took it. A receiver may hear an alarm
//! twice, after a crash in between; it never misses one for that reason.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::LogError;
use crate::config::Alarms;
use crate::disk::{self, SharedDisk};
use crate::limits::{ALARM_BYTES, ALARM_WAIT, ALARMS_SPOOLED};
use crate::store::durable;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// The webhook of the configuration.
    Webhook,
    /// The system's log.
    Syslog,
}

impl Receiver {
    fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Syslog => "syslog",
        }
    }
}

/// An alarm that nobody took yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Untaken {
    /// Its name in the spool.
    pub alarm: String,
    /// Why.
    pub why: String,
}

/// The spool of a machine.
#[derive(Debug, Clone)]
pub struct Spool {
    disk: SharedDisk,
    directory: PathBuf,
    alarms: Alarms,
}

impl Spool {
    /// The spool beside a decision log.
    pub fn beside(decisions: &Path, alarms: &Alarms) -> Self {
        let (disk, directory) = (disk::local(), decisions.join("alarms"));
        Self { disk, directory, alarms: alarms.clone() }
    }

    fn receivers(&self) -> Vec<Receiver> {
        let webhook = self.alarms.webhook.as_ref().map(|_| Receiver::Webhook);
        webhook.into_iter().chain([Receiver::Syslog]).collect()
    }

    /// Writes an alarm down for every receiver; on disk when this returns. `name` is unique to it,
    /// and sorts by time.
    pub fn put(&self, name: &str, alarm: &serde_json::Value) -> Result<(), LogError> {
        let bytes = alarm.to_string().into_bytes();
        if bytes.len() > ALARM_BYTES {
            return Err(LogError::TooLong { found: bytes.len(), limit: ALARM_BYTES });
        }
        let waiting = self.files()?.len();
        if waiting >= ALARMS_SPOOLED {
            let full = format!("{waiting} alarms wait already; see why nobody takes them");
            return Err(LogError::disk(&self.directory, io::Error::other(full)));
        }
        for receiver in self.receivers() {
            let path = self.directory.join(format!("{name}.{}", receiver.word()));
            durable::write(&*self.disk, &path, &bytes)
                .map_err(|source| LogError::disk(&path, source))?;
        }
        Ok(())
    }

    /// Takes an alarm back that was about nothing.
    pub fn take_back(&self, name: &str) {
        for receiver in self.receivers() {
            // What is left over is a false alarm, which is better than none.
            let _left_over =
                self.disk.remove(&self.directory.join(format!("{name}.{}", receiver.word())));
        }
    }

    fn files(&self) -> Result<Vec<PathBuf>, LogError> {
        let mut files = match self.disk.list(&self.directory) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LogError::disk(&self.directory, error)),
        };
        files.retain(|path| receiver_of(path).is_some());
        files.sort();
        Ok(files)
    }

    /// Alarms that wait, without trying to send them.
    pub fn waiting(&self) -> Result<usize, LogError> {
        Ok(self.files()?.len())
    }

    /// Sends whatever waits, in order; what nobody took, and why. After the first failure of a
    /// receiver the rest waits for the next time.
    pub fn deliver(&self) -> Result<Vec<Untaken>, LogError> {
        let mut untaken: Vec<Untaken> = Vec::new();
        let mut failed: Vec<(Receiver, String)> = Vec::new();
        for path in self.files()? {
            let Some(receiver) = receiver_of(&path) else { continue };
            let before = failed.iter().find(|(other, _)| *other == receiver);
            let sent = match before {
                Some((_, why)) => Err(why.clone()),
                None => self.send(receiver, &path),
            };
            if let Err(why) = sent {
                let alarm = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if before.is_none() {
                    tracing::warn!(event = "alarm_not_taken", alarm, why);
                    failed.push((receiver, why.clone()));
                }
                untaken.push(Untaken { alarm, why });
            }
        }
        Ok(untaken)
    }

    fn send(&self, receiver: Receiver, path: &Path) -> Result<(), String> {
        let said = |error: io::Error| error.to_string();
        if self.disk.length(path).map_err(said)? > ALARM_BYTES as u64 {
            return Err("the spooled file is longer than any alarm".to_owned());
        }
        let bytes = self.disk.read(path).map_err(said)?;
        match receiver {
            Receiver::Webhook => self.post(&bytes)?,
            Receiver::Syslog => self.log(&bytes)?,
        }
        match self.disk.remove(path) {
            // Somebody else sent it at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(said),
        }
    }

    fn post(&self, bytes: &[u8]) -> Result<(), String> {
        let url = self.alarms.webhook.as_deref();
        let url = url.ok_or("the configuration names no webhook any more; remove the file")?;
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Whoever named the webhook did not name what it leads to.
            .max_redirects(0)
            .timeout_global(Some(ALARM_WAIT))
            .user_agent(concat!("reattest/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let request = Agent::new_with_config(config).post(url);
        let answer = request.content_type("application/json").send(bytes);
        let status = answer.map_err(|error| format!("{url}: {error}"))?.status();
        if status.is_success() { Ok(()) } else { Err(format!("{url} answered {status}")) }
    }

    /// RFC 3164: facility authpriv, severity alert.
    fn log(&self, bytes: &[u8]) -> Result<(), String> {
        let path = self.alarms.syslog();
        let said = |error: io::Error| format!("{}: {error}", path.display());
        let mut message = format!("<81>reattest[{}]: ", std::process::id()).into_bytes();
        message.extend_from_slice(bytes);
        let socket = UnixDatagram::unbound().map_err(said)?;
        socket.set_write_timeout(Some(ALARM_WAIT)).map_err(said)?;
        socket.send_to(&message, path).map(drop).map_err(said)
    }
}

fn receiver_of(path: &Path) -> Option<Receiver> {
    match path.extension()?.to_str()? {
        "webhook" => Some(Receiver::Webhook),
        "syslog" => Some(Receiver::Syslog),
        _ => None,
    }
}
