//! Reports: any two files are compared, the document is bounded and reads back, and what is shown is safe.

use super::super::beside::report::{Limits, Report, Side, compare, html, text};

/// Small, so that every bound is met.
const LIMITS: Limits = Limits {
    unpacked_bytes: 1 << 20,
    ratio: 100,
    depth: 4,
    members: 200,
    differences: 20,
    excerpts: 6,
    lines: 100,
    json_bytes: 128 << 10,
};

/// A length of four bytes, that many of the published file, and the produced one.
pub fn report(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (published, produced) = rest.split_at(length.min(rest.len()));
    let name = String::from_utf8_lossy(produced.get(..8).unwrap_or_default()).into_owned();
    let side = |bytes| Side { name: &name, bytes };
    let report = compare(side(published), side(produced), &LIMITS);
    assert_eq!(report.differences.is_empty(), published == produced);
    let document = report.to_bytes().unwrap();
    assert!(document.len() <= LIMITS.json_bytes, "{} bytes", document.len());
    let again = Report::from_bytes(&document, &LIMITS).unwrap();
    assert_eq!(again, report);
    let page = html::render(&report);
    let body = page.split_once("</style>").map_or("", |(_, body)| body);
    assert!(!body.contains("<script") && !body.contains("<img"));
    let shown = text::render(&report);
    assert!(!shown.replace('\n', "").split('\x1b').any(|part| part.chars().any(char::is_control)));
    // Something was looked into.
    report.differences.iter().any(|difference| !difference.path.is_empty())
}
