//! A project's page (step 1, pure): PEP 691 and PEP 700, as the registry gave it.
//!
//! Nobody signed it. It counts as the registry's word, by the digest of its bytes, and what is written
//! here only makes sure that it says one thing about each file.

use std::collections::BTreeMap;

use pep440_rs::{Version, VersionSpecifiers};
use reattest_attestation::Digest;
use serde::Deserialize;

use super::PythonError;
use super::name::{FileName, Kind, Name};
use crate::limits;

/// One file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, safe in a path.
    pub name: String,
    /// Source or wheel.
    pub kind: Kind,
    /// The version that it belongs to.
    pub version: Version,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When the registry received it, in Unix seconds.
    pub uploaded: i64,
    /// Which Pythons it says that it runs on.
    pub requires_python: Option<String>,
    /// Withdrawn by its maintainer (PEP 592).
    pub yanked: bool,
}

/// All files of one project that have a digest, a size and a time, sorted by version and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The project.
    pub name: Name,
    /// Its files.
    pub files: Vec<File>,
}

#[derive(Deserialize)]
struct RawPage {
    name: String,
    files: Vec<RawFile>,
}

#[derive(Deserialize)]
struct RawFile {
    filename: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    #[serde(rename = "upload-time")]
    upload_time: Option<String>,
    #[serde(rename = "requires-python")]
    requires_python: Option<String>,
    #[serde(default)]
    yanked: Yanked,
}

/// `false`, `true`, or the reason.
#[derive(Deserialize)]
#[serde(untagged)]
enum Yanked {
    Flag(bool),
    // Whatever its text: only that there is one matters.
    Reason(serde::de::IgnoredAny),
}

impl Default for Yanked {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl Page {
    /// Where a project's page is found.
    pub fn location(project: &Name) -> String {
        format!("pypi:{project}/")
    }

    /// Reads a page that was asked for under this name.
    ///
    /// A file that lacks digest, size or time cannot be pinned, so it does not exist here. The same
    /// name with two digests is a page that says two things: nothing of it is believed.
    pub fn parse(bytes: &[u8], asked: &Name) -> Result<Self, PythonError> {
        let problem = |why: String| PythonError::Page { project: asked.to_string(), why };
        if bytes.len() as u64 > limits::PROJECT_PAGE_BYTES {
            return Err(problem(format!(
                "{} bytes, more than {}",
                bytes.len(),
                limits::PROJECT_PAGE_BYTES
            )));
        }
        let raw: RawPage = serde_json::from_slice(bytes).map_err(|e| problem(e.to_string()))?;
        if Name::canonical(&raw.name).as_ref() != Some(asked) {
            let named: String = raw.name.chars().take(80).collect();
            return Err(problem(format!("it is the page of {named:?}")));
        }
        let mut files: BTreeMap<String, File> = BTreeMap::new();
        for file in raw.files.into_iter().filter_map(|raw| raw.checked(asked)) {
            match files.get(&file.name) {
                Some(known) if known.sha256 != file.sha256 => {
                    return Err(problem(format!("{} has two digests", file.name)));
                }
                _ => files.insert(file.name.clone(), file),
            };
        }
        let mut files: Vec<File> = files.into_values().collect();
        files.sort_by(|one, next| (&one.version, &one.name).cmp(&(&next.version, &next.name)));
        Ok(Self { name: asked.clone(), files })
    }

    /// The files of one version.
    pub fn of_version<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.version == *version)
    }

    /// The newest versions, newest first, for a message.
    pub fn newest(&self) -> Vec<String> {
        let mut versions: Vec<String> = Vec::new();
        for file in self.files.iter().rev().filter(|file| !file.yanked) {
            let version = file.version.to_string();
            if versions.last() != Some(&version) {
                versions.push(version);
            }
            if versions.len() == limits::SUGGESTIONS {
                break;
            }
        }
        versions
    }
}

impl RawFile {
    fn checked(self, project: &Name) -> Option<File> {
        let FileName { kind, version } = FileName::parse(&self.filename, project)?;
        let time: jiff::Timestamp = self.upload_time?.parse().ok()?;
        Some(File {
            name: self.filename,
            kind,
            version,
            sha256: self.hashes.get("sha256")?.parse().ok()?,
            size: self.size.filter(|size| *size <= limits::INPUT_BYTES)?,
            uploaded: time.as_second(),
            requires_python: self.requires_python,
            yanked: !matches!(self.yanked, Yanked::Flag(false)),
        })
    }
}

impl File {
    /// Where the file is found; pinned by its digest.
    pub fn location(&self, project: &Name) -> String {
        format!("pypi:{project}/{}", self.name)
    }

    /// Whether it says that it runs on this Python. A condition that nobody can read is not held.
    pub fn runs_on(&self, python: &Version) -> bool {
        let fits = |text: &str| {
            let known: Result<VersionSpecifiers, _> = text.parse();
            known.is_ok_and(|known| known.contains(python))
        };
        let stated = self.requires_python.as_deref().map(str::trim).filter(|text| !text.is_empty());
        stated.is_none_or(|text| {
            text.len() <= limits::REQUIREMENT_BYTES && text.is_ascii() && fits(text)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const TIME: &str = r#""upload-time":"2024-12-16T06:59:26.977525Z""#;

    fn file(name: &str, content: &str, more: &str) -> String {
        let digest = Digest::of(content.as_bytes());
        format!(
            r#"{{"filename":"{name}","hashes":{{"sha256":"{digest}"}},"size":3,{TIME},"url":"ignored"{more}}}"#
        )
    }

    fn page(name: &str, files: &[String]) -> Result<Page, PythonError> {
        let text = format!(
            r#"{{"meta":{{"api-version":"1.1"}},"name":"{name}","files":[{}]}}"#,
            files.join(",")
        );
        Page::parse(text.as_bytes(), &Name::canonical("a-b").unwrap())
    }

    #[test]
    fn a_page_gives_its_files_in_the_order_of_versions() {
        let files = [
            file(
                "a_b-1.10-py3-none-any.whl",
                "x",
                r#","requires-python":">=3.8","yanked":"broken""#,
            ),
            file("a_b-1.10.tar.gz", "y", r#","yanked":false,"requires-python":null"#),
            file("a_b-1.9.tar.gz", "z", ""),
        ];
        let page = page("A.B", &files).unwrap();
        let names: Vec<_> = page.files.iter().map(|f| (f.name.as_str(), f.yanked)).collect();
        assert_eq!(
            names,
            [
                ("a_b-1.9.tar.gz", false),
                ("a_b-1.10-py3-none-any.whl", true),
                ("a_b-1.10.tar.gz", false)
            ]
        );
        let first = page.files.first().unwrap();
        assert_eq!(first.uploaded, 1_734_332_366);
        assert_eq!(first.location(&page.name), "pypi:a-b/a_b-1.9.tar.gz");
        assert_eq!(page.newest(), ["1.10", "1.9"]);
    }

    #[test]
    fn what_cannot_be_pinned_or_belongs_elsewhere_is_not_there() {
        let good = file("a_b-1.tar.gz", "x", "");
        let files = [
            good.replace("sha256", "md5"),
            good.replace("\"size\":3,", ""),
            good.replace("\"size\":3,", "\"size\":99999999999999,"),
            good.replace(TIME, r#""upload-time":null"#),
            good.replace(TIME, r#""upload-time":"yesterday""#),
            file("other-1.tar.gz", "x", ""),
            file("../a_b-1.tar.gz", "x", ""),
            file("a_b-1.exe", "x", ""),
        ];
        assert_eq!(page("a-b", &files).unwrap().files, []);
    }

    #[test]
    fn a_page_that_says_two_things_says_nothing() {
        let (one, other) = (file("a_b-1.tar.gz", "x", ""), file("a_b-1.tar.gz", "y", ""));
        assert_eq!(page("a-b", &[one.clone(), one.clone()]).unwrap().files.len(), 1);
        assert!(page("a-b", &[one, other]).unwrap_err().to_string().contains("two digests"));
        assert!(page("c", &[]).unwrap_err().to_string().contains("the page of \"c\""));
        let asked = Name::canonical("a").unwrap();
        for text in ["", "{}", "[]", r#"{"name":"a"}"#, "<html>", r#"{"name":"a","files":{}}"#] {
            assert!(Page::parse(text.as_bytes(), &asked).is_err(), "{text}");
        }
        let deep = format!(r#"{{"name":"a","files":[],"x":{}"#, "[".repeat(100_000));
        assert!(Page::parse(deep.as_bytes(), &asked).is_err());
        let huge = vec![b' '; usize::try_from(limits::PROJECT_PAGE_BYTES).unwrap() + 1];
        assert!(Page::parse(&huge, &asked).unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn a_file_says_on_which_python_it_runs() {
        let python: Version = "3.13.5".parse().unwrap();
        let table = [
            ("", true),
            (">=3.8", true),
            (">=3.8,<4", true),
            (">=3.14", false),
            ("<3.13", false),
            ("!=3.0.*,>=2.7", true),
            ("nonsense", false),
            ("~=3.8", true),
        ];
        for (text, expected) in table {
            let more = format!(r#","requires-python":"{text}""#);
            let page = page("a-b", &[file("a_b-1.tar.gz", "x", &more)]).unwrap();
            assert_eq!(page.files.first().unwrap().runs_on(&python), expected, "{text}");
        }
    }
}
