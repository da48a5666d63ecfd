//! The paths below `/api/v0`: one list without pages, and what hangs on a build.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Page, Wanted};
use super::records::{Binary, Job, Listed, Status, naive};
use super::{blob, json, of_voter, queue_of};
use crate::clock;
use crate::doors::problem::Problem;
use crate::doors::router::Shared;

/// What v0's list is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    name: Option<String>,
    status: Option<String>,
    distro: Option<String>,
    suite: Option<String>,
    architecture: Option<String>,
}

/// Everything in one answer, as its clients want it.
pub(super) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(which) = asked.map_err(|error| Problem::question(error.body_text()))?;
    let wanted = Wanted {
        name: which.name,
        distribution: which.distro,
        component: which.suite,
        architecture: which.architecture,
        ..Wanted::default()
    };
    let listed = of_voter(&shared, &headers, move |voter| {
        let mut listed = Vec::new();
        for known in &voter.catalog.binaries {
            let last = voter.catalog.last(known).filter(|_| voter.stands);
            let binary = Binary::of(known, last);
            let is = |status: Status| serde_json::to_value(status).ok();
            let asked = which.status.clone().map(Value::String);
            if wanted.keeps(&binary) && (asked.is_none() || asked == is(binary.status)) {
                let attested =
                    last.is_some_and(|(build, one)| voter.may_have_attestation(build, one));
                listed.push(Listed::of(binary, attested));
            }
        }
        Ok(listed)
    });
    json(&listed.await?)
}

/// The first link of a build.
pub(super) async fn attestation(
    State(shared): State<Shared>,
    Path(id): Path<i32>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = of_voter(&shared, &headers, move |voter| {
        let build = voter.catalog.builds.get(&id);
        Ok(build.and_then(|build| {
            build.artifacts.iter().find_map(|artifact| voter.attestation(build, artifact))
        }))
    });
    Ok(blob(found.await?))
}

fn items(jobs: Page<Job>) -> Vec<Value> {
    let item = |job: Job| {
        let Job { id, named, url, queued_at, started_at, .. } = job;
        json!({
            "id": id,
            "pkgbase": {
                "name": named.name, "version": named.version, "distro": named.distribution,
                "suite": named.component.as_deref().unwrap_or("main"),
                "architecture": named.architecture, "input_url": url, "artifacts": [],
            },
            "version": named.version,
            "queued_at": queued_at,
            "worker_id": null,
            "started_at": started_at,
            "last_ping": null,
        })
    };
    jobs.records.into_iter().map(item).collect()
}

/// What waits and runs.
pub(super) async fn queue(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Asked {
        limit: Option<usize>,
    }
    let Asked { limit } = serde_json::from_slice(&body)
        .map_err(|error| Problem::question(format!("{error}; needed {{\"limit\":N}}")))?;
    let jobs = queue_of(&shared, &headers).await?;
    let page = Wanted { limit, ..Wanted::default() }.page(jobs.iter().map(Job::of));
    json(&json!({ "now": naive(clock::now()), "queue": items(page) }))
}

/// Counts of each suite.
pub(super) async fn dashboard(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let counts = of_voter(&shared, &headers, |voter| {
        let mut suites = std::collections::BTreeMap::<String, [usize; 3]>::new();
        for known in &voter.catalog.binaries {
            let binary = Binary::of(known, voter.catalog.last(known).filter(|_| voter.stands));
            let suite = binary.named.component.unwrap_or_else(|| "main".to_owned());
            let [good, unknown, bad] = suites.entry(suite).or_default();
            let count = match binary.status {
                Status::Good => good,
                Status::Bad => bad,
                Status::Fail | Status::Unknown => unknown,
            };
            *count = count.saturating_add(1);
        }
        Ok(suites)
    });
    let suite = |(name, [good, unknown, bad]): (String, [usize; 3])| {
        (name, json!({ "good": good, "unknown": unknown, "bad": bad }))
    };
    let suites: serde_json::Map<String, Value> = counts.await?.into_iter().map(suite).collect();
    let jobs = queue_of(&shared, &headers).await?;
    let active = jobs.iter().filter(|job| job.state == "running");
    let active = items(Wanted::default().page(active.map(Job::of)));
    json(&json!({
        "suites": suites, "active_builds": active, "queue_length": jobs.len(),
        "now": naive(clock::now()),
    }))
}
