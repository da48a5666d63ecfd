//! A project's page of a Python index (step 2): the simple repository API as JSON (PEP 691).
//!
//! Only what leads to a file is read here; the rest of the page is for whoever plans a build.

use reattest_attestation::Digest;
use serde::Deserialize;

/// The media type of PEP 691 that is asked for.
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json";

/// One file that a page names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its bytes are; relative to the page, or absolute.
    pub(super) url: String,
    /// The SHA-256 that the page gives.
    pub(super) sha256: Digest,
}

/// Why a page does not lead to a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageError {
    /// It has no file of that name.
    NoSuchFile,
    /// It is no such page.
    Malformed(String),
}

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    api_version: String,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    url: String,
    hashes: Hashes,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: Option<String>,
}

/// Finds a file by its exact name.
pub(super) fn file(page: &[u8], name: &str) -> Result<Entry, PageError> {
    let malformed = PageError::Malformed;
    let page: Page = serde_json::from_slice(page).map_err(|e| malformed(e.to_string()))?;
    // Minor versions only add (PEP 629).
    if page.meta.api_version.split('.').next() != Some("1") {
        return Err(malformed(format!(
            "found API version {:?}, needed 1.x",
            page.meta.api_version
        )));
    }
    let mut named = page.files.into_iter().filter(|file| file.filename == name);
    let file = named.next().ok_or(PageError::NoSuchFile)?;
    if named.next().is_some() {
        return Err(malformed(format!("it names {name} twice")));
    }
    let sha256 = file.hashes.sha256.ok_or_else(|| malformed(format!("no sha256 for {name}")))?;
    let sha256 = sha256.parse().map_err(|_| malformed(format!("the sha256 {sha256:?}")))?;
    Ok(Entry { url: file.url, sha256 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn page(files: &str) -> String {
        format!(r#"{{"meta":{{"api-version":"1.3"}},"name":"a","files":[{files}],"versions":[]}}"#)
    }

    fn entry(name: &str, hashes: &str) -> String {
        format!(r#"{{"filename":"{name}","url":"x/{name}","hashes":{hashes},"yanked":false}}"#)
    }

    #[test]
    fn a_file_is_found_by_its_exact_name() {
        let digest = Digest::of(b"a");
        let hashes = format!(r#"{{"sha256":"{digest}","md5":"x"}}"#);
        let text = page(&[entry("a-1.tar.gz", &hashes), entry("a-2.tar.gz", "{}")].join(","));
        let found = file(text.as_bytes(), "a-1.tar.gz").unwrap();
        assert_eq!(found, Entry { url: "x/a-1.tar.gz".to_owned(), sha256: digest });
        assert_eq!(file(text.as_bytes(), "a-1.tar"), Err(PageError::NoSuchFile));
        assert!(matches!(file(text.as_bytes(), "a-2.tar.gz"), Err(PageError::Malformed(_))));
    }

    #[test]
    fn a_page_of_another_form_is_refused() {
        let hashes = format!(r#"{{"sha256":"{}"}}"#, Digest::of(b"a"));
        let twice = page(&[entry("a", &hashes), entry("a", &hashes)].join(","));
        let other = page(&entry("a", &hashes)).replace("1.3", "2.0");
        let short = page(&entry("a", r#"{"sha256":"00"}"#));
        for text in [twice.as_str(), &other, &short, "<html>", "", "{}", "[]"] {
            assert!(matches!(file(text.as_bytes(), "a"), Err(PageError::Malformed(_))), "{text}");
        }
    }
}
