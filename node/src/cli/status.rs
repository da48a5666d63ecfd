//! `reattest status`: how the running node is.

use clap::Args;
use reattest_attestation::Timestamp;
use serde::Serialize;

use super::render::align;
use super::{Exit, breakglass, output};
use crate::config::{Config, Role};
use crate::decisions::{self, Chain, OpenBreakglass};
use crate::fault::Fault;
use crate::shell::control::{self, Answer, Ask, LogStatus, QueueCounts};

/// How the running node is.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// What the node says of itself, and what stands in this machine's decision log.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    status: &'a control::Status,
    breakglasses: Vec<OpenBreakglass>,
}

impl Status {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let Answer::Status(status) = control::ask_running(&config.socket(), &Ask::Status)? else {
            return Err(Fault::text("the node answered another question"));
        };
        let chain = Chain::at(&decisions::directory(config));
        let open = decisions::open_breakglasses(&chain, crate::clock::now())?;
        if self.json {
            output::json(&Document { status: &status, breakglasses: open })?;
            return Ok(Exit::Fine);
        }
        for line in lines(&status).into_iter().chain(breakglass::lines(&open)) {
            output::line(&line);
        }
        Ok(Exit::Fine)
    }
}

fn lines(status: &control::Status) -> Vec<String> {
    let mut lines = vec![
        format!("version    {}", status.version),
        format!("network    {}", status.network),
        format!("roles      {}", roles(&status.roles)),
    ];
    lines.extend(status.listening.iter().map(|address| format!("listening  {address}")));
    lines.extend(status.http.iter().map(|url| format!("http       {url}/")));
    lines.push(format!("peers      {} inbound, {} outbound", status.inbound, status.outbound));
    lines.extend(status.mirrors.iter().map(|mirror| match &mirror.why {
        None if mirror.answers => format!("mirror     {}", mirror.url),
        None => format!("mirror     {} has not answered yet", mirror.url),
        Some(why) => format!("mirror     {} DOES NOT SERVE: {why}", mirror.url),
    }));
    let now = crate::clock::now();
    let rows: Vec<[String; 4]> = status.logs.iter().map(|log| row(log, status, now)).collect();
    lines.extend(align(&rows).into_iter().map(|row| format!("log        {row}")));
    if status.signer_awaits {
        lines.push("signer     SIGNS NOTHING until a witness showed the own log's head".to_owned());
    }
    lines.push(format!("strangers  {} logs of operators outside the policy", status.strangers));
    let QueueCounts { running, waiting, given_up } = status.queue;
    lines.push(format!("queue      {running} running, {waiting} waiting, {given_up} given up"));
    let rows: Vec<[String; 2]> =
        status.refused.iter().map(|(cause, count)| [cause.clone(), count.to_string()]).collect();
    lines.extend(align(&rows).into_iter().map(|row| format!("refused    {row}")));
    lines
}

fn roles(roles: &[Role]) -> String {
    let name = |role: &Role| match role {
        Role::Rebuild => "rebuild",
        Role::Witness => "witness",
        Role::Consume => "consume",
    };
    roles.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn row(log: &LogStatus, status: &control::Status, now: Timestamp) -> [String; 4] {
    let age = log.head_stored.map(|at| now.as_unix().saturating_sub(at.as_unix()).max(0));
    let mut marks = Vec::new();
    if status.own.as_ref() == Some(&log.origin) {
        marks.push("own");
    }
    if log.forked {
        marks.push("FORKED");
    }
    [
        log.operator.clone(),
        format!("{} entries", log.size),
        age.map_or_else(|| "no head".to_owned(), |age| format!("head stored {} ago", span(age))),
        marks.join(" "),
    ]
}

/// Seconds as people say them: in the largest unit that fits.
fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
