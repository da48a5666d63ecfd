//! rebuilderd's read API (0.28: v1, and v0 before it), so that clients people have already run against a node.
//!
//! [`voter`] says whose log a host name means, [`records`] and [`page`] give the JSON and its pages; [`v1`] and
//! [`v0`] are the paths. Only links prove
//! anything here: statuses are one rebuilder's word over a local connection, as they are there.

mod records;
mod page;
mod voter;
mod v1;
mod v0;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

pub(super) use self::voter::stands;
use self::voter::{Host, Voter};
use super::network::{ask, status};
use super::problem::Problem;
use super::router::Shared;
use super::verdicts::ground;
use crate::fault::Fault;
use crate::shell::control::{Answer, Ask};
use crate::shell::jobs::QueuedRelease;

/// The paths.
pub(super) fn router() -> Router<Shared> {
    let builds = "/api/v1/builds/{build}";
    let meta = "/api/v1/meta/distributions";
    Router::new()
        .route("/api/v1/meta/public-keys", get(v1::public_keys))
        .route(meta, get(v1::distributions))
        .route(&format!("{meta}/{{distribution}}/releases"), get(v1::releases))
        .route(&format!("{meta}/{{distribution}}/architectures"), get(v1::architectures))
        .route(
            &format!("{meta}/{{distribution}}/releases/{{release}}/architectures"),
            get(v1::architectures_of_release),
        )
        .route("/api/v1/packages/binary", get(v1::binaries))
        .route("/api/v1/packages/binary/{id}", get(v1::binary))
        .route("/api/v1/packages/source", get(v1::sources))
        .route("/api/v1/packages/source/{id}", get(v1::source))
        .route("/api/v1/builds", get(v1::builds))
        .route(builds, get(v1::build))
        .route(&format!("{builds}/log"), get(absent))
        .route(&format!("{builds}/artifacts"), get(v1::artifacts))
        .route(&format!("{builds}/artifacts/{{artifact}}"), get(v1::artifact))
        .route(&format!("{builds}/artifacts/{{artifact}}/attestation"), get(v1::attestation))
        .route(&format!("{builds}/artifacts/{{artifact}}/diffoscope"), get(absent))
        .route("/api/v1/queue", get(v1::queue))
        .route("/api/v1/workers", get(v1::workers))
        .route("/api/v1/dashboard", get(v1::dashboard))
        .route("/api/v0/pkgs/list", get(v0::list))
        .route("/api/v0/builds/{build}/attestation", get(v0::attestation))
        .route("/api/v0/builds/{build}/log", get(absent))
        .route("/api/v0/builds/{build}/diffoscope", get(absent))
        .route("/api/v0/queue/list", post(v0::queue))
        .route("/api/v0/dashboard", get(v0::dashboard))
        .route("/api/v0/public-keys", get(v1::public_keys))
}

/// Answers from the log that the request's host names.
async fn of_voter<T: Send + 'static>(
    shared: &Shared,
    headers: &HeaderMap,
    answer: impl FnOnce(&Voter<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Problem> {
    let host = Host::of(headers);
    let own = if host == Host::Own { status(&shared.calls).await?.own } else { None };
    let catalogs = Arc::clone(&shared.catalogs);
    let asked = host.clone();
    let answered = ground(Arc::clone(&shared.grounds), move |ground| {
        Ok(voter::with(&catalogs, ground, &asked, own.as_deref(), answer)?)
    });
    answered.await?.ok_or_else(|| match host {
        Host::Own => Problem::absent(
            "this node rebuilds nothing itself; ask for an operator of its policy by http://NAME.localhost",
        ),
        Host::Operator(name) => Problem::absent(format!(
            "no log of an operator {:?} is here; `reattest status` has those of the policy",
            name.chars().take(80).collect::<String>()
        )),
    })
}

/// What this node builds; of others it knows nothing.
async fn queue_of(shared: &Shared, headers: &HeaderMap) -> Result<Vec<QueuedRelease>, Problem> {
    if Host::of(headers) != Host::Own {
        return Ok(Vec::new());
    }
    match ask(&shared.calls, Ask::Queue).await? {
        Answer::Queue(queue) => {
            let is_due = |one: &QueuedRelease| matches!(one.state.as_str(), "running" | "waiting");
            Ok(queue.releases.into_iter().filter(is_due).collect())
        }
        _ => Err(Problem::late("the node is stopping; ask again when it runs")),
    }
}

fn json<T: Serialize>(value: &T) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Fault::new("the answer cannot be written", error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// The link, or what rebuilderd says where there is none.
fn blob(bytes: Option<Vec<u8>>) -> Response {
    let head = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    bytes.map_or_else(not_found, |bytes| (head, bytes).into_response())
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Not found\n").into_response()
}

/// Build logs and differences stay with whoever built: statements have their digests alone.
async fn absent() -> Response {
    not_found()
}
