//! Asks the local service of a running node by its socket, for many verdicts at once.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::pin::pin;

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use reattest_attestation::{Question, Verdict};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::fault::Fault;
use crate::limits::{CLIENT_ANSWER_BYTES, DOORS_ANSWER, DOORS_BATCH};

#[derive(Serialize)]
struct Batch<'a> {
    questions: Vec<Asked<'a>>,
}

#[derive(Serialize)]
struct Asked<'a> {
    sha256: String,
    #[serde(rename = "as")]
    purl: &'a str,
}

#[derive(Deserialize)]
struct Verdicts {
    verdicts: Vec<Verdict>,
}

/// The verdicts of a running node on questions that each name a purl, in their order; `None` where
/// no node listens at the socket. `answered` hears how many there are so far.
///
/// They are drawn by that node from its own policy: whoever has another policy has to ask for evidence.
pub fn verdicts(
    socket: &Path,
    questions: &[Question],
    answered: &mut dyn FnMut(usize),
) -> Result<Option<Vec<Verdict>>, Fault> {
    let failed = |error: &dyn std::fmt::Display| {
        Fault::text(format!("the node's service at {} does not answer: {error}", socket.display()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let all = all(stream, questions, answered);
        let verdicts = all.await.map_err(|error| failed(&error))?;
        Ok(Some(verdicts))
    })
}

fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

async fn all(
    stream: UnixStream,
    questions: &[Question],
    answered: &mut dyn FnMut(usize),
) -> Result<Vec<Verdict>, Error> {
    let (sender, connection) =
        http1::handshake::<_, Body>(TokioIo::new(stream)).await.map_err(Error::other)?;
    let mut verdicts = pin!(in_batches(sender, questions, answered));
    tokio::select! {
        verdicts = &mut verdicts => verdicts,
        // What it said before it closed the connection counts; what it did not say is an error there.
        ended = connection => {
            verdicts.await.map_err(|error| ended.err().map_or(error, Error::other))
        }
    }
}

async fn in_batches(
    mut sender: http1::SendRequest<Body>,
    questions: &[Question],
    answered: &mut dyn FnMut(usize),
) -> Result<Vec<Verdict>, Error> {
    let mut verdicts = Vec::with_capacity(questions.len());
    for batch in questions.chunks(DOORS_BATCH) {
        let one = ask(&mut sender, batch);
        let one = tokio::time::timeout(DOORS_ANSWER, one).await.map_err(Error::other)??;
        if one.len() != batch.len() {
            let (found, needed) = (one.len(), batch.len());
            return Err(Error::other(format!("found {found} verdicts, needed {needed}")));
        }
        let is_about = |(verdict, question): (&Verdict, &Question)| {
            verdict.artifact.sha256 == question.file.sha256()
        };
        if !one.iter().zip(batch).all(is_about) {
            return Err(Error::other("found a verdict on another file, needed one a question"));
        }
        verdicts.extend(one);
        answered(verdicts.len());
    }
    Ok(verdicts)
}

async fn ask(
    sender: &mut http1::SendRequest<Body>,
    questions: &[Question],
) -> Result<Vec<Verdict>, Error> {
    let asked = |question: &'_ Question| {
        let purl = question.purl.as_ref();
        purl.map(|purl| (question.file.sha256().to_string(), purl.as_str().to_owned()))
    };
    let named: Option<Vec<(String, String)>> = questions.iter().map(asked).collect();
    let named = named.ok_or_else(|| Error::other("found a question without a purl"))?;
    let questions =
        named.iter().map(|(sha256, purl)| Asked { sha256: sha256.clone(), purl }).collect();
    let body = serde_json::to_vec(&Batch { questions })?;
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/verdicts")
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(Error::other)?;
    let response = sender.send_request(request).await.map_err(Error::other)?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), CLIENT_ANSWER_BYTES);
    let body = body.await.map_err(Error::other)?;
    if status != StatusCode::OK {
        let said: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        return Err(Error::other(format!("{status}: {said}")));
    }
    let answer: Verdicts = serde_json::from_slice(&body)?;
    Ok(answer.verdicts)
}
