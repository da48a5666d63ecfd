//! From a location to the addresses that are asked for it (step 2), one way for each scheme.

use std::sync::mpsc::{self, Sender};

use reattest_attestation::Digest;

use super::client::{Address, Arrived, Client};
use super::location::Location;
use super::progress::Tick;
use super::refusal::{Refusal, Refused};
use super::simple::{self, PageError};
use super::snapshot::{Search, SnapshotError};
use super::{FetchProblem, Want, url};
use crate::limits;

/// What helps when no Debian archive has a file.
const NO_DEBIAN: &str = "add a mirror that holds it to apt's sources or to archive.debian in the \
     configuration, or a snapshot service as archive.snapshot";
/// What helps when a snapshot service has not got it either.
const NO_SNAPSHOT: &str = "add another service to archive.snapshot in the configuration";
/// The same for a Python index.
const NO_PYTHON: &str =
    "use another index: archive.python in the configuration, or pip's own index-url";
/// The same for a URL.
const NO_URL: &str = "the recipe's author must name a URL that still has it";

impl Client {
    /// Brings one file into the store, unless it is there.
    pub(super) fn fetch_one(
        &self,
        want: &Want,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, FetchProblem> {
        let location = want.location.parse().map_err(|why| bad(want, &why))?;
        if let Some((digest, size)) = want.expected
            && self.cas.open(&digest).is_ok()
        {
            // Nobody listens any more only when the batch is over.
            let _ = ticks.send(Tick::Here(size));
            return Ok(digest);
        }
        match &location {
            Location::Debian { path } => self.debian(path, want, ticks),
            Location::PythonProject { project } => Ok(self.page(project, want, ticks)?.digest),
            Location::PythonFile { project, file } => self.python_file(project, file, want, ticks),
            Location::Snapshot { archive, time, path } => {
                let roots = self.endpoints.archive_at(archive, time);
                self.snapshot(&roots, path, want, ticks)
            }
            Location::SnapshotFiles { name, version } => {
                let path = format!("mr/binary/{name}/{version}/binfiles?fileinfo=1");
                let services: Vec<String> = self.endpoints.services().cloned().collect();
                self.snapshot(&services, &path, want, ticks)
            }
            Location::Url { url } => self.by_url(url, want, ticks),
            Location::Content { .. } => Err(FetchProblem::NotOnMirror {
                location: want.location.clone(),
                asked: "the store".to_owned(),
                fix: "it lay beside a recipe; have the recipe's directory here, or import its inputs with `reattest inputs import`".to_owned(),
            }),
        }
    }

    fn debian(
        &self,
        path: &str,
        want: &Want,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, FetchProblem> {
        let roots = self.endpoints.debian();
        if roots.is_empty() {
            return Err(FetchProblem::NoMirror {
                what: "Debian archive".to_owned(),
                looked:
                    "archive.debian in the configuration, apt's sources.list and sources.list.d"
                        .to_owned(),
            });
        }
        let dated = |url| Address { url, want, accept: None, dated: true };
        let mut refused = match self.first_of(roots, |r| dated(format!("{r}/{path}")), ticks)? {
            Ok(arrived) => return Ok(arrived.digest),
            Err(refused) => refused,
        };
        let mut fix = NO_DEBIAN;
        // Only what is pinned: an index that no mirror has is not wanted as it once was.
        if let (Some((_, size)), Some(search)) = (want.expected, Search::of(path)) {
            for service in self.endpoints.services() {
                fix = NO_SNAPSHOT;
                match self.once_kept(service, &search, (want, size), ticks) {
                    Ok(arrived) => return Ok(arrived.digest),
                    Err(refusal) => refused.note(service, refusal)?,
                }
            }
        }
        Err(refused.problem(want, fix))
    }

    /// The first answer of several roots, or what all of them said.
    fn first_of<'a>(
        &self,
        roots: &[String],
        address: impl Fn(&String) -> Address<'a>,
        ticks: &Sender<Tick>,
    ) -> Result<Result<Arrived, Refused>, FetchProblem> {
        let mut refused = Refused::default();
        for root in roots {
            match self.fetch_from(&address(root), ticks) {
                Ok(arrived) => return Ok(Ok(arrived)),
                Err(refusal) => refused.note(root, refusal)?,
            }
        }
        Ok(Err(refused))
    }

    /// Finds a file of a pool in what a snapshot service keeps: versions, files, address.
    fn once_kept(
        &self,
        service: &str,
        search: &Search,
        (want, size): (&Want, u64),
        ticks: &Sender<Tick>,
    ) -> Result<Arrived, Refusal> {
        let versions = self.said(service, &search.versions(), want)?;
        let silent = |e: &SnapshotError| Refusal::silent(e.to_string());
        for place in search.candidates(&versions).map_err(|e| silent(&e))? {
            let answer = self.said(service, &place, want)?;
            if let Some(address) = search.address(&answer, size).map_err(|e| silent(&e))? {
                let url = format!("{service}/{address}");
                return self.fetch_from(&Address { url, want, accept: None, dated: false }, ticks);
            }
        }
        Err(Refusal::NotThere)
    }

    /// A small answer of a service; its bytes are no part of the batch.
    fn said(&self, service: &str, path: &str, want: &Want) -> Result<Vec<u8>, Refusal> {
        let limit = limits::SERVICE_ANSWER_BYTES;
        let want = Want { location: want.location.clone(), expected: None, limit };
        let url = format!("{service}/{path}");
        let address = Address { url, want: &want, accept: None, dated: false };
        let (silence, _unheard) = mpsc::channel();
        let arrived = self.fetch_from(&address, &silence)?;
        self.cas.read(&arrived.digest, limit).map_err(|e| Refusal::store(&want, &e))
    }

    fn snapshot(
        &self,
        roots: &[String],
        path: &str,
        want: &Want,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, FetchProblem> {
        if roots.is_empty() {
            return Err(FetchProblem::NoMirror {
                what: "snapshot service".to_owned(),
                looked: "archive.snapshot in the configuration".to_owned(),
            });
        }
        let address = |root: &String| Address {
            url: format!("{root}/{path}"),
            want,
            accept: None,
            dated: false,
        };
        match self.first_of(roots, address, ticks)? {
            Ok(arrived) => Ok(arrived.digest),
            Err(refused) => Err(refused.problem(want, NO_SNAPSHOT)),
        }
    }

    /// The page of a project, from the first index that has the project.
    fn page(
        &self,
        project: &str,
        want: &Want,
        ticks: &Sender<Tick>,
    ) -> Result<Arrived, FetchProblem> {
        let roots = self.endpoints.python();
        if roots.is_empty() {
            return Err(FetchProblem::NoMirror {
                what: "Python index".to_owned(),
                looked: "archive.python in the configuration, PIP_INDEX_URL, pip's configuration, and what pip answers"
                    .to_owned(),
            });
        }
        let address = |root: &String| {
            let url = format!("{root}/{project}/");
            Address { url, want, accept: Some(simple::ACCEPT), dated: false }
        };
        match self.first_of(&roots, address, ticks)? {
            Ok(arrived) => Ok(arrived),
            Err(refused) => Err(refused.problem(want, NO_PYTHON)),
        }
    }

    /// The page leads to the file; its digest must be the wanted one before a byte is asked for.
    fn python_file(
        &self,
        project: &str,
        file: &str,
        want: &Want,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, FetchProblem> {
        let Some((expected, _)) = want.expected else {
            return Err(bad(
                want,
                &"found no digest for a file, needed one: only a project's page may be fetched without",
            ));
        };
        let location = want.location.clone();
        let page_want =
            Want { location: location.clone(), expected: None, limit: limits::PROJECT_PAGE_BYTES };
        // Its bytes are no part of the batch.
        let (silence, _unheard) = mpsc::channel();
        let page = self.page(project, &page_want, &silence)?;
        let bytes = self.cas.read(&page.digest, limits::PROJECT_PAGE_BYTES);
        let bytes = bytes
            .map_err(|e| FetchProblem::Store { location: location.clone(), why: e.to_string() })?;
        let fix = NO_PYTHON.to_owned();
        let entry = match simple::file(&bytes, file) {
            Ok(entry) => entry,
            Err(PageError::NoSuchFile) => {
                return Err(FetchProblem::NotOnMirror { location, asked: page.landed, fix });
            }
            Err(PageError::Malformed(why)) => {
                let why = format!("{} is no page of the simple API: {why}", page.landed);
                return Err(FetchProblem::Unreachable { location, why });
            }
        };
        if entry.sha256 != expected {
            return Err(FetchProblem::WrongDigest { location, expected, found: entry.sha256 });
        }
        let Some(url) = url::of_file(&page.landed, &entry.url) else {
            let why =
                format!("{} names the file at {:?}; needed an https URL", page.landed, entry.url);
            return Err(FetchProblem::Unreachable { location, why });
        };
        self.one_address(url, want, &fix, ticks)
    }

    fn by_url(&self, url: &str, want: &Want, ticks: &Sender<Tick>) -> Result<Digest, FetchProblem> {
        if want.expected.is_none() {
            return Err(bad(
                want,
                &"found no digest for a URL, needed one: nothing else says that its bytes are right",
            ));
        }
        self.one_address(url.to_owned(), want, NO_URL, ticks)
    }

    fn one_address(
        &self,
        url: String,
        want: &Want,
        fix: &str,
        ticks: &Sender<Tick>,
    ) -> Result<Digest, FetchProblem> {
        let address = Address { url, want, accept: None, dated: false };
        let mut refused = Refused::default();
        match self.fetch_from(&address, ticks) {
            Ok(arrived) => return Ok(arrived.digest),
            Err(refusal) => refused.note(&address.url, refusal)?,
        }
        Err(refused.problem(want, fix))
    }
}

fn bad(want: &Want, why: &dyn std::fmt::Display) -> FetchProblem {
    FetchProblem::BadLocation { location: want.location.clone(), why: why.to_string() }
}
