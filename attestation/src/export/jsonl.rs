//! in-toto's bundle (step 10): envelopes as JSON lines, `FILE.intoto.jsonl`.

use std::collections::BTreeMap;

use crate::envelope::Envelope;

/// Several envelopes, one a line, in the order of their digests and each once: the same set gives
/// the same bytes. in-toto gives the order no meaning.
pub fn intoto_jsonl<'a>(envelopes: impl IntoIterator<Item = &'a Envelope>) -> Vec<u8> {
    let ordered: BTreeMap<_, _> = envelopes.into_iter().map(|one| (one.digest(), one)).collect();
    let mut lines = Vec::new();
    for envelope in ordered.values() {
        lines.extend_from_slice(envelope.as_bytes());
        lines.push(b'\n');
    }
    lines
}
