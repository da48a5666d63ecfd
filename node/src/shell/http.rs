//! The node's HTTP server: logs and documents as the static files that they are, metrics, and a page
//! that says where things are. It only reads, and holds no key.
#![expect(clippy::disallowed_methods, reason = "the shell runs one task for each connection")]

pub(crate) mod contents;
mod metrics;
pub mod tree;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::control::{Answer, Ask, Call, Status};
use crate::config::Http;
use crate::decisions::{Chain, Counts};
use crate::fault::Fault;
use crate::limits::{
    HTTP_CONNECTION, HTTP_CONNECTIONS, HTTP_HEAD_BYTES, HTTP_HEAD_WAIT, HTTP_HEADERS,
};
use contents::Contents;
use metrics::Disk;
use tree::Cached;

/// What every connection shares.
struct Door {
    data: PathBuf,
    calls: mpsc::Sender<Call>,
    disk: Disk,
}

/// Listens; returns the address, whose port the system may have chosen.
pub(super) async fn listen(
    http: Http,
    data: PathBuf,
    calls: mpsc::Sender<Call>,
) -> Result<SocketAddr, Fault> {
    let fail = |error| {
        Fault::new(format!("cannot listen at http.listen = {:?}", http.listen.to_string()), error)
    };
    let listener = TcpListener::bind(http.listen).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    let door = Arc::new(Door { disk: Disk::of(&data), data, calls });
    tokio::spawn(accept(listener, door));
    Ok(address)
}

/// Beyond the bound on connections, others wait in the kernel's queue.
async fn accept(listener: TcpListener, door: Arc<Door>) {
    let room = Arc::new(Semaphore::new(HTTP_CONNECTIONS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, from)) => {
                let door = Arc::clone(&door);
                tokio::spawn(async move {
                    serve(stream, from, door).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Too many open files, most likely: those that are open end in time.
                tracing::warn!(%error, "an HTTP connection was not taken");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, from: SocketAddr, door: Arc<Door>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(answer(&request, from, &door).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEAD_WAIT)
        .max_buf_size(HTTP_HEAD_BYTES)
        .max_headers(HTTP_HEADERS)
        .serve_connection(TokioIo::new(stream), answer);
    match tokio::time::timeout(HTTP_CONNECTION, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection ended early"),
        Err(error) => tracing::debug!(%error, "an HTTP connection took too long"),
    }
}

async fn answer(request: &Request<Incoming>, from: SocketAddr, door: &Door) -> Response<Contents> {
    if request.method() != Method::GET {
        let mut refused = words(StatusCode::METHOD_NOT_ALLOWED, "needed GET\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    // How this node is concerns this machine alone.
    let local = from.ip().to_canonical().is_loopback();
    match request.uri().path() {
        _ if request.uri().query().is_some() => absent(),
        "/" if local => match status(door).await {
            Some(status) => {
                let page = metrics::page(&status);
                text(StatusCode::OK, "application/json", page)
            }
            None => stopping(),
        },
        "/metrics" if local => match status(door).await {
            Some(status) => {
                let bytes = door.disk.bytes().await;
                let text_format = "text/plain; version=0.0.4; charset=utf-8";
                let metrics = metrics::text(&status, bytes, decisions(door).await);
                text(StatusCode::OK, text_format, metrics)
            }
            None => stopping(),
        },
        path => static_file(&door.data, path).unwrap_or_else(absent),
    }
}

/// What the decision log of this machine counts; nothing where its head cannot be read.
async fn decisions(door: &Door) -> Option<Counts> {
    let chain = Chain::at(&door.data.join("decisions"));
    tokio::task::spawn_blocking(move || chain.counts().ok()).await.ok().flatten()
}

async fn status(door: &Door) -> Option<Status> {
    let (reply, answer) = oneshot::channel();
    door.calls.send((Ask::Status, reply)).await.ok()?;
    match answer.await.ok()? {
        Answer::Status(status) => Some(*status),
        _ => None,
    }
}

/// The file of the tree that a path names, with its type and how long it may be kept; nothing where
/// there is none.
pub(crate) fn static_file(data: &Path, path: &str) -> Option<Response<Contents>> {
    let found = tree::find(path)?;
    let contents = match Contents::of_file(&data.join(&found.path)) {
        Ok(contents) => contents?,
        Err(error) => {
            tracing::warn!(path = found.path, %error, "a file was not served");
            return Some(words(StatusCode::INTERNAL_SERVER_ERROR, "this file cannot be read\n"));
        }
    };
    let cached = match found.cached {
        Cached::Forever => "public, max-age=31536000, immutable",
        Cached::Never => "no-cache",
    };
    let mut response = with_type(StatusCode::OK, found.kind, contents);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    Some(response)
}

fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Contents> {
    let mut response = with_type(status, kind, Contents::of_text(text));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn words(status: StatusCode, words: &str) -> Response<Contents> {
    text(status, "text/plain; charset=utf-8", words.to_owned())
}

fn absent() -> Response<Contents> {
    words(StatusCode::NOT_FOUND, "not here; /logs/origins names the logs\n")
}

fn stopping() -> Response<Contents> {
    words(StatusCode::SERVICE_UNAVAILABLE, "the node is stopping\n")
}

fn with_type(status: StatusCode, kind: &'static str, contents: Contents) -> Response<Contents> {
    let mut response = Response::new(contents);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
