//! Metrics in Prometheus' text format, and the page that says where things are.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use reattest_attestation::Timestamp;
use tokio::sync::Mutex;

use crate::clock;
use crate::decisions::Counts;
use crate::disk::{Disk as _, FileSystem};
use crate::limits::DISK_COUNTED;
use crate::shell::control::Status;

/// How much the data directory takes, counted now and then.
#[derive(Debug)]
pub(super) struct Disk {
    data: PathBuf,
    counted: Mutex<Option<(Timestamp, u64)>>,
}

impl Disk {
    pub(super) fn of(data: &Path) -> Self {
        Self { data: data.to_owned(), counted: Mutex::new(None) }
    }

    /// Bytes, as counted at most [`DISK_COUNTED`] ago.
    pub(super) async fn bytes(&self) -> u64 {
        let mut counted = self.counted.lock().await;
        let now = clock::now();
        if let Some((at, bytes)) = *counted {
            let age = now.as_unix().saturating_sub(at.as_unix());
            if u64::try_from(age).is_ok_and(|age| age < DISK_COUNTED.as_secs()) {
                return bytes;
            }
        }
        let data = self.data.clone();
        let found = tokio::task::spawn_blocking(move || FileSystem.bytes_below(&data)).await;
        let bytes = found.unwrap_or_default();
        *counted = Some((now, bytes));
        bytes
    }
}

/// Where things are, as JSON.
pub(super) fn page(status: &Status) -> String {
    let page = serde_json::json!({
        "reattest": status.version,
        "network": status.network,
        "metrics": "/metrics",
        "logs": "/logs/origins",
        "log": "/logs/ORIGIN/checkpoint, certificate, fork, tile/LEVEL/N, tile/entries/N",
        "documents": "/documents/SHA256",
    });
    format!("{page:#}\n")
}

/// The metrics. Each one's help is the question that it answers.
pub(super) fn text(status: &Status, bytes_on_disk: u64, decisions: Option<Counts>) -> String {
    let mut text = Exposition::default();
    text.gauge("decision_log_up", "Is the decision log in order, as far as its head tells?");
    text.plain("decision_log_up", u64::from(decisions.is_some()));
    if let Some(Counts { records, broken, open }) = decisions {
        text.counter("decision_records_total", "How much was decided on this machine?");
        text.plain("decision_records_total", records);
        text.counter("breakglass_total", "How often did somebody break the glass?");
        text.plain("breakglass_total", broken);
        text.gauge("breakglass_open", "How many breakglasses has nobody reviewed?");
        text.plain("breakglass_open", open as u64);
    }
    text.gauge("build_info", "Which version runs, in which network?");
    text.labelled("build_info", &[("version", &status.version), ("network", &status.network)], 1);
    text.gauge("peers", "How many peers are connected, and who opened the connection?");
    for (direction, count) in [("inbound", status.inbound), ("outbound", status.outbound)] {
        text.labelled("peers", &[("direction", direction)], count);
    }
    text.gauge("mirror_up", "Which mirrors answer?");
    for mirror in &status.mirrors {
        text.labelled("mirror_up", &[("url", &mirror.url)], u64::from(mirror.answers));
    }
    logs(&mut text, status);
    text.gauge("strangers", "How many logs of operators outside the policy were heard of?");
    text.plain("strangers", status.strangers);
    text.counter("refused_total", "What did peers and mirrors send that was refused, and why?");
    for (cause, count) in &status.refused {
        text.labelled("refused_total", &[("cause", cause)], *count);
    }
    text.gauge("queue", "How many releases are built, wait, or were given up?");
    let queue = &status.queue;
    let counts =
        [("running", queue.running), ("waiting", queue.waiting), ("given-up", queue.given_up)];
    for (state, count) in counts {
        text.labelled("queue", &[("state", state)], count);
    }
    text.gauge("signer_awaits_witnesses", "Does the signer wait for witnesses before it signs?");
    text.plain("signer_awaits_witnesses", u64::from(status.signer_awaits));
    text.gauge("data_bytes", "How much does the data directory take? Counted every ten minutes.");
    text.plain("data_bytes", bytes_on_disk);
    text.counter("stored_bytes_total", "How many bytes of entries were stored since the start?");
    text.plain("stored_bytes_total", status.stored_bytes);
    text.text
}

fn logs(text: &mut Exposition, status: &Status) {
    text.gauge("logs", "How many logs are held?");
    text.plain("logs", status.logs.len() as u64);
    text.gauge("log_entries", "How many entries stand under each log's newest head?");
    for log in &status.logs {
        let labels = [("origin", log.origin.as_str()), ("operator", &log.operator)];
        text.labelled("log_entries", &labels, log.size);
    }
    text.gauge("log_forked", "Whose key signed two histories?");
    for log in &status.logs {
        let labels = [("origin", log.origin.as_str()), ("operator", &log.operator)];
        text.labelled("log_forked", &labels, u64::from(log.forked));
    }
    text.gauge(
        "log_head_age_seconds",
        "How long ago was each log's newest head stored? A silent log or a cut connection.",
    );
    let now = clock::now().as_unix();
    for log in &status.logs {
        let Some(stored) = log.head_stored else { continue };
        let age = u64::try_from(now.saturating_sub(stored.as_unix())).unwrap_or_default();
        let labels = [("origin", log.origin.as_str()), ("operator", &log.operator)];
        text.labelled("log_head_age_seconds", &labels, age);
    }
}

/// Prometheus' text format, version 0.0.4.
#[derive(Debug, Default)]
struct Exposition {
    text: String,
}

impl Exposition {
    fn gauge(&mut self, name: &str, question: &str) {
        self.header(name, question, "gauge");
    }

    fn counter(&mut self, name: &str, question: &str) {
        self.header(name, question, "counter");
    }

    fn header(&mut self, name: &str, question: &str, kind: &str) {
        let _written =
            writeln!(self.text, "# HELP reattest_{name} {question}\n# TYPE reattest_{name} {kind}");
    }

    fn plain(&mut self, name: &str, value: u64) {
        let _written = writeln!(self.text, "reattest_{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let pairs: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let _written = writeln!(self.text, "reattest_{name}{{{}}} {value}", pairs.join(","));
    }
}

/// Operators name themselves: what they write must not end a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_be_left() {
        let mut text = Exposition::default();
        text.labelled("logs", &[("operator", "a\"} 1\nb\\")], 2);
        assert_eq!(text.text, "reattest_logs{operator=\"a\\\"} 1\\nb\\\\\"} 2\n");
    }
}
