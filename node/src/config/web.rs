//! The configuration's tables about HTTP: what this node serves there, and which mirrors it follows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reattest_rebuilder::retention::Age;
use serde::{Deserialize, Serialize};

use super::place::{Key, Mistake};
use crate::limits::{MIRROR_EVERY, MIRROR_EVERY_LEAST, MIRRORS};

/// Where a node serves its logs, its documents and its metrics over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address and port: `"127.0.0.1:4180"`.
    pub listen: SocketAddr,
    /// Whether other machines may reach it. They get logs and documents; the metrics stay with this
    /// machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
}

/// Where the local service answers over HTTP, beside its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Address and port, of this machine unless there is a token: `"127.0.0.1:4190"`.
    pub listen: SocketAddr,
    /// A file with the token that every question must bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<PathBuf>,
}

/// A static copy of a node's logs and documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorOf {
    /// The URL above `logs` and `documents`.
    pub url: String,
    /// Time between two looks for new heads, e.g. `"60 s"`, which it is where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Age>,
}

impl MirrorOf {
    /// The URL without slashes at its end.
    pub fn base(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Time between two looks for new heads.
    pub fn every(&self) -> Duration {
        self.every.map_or(MIRROR_EVERY, |every| every.0)
    }
}

/// Whether this is a URL that can be asked: `http://host…` or `https://host…`.
pub(super) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = |c: char| c.is_ascii_graphic() && c != '?' && c != '#';
    rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty() && rest.chars().all(plain))
}

pub(super) fn check_http(http: &Http) -> Result<(), Mistake> {
    if http.public || http.listen.ip().is_loopback() {
        return Ok(());
    }
    let why = format!(
        "found {:?}, which other machines reach; needed an address of this machine alone, such as \
         127.0.0.1:4180, or public = true",
        http.listen.to_string()
    );
    Err(Mistake::new(&[Key::Of("http"), Key::Of("listen")], why))
}

pub(super) fn check_service(service: &Service) -> Result<(), Mistake> {
    if service.token.is_some() || service.listen.ip().is_loopback() {
        return Ok(());
    }
    let why = format!(
        "found {:?}, which other machines reach; needed an address of this machine alone, such as \
         127.0.0.1:4190, or token = \"FILE\"",
        service.listen.to_string()
    );
    Err(Mistake::new(&[Key::Of("service"), Key::Of("listen")], why))
}

pub(super) fn check_mirrors(mirrors: &[MirrorOf]) -> Result<(), Mistake> {
    if mirrors.len() > MIRRORS {
        let why = format!("found {} mirrors, needed at most {MIRRORS}", mirrors.len());
        return Err(Mistake::new(&[Key::Of("mirror"), Key::At(MIRRORS)], why));
    }
    for (index, mirror) in mirrors.iter().enumerate() {
        let at = |key| [Key::Of("mirror"), Key::At(index), Key::Of(key)];
        if !is_url(&mirror.url) {
            let why = format!("found {:?}, needed an http or https URL", mirror.url);
            return Err(Mistake::new(&at("url"), why));
        }
        if mirrors.iter().take(index).any(|other| other.base() == mirror.base()) {
            let why = format!("found {:?} twice, needed each mirror once", mirror.url);
            return Err(Mistake::new(&at("url"), why));
        }
        if mirror.every() < MIRROR_EVERY_LEAST {
            let least = MIRROR_EVERY_LEAST.as_secs();
            let why = format!("found less than {least} s, needed a time that spares the server");
            return Err(Mistake::new(&at("every"), why));
        }
    }
    Ok(())
}
