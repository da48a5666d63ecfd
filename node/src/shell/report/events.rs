//! What a node tells, as events of its log: the same names as in `--json`, a field for each part, and
//! the line that people read as the message.

use reattest_rebuilder::Progress;
use tracing::field::display;
use tracing::{error, info, warn};

use super::{Report, progress_line};

impl Report {
    /// Writes the report to the log; what an operator should look at as a warning, what needs
    /// somebody now as an error.
    pub(in crate::shell) fn log(&self) {
        let line = self.line();
        match self {
            Self::Listening { address } => info!(event = "listening", address, "{line}"),
            Self::Rebuilding { job, purl } => info!(event = "rebuilding", job, purl, "{line}"),
            Self::Progress { job, progress } => log_progress(*job, progress),
            Self::Attested { job, index } => info!(event = "attested", job, index, "{line}"),
            Self::Fault { job, why } => warn!(event = "fault", job, why, "{line}"),
            Self::GivenUp { purl, why } => warn!(event = "given-up", purl, why, "{line}"),
            Self::Grew { operator, size, said } => {
                info!(event = "grew", operator, size, said = said.join("; "), "{line}");
            }
            Self::Followed { feed, said } => info!(event = "followed", feed, said, "{line}"),
            Self::Forked { operator } => error!(event = "forked", operator, "{line}"),
            Self::RolledBack { operator, peer, shown, before } => {
                warn!(event = "rolled-back", operator, peer, shown, before, "{line}");
            }
            Self::OwnLogAhead { held, shown } => {
                error!(event = "own-log-ahead", held, shown, "{line}");
            }
            Self::Word { digest } => warn!(event = "word", digest, "{line}"),
            Self::Mirror { url, why: None } => info!(event = "mirror", url, "{line}"),
            Self::Mirror { url, why: Some(why) } => warn!(event = "mirror", url, why, "{line}"),
            Self::Refused { peer, cause, why } => {
                warn!(event = "refused", peer, cause, why, "{line}");
            }
        }
    }
}

/// One step of a rebuild; which one it is stands in `step`.
fn log_progress(job: u64, progress: &Progress) {
    let line = progress_line(progress);
    macro_rules! step {
        ($name:literal $($fields:tt)*) => {
            info!(event = "progress", job, step = $name $($fields)*, "{line}")
        };
    }
    match progress {
        Progress::IndexVerified { suite, date, signers } => {
            step!("index-verified", suite, date, signers = signers.join(" "));
        }
        Progress::Found { source, published } => {
            step!("found", source, published = published.join(" "));
        }
        Progress::Solving => step!("solving"),
        Progress::Pinned { inputs, bytes, recipe, lock } => {
            step!("pinned", inputs, bytes, %recipe, %lock);
        }
        Progress::Fetching { done, total, bytes, total_bytes } => {
            step!("fetching", done, total, bytes, total_bytes);
        }
        Progress::EnvironmentBuilding { packages } => step!("environment-building", packages),
        Progress::EnvironmentReady { digest, cached, seconds } => {
            step!("environment-ready", %digest, cached, seconds);
        }
        Progress::Building { run } => step!("building", run),
        Progress::Built { run, seconds, succeeded } => step!("built", run, seconds, succeeded),
        Progress::Compared { purl, published, produced, outcome } => {
            let produced = produced.map(display);
            step!("compared", purl, %published, produced, %outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use reattest_attestation::{Digest, Outcome};
    use serde_json::Value;

    use super::*;

    /// What is logged, as bytes.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The one line of JSON that a report becomes.
    fn logged(report: &Report) -> Value {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || report.log());
        let bytes = kept.0.lock().unwrap().clone();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn reports() -> Vec<Report> {
        let (operator, peer, why) = (text("ash"), text("12D3"), text("why"));
        vec![
            Report::Listening { address: text("/ip4/127.0.0.1/tcp/1") },
            Report::Rebuilding { job: 1, purl: text("pkg:deb/debian/a@1") },
            Report::Attested { job: 1, index: 7 },
            Report::Fault { job: 1, why: why.clone() },
            Report::GivenUp { purl: text("pkg:deb/debian/a@1"), why: why.clone() },
            Report::Grew { operator: operator.clone(), size: 8, said: vec![text("a"), text("b")] },
            Report::Followed { feed: text("trixie"), said: text("nothing new") },
            Report::Forked { operator: operator.clone() },
            Report::RolledBack { operator, peer: peer.clone(), shown: 1, before: 2 },
            Report::OwnLogAhead { held: 1, shown: 2 },
            Report::Word { digest: text("aa") },
            Report::Mirror { url: text("http://127.0.0.1"), why: None },
            Report::Mirror { url: text("http://127.0.0.1"), why: Some(why.clone()) },
            Report::Refused { peer, cause: text("malformed"), why },
        ]
    }

    fn steps() -> Vec<Progress> {
        let (digest, name) = (Digest::of(b"x"), text("a"));
        vec![
            Progress::IndexVerified {
                suite: name.clone(),
                date: name.clone(),
                signers: vec![name.clone()],
            },
            Progress::Found { source: name.clone(), published: vec![name.clone()] },
            Progress::Solving,
            Progress::Pinned { inputs: 1, bytes: 2, recipe: digest, lock: digest },
            Progress::Fetching { done: 1, total: 2, bytes: 3, total_bytes: 4 },
            Progress::EnvironmentBuilding { packages: 1 },
            Progress::EnvironmentReady { digest, cached: true, seconds: 1.5 },
            Progress::Building { run: 1 },
            Progress::Built { run: 1, seconds: 1.5, succeeded: true },
            Progress::Compared {
                purl: name,
                published: digest,
                produced: Some(digest),
                outcome: Outcome::Reproduced,
            },
        ]
    }

    /// Every part of the one is a field of the other; lists are joined to one text.
    fn has_every_part(fields: &Value, parts: &Value) {
        for (name, part) in parts.as_object().into_iter().flatten() {
            let Some(field) = fields.get(name) else {
                assert!(part.is_null(), "{name} is missing in {fields}");
                continue;
            };
            assert!(field == part || part.is_array() && field.is_string(), "{name}: {fields}");
        }
    }

    #[test]
    fn a_report_is_an_event_with_the_name_and_the_parts_that_it_has_as_json() {
        for report in reports() {
            let line = logged(&report);
            assert_eq!(line["fields"]["message"], report.line());
            has_every_part(&line["fields"], &serde_json::to_value(&report).unwrap());
        }
        let joined = logged(&Report::Grew {
            operator: text("ash"),
            size: 8,
            said: vec![text("a"), text("b")],
        });
        assert_eq!(joined["fields"]["said"], "a; b");
        assert_eq!(logged(&Report::Forked { operator: text("ash") })["level"], "ERROR");
    }

    #[test]
    fn a_step_of_a_rebuild_is_an_event_with_its_job_and_its_parts() {
        for progress in steps() {
            let line = logged(&Report::Progress { job: 3, progress: progress.clone() });
            let fields = &line["fields"];
            assert_eq!((&fields["event"], &fields["job"]), (&"progress".into(), &3.into()));
            let written = serde_json::to_value(&progress).unwrap();
            let (name, parts) = match written.as_object() {
                Some(one) => one.iter().next().map(|(name, parts)| (name.clone(), parts)).unwrap(),
                None => (written.as_str().unwrap().to_owned(), &Value::Null),
            };
            let step = fields["step"].as_str().unwrap().replace('-', "");
            assert_eq!(step, name.to_lowercase());
            has_every_part(fields, parts);
        }
    }
}
