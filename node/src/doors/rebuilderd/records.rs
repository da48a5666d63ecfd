//! rebuilderd's records as JSON: every field that its clients read, and nothing that is not known here.

use reattest_attestation::{Outcome, Purl, Timestamp};
use serde::Serialize;

use crate::doors::catalog::{Artifact, Build, Known};
use crate::shell::jobs::QueuedRelease;

/// What builds here are called, where rebuilderd names a script.
const BACKEND: &str = "reattest";

/// Their words for what came of a build or an artifact.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize)]
pub(super) enum Status {
    /// Bit for bit the published file.
    #[serde(rename = "GOOD")]
    Good,
    /// Nothing is known, or no longer.
    #[serde(rename = "UNKWN")]
    Unknown,
    /// Another file, whatever normalizers make of it.
    #[serde(rename = "BAD")]
    Bad,
    /// Nothing was made; of builds alone.
    #[serde(rename = "FAIL")]
    Fail,
}

impl Status {
    /// Of a file: where none was made, nothing was compared.
    pub(super) fn of_file(artifact: &Artifact) -> Self {
        match artifact.outcome {
            Some(Outcome::Reproduced) => Self::Good,
            Some(Outcome::Equivalent | Outcome::Differs | Outcome::Unstable) => Self::Bad,
            Some(Outcome::BuildFailed) | None => Self::Unknown,
        }
    }

    /// The worst of its files.
    fn of_build(build: &Build) -> Self {
        let of = |artifact: &Artifact| match artifact.outcome {
            Some(Outcome::BuildFailed) => Self::Fail,
            _ => Self::of_file(artifact),
        };
        build.artifacts.iter().map(of).max().unwrap_or(Self::Unknown)
    }
}

/// A package as rebuilderd names it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) distribution: String,
    pub(super) release: Option<String>,
    pub(super) component: Option<String>,
    pub(super) architecture: String,
}

impl Named {
    fn of(purl: &Purl, component: Option<&str>, architecture: Option<&str>) -> Self {
        // pkg:deb/debian/… is of Debian; registries without namespaces are distributions of their own.
        let distribution = match purl.kind() {
            "deb" => purl.namespace().unwrap_or_default(),
            kind => kind.to_owned(),
        };
        let architecture = purl.qualifier("arch").or_else(|| architecture.map(str::to_owned));
        Self {
            name: purl.name(),
            version: purl.version().unwrap_or_default(),
            distribution,
            release: purl.qualifier("distro"),
            component: component.map(str::to_owned),
            architecture: architecture.unwrap_or_else(|| "all".to_owned()),
        }
    }
}

/// `BinaryPackage`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Binary {
    pub(super) id: i32,
    #[serde(flatten)]
    pub(super) named: Named,
    /// The purl: registries are not named here.
    pub(super) url: String,
    pub(super) status: Status,
    pub(super) build_id: Option<i32>,
    /// None where there is no attestation: a client that asked for one and got none would drop all.
    pub(super) artifact_id: Option<i32>,
    pub(super) diffoscope_log_id: Option<i32>,
    pub(super) attestation_log_id: Option<i32>,
    pub(super) last_seen: String,
    pub(super) seen_in_last_sync: bool,
    /// Of what it was built; a filter, and no field of theirs.
    #[serde(skip)]
    pub(super) source_name: Option<String>,
    #[serde(skip)]
    pub(super) built_at: Option<Timestamp>,
}

impl Binary {
    /// Without an attestation, which is looked for when it is shown.
    pub(super) fn of(known: &Known, last: Option<(&Build, &Artifact)>) -> Self {
        let build = last.map(|(build, _)| build);
        let component = build.and_then(|build| build.component.as_deref());
        let status = last.map_or(Status::Unknown, |(_, artifact)| Status::of_file(artifact));
        Self {
            id: known.id,
            named: Named::of(&known.purl, component, None),
            url: known.purl.to_string(),
            status,
            build_id: build.map(|build| build.id),
            artifact_id: None,
            diffoscope_log_id: None,
            attestation_log_id: None,
            last_seen: naive(build.map_or(Timestamp::from_unix(0), |build| build.finished)),
            seen_in_last_sync: true,
            source_name: build.map(|build| build.source.name()),
            built_at: build.map(|build| build.finished),
        }
    }
}

/// `SourcePackage`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Source {
    pub(super) id: i32,
    #[serde(flatten)]
    pub(super) named: Named,
    pub(super) status: Status,
    pub(super) build_id: Option<i32>,
    pub(super) last_seen: String,
    pub(super) seen_in_last_sync: bool,
}

impl Source {
    pub(super) fn of(known: &Known, build: &Build) -> Self {
        Self {
            id: known.id,
            named: named_of(build),
            status: Status::of_build(build),
            build_id: Some(build.id),
            last_seen: naive(build.finished),
            seen_in_last_sync: true,
        }
    }
}

/// `Rebuild`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RebuildRecord {
    pub(super) id: i32,
    #[serde(flatten)]
    pub(super) named: Named,
    pub(super) backend: &'static str,
    pub(super) retries: i32,
    pub(super) started_at: String,
    pub(super) built_at: String,
    pub(super) status: Status,
}

impl RebuildRecord {
    pub(super) fn of(build: &Build) -> Self {
        Self {
            id: build.id,
            named: named_of(build),
            backend: BACKEND,
            retries: 0,
            started_at: naive(build.started),
            built_at: naive(build.finished),
            status: Status::of_build(build),
        }
    }
}

fn named_of(build: &Build) -> Named {
    Named::of(&build.source, build.component.as_deref(), Some(&build.architecture))
}

/// `RebuildArtifact`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ArtifactRecord {
    pub(super) id: i32,
    pub(super) name: String,
    pub(super) has_diffoscope: bool,
    pub(super) has_attestation: bool,
    pub(super) status: Status,
}

impl ArtifactRecord {
    pub(super) fn of(artifact: &Artifact, has_attestation: bool) -> Self {
        let name = artifact.purl.file_name().unwrap_or_else(|| artifact.purl.name());
        let status = Status::of_file(artifact);
        Self { id: artifact.id, name, has_diffoscope: false, has_attestation, status }
    }
}

/// `QueuedJob`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Job {
    pub(super) id: i32,
    #[serde(flatten)]
    pub(super) named: Named,
    pub(super) backend: &'static str,
    pub(super) url: String,
    pub(super) next_retry: Option<String>,
    pub(super) priority: i32,
    pub(super) queued_at: String,
    pub(super) started_at: Option<String>,
}

impl Job {
    pub(super) fn of(release: &QueuedRelease) -> Self {
        let running = release.state == "running";
        Self {
            id: number_of(&release.purl),
            named: Named::of(&release.purl, None, None),
            backend: BACKEND,
            url: release.purl.to_string(),
            next_retry: release.next_try.map(naive),
            // Their words: 0 by hand, 1 new, 2 again.
            priority: if release.attempts > 0 { 2 } else { 1 },
            queued_at: naive(release.since),
            started_at: running.then(|| naive(release.since)),
        }
    }
}

/// A number for what has none: the same for one purl for ever, and hardly ever for two.
fn number_of(purl: &Purl) -> i32 {
    let digest = reattest_attestation::Digest::of(purl.to_string().as_bytes());
    let first = digest.as_bytes().first_chunk::<4>().copied().unwrap_or_default();
    i32::from_be_bytes(first) & i32::MAX
}

/// A row of v0's one list.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Listed {
    name: String,
    version: String,
    status: Status,
    distro: String,
    /// The component, as since rebuilderd 0.27.
    suite: String,
    architecture: String,
    artifact_url: String,
    build_id: Option<i32>,
    built_at: Option<String>,
    has_diffoscope: bool,
    has_attestation: bool,
}

impl Listed {
    pub(super) fn of(binary: Binary, has_attestation: bool) -> Self {
        let Binary { named, status, url, build_id, built_at, .. } = binary;
        let Named { name, version, distribution, component, architecture, .. } = named;
        Self {
            name,
            version,
            status,
            distro: distribution,
            suite: component.unwrap_or_else(|| "main".to_owned()),
            architecture,
            artifact_url: url,
            build_id,
            built_at: built_at.map(naive),
            has_diffoscope: false,
            has_attestation,
        }
    }
}

/// A time as rebuilderd writes it: UTC, and not said to be.
pub(super) fn naive(time: Timestamp) -> String {
    time.to_string().trim_end_matches('Z').to_owned()
}
