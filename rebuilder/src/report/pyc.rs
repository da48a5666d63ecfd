//! Compiled Python modules (step 4, pure): a header of 16 bytes (PEP 552), then marshalled code.

use super::archive::unix_time;
use super::document::{Cause, Difference, Evidence, Kind, Values};
use super::{Limits, bytes};

const HEADER: usize = 16;

/// Whether a content is a compiled module of Python 3.7 or later.
pub(super) fn is_pyc(name: &str, content: &[u8]) -> bool {
    name.strip_suffix(".pyc").is_some()
        && content.len() >= HEADER
        && content.get(2..4) == Some(b"\r\n")
}

/// What differs in the header, field by field, and in the code.
pub(super) fn differences(a: &[u8], b: &[u8], limits: &Limits) -> Vec<Difference> {
    let mut differences = Vec::new();
    for ((name, cause, x), (_, _, y)) in header(a).into_iter().zip(header(b)) {
        if x != y {
            differences.push(field(name, cause, x, y));
        }
    }
    let code = |content: &'_ [u8]| content.get(HEADER..).unwrap_or_default().to_vec();
    let (x, y) = (code(a), code(b));
    if x != y {
        let mut difference = bytes::difference(&x, &y, limits);
        difference.part = Some("code".to_owned());
        differences.push(difference);
    }
    differences
}

fn header(content: &[u8]) -> [(&'static str, Cause, String); 4] {
    let word = |at: usize| {
        let bytes = content.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    };
    // Bit 0 of the flags: checked by hash, not by time and size.
    let hashed = word(4) & 1 == 1;
    let (third, fourth) = if hashed {
        (format!("hash {:08x}", word(8)), format!("hash {:08x}", word(12)))
    } else {
        (unix_time(i64::from(word(8))), format!("{} bytes", word(12)))
    };
    [
        ("magic number", Cause::Toolchain, (word(0) & 0xffff).to_string()),
        ("flags", Cause::Toolchain, word(4).to_string()),
        ("source time", if hashed { Cause::Consequence } else { Cause::Time }, third),
        ("source size", Cause::Consequence, fourth),
    ]
}

fn field(name: &str, cause: Cause, published: String, produced: String) -> Difference {
    let words = match cause {
        Cause::Toolchain => "compiled by another Python",
        Cause::Time => "the time of the source file",
        _ => "belongs to another source file",
    };
    Difference {
        path: Vec::new(),
        part: Some("header".to_owned()),
        kind: Kind::Metadata,
        what: Some(name.to_owned()),
        cause,
        words: format!("{words}: {published} there, {produced} here"),
        sizes: None,
        evidence: Some(Evidence::Rows(vec![Values { of: String::new(), published, produced }])),
        more: 0,
    }
}
