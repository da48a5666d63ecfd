//! What the core wants an operator to know, turned into lines.

use std::io::Write;

use reattest_attestation::log::Origin;
use reattest_attestation::{Certificate, Envelope};

use super::node::Node;
use super::report::Report;
use crate::entry::{claim_of, in_words};
use crate::limits::RESPONSE_ENTRY_BYTES;
use crate::log_format::LogFormat;
use crate::protocol::Notice;

impl Node {
    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Grew { origin, from, size } => {
                if let Err(error) = self.index.catch_up(&self.store) {
                    tracing::warn!(%error, "the index is behind; it is rebuilt at the next start");
                }
                let said = self.words_of(&origin, from, size);
                self.report(&Report::Grew { operator: self.operator_of(&origin), size, said });
            }
            Notice::Forked { origin, .. } => {
                self.report(&Report::Forked { operator: self.operator_of(&origin) });
            }
            Notice::RolledBack { origin, peer, shown, before } => {
                let operator = self.operator_of(&origin);
                self.report(&Report::RolledBack { operator, peer: peer.0, shown, before });
            }
            Notice::OwnLogAhead { held, shown } => {
                self.report(&Report::OwnLogAhead { held, shown });
            }
            Notice::Word { digest } => self.report(&Report::Word { digest: digest.to_string() }),
            Notice::Refused { peer, refusal } => {
                let count = self.refused.entry(refusal).or_default();
                *count = count.saturating_add(1);
                let (peer, cause) = (peer.0, refusal.name());
                if refusal.is_everyday() {
                    tracing::debug!(event = "refused", peer, cause, "{}", refusal.text());
                } else {
                    let (cause, why) = (cause.to_owned(), refusal.text().to_owned());
                    self.report(&Report::Refused { peer, cause, why });
                }
            }
            Notice::GaveUp { purl, why } => {
                self.report(&Report::GivenUp { purl: purl.to_string(), why });
            }
        }
    }

    fn words_of(&self, origin: &Origin, from: u64, until: u64) -> Vec<String> {
        let Some(log) = self.store.log(origin) else {
            return Vec::new();
        };
        let Some(key) = log.key() else {
            return Vec::new();
        };
        let entries = log.read(from, until, RESPONSE_ENTRY_BYTES).unwrap_or_default();
        entries.iter().flat_map(|entry| in_words(claim_of(&key, entry).as_ref())).collect()
    }

    pub(super) fn operator_of(&self, origin: &Origin) -> String {
        let certificate = self.store.log(origin).and_then(|log| log.certificate());
        let envelope = certificate.and_then(|bytes| Envelope::parse(bytes).ok());
        let certified = envelope.and_then(|envelope| Certificate::verify(&envelope).ok());
        let operator = certified.map(|certified| certified.certificate().operator);
        match operator {
            Some(key) => self.names.get(&key).cloned().unwrap_or_else(|| key.fingerprint()),
            None => origin.to_string(),
        }
    }

    pub(super) fn report(&self, report: &Report) {
        // A reader that went away stops nothing.
        if self.json {
            let line = serde_json::to_string(report).unwrap_or_default();
            let _gone = writeln!(std::io::stdout().lock(), "{line}");
        }
        match LogFormat::chosen() {
            LogFormat::Json => report.log(),
            LogFormat::Human if self.json => {}
            LogFormat::Human => {
                let _gone = writeln!(std::io::stderr().lock(), "{}", report.line());
            }
        }
    }
}
