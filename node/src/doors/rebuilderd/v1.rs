//! The paths below `/api/v1` of rebuilderd 0.28.

use std::collections::BTreeSet;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use reattest_attestation::export::rebuilderd_pem;
use serde_json::json;

use super::page::{Page, Wanted};
use super::records::{ArtifactRecord, Binary, Job, Named, RebuildRecord, Source, Status};
use super::voter::Voter;
use super::{blob, json, not_found, of_voter, queue_of};
use crate::doors::catalog::{Build, Known};
use crate::doors::problem::Problem;
use crate::doors::router::Shared;

type Asked = Result<Query<Wanted>, QueryRejection>;

fn wanted(asked: Asked) -> Result<Wanted, Problem> {
    asked.map(|Query(wanted)| wanted).map_err(|error| Problem::question(error.body_text()))
}

/// The one key of the host's rebuilder; none where its word does not count.
pub(super) async fn public_keys(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let current = of_voter(&shared, &headers, |voter| {
        let key = voter.stands.then_some(&voter.catalog.key);
        Ok(key.map(rebuilderd_pem).into_iter().collect::<Vec<_>>())
    });
    json(&json!({ "current": current.await? }))
}

fn binary_of(voter: &Voter<'_>, known: &Known) -> Binary {
    let mut binary = Binary::of(known, voter.catalog.last(known));
    if !voter.stands {
        (binary.status, binary.build_id) = (Status::Unknown, None);
    }
    binary
}

/// With the number of its attestation, where there is one.
fn attested(voter: &Voter<'_>, mut binary: Binary) -> Binary {
    let known = usize::try_from(binary.id.saturating_sub(1)).ok();
    let known = known.and_then(|at| voter.catalog.binaries.get(at));
    let last = known.and_then(|known| voter.catalog.last(known));
    let attested = last.filter(|(build, one)| voter.attestation(build, one).is_some());
    binary.artifact_id = attested.map(|(_, artifact)| artifact.id);
    binary.attestation_log_id = binary.artifact_id;
    binary
}

pub(super) async fn binaries(
    State(shared): State<Shared>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = wanted(asked)?;
    let page = of_voter(&shared, &headers, move |voter| {
        let all = voter.catalog.binaries.iter().map(|known| binary_of(voter, known));
        let Page { total, records } = wanted.page(all);
        let records = records.into_iter().map(|one| attested(voter, one)).collect();
        Ok(Page { total, records })
    });
    json(&page.await?)
}

pub(super) async fn binary(
    State(shared): State<Shared>,
    Path(id): Path<i32>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let known = voter.catalog.binaries.iter().find(|known| known.id == id);
        Ok(known.map(|known| attested(voter, binary_of(voter, known))))
    });
    found.await?.map_or_else(|| Ok(not_found()), |found| json(&found))
}

fn source_of(voter: &Voter<'_>, known: &Known) -> Option<Source> {
    let (build, _) = voter.catalog.last(known)?;
    Some(Source::of(known, build))
}

pub(super) async fn sources(
    State(shared): State<Shared>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = wanted(asked)?;
    let page = of_voter(&shared, &headers, move |voter| {
        Ok(wanted.page(voter.catalog.sources.iter().filter_map(|known| source_of(voter, known))))
    });
    json(&page.await?)
}

pub(super) async fn source(
    State(shared): State<Shared>,
    Path(id): Path<i32>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let known = voter.catalog.sources.iter().find(|known| known.id == id);
        Ok(known.and_then(|known| source_of(voter, known)))
    });
    found.await?.map_or_else(|| Ok(not_found()), |found| json(&found))
}

pub(super) async fn builds(
    State(shared): State<Shared>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = wanted(asked)?;
    let page = of_voter(&shared, &headers, move |voter| {
        Ok(wanted.page(voter.catalog.builds.values().map(RebuildRecord::of)))
    });
    json(&page.await?)
}

pub(super) async fn build(
    State(shared): State<Shared>,
    Path(id): Path<i32>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        Ok(voter.catalog.builds.get(&id).map(RebuildRecord::of))
    });
    found.await?.map_or_else(|| Ok(not_found()), |found| json(&found))
}

fn artifacts_of(voter: &Voter<'_>, build: &Build) -> Vec<ArtifactRecord> {
    let record =
        |artifact| ArtifactRecord::of(artifact, voter.attestation(build, artifact).is_some());
    build.artifacts.iter().map(record).collect()
}

pub(super) async fn artifacts(
    State(shared): State<Shared>,
    Path(id): Path<i32>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let build = voter.catalog.builds.get(&id);
        Ok(build.map(|build| artifacts_of(voter, build)).unwrap_or_default())
    });
    json(&found.await?)
}

pub(super) async fn artifact(
    State(shared): State<Shared>,
    Path((id, artifact)): Path<(i32, i32)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let build = voter.catalog.builds.get(&id);
        let all = build.map(|build| artifacts_of(voter, build)).unwrap_or_default();
        Ok(all.into_iter().find(|one| one.id == artifact))
    });
    found.await?.map_or_else(|| Ok(not_found()), |found| json(&found))
}

pub(super) async fn attestation(
    State(shared): State<Shared>,
    Path((id, artifact)): Path<(i32, i32)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let build = voter.catalog.builds.get(&id);
        Ok(build.and_then(|build| {
            let artifact = build.artifacts.iter().find(|one| one.id == artifact)?;
            voter.attestation(build, artifact)
        }))
    });
    Ok(blob(found.await?))
}

pub(super) async fn queue(
    State(shared): State<Shared>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = wanted(asked)?;
    let jobs = queue_of(&shared, &headers).await?;
    json(&wanted.page(jobs.iter().map(Job::of)))
}

/// Builders are processes of this node and no clients of it: there are none to list.
pub(super) async fn workers() -> Result<Response, Problem> {
    json(&Page::<()> { total: 0, records: Vec::new() })
}

pub(super) async fn dashboard(
    State(shared): State<Shared>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Wanted { limit: Some(0), ..wanted(asked)? };
    let count = of_voter(&shared, &headers, move |voter| {
        let count = |status: Status| {
            let all = voter.catalog.sources.iter().filter_map(|known| source_of(voter, known));
            wanted.page(all.filter(|one| one.status == status)).total
        };
        Ok([Status::Good, Status::Bad, Status::Fail, Status::Unknown].map(count))
    });
    let [good, bad, fail, unknown] = count.await?;
    let jobs = queue_of(&shared, &headers).await?;
    let running = jobs.iter().filter(|job| job.state == "running").count();
    let pending = jobs.iter().filter(|job| job.next_try.is_some()).count();
    let available = jobs.len().saturating_sub(running).saturating_sub(pending);
    json(&json!({
        "rebuilds": { "good": good, "bad": bad, "fail": fail, "unknown": unknown },
        "jobs": { "running": running, "available": available, "pending": pending },
    }))
}

/// Distinct values of what binaries are named, where another part of the name fits.
async fn values(
    shared: Shared,
    headers: HeaderMap,
    value: impl Fn(Named) -> Option<Option<String>> + Send + 'static,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let all = voter.catalog.binaries.iter();
        let named = all.map(|known| binary_of(voter, known).named);
        Ok(named.filter_map(value).collect::<BTreeSet<Option<String>>>())
    });
    json(&found.await?)
}

pub(super) async fn distributions(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    values(shared, headers, |named| Some(Some(named.distribution))).await
}

pub(super) async fn releases(
    State(shared): State<Shared>,
    Path(distribution): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let release = move |named: Named| (named.distribution == distribution).then_some(named.release);
    values(shared, headers, release).await
}

pub(super) async fn architectures(
    State(shared): State<Shared>,
    Path(distribution): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let of_it = move |named: Named| {
        (named.distribution == distribution).then_some(Some(named.architecture))
    };
    values(shared, headers, of_it).await
}

/// `-` is the release that has no name.
pub(super) async fn architectures_of_release(
    State(shared): State<Shared>,
    Path((distribution, release)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let of_it = move |named: Named| {
        let fits = named.distribution == distribution
            && named.release.as_deref().unwrap_or("-") == release;
        fits.then_some(Some(named.architecture))
    };
    values(shared, headers, of_it).await
}
