//! The paths of the local service, and what holds for all of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use reattest_attestation::Digest;
use tokio::sync::mpsc;

use super::catalog::Catalogs;
use super::held::Grounds;
use super::problem::Problem;
use super::{network, rebuilderd, rebuilds, tree, verdicts};
use crate::limits::{DOORS_ANSWER, DOORS_BODY_BYTES};
use crate::shell::control::Call;

/// What every connection shares.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) grounds: Arc<Grounds>,
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) catalogs: Arc<Catalogs>,
}

impl FromRef<Shared> for Arc<Grounds> {
    fn from_ref(shared: &Shared) -> Self {
        Self::clone(&shared.grounds)
    }
}

/// Who is let in.
#[derive(Debug, Clone)]
pub(super) enum Guard {
    /// The socket's own permissions say it.
    Socket,
    /// Programs of this machine: but no page of a browser that was led to this address by a name.
    Loopback,
    /// Who knows the token; its digest, so that comparing it tells nothing of it.
    Token(Digest),
}

/// The service.
pub(super) fn router(shared: Shared, guard: Guard) -> Router {
    Router::new()
        .route("/v1/health", get(network::health))
        .route("/v1/operators", get(network::operators))
        .route("/v1/logs", get(network::logs))
        .route("/v1/queue", get(network::queue))
        .route("/v1/verdicts", post(verdicts::of_batch))
        .route("/v1/verdicts/{sha256}", get(verdicts::of_file))
        .route("/v1/packages", get(verdicts::of_package))
        .route("/v1/evidence/{sha256}", get(verdicts::evidence))
        .route("/v1/rebuilders", get(rebuilds::rebuilders))
        .route("/v1/votes", get(rebuilds::votes))
        .route("/v1/disputes", get(rebuilds::disputes))
        .route("/logs/{*file}", get(tree::file))
        .route("/documents/{digest}", get(tree::file))
        .merge(rebuilderd::router())
        .method_not_allowed_fallback(|| async {
            Problem::method("needed GET, or POST for /v1/verdicts")
        })
        .fallback(|| async {
            Problem::absent(
                "the paths are under /v1, /logs and /documents; see `reattest help service`",
            )
        })
        .layer(DefaultBodyLimit::max(DOORS_BODY_BYTES))
        .layer(from_fn(bounded))
        .layer(from_fn_with_state(guard, guarded))
        .with_state(shared)
}

/// No answer takes for ever, whoever sends its question byte by byte.
async fn bounded(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(DOORS_ANSWER, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        let seconds = DOORS_ANSWER.as_secs();
        Problem::late(format!("needed an answer within {seconds} s; ask for less at once"))
            .into_response()
    });
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.lets_in(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

impl Guard {
    fn lets_in(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match self {
            Self::Socket => Ok(()),
            Self::Loopback => {
                let host = text(HOST).unwrap_or_default();
                if is_loopback(host) {
                    return Ok(());
                }
                let shown: String = host.chars().take(80).collect();
                Err(Problem::question(format!(
                    "found {shown:?} as Host, needed localhost or a loopback address"
                )))
            }
            Self::Token(token) => {
                let bearer = text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
                let known = bearer.is_some_and(|bearer| Digest::of(bearer.as_bytes()) == *token);
                if known { Ok(()) } else { Err(Problem::token()) }
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|one| one.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: std::net::IpAddr| address.is_loopback();
    // Names below it are this machine's too (RFC 6761, section 6.3): no page elsewhere bears one.
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_let_in_over_loopback() {
        for host in [
            "localhost",
            "LocalHost:4190",
            "127.0.0.1:4190",
            "127.0.0.1",
            "[::1]:4190",
            "[::1]",
            "alder.localhost:4190",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:4190",
            "localhost.evil.example",
            "10.0.0.1",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
