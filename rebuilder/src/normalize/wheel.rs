//! The normalizer `wheel` (step 4): a zip whose `RECORD` was found right, and is then a set of rows.
//!
//! Applied after `zip`, and normalizes away one thing more: the order, quoting and line ends of the
//! one `*.dist-info/RECORD`. In its record the content is replaced by the digest of a form whose
//! CHAIN ends in `/RECORD`:
//!
//! ```text
//! record = field(path) field(hash as written, or empty) field(size as written, or empty)
//! ```
//!
//! Every file of the wheel must be listed once with its SHA-256 and, where a size is given, its
//! size; RECORD itself with neither. Anything else leaves no normalized form: a RECORD that lies
//! would make an installer's own check worthless. See "Recording installed projects" of the Python
//! packaging specifications.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use reattest_attestation::Digest;

use super::bytes::Bytes;
use super::listing::{Listing, Record};
use super::zip::{self, Entry};
use super::{Refusal, limits, quoted};

pub(super) fn normalize(bytes: &Bytes<'_>, chain: &str) -> Result<Digest, Refusal> {
    let mut archive = zip::read(bytes, is_record)?;
    let mut records = archive.entries.iter().filter(|entry| is_record(&entry.name));
    let (Some(record), None) = (records.next(), records.next()) else {
        return Err(refused("no RECORD, or several".to_owned(), "one *.dist-info/RECORD"));
    };
    let (name, content) = (record.name.clone(), record.kept.clone());
    let rows = rows(&content)?;
    check(&rows, &name, &archive.entries)?;
    let mut listing = Listing::default();
    for (path, [hash, size]) in &rows {
        let row = Record::default().field(path.as_bytes());
        listing.push(row.field(hash.as_bytes()).field(size.as_bytes()))?;
    }
    let digest = listing.digest(&format!("{chain}/RECORD"))?;
    for entry in archive.entries.iter_mut().filter(|entry| entry.name == name) {
        entry.content = digest;
    }
    archive.listing()?.digest(chain)
}

fn refused(found: String, needed: &'static str) -> Refusal {
    Refusal::new(found, needed)
}

/// Whether this is the name of a wheel's list of files; a second one would leave open which counts.
fn is_record(name: &str) -> bool {
    name.split_once('/').is_some_and(|(top, rest)| {
        let top = top.to_ascii_lowercase();
        top.ends_with(".dist-info") && rest.eq_ignore_ascii_case("RECORD")
    })
}

/// Paths to hash and size.
type Rows = BTreeMap<String, [String; 2]>;

/// What RECORD says, against what is there.
fn check(rows: &Rows, record: &str, entries: &[Entry]) -> Result<(), Refusal> {
    let files = || entries.iter().filter(|entry| !entry.is_directory());
    if rows.len() != files().count() {
        let found = format!("{} rows in RECORD for {} files", rows.len(), files().count());
        return Err(refused(found, "one for each file"));
    }
    for entry in files() {
        let Some([hash, size]) = rows.get(&entry.name) else {
            let found = format!("{} without a row in RECORD", quoted(entry.name.as_bytes()));
            return Err(refused(found, "one for each file"));
        };
        let right = if entry.name == record {
            hash.is_empty() && size.is_empty()
        } else {
            let told = BASE64_URL_SAFE_NO_PAD.encode(entry.content.as_bytes());
            *hash == format!("sha256={told}")
                && (size.is_empty() || *size == entry.size.to_string())
        };
        if !right {
            let found = format!("RECORD wrong about {}", quoted(entry.name.as_bytes()));
            return Err(refused(found, "each file's own sha256 and size, and none for RECORD"));
        }
    }
    Ok(())
}

/// The rows of RECORD: RFC 4180 with line ends of either kind. An own reader, because a lenient one
/// accepts quotes that another parser reads otherwise.
fn rows(content: &[u8]) -> Result<Rows, Refusal> {
    let text = std::str::from_utf8(content)
        .map_err(|_| refused("a RECORD that is not UTF-8".to_owned(), "UTF-8"))?;
    let mut rows = Rows::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (path, after) = cell(rest, ',')?;
        let (hash, after) = cell(after, ',')?;
        let (size, after) = cell(after, '\n')?;
        if rows.insert(path.clone(), [hash, size]).is_some() {
            return Err(refused(format!("{} twice", quoted(path.as_bytes())), "a row a file"));
        }
        if rows.len() as u64 > limits::PACKAGE_ENTRIES {
            return Err(refused("too many rows".to_owned(), "a row a file"));
        }
        rest = after;
    }
    Ok(rows)
}

/// One cell and what follows its end; the last line of all may lack its own.
fn cell(text: &str, end: char) -> Result<(String, &str), Refusal> {
    let wrong =
        || refused("a broken line in RECORD".to_owned(), "three cells, as RFC 4180 has them");
    let (value, rest) = value(text).ok_or_else(wrong)?;
    let behind = match end {
        '\n' if rest.is_empty() => Some(rest),
        '\n' => rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')),
        end => rest.strip_prefix(end),
    };
    Ok((value, behind.ok_or_else(wrong)?))
}

/// A cell's value, quoted or not, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let length = text.find([',', '\r', '\n']).unwrap_or(text.len());
        let (value, rest) = text.split_at(length);
        return Some((value.to_owned(), rest)).filter(|_| !value.contains('"'));
    };
    let mut value = String::new();
    loop {
        let (part, behind) = rest.split_once('"')?;
        value.push_str(part);
        // Two quotes are one in the value.
        let Some(more) = behind.strip_prefix('"') else { return Some((value, behind)) };
        value.push('"');
        rest = more;
    }
}
