//! The logs as the static files that they are (C2SP tiles), with the documents that entries name: what mirrors
//! read, for programs of this machine.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::held::Grounds;
use super::problem::Problem;
use crate::shell::http::static_file;

/// `GET /logs/ORIGIN/FILE`, `GET /logs/origins`, `GET /documents/DIGEST`
pub(super) async fn file(
    State(grounds): State<Arc<Grounds>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let found = static_file(grounds.data(), uri.path());
    let found = found.ok_or_else(|| Problem::absent("/logs/origins names the logs"))?;
    Ok(found.map(Body::new))
}
