//! Recipe and lock (step 3): the pinned build definition, as content-addressed canonical documents.

use std::collections::BTreeMap;

use reattest_attestation::{Digest, Purl, canonical};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::release::SourceFile;

/// The format version of both documents.
pub const FORMAT: u32 = 1;
/// A document's largest size: 600 packages take 150 KB, so 1 MiB bounds 4,000, and every reader of the network takes as much.
pub const DOCUMENT_BYTES: usize = 1 << 20;

/// A document's canonical bytes and their SHA-256, which is its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    bytes: Vec<u8>,
    digest: Digest,
}

impl Document {
    /// The canonical JSON bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    fn of<T: Serialize>(value: &T) -> Result<Self, DocumentError> {
        let bytes = canonical::to_bytes(value).map_err(|e| DocumentError(e.to_string()))?;
        let digest = Digest::of(&bytes);
        Ok(Self { bytes, digest })
    }
}

/// A document that is not one: other fields, another spelling, or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical recipe or lock of format {FORMAT}: {0}")]
pub struct DocumentError(String);

/// Every package of an environment, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`FORMAT`].
    pub format: u32,
    /// The suite whose signed index covers every package.
    pub suite: String,
    /// The architecture that the environment runs on, e.g. `amd64`.
    pub architecture: String,
    /// Sorted by name, architecture, version; no two equal.
    pub packages: Vec<Input>,
    /// Names of those packages that are unpacked and configured first, as a layer that locks with
    /// the same base share; sorted, no two equal. Left out where everything is one layer.
    ///
    /// Names, not the digest of another document: the lock alone says which layers there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "some_names")]
    pub base: Vec<String>,
}

/// One package of an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The package's name.
    pub name: String,
    /// `all` or the environment's architecture.
    pub architecture: String,
    /// Its full Debian version.
    pub version: String,
    /// The `.deb`'s digest as the signed index has it.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it comes from, with its scheme; see [`Location`](crate::fetch::Location).
    pub location: String,
}

/// A complete build definition: everything that can change the outputs, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// [`FORMAT`].
    pub format: u32,
    /// The source package.
    pub source: Purl,
    /// The source's files, the one that names the others first.
    pub files: Vec<SourceInput>,
    /// Wheels of a Python build's backend and of what that needs, in the order of their use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wheels: Vec<SourceInput>,
    /// The lock of the environment.
    pub lock: Digest,
    /// The one directory that the build may write to, besides temporary ones; absolute, inside.
    pub place: String,
    /// Commands, run one after the other in `directory`.
    pub steps: Vec<Step>,
    /// Every environment variable of the build; it has no others.
    pub environment: BTreeMap<String, String>,
    /// The network name that the build sees.
    pub hostname: String,
    /// User and group id that the build sees.
    pub user: u32,
    /// File names of the outputs that are compared.
    pub outputs: Vec<String>,
    /// Values taken from the published artifact or its `.buildinfo`; none for most Debian builds.
    pub learned: BTreeMap<String, String>,
}

/// One command of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The working directory inside the sandbox.
    pub directory: String,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// One file that a build reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceInput {
    /// Its file name.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it comes from, with its scheme; see [`Location`](crate::fetch::Location).
    pub location: String,
}

impl From<&SourceFile> for SourceInput {
    fn from(file: &SourceFile) -> Self {
        Self {
            name: file.name.clone(),
            sha256: file.sha256,
            size: file.size,
            location: file.location.clone(),
        }
    }
}

impl Lock {
    /// A lock in its one spelling.
    pub fn new(suite: &str, architecture: &str, mut packages: Vec<Input>) -> Self {
        packages.sort();
        packages.dedup();
        Self {
            format: FORMAT,
            suite: suite.to_owned(),
            architecture: architecture.to_owned(),
            packages,
            base: Vec::new(),
        }
    }

    /// The same packages in two layers, when exactly those of `base` are among them and others, too.
    #[must_use]
    pub fn over(mut self, base: &Self) -> Self {
        let mut names: Vec<String> = base.packages.iter().map(|input| input.name.clone()).collect();
        names.sort();
        names.dedup();
        let is_base = |input: &&Input| names.binary_search(&input.name).is_ok();
        let same = self.packages.iter().filter(is_base).eq(&base.packages);
        if same && self.packages.len() > base.packages.len() {
            self.base = names;
        }
        self
    }

    /// The lock of the layer below, where there are two. It is its own document, so that every lock
    /// with this base leads to the same layer.
    pub fn lower(&self) -> Option<Self> {
        let packages = self.packages.iter().filter(|input| self.is_lower(input)).cloned();
        let lower = || Self::new(&self.suite, &self.architecture, packages.collect());
        (!self.base.is_empty()).then(lower)
    }

    /// The packages of the topmost layer: all of them, where there is only one.
    pub fn upper(&self) -> Vec<Input> {
        self.packages.iter().filter(|input| !self.is_lower(input)).cloned().collect()
    }

    fn is_lower(&self, input: &Input) -> bool {
        self.base.binary_search(&input.name).is_ok()
    }

    /// The canonical document.
    pub fn document(&self) -> Result<Document, DocumentError> {
        Document::of(self)
    }

    /// Reads a document back; refuses any spelling but the canonical one, and any order of packages
    /// but [`Lock::new`]'s, and a base that names other packages or all of them.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let lock: Self = parse(bytes, "lock")?;
        known(lock.format)?;
        // Strictly rising: two locks of the same packages would otherwise differ in name alone.
        if !lock.packages.is_sorted_by(|one, next| one < next) {
            return Err(DocumentError("found packages twice or out of order, needed each once, by name, architecture and version".to_owned()));
        }
        if !lock.has_fitting_base() {
            return Err(DocumentError("found a base that is out of order, names what is no package, or all of them; needed the sorted names of some packages".to_owned()));
        }
        Ok(lock)
    }

    fn has_fitting_base(&self) -> bool {
        let named = |name: &String| self.packages.binary_search_by(|i| i.name.cmp(name)).is_ok();
        let is_some = self.base.is_empty() || self.packages.iter().any(|i| !self.is_lower(i));
        // Sorted first: whether a package is of the base is looked up by halving.
        self.base.is_sorted_by(|one, next| one < next) && is_some && self.base.iter().all(named)
    }
}

impl Recipe {
    /// The canonical document.
    pub fn document(&self) -> Result<Document, DocumentError> {
        Document::of(self)
    }

    /// Reads a document back; refuses any spelling but the canonical one.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let recipe: Self = parse(bytes, "recipe")?;
        known(recipe.format)?;
        Ok(recipe)
    }
}

/// An empty list has one spelling: none.
fn some_names<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let empty = || serde::de::Error::custom("an empty base, needed none at all");
    (!names.is_empty()).then_some(names).ok_or_else(empty)
}

fn parse<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, DocumentError> {
    canonical::from_bytes(bytes, what, DOCUMENT_BYTES).map_err(|e| DocumentError(e.to_string()))
}

fn known(format: u32) -> Result<(), DocumentError> {
    if format == FORMAT {
        return Ok(());
    }
    Err(DocumentError(format!("found format {format}; a newer reattest may read it")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn input(name: &str) -> Input {
        Input {
            name: name.to_owned(),
            architecture: "all".to_owned(),
            version: "1".to_owned(),
            sha256: Digest::of(name.as_bytes()),
            size: 1,
            location: format!("debian:pool/{name}.deb"),
        }
    }

    #[test]
    fn a_lock_has_one_spelling_whatever_the_order() {
        let one = Lock::new("trixie", "amd64", vec![input("b"), input("a"), input("b")]);
        let two = Lock::new("trixie", "amd64", vec![input("a"), input("b")]);
        assert_eq!(one.document().unwrap(), two.document().unwrap());
        assert_eq!(Lock::parse(one.document().unwrap().bytes()).unwrap(), two);
    }

    #[test]
    fn another_spelling_or_field_is_refused() {
        let text = Lock::new("trixie", "amd64", vec![]).document().unwrap();
        let text = String::from_utf8(text.bytes().to_vec()).unwrap();
        assert!(Lock::parse(format!("{text} ").as_bytes()).is_err());
        assert!(Lock::parse(text.replace("\"suite\"", "\"zuite\"").as_bytes()).is_err());
    }

    fn lock(names: &[&str]) -> Lock {
        Lock::new("trixie", "amd64", names.iter().map(|name| input(name)).collect())
    }

    #[test]
    fn a_base_is_named_only_where_exactly_its_packages_are_there_and_more() {
        let base = lock(&["a", "b"]);
        let two = lock(&["a", "b", "c"]).over(&base);
        assert_eq!((two.lower(), two.upper()), (Some(base.clone()), vec![input("c")]));
        assert_eq!(Lock::parse(two.document().unwrap().bytes()).unwrap(), two);
        let mut newer = lock(&["a", "b"]);
        newer.packages.last_mut().unwrap().version = "2".to_owned();
        newer.packages.insert(0, input("0"));
        for single in [newer, lock(&["a", "c"]), base.clone()] {
            let over = single.clone().over(&base);
            assert_eq!((over.lower(), over.upper()), (None, single.packages));
        }
    }

    #[test]
    fn a_base_that_fits_no_package_is_refused() {
        let text = lock(&["a", "b", "c"]).over(&lock(&["a", "b"])).document().unwrap();
        let text = String::from_utf8(text.bytes().to_vec()).unwrap();
        assert!(Lock::parse(text.as_bytes()).is_ok(), "{text}");
        for base in
            [r#"["b","a"]"#, r#"["a","a"]"#, r#"["a","z"]"#, r#"["a","b","c"]"#, "[]", "null"]
        {
            let other = text.replace(r#"["a","b"]"#, base);
            assert!(Lock::parse(other.as_bytes()).is_err(), "{base}");
        }
    }

    #[test]
    fn another_format_or_order_is_refused() {
        let text = Lock::new("trixie", "amd64", vec![input("a"), input("b")]).document().unwrap();
        let text = String::from_utf8(text.bytes().to_vec()).unwrap();
        assert!(Lock::parse(text.replace("\"format\":1", "\"format\":2").as_bytes()).is_err());
        let mut turned = Lock::new("trixie", "amd64", vec![input("a"), input("b")]);
        turned.packages.reverse();
        assert!(Lock::parse(turned.document().unwrap().bytes()).is_err());
        turned.packages = vec![input("a"), input("a")];
        assert!(Lock::parse(turned.document().unwrap().bytes()).is_err());
    }
}
