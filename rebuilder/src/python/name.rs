//! Names of projects and of their files (step 1, pure): PEP 503, PEP 427 and PEP 625.
//!
//! A name that is parsed here is safe in a path, a URI and a command: letters, digits, `.`, `_`, `-`
//! and, in file names, `+` and `!`. Nothing can climb out of a directory or become an option.

use std::fmt;
use std::str::FromStr;

use pep440_rs::Version;

use super::PythonError;

/// The longest file name that Linux keeps.
const FILE_NAME_BYTES: usize = 255;
/// The largest index allows 200; the longest in use have 100.
const NAME_BYTES: usize = 128;
/// Longer versions exist nowhere; a bound keeps comparisons cheap.
const VERSION_BYTES: usize = 64;

/// A project's canonical name, e.g. `typing-extensions`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The canonical form of a name (PEP 503); `None` for what PEP 508 does not allow as a name.
    pub fn canonical(text: &str) -> Option<Self> {
        let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let well = ends_well(text.chars().next()) && ends_well(text.chars().next_back());
        if !well || text.len() > NAME_BYTES || !text.chars().all(fine) {
            return None;
        }
        let parts = text.split(['-', '_', '.']).filter(|part| !part.is_empty());
        Some(Self(parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = PythonError;

    fn from_str(text: &str) -> Result<Self, PythonError> {
        Self::canonical(text)
            .ok_or_else(|| PythonError::Name { found: text.chars().take(80).collect() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version as PEP 440 reads it; `None` for any other text, and for one of unreasonable length.
pub fn version(text: &str) -> Option<Version> {
    if text.len() > VERSION_BYTES || !text.is_ascii() {
        return None;
    }
    Version::from_str(text).ok()
}

/// What a file's name says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Source, packed as the name says.
    Sdist(Packing),
    /// A wheel with these tags.
    Wheel(Tags),
}

/// How a source distribution is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// A gzipped tar, the one form that PEP 625 allows.
    TarGz,
    /// A zip, which old projects published.
    Zip,
}

/// The compressed tag set of a wheel's name, e.g. `py2.py3-none-any`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// Python tags.
    pub python: Vec<String>,
    /// ABI tags.
    pub abi: Vec<String>,
    /// Platform tags.
    pub platform: Vec<String>,
}

/// A file name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// Source or wheel.
    pub kind: Kind,
    /// The version.
    pub version: Version,
}

impl FileName {
    /// Takes a file name of this project apart; `None` for one of another project or of another form:
    /// pages carry eggs, installers and files from before any rule.
    pub fn parse(text: &str, project: &Name) -> Option<Self> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
        if text.len() > FILE_NAME_BYTES || text.starts_with('.') || !text.chars().all(fine) {
            return None;
        }
        if let Some(stem) = text.strip_suffix(".whl") {
            return Self::wheel(stem, project);
        }
        let tar = text.strip_suffix(".tar.gz").map(|stem| (stem, Packing::TarGz));
        let (stem, packing) =
            tar.or_else(|| text.strip_suffix(".zip").map(|s| (s, Packing::Zip)))?;
        Self::sdist(stem, packing, project)
    }

    /// `NAME-VERSION(-BUILD)?-PYTHON-ABI-PLATFORM`; PEP 427.
    fn wheel(stem: &str, project: &Name) -> Option<Self> {
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, number, python, abi, platform) = match parts.as_slice() {
            [name, number, python, abi, platform] => (name, number, python, abi, platform),
            [name, number, build, python, abi, platform]
                if build.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                (name, number, python, abi, platform)
            }
            _ => return None,
        };
        if Name::canonical(name)? != *project {
            return None;
        }
        let tags = |text: &str| text.split('.').map(str::to_owned).collect();
        let (python, abi, platform) = (tags(python), tags(abi), tags(platform));
        // Old tools wrote `_` for the `-` and the `+` of a version.
        let version = version(number).or_else(|| version(&number.replacen('_', "+", 1)))?;
        Some(Self { kind: Kind::Wheel(Tags { python, abi, platform }), version })
    }

    /// `NAME-VERSION`; before PEP 625 both could have any number of `-`.
    fn sdist(stem: &str, packing: Packing, project: &Name) -> Option<Self> {
        let split = |(at, _)| {
            let (name, number) = stem.split_at_checked(at)?;
            let version = version(number.strip_prefix('-')?)?;
            (Name::canonical(name)? == *project).then_some(version)
        };
        let version = stem.match_indices('-').find_map(split)?;
        Some(Self { kind: Kind::Sdist(packing), version })
    }
}

/// The newest C library that Debian 13 can serve a `manylinux` wheel with (PEP 600).
const GLIBC: (u32, u32) = (2, 41);
/// The minor version of Debian 13's Python 3.
pub const PYTHON_MINOR: u32 = 13;

impl Tags {
    /// Whether the wheel runs on any machine with Python 3.
    pub fn is_pure(&self) -> bool {
        has(&self.abi, "none") && has(&self.platform, "any") && self.is_python3()
    }

    /// How well the wheel fits Python 3.13 on this architecture (the kernel's name, `x86_64`); less
    /// is better; `None` when it does not run there. Pure wheels fit best: their bytes are the same
    /// for everyone.
    pub fn rank(&self, machine: &str) -> Option<u32> {
        if self.is_pure() {
            return Some(0);
        }
        if !self.platform.iter().any(|platform| runs_on(platform, machine)) {
            return None;
        }
        if has(&self.python, &format!("cp3{PYTHON_MINOR}")) {
            let own = has(&self.abi, &format!("cp3{PYTHON_MINOR}"));
            return (own || has(&self.abi, "abi3") || has(&self.abi, "none")).then_some(1);
        }
        if has(&self.abi, "abi3") && self.python.iter().any(|tag| stable_abi(tag)) {
            return Some(2);
        }
        (has(&self.abi, "none") && self.is_python3()).then_some(3)
    }

    fn is_python3(&self) -> bool {
        let older = |tag: &String| {
            let minor = tag.strip_prefix("py3").and_then(|minor| minor.parse::<u32>().ok());
            minor.is_some_and(|minor| minor <= PYTHON_MINOR)
        };
        has(&self.python, "py3") || self.python.iter().any(older)
    }
}

fn has(tags: &[String], wanted: &str) -> bool {
    tags.iter().any(|tag| tag == wanted)
}

/// `abi3` wheels run on every later Python 3.
fn stable_abi(python: &str) -> bool {
    let minor = python.strip_prefix("cp3").and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor <= PYTHON_MINOR)
}

fn runs_on(platform: &str, machine: &str) -> bool {
    let Some(system) = platform.strip_suffix(machine).and_then(|rest| rest.strip_suffix('_'))
    else {
        return false;
    };
    let glibc = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('_')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    match system.strip_prefix("manylinux") {
        Some("1" | "2010" | "2014") => true,
        Some(rest) => rest.strip_prefix('_').and_then(glibc).is_some_and(|needs| needs <= GLIBC),
        None => system == "linux",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_name_has_one_canonical_spelling() {
        let table = [
            ("attrs", Some("attrs")),
            ("Typing_Extensions", Some("typing-extensions")),
            ("zope.interface", Some("zope-interface")),
            ("a--._b", Some("a-b")),
            ("3d", Some("3d")),
            ("", None),
            ("-a", None),
            ("a-", None),
            ("..", None),
            ("../a", None),
            ("a/b", None),
            ("a b", None),
            ("a;b", None),
            ("ä", None),
        ];
        for (text, expected) in table {
            let found = Name::canonical(text);
            assert_eq!(found.as_ref().map(Name::as_str), expected, "{text}");
        }
        assert!(Name::canonical(&"a".repeat(129)).is_none());
    }

    #[test]
    fn a_file_name_tells_kind_and_version_or_nothing() {
        let table = [
            ("attrs", "attrs-24.3.0-py3-none-any.whl", Some("24.3.0")),
            ("attrs", "attrs-24.3.0-1-py3-none-any.whl", Some("24.3.0")),
            ("attrs", "attrs-24.3.0.tar.gz", Some("24.3.0")),
            ("attrs", "attrs-24.3.0.zip", Some("24.3.0")),
            ("python-dateutil", "python-dateutil-2.8.0.tar.gz", Some("2.8.0")),
            (
                "python-dateutil",
                "python_dateutil-2.9.0.post0-py2.py3-none-any.whl",
                Some("2.9.0.post0"),
            ),
            ("a", "a-1!2.0+local.1.tar.gz", Some("1!2.0+local.1")),
            ("a", "a-1.0_local-py3-none-any.whl", Some("1.0+local")),
            ("a", "a-1.0rc1.dev3.tar.gz", Some("1.0rc1.dev3")),
            ("a-1", "a-1-2.0.tar.gz", Some("2.0")),
            ("a", "a-1-2.0.tar.gz", None),
            ("attrs", "other-24.3.0-py3-none-any.whl", None),
            ("attrs", "attrs-24.3.0-py3-none.whl", None),
            ("attrs", "attrs-24.3.0-x-py3-none-any.whl", None),
            ("attrs", "attrs-24.3.0.egg", None),
            ("attrs", "attrs-24.3.0.tar.bz2", None),
            ("attrs", "../attrs-24.3.0.tar.gz", None),
            ("attrs", "attrs-24.3.0/x.tar.gz", None),
            ("attrs", ".attrs-24.3.0.tar.gz", None),
            ("attrs", "attrs-nonsense.tar.gz", None),
            ("attrs", "attrs-24.3.0.tar.gz\n", None),
            ("attrs", "attrs-99999999999999999999999999.tar.gz", None),
        ];
        for (project, text, expected) in table {
            let found = FileName::parse(text, &Name::canonical(project).unwrap());
            assert_eq!(found.map(|f| f.version.to_string()).as_deref(), expected, "{text}");
        }
        let long = format!("attrs-1.{}.tar.gz", "0.".repeat(200));
        assert!(FileName::parse(&long, &Name::canonical("attrs").unwrap()).is_none());
    }

    #[test]
    fn only_wheels_that_run_on_debian_13_have_a_rank() {
        let table = [
            ("py3-none-any", Some(0)),
            ("py2.py3-none-any", Some(0)),
            ("py38-none-any", Some(0)),
            ("py2-none-any", None),
            ("py314-none-any", None),
            ("cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64", Some(1)),
            ("cp313-cp313t-manylinux_2_17_x86_64", None),
            ("cp312-cp312-manylinux_2_17_x86_64", None),
            ("cp39-abi3-manylinux_2_28_x86_64", Some(2)),
            ("cp314-abi3-manylinux_2_28_x86_64", None),
            ("py3-none-manylinux_2_17_x86_64", Some(3)),
            ("py3-none-manylinux_2_99_x86_64", None),
            ("cp313-cp313-manylinux_2_17_aarch64", None),
            ("cp313-cp313-musllinux_1_2_x86_64", None),
            ("cp313-cp313-win_amd64", None),
        ];
        for (tags, expected) in table {
            let name = format!("a-1-{tags}.whl");
            let file = FileName::parse(&name, &Name::canonical("a").unwrap()).unwrap();
            let Kind::Wheel(tags) = file.kind else { continue };
            assert_eq!(tags.rank("x86_64"), expected, "{name}");
        }
    }
}
