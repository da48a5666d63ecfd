//! Verdicts on files and packages, one by one and in batches, and the evidence under them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reattest_attestation::{Digest, HashedFile, Purl, Question, Verdict};
use serde::{Deserialize, Serialize};

use super::held::{Ground, Grounds};
use super::problem::Problem;
use crate::limits::DOORS_BATCH;
use crate::query::{self, Source};
use crate::store::index::Selector;

/// What a file is meant to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meant {
    #[serde(rename = "as")]
    purl: Option<String>,
}

/// Which package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    purl: String,
}

/// Up to [`DOORS_BATCH`] questions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    questions: Vec<Asked>,
}

/// One question of a batch: a file is always meant to be something there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sha256: String,
    #[serde(rename = "as")]
    purl: String,
}

/// The verdicts on a batch, in the order of its questions.
#[derive(Debug, Serialize)]
pub(super) struct Verdicts {
    verdicts: Vec<Verdict>,
}

/// Runs what reads disks and checks signatures apart from the connections.
pub(super) async fn ground<T: Send + 'static>(
    grounds: Arc<Grounds>,
    work: impl FnOnce(&Ground) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(move || work(&grounds.now().map_err(Problem::from)?));
    done.await.unwrap_or_else(|_| Err(Problem::late("the answer was given up")))
}

/// `GET /v1/verdicts/DIGEST?as=PURL`
pub(super) async fn of_file(
    State(grounds): State<Arc<Grounds>>,
    Path(sha256): Path<String>,
    meant: Result<Query<Meant>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let question = question(&sha256, query(meant)?.purl.as_deref())?;
    let verdict = ground(grounds, move |ground| judge(ground, &question)).await?;
    tagged(&verdict, &headers)
}

/// `GET /v1/packages?purl=PURL`
pub(super) async fn of_package(
    State(grounds): State<Arc<Grounds>>,
    which: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let purl = purl(&query(which)?.purl)?;
    let verdicts = ground(grounds, move |ground| {
        let source = Source::Held(Arc::clone(&ground.held));
        Ok(query::judge_package(&ground.policy, &source, &purl)?)
    });
    tagged(&Verdicts { verdicts: verdicts.await? }, &headers)
}

/// `POST /v1/verdicts`
pub(super) async fn of_batch(
    State(grounds): State<Arc<Grounds>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Verdicts>, Problem> {
    let body = body.map_err(|error| Problem::too_much(error.body_text()))?;
    let batch: Batch = serde_json::from_slice(&body).map_err(|error| {
        let needed = r#"needed {"questions":[{"sha256":"HEX","as":"PURL"}]}"#;
        Problem::question(format!("{error}; {needed}"))
    })?;
    let asked = batch.questions.len();
    if asked > DOORS_BATCH {
        let found = format!("found {asked} questions, needed at most {DOORS_BATCH} in one batch");
        return Err(Problem::too_much(found));
    }
    let number = |(number, asked): (usize, &Asked)| {
        question(&asked.sha256, Some(&asked.purl))
            .map_err(|problem| problem.at(&format!("questions[{number}]")))
    };
    let questions: Vec<Question> =
        batch.questions.iter().enumerate().map(number).collect::<Result<_, _>>()?;
    let verdicts = ground(grounds, move |ground| {
        questions.iter().map(|question| judge(ground, question)).collect()
    });
    Ok(Json(Verdicts { verdicts: verdicts.await? }))
}

/// `GET /v1/evidence/DIGEST?as=PURL`: the bundle that a verdict is drawn from.
pub(super) async fn evidence(
    State(grounds): State<Arc<Grounds>>,
    Path(sha256): Path<String>,
    meant: Result<Query<Meant>, QueryRejection>,
) -> Result<Response, Problem> {
    let question = question(&sha256, query(meant)?.purl.as_deref())?;
    let selector: Selector = query::selector(&question);
    let bundle = ground(grounds, move |ground| {
        let (bundle, _) = ground.held.evidence(&selector)?;
        bundle.to_bytes().map_err(|error| crate::fault::Fault::text(error.to_string()).into())
    });
    let kind = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((kind, bundle.await?).into_response())
}

fn judge(ground: &Ground, question: &Question) -> Result<Verdict, Problem> {
    let source = Source::Held(Arc::clone(&ground.held));
    Ok(query::judge(&ground.policy, &source, question)?)
}

fn question(sha256: &str, meant: Option<&str>) -> Result<Question, Problem> {
    let hex = sha256.strip_prefix("sha256:").unwrap_or(sha256);
    let digest: Digest = hex.parse().map_err(|_| {
        let shown: String = sha256.chars().take(80).collect();
        Problem::question(format!("found {shown:?}, needed sha256: and 64 hexadecimal digits"))
    })?;
    let meant = meant.map(purl).transpose()?;
    let name = meant.as_ref().and_then(Purl::file_name).unwrap_or_default();
    Ok(Question::about(HashedFile::elsewhere(&name, digest), meant))
}

pub(super) fn purl(text: &str) -> Result<Purl, Problem> {
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(200).collect();
        Problem::question(format!("found {shown:?}: {error}"))
    })
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|error| Problem::question(error.body_text()))
}

/// An answer with its tag; whoever has it already is told so.
pub(super) fn tagged<T: Serialize>(answer: &T, headers: &HeaderMap) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(answer)
        .map_err(|error| crate::fault::Fault::new("the answer cannot be written", error))?;
    let tag = format!("\"{}\"", Digest::of(&bytes));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| *value == tag);
    let tag = HeaderValue::from_str(&tag).map_err(|_| Problem::late("no tag could be made"))?;
    let kind = HeaderValue::from_static("application/json");
    let head = [(header::ETAG, tag), (header::CONTENT_TYPE, kind)];
    Ok(if known {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, bytes).into_response()
    })
}
