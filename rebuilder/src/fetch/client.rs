//! One file over HTTP (step 2): retried, checked while it is written, not fetched when unchanged.

use std::io::{Read, Write};
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
use super::refusal::Refusal;
use super::resolve::Names;
use super::{Endpoints, FetchProblem, Want, url};
use crate::cas::{Cas, CasError};
use crate::limits;
use crate::progress::Cancel;

/// Asks registries; shared by the threads of a batch.
pub(super) struct Client {
    agent: Agent,
    names: Names,
    pub(super) endpoints: Endpoints,
    pub(super) cas: Cas,
    heads: Heads,
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
/// A signed index states its date within its first bytes; see [`Client::is_unchanged`].
const PREFIX_BYTES: usize = 4096;

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
            heads: Heads(cache.join("heads")),
            cancel: Cancel::new(),
            downloaded: AtomicU64::new(0),
        })
    }

    pub(super) fn downloaded(&self) -> u64 {
        self.downloaded.load(Ordering::SeqCst)
    }

    /// Asks one address until it answers, some times at most.
    pub(super) fn fetch_from(
        &self,
        address: &Address<'_>,
        ticks: &Sender<u64>,
    ) -> Result<Arrived, Refusal> {
        let mut pause = FIRST_PAUSE;
        let mut last = String::new();
        for attempt in 0..limits::FETCH_ATTEMPTS {
            if self.cancel.is_cancelled() {
                let location = address.want.location.clone();
                return Err(Refusal::Final(FetchProblem::Cancelled { location }));
            }
            if attempt > 0 {
                thread::sleep(pause);
                pause = pause.saturating_mul(3);
            }
            match self.ask(address, ticks) {
                Err(Refusal::Silent(why)) => {
                    self.names.forget();
                    last = why;
                }
                answer => return answer,
            }
        }
        Err(Refusal::Silent(last))
    }

    fn ask(&self, address: &Address<'_>, ticks: &Sender<u64>) -> Result<Arrived, Refusal> {
        let head = address.want.expected.is_none().then(|| self.head(&address.url)).flatten();
        let accept = address.accept.map(|media| ("Accept", media));
        let fields: Vec<(&str, &str)> =
            accept.into_iter().chain(head.iter().flat_map(Head::conditions)).collect();
        let (mut response, landed) = self.get(&address.url, &fields)?;
        let digest = match (response.status().as_u16(), &head) {
            (304, Some(head)) => {
                let landed = head.landed.clone().unwrap_or(landed);
                return Ok(Arrived { digest: head.digest, landed });
            }
            (200, _) => self.take(address, &landed, head.as_ref(), &mut response, ticks)?,
            (403 | 404 | 410, _) => return Err(Refusal::NotThere),
            (status, _) => return Err(Refusal::Silent(format!("HTTP status {status}"))),
        };
        Ok(Arrived { digest, landed })
    }

    /// Follows redirects, never down from https, and tells where they led.
    fn get(
        &self,
        asked: &str,
        fields: &[(&str, &str)],
    ) -> Result<(Response<ureq::Body>, String), Refusal> {
        let mut url = asked.to_owned();
        for _ in 0..=limits::REDIRECTS {
            let mut request = self.agent.get(&url);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let response = request.call().map_err(|e| Refusal::Silent(e.to_string()))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, url));
            }
            let to = header(&response, "location").unwrap_or_default();
            let no =
                || Refusal::Silent(format!("it redirects {url} to {to:?}, which is not followed"));
            url = url::of_redirect(&url, &to).ok_or_else(no)?;
        }
        Err(Refusal::Silent(format!("more than {} redirects", limits::REDIRECTS)))
    }

    fn take(
        &self,
        address: &Address<'_>,
        landed: &str,
        head: Option<&Head>,
        response: &mut Response<ureq::Body>,
        ticks: &Sender<u64>,
    ) -> Result<Digest, Refusal> {
        let (etag, modified) = (header(response, "etag"), header(response, "last-modified"));
        let announced = header(response, "content-length").and_then(|l| l.parse::<u64>().ok());
        let mut body = response.body_mut().as_reader();
        let mut start = Vec::new();
        let first = body.by_ref().take(PREFIX_BYTES as u64).read_to_end(&mut start);
        first.map_err(|e| Refusal::Silent(e.to_string()))?;
        let dated = head.filter(|_| address.dated);
        if let Some(head) = dated.filter(|h| self.is_unchanged(h, announced, &start)) {
            return Ok(head.digest);
        }
        let (digest, size) = self.keep(address.want, &mut start.as_slice().chain(body), ticks)?;
        if address.want.expected.is_none() {
            let url = address.url.clone();
            let landed = (landed != url).then(|| landed.to_owned());
            self.heads.remember(&Head { url, landed, digest, size, etag, modified });
        }
        Ok(digest)
    }

    /// A mirror without validators sends everything each time. An index of the same length and date
    /// is the same index; a mirror that lied here could as well answer 304, and gain as little.
    fn is_unchanged(&self, head: &Head, announced: Option<u64>, start: &[u8]) -> bool {
        let known = self.cas.read(&head.digest, limits::SIGNED_INDEX_BYTES).unwrap_or_default();
        announced == Some(head.size) && known.len() as u64 == head.size && known.starts_with(start)
    }

    fn keep(
        &self,
        want: &Want,
        body: &mut dyn Read,
        ticks: &Sender<u64>,
    ) -> Result<(Digest, u64), Refusal> {
        let mut blob = self.cas.writer().map_err(|e| Refusal::store(want, &e))?;
        let mut buffer = vec![0; 1 << 16];
        let mut size = 0_u64;
        loop {
            let count = body.read(&mut buffer).map_err(|e| Refusal::Silent(e.to_string()))?;
            if count == 0 {
                break;
            }
            size = size.saturating_add(count as u64);
            self.check_running(want, size)?;
            blob.write_all(buffer.get(..count).unwrap_or_default())
                .map_err(|e| Refusal::write(want, &self.heads.0, &e))?;
            self.downloaded.fetch_add(count as u64, Ordering::SeqCst);
            let _ = ticks.send(count as u64);
        }
        if want.expected.is_some_and(|(_, expected)| size < expected) {
            return Err(Refusal::Silent(format!("the connection ended after {size} bytes")));
        }
        let kept = blob.keep(want.expected.map(|(digest, _)| digest));
        kept.map(|digest| (digest, size)).map_err(|e| Refusal::store(want, &e))
    }

    fn check_running(&self, want: &Want, size: u64) -> Result<(), Refusal> {
        let location = want.location.clone();
        if size > want.limit {
            return Err(Refusal::Final(FetchProblem::TooLarge { location, limit: want.limit }));
        }
        if self.cancel.is_cancelled() {
            return Err(Refusal::Final(FetchProblem::Cancelled { location }));
        }
        Ok(())
    }

    fn head(&self, url: &str) -> Option<Head> {
        self.heads.of(url).filter(|head| self.cas.open(&head.digest).is_ok())
    }
}

fn header(response: &Response<ureq::Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}
