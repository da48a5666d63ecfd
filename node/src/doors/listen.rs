//! Who may connect to the local service, how many at once, and for how long.
#![expect(clippy::disallowed_methods, reason = "the shell runs one task for each connection")]

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use reattest_attestation::Digest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc};

use super::held::Grounds;
use super::router::{Guard, Shared, router};
use crate::config::{Config, Service};
use crate::fault::Fault;
use crate::limits::{
    HTTP_CONNECTION, HTTP_CONNECTIONS, HTTP_HEAD_BYTES, HTTP_HEAD_WAIT, HTTP_HEADERS,
};
use crate::shell::control::Call;

/// Opens the service; returns the address of its HTTP door, where there is one.
pub(crate) async fn open(
    config: &Config,
    calls: mpsc::Sender<Call>,
) -> Result<Option<SocketAddr>, Fault> {
    let grounds = Arc::new(Grounds::new(config.data.clone(), config.policy.clone()));
    let shared = Shared { grounds, calls, catalogs: Arc::default() };
    let room = Arc::new(Semaphore::new(HTTP_CONNECTIONS));
    let unix = bind(&config.service_socket())?;
    let app = router(shared.clone(), Guard::Socket);
    tokio::spawn(accept(room.clone(), app, async move || {
        unix.accept().await.map(|(stream, _)| stream)
    }));
    let Some(service) = &config.service else { return Ok(None) };
    let fail = |error| {
        let at = service.listen.to_string();
        Fault::new(format!("cannot listen at service.listen = {at:?}"), error)
    };
    let tcp = TcpListener::bind(service.listen).await.map_err(fail)?;
    let address = tcp.local_addr().map_err(fail)?;
    let app = router(shared, guard(service)?);
    tokio::spawn(accept(room, app, async move || tcp.accept().await.map(|(stream, _)| stream)));
    Ok(Some(address))
}

/// The node's own lock on its data is held: whatever socket is there belongs to nobody.
fn bind(path: &Path) -> Result<UnixListener, Fault> {
    let fail = |error: io::Error| Fault::new(path.display().to_string(), error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fail)?;
    // Programs of the same user only, whatever the umask is.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(listener)
}

fn guard(service: &Service) -> Result<Guard, Fault> {
    let Some(path) = &service.token else { return Ok(Guard::Loopback) };
    let text = fs::read_to_string(path)
        .map_err(|error| Fault::new(format!("service.token = {:?}", path.display()), error))?;
    let token = text.trim();
    if token.len() < 16 {
        return Err(Fault::text(format!(
            "{}: found a token of {} characters, needed at least 16 that nobody guesses",
            path.display(),
            token.len()
        )));
    }
    Ok(Guard::Token(Digest::of(token.as_bytes())))
}

/// Beyond the bound on connections, others wait in the kernel's queue.
async fn accept<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    room: Arc<Semaphore>,
    app: Router,
    mut next: impl AsyncFnMut() -> io::Result<S>,
) {
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match next().await {
            Ok(stream) => {
                let app = app.clone();
                tokio::spawn(async move {
                    serve(stream, app).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Too many open files, most likely: those that are open end in time.
                tracing::warn!(%error, "a connection to the local service was not taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, app: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEAD_WAIT)
        .max_buf_size(HTTP_HEAD_BYTES)
        .max_headers(HTTP_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    match tokio::time::timeout(HTTP_CONNECTION, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the local service ended early"),
        Err(error) => tracing::debug!(%error, "a connection to the local service took too long"),
    }
}
