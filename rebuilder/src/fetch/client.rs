//! One file over HTTP (step 2): retried, checked while it is written, not fetched when unchanged.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use reattest_attestation::Digest;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use super::heads::{Head, Heads};
use super::progress::Tick;
use super::refusal::Refusal;
use super::resolve::Names;
use super::{Endpoints, FetchProblem, Want, url};
use crate::cas::partial::Partial;
use crate::cas::{Cas, CasError};
use crate::clock::{self, Stopwatch};
use crate::limits;
use crate::progress::Cancel;

/// Asks registries; shared by the threads of a batch.
pub(super) struct Client {
    agent: Agent,
    names: Names,
    pub(super) endpoints: Endpoints,
    pub(super) cas: Cas,
    pub(super) heads: Heads,
    pub(super) cancel: Cancel,
    downloaded: AtomicU64,
}

/// One URL to ask for a want.
pub(super) struct Address<'a> {
    pub(super) url: String,
    pub(super) want: &'a Want,
    /// The media type, where the server has several.
    pub(super) accept: Option<&'static str>,
    /// Whether a file of the same length and beginning is the same file; see [`Client::is_unchanged`].
    pub(super) dated: bool,
}

/// What came.
pub(super) struct Arrived {
    pub(super) digest: Digest,
    /// Where redirects led.
    pub(super) landed: String,
}

/// A dead mirror is noticed in this time; a slow one is not cut off while bytes come.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
const READ_WAIT: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// How soon a stop is noticed while waiting.
const SLICE: Duration = Duration::from_millis(50);

impl Client {
    pub(super) fn new(endpoints: &Endpoints, cache: &Path) -> Result<Self, CasError> {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here instead, where it is decided which may be.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_recv_response(Some(READ_WAIT))
            .timeout_per_read(Some(READ_WAIT))
            .max_idle_connections_per_host(limits::PARALLEL_FETCHES)
            .user_agent(concat!("reattest/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let names = Names::default();
        Ok(Self {
            agent: Agent::with_parts(config, DefaultConnector::new(), names.clone()),
            names,
            endpoints: endpoints.clone(),
            cas: Cas::below(cache)?,
            heads: Heads::below(cache),
            cancel: Cancel::new(),
            downloaded: AtomicU64::new(0),
        })
    }

    pub(super) fn downloaded(&self) -> u64 {
        self.downloaded.load(Ordering::SeqCst)
    }

    /// Asks one address until it answers, some times at most; what came before an interruption stays.
    pub(super) fn fetch_from(
        &self,
        address: &Address<'_>,
        ticks: &Sender<Tick>,
    ) -> Result<Arrived, Refusal> {
        let want = address.want;
        let mut partial = match want.expected {
            Some((digest, _)) => {
                Some(self.cas.partial(&digest).map_err(|e| Refusal::store(want, &e))?)
            }
            None => None,
        };
        let length = |partial: &Option<Partial>| partial.as_ref().map_or(0, Partial::length);
        let _ = ticks.send(Tick::Resumed(length(&partial)));
        let (mut pause, mut attempt, mut restarted) = (FIRST_PAUSE, 1, false);
        loop {
            self.check_not_cancelled(want)?;
            let before = length(&partial);
            let (why, after) = match (self.ask(address, partial.as_mut(), ticks), &mut partial) {
                // Bytes of an earlier connection were wrong, or seem so: once more without them.
                (Err(refusal), Some(partial))
                    if before > 0 && !restarted && refusal.is_doubtful() =>
                {
                    tracing::debug!(location = want.location, "a download begins again");
                    self.begin_again(want, partial, ticks)?;
                    restarted = true;
                    continue;
                }
                (Err(Refusal::Doubtful(why)), _) => (why, None),
                (Err(Refusal::Silent { why, after }), _) => (why, after),
                (answer, _) => {
                    if answer.is_err() {
                        let _ = ticks.send(Tick::Lost(length(&partial)));
                    }
                    return answer;
                }
            };
            self.names.forget();
            let grown = length(&partial).saturating_sub(before);
            if grown >= limits::RESUME_PROGRESS_BYTES {
                (pause, attempt) = (FIRST_PAUSE, 0);
            }
            let too_long = after.is_some_and(|after| after > limits::RETRY_AFTER);
            if attempt >= limits::FETCH_ATTEMPTS || too_long {
                let _ = ticks.send(Tick::Lost(length(&partial)));
                return Err(Refusal::silent(why));
            }
            self.wait(after.unwrap_or(pause), want)?;
            pause = pause.saturating_mul(3);
            attempt += 1;
        }
    }

    fn check_not_cancelled(&self, want: &Want) -> Result<(), Refusal> {
        if self.cancel.is_cancelled() {
            let location = want.location.clone();
            return Err(Refusal::Final(FetchProblem::Cancelled { location }));
        }
        Ok(())
    }

    /// In slices, since a sleep cannot be cancelled.
    fn wait(&self, pause: Duration, want: &Want) -> Result<(), Refusal> {
        let started = Stopwatch::start();
        while started.elapsed() < pause {
            self.check_not_cancelled(want)?;
            thread::sleep(SLICE.min(pause.saturating_sub(started.elapsed())));
        }
        Ok(())
    }

    fn ask(
        &self,
        address: &Address<'_>,
        partial: Option<&mut Partial>,
        ticks: &Sender<Tick>,
    ) -> Result<Arrived, Refusal> {
        if let (Some(partial), Some((digest, size))) = (partial, address.want.expected) {
            return self.ask_rest(address, partial, (digest, size), ticks);
        }
        let head = self.head(&address.url);
        let fields: Vec<(&str, &str)> = head.iter().flat_map(Head::conditions).collect();
        let (mut response, landed) = self.get(address, &fields)?;
        match (response.status().as_u16(), &head) {
            (304, Some(head)) => {
                let landed = head.landed.clone().unwrap_or(landed);
                Ok(Arrived { digest: head.digest, landed })
            }
            (200, _) => {
                let digest = self.whole(address, &landed, head.as_ref(), &mut response, ticks)?;
                Ok(Arrived { digest, landed })
            }
            _ => Err(refused(&response)),
        }
    }

    /// Asks for what is missing; a kill between the last byte and the name leaves nothing to ask for.
    fn ask_rest(
        &self,
        address: &Address<'_>,
        partial: &mut Partial,
        (digest, size): (Digest, u64),
        ticks: &Sender<Tick>,
    ) -> Result<Arrived, Refusal> {
        let here = partial.length();
        if here > 0 && here >= size {
            partial.keep(&self.cas).map_err(|e| Refusal::store(address.want, &e))?;
            return Ok(Arrived { digest, landed: address.url.clone() });
        }
        let range = format!("bytes={here}-");
        let fields: &[(&str, &str)] = if here > 0 { &[("Range", &range)] } else { &[] };
        let (mut response, landed) = self.get(address, fields)?;
        match response.status().as_u16() {
            200 => {}
            206 if here > 0 => {}
            416 if here > 0 => {
                return Err(Refusal::Doubtful("it has no such range".to_owned()));
            }
            _ => return Err(refused(&response)),
        }
        let digest = self.continued(address, partial, &mut response, ticks)?;
        Ok(Arrived { digest, landed })
    }

    /// Follows redirects, never down from https, and tells where they led.
    fn get(
        &self,
        address: &Address<'_>,
        fields: &[(&str, &str)],
    ) -> Result<(Response<ureq::Body>, String), Refusal> {
        let mut url = address.url.clone();
        let accept = address.accept.map(|media| ("Accept", media));
        for _ in 0..=limits::REDIRECTS {
            let mut request = self.agent.get(&url);
            for (name, value) in accept.iter().chain(fields) {
                request = request.header(*name, *value);
            }
            let response = request.call().map_err(|e| Refusal::silent(e.to_string()))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, url));
            }
            let to = header(&response, "location").unwrap_or_default();
            let no =
                || Refusal::silent(format!("it redirects {url} to {to:?}, which is not followed"));
            url = url::of_redirect(&url, &to).ok_or_else(no)?;
        }
        Err(Refusal::silent(format!("more than {} redirects", limits::REDIRECTS)))
    }

    /// Bytes came over the network.
    pub(super) fn came(&self, bytes: u64) {
        self.downloaded.fetch_add(bytes, Ordering::SeqCst);
    }

    fn head(&self, url: &str) -> Option<Head> {
        self.heads.of(url).filter(|head| self.cas.open(&head.digest).is_ok())
    }
}

/// What a status without a file means.
fn refused(response: &Response<ureq::Body>) -> Refusal {
    match response.status().as_u16() {
        403 | 404 | 410 => Refusal::NotThere,
        status => {
            let after = header(response, "retry-after").and_then(|text| retry_after(&text));
            Refusal::Silent { why: busy(status, after), after }
        }
    }
}

fn busy(status: u16, after: Option<Duration>) -> String {
    match after {
        Some(after) => format!("HTTP status {status}, asks to come back in {} s", after.as_secs()),
        None => format!("HTTP status {status}"),
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(&text.replace("GMT", "+0000")).ok()?;
    let seconds = date.timestamp().as_second().saturating_sub(clock::now().as_unix());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

pub(super) fn header(response: &Response<ureq::Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}
