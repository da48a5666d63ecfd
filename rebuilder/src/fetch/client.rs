//! One file over HTTP (step 2): retried, checked while it is written, not fetched when unchanged.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use reattest_attestation::Digest;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use super::resolve::Names;
use super::{Endpoints, FetchProblem, Want};
use crate::cas::{Cas, CasError};
use crate::limits;
use crate::progress::Cancel;

/// Asks several archive roots one after the other; shared by the threads of a batch.
pub(super) struct Client {
    agent: Agent,
    names: Names,
    roots: Vec<String>,
    cas: Cas,
    heads: PathBuf,
    pub(super) cancel: Cancel,
    downloaded: AtomicU64,
}

/// What is remembered of a file without a known digest, to ask for it only when it changed.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    url: String,
    digest: Digest,
    size: u64,
    etag: Option<String>,
    modified: Option<String>,
}

/// A dead mirror is noticed in this time; a slow one is not cut off while bytes come.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
const READ_WAIT: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// A signed index states its date within its first bytes; see [`is_unchanged`].
const PREFIX_BYTES: usize = 4096;

impl Client {
    pub(super) fn new(endpoints: &Endpoints, cache: &Path) -> Result<Self, CasError> {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
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
            roots: endpoints.roots().to_vec(),
            cas: Cas::below(cache)?,
            heads: cache.join("heads"),
            cancel: Cancel::new(),
            downloaded: AtomicU64::new(0),
        })
    }

    pub(super) fn downloaded(&self) -> u64 {
        self.downloaded.load(Ordering::SeqCst)
    }

    pub(super) fn fetch_one(
        &self,
        want: &Want,
        ticks: &Sender<u64>,
    ) -> Result<Digest, FetchProblem> {
        if let Some((digest, size)) = want.expected
            && self.cas.open(&digest).is_ok()
        {
            // Nobody listens any more only when the batch is over.
            let _ = ticks.send(size);
            return Ok(digest);
        }
        let mut missing = Vec::new();
        let mut silent = Vec::new();
        for root in &self.roots {
            match self.fetch_from(root, want, ticks) {
                Ok(digest) => return Ok(digest),
                Err(Refusal::NotThere) => missing.push(root.clone()),
                Err(Refusal::Silent(why)) => silent.push(format!("{root}: {why}")),
                Err(Refusal::Final(problem)) => return Err(problem),
            }
        }
        let location = want.location.clone();
        if missing.is_empty() && silent.is_empty() {
            return Err(FetchProblem::NoMirror {
                looked: "sources.list and sources.list.d".to_owned(),
            });
        }
        if silent.is_empty() {
            return Err(FetchProblem::NotOnMirror { location, asked: missing.join(", ") });
        }
        Err(FetchProblem::Unreachable { location, why: silent.join("; ") })
    }

    fn fetch_from(&self, root: &str, want: &Want, ticks: &Sender<u64>) -> Result<Digest, Refusal> {
        let url = format!("{root}/{}", want.location);
        let mut pause = FIRST_PAUSE;
        let mut last = String::new();
        for attempt in 0..limits::FETCH_ATTEMPTS {
            if self.cancel.is_cancelled() {
                return Err(Refusal::Final(FetchProblem::Cancelled {
                    location: want.location.clone(),
                }));
            }
            if attempt > 0 {
                thread::sleep(pause);
                pause = pause.saturating_mul(3);
            }
            match self.ask(&url, want, ticks) {
                Err(Refusal::Silent(why)) => {
                    self.names.forget();
                    last = why;
                }
                answer => return answer,
            }
        }
        Err(Refusal::Silent(last))
    }

    fn ask(&self, url: &str, want: &Want, ticks: &Sender<u64>) -> Result<Digest, Refusal> {
        let head = want.expected.is_none().then(|| self.head(url)).flatten();
        let mut request = self.agent.get(url);
        for (name, value) in head.iter().flat_map(Head::conditions) {
            request = request.header(name, value);
        }
        let mut response = request.call().map_err(|e| Refusal::Silent(e.to_string()))?;
        match (response.status().as_u16(), &head) {
            (304, Some(head)) => Ok(head.digest),
            (200, _) => self.take(url, want, head.as_ref(), &mut response, ticks),
            (403 | 404 | 410, _) => Err(Refusal::NotThere),
            (status, _) => Err(Refusal::Silent(format!("HTTP status {status}"))),
        }
    }

    fn take(
        &self,
        url: &str,
        want: &Want,
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
        if let Some(head) = head.filter(|h| self.is_unchanged(h, announced, &start)) {
            return Ok(head.digest);
        }
        let (digest, size) = self.keep(want, &mut start.as_slice().chain(body), ticks)?;
        if want.expected.is_none() {
            self.remember(&Head { url: url.to_owned(), digest, size, etag, modified });
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
        let mut blob = self.cas.writer().map_err(|e| Self::store_refusal(want, &e))?;
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
                .map_err(|e| self.write_refusal(want, &e))?;
            self.downloaded.fetch_add(count as u64, Ordering::SeqCst);
            let _ = ticks.send(count as u64);
        }
        if want.expected.is_some_and(|(_, expected)| size < expected) {
            return Err(Refusal::Silent(format!("the connection ended after {size} bytes")));
        }
        let kept = blob.keep(want.expected.map(|(digest, _)| digest));
        kept.map(|digest| (digest, size)).map_err(|e| Self::store_refusal(want, &e))
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

    fn store_refusal(want: &Want, error: &CasError) -> Refusal {
        let location = want.location.clone();
        Refusal::Final(match error {
            CasError::NoSpace(path) => FetchProblem::NoSpace { path: path.display().to_string() },
            CasError::Mismatch { expected, found } => {
                FetchProblem::WrongDigest { location, expected: *expected, found: *found }
            }
            other => FetchProblem::Store { location, why: other.to_string() },
        })
    }

    fn write_refusal(&self, want: &Want, error: &io::Error) -> Refusal {
        if error.kind() == io::ErrorKind::StorageFull {
            let path = self.heads.display().to_string();
            return Refusal::Final(FetchProblem::NoSpace { path });
        }
        let location = want.location.clone();
        Refusal::Final(FetchProblem::Store { location, why: error.to_string() })
    }

    fn head_path(&self, url: &str) -> PathBuf {
        self.heads.join(format!("{}.json", Digest::of(url.as_bytes())))
    }

    fn head(&self, url: &str) -> Option<Head> {
        let text = fs::read(self.head_path(url)).ok()?;
        let head: Head = serde_json::from_slice(&text).ok()?;
        (head.url == url && self.cas.open(&head.digest).is_ok()).then_some(head)
    }

    /// Only a hint: without it the next run downloads again.
    fn remember(&self, head: &Head) {
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.heads)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.heads)?;
            file.write_all(&serde_json::to_vec(head)?)?;
            file.persist(self.head_path(&head.url)).map(drop).map_err(|e| e.error)
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "an index will be downloaded again next time");
        }
    }
}

impl Head {
    fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let etag = self.etag.as_deref().map(|value| ("If-None-Match", value));
        let modified = self.modified.as_deref().map(|value| ("If-Modified-Since", value));
        etag.into_iter().chain(modified)
    }
}

/// Why one root did not give a file.
enum Refusal {
    /// It answered that it has none.
    NotThere,
    /// It did not answer, or not usefully: worth another attempt.
    Silent(String),
    /// No other attempt and no other root can help.
    Final(FetchProblem),
}

fn header(response: &Response<ureq::Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}
