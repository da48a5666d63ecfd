//! How the node is, whom its policy names, and which logs it holds.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::problem::Problem;
use super::router::Shared;
use super::verdicts::{ground, tagged};
use crate::limits::DOORS_PAGE;
use crate::shell::control::{Answer, Ask, Call, LogStatus, Status};

/// Whether the service answers, and for which network.
#[derive(Debug, Serialize)]
struct Health {
    version: String,
    network: String,
    peers: usize,
    logs: usize,
}

/// One operator of the policy.
#[derive(Debug, Serialize)]
struct Operator {
    name: String,
    key: String,
}

#[derive(Debug, Serialize)]
struct Operators {
    operators: Vec<Operator>,
}

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

/// Logs in the order of their origins; `next` is where the next page begins, and missing on the last.
#[derive(Debug, Serialize)]
struct Logs {
    logs: Vec<LogStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /v1/health`
pub(super) async fn health(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Status { version, network, peers, logs, .. } = status(&shared.calls).await?;
    tagged(&Health { version, network, peers: peers.len(), logs: logs.len() }, &headers)
}

/// `GET /v1/operators`
pub(super) async fn operators(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let operators = ground(shared.grounds, |ground| {
        let operators = ground.policy.operators();
        let operator = |one: &reattest_attestation::policy::Operator| Operator {
            name: one.name.clone(),
            key: one.key.to_string(),
        };
        Ok(operators.iter().map(operator).collect())
    });
    tagged(&Operators { operators: operators.await? }, &headers)
}

/// `GET /v1/logs?after=ORIGIN&limit=N`
pub(super) async fn logs(
    State(shared): State<Shared>,
    page: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(page) = page.map_err(|error| Problem::question(error.body_text()))?;
    let limit = page_size(page.limit)?;
    let mut all = status(&shared.calls).await?.logs;
    all.sort_by(|one, other| one.origin.cmp(&other.origin));
    let after = page.after.as_deref();
    let mut rest = all.into_iter().filter(|log| after.is_none_or(|after| *log.origin > *after));
    let logs: Vec<LogStatus> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = logs.last().filter(|_| more).map(|log| log.origin.clone());
    tagged(&Logs { logs, next }, &headers)
}

/// How many items a page has: as asked, within bounds.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(DOORS_PAGE) {
        limit @ 1..=DOORS_PAGE => Ok(limit),
        limit => Err(Problem::question(format!("found limit={limit}, needed 1 to {DOORS_PAGE}"))),
    }
}

/// `GET /v1/queue`
pub(super) async fn queue(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match ask(&shared.calls, Ask::Queue).await? {
        Answer::Queue(queue) => tagged(&queue, &headers),
        _ => Err(stopping()),
    }
}

pub(super) async fn status(calls: &mpsc::Sender<Call>) -> Result<Status, Problem> {
    match ask(calls, Ask::Status).await? {
        Answer::Status(status) => Ok(*status),
        _ => Err(stopping()),
    }
}

pub(super) async fn ask(calls: &mpsc::Sender<Call>, ask: Ask) -> Result<Answer, Problem> {
    let (reply, answer) = oneshot::channel();
    calls.send((ask, reply)).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

fn stopping() -> Problem {
    Problem::late("the node is stopping; ask again when it runs")
}
