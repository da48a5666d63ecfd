//! Refusals and faults as RFC 9457 problems: what was found, what was needed, what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::fault::Fault;

/// A refusal or a fault. It is never a verdict.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: String) -> Self {
        Self { title, status: status.as_u16(), detail }
    }

    /// The question is not understood.
    pub(super) fn question(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The question is not understood", detail.into())
    }

    /// The same, with the place in the question.
    #[must_use]
    pub(super) fn at(mut self, place: &str) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// There is no such thing.
    pub(super) fn absent(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such thing here", detail.into())
    }

    /// More than is answered at once.
    pub(super) fn too_much(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "That is too much at once", detail.into())
    }

    /// Not allowed in this way.
    pub(super) fn method(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This is not done in this way", detail.into())
    }

    /// Without the token.
    pub(super) fn token() -> Self {
        let detail =
            "needed the header `Authorization: Bearer TOKEN` with the token of `service.token`";
        Self::new(StatusCode::UNAUTHORIZED, "A token is needed", detail.to_owned())
    }

    /// It took too long.
    pub(super) fn late(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "That took too long", detail.into())
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let title = "This machine could not answer";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, title, fault.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
