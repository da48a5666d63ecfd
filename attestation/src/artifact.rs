//! What is talked about: a published file's full purl, and the network that talks (steps 1 to 10).

use std::fmt;
use std::str::FromStr;

use packageurl::PackageUrl;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::limits::{NETWORK_ID_MAX, PURL_MAX};
use crate::quoted::{quoted, said};

/// A text that is not a package URL.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error(
    "found {found:?}, needed a package URL such as pkg:deb/debian/netbase@6.5?arch=all&distro=trixie: {why}"
)]
pub struct PurlError {
    /// The text, shortened.
    pub found: String,
    /// What the grammar said.
    pub why: String,
}

/// A package URL in its canonical spelling, at most 512 bytes.
///
/// Identity is the whole text with all qualifiers: `arch=all` and `arch=amd64` are two artifacts.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Purl(String);

impl Purl {
    /// Builds a purl from its parts, encoding each as the grammar asks.
    pub fn new(
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        version: Option<&str>,
        qualifiers: &[(&str, &str)],
    ) -> Result<Self, PurlError> {
        let refuse = |why: packageurl::Error| PurlError {
            found: quoted(&format!("{kind}/{name}")),
            why: why.to_string(),
        };
        let mut purl = PackageUrl::new(kind.to_owned(), name.to_owned()).map_err(refuse)?;
        if let Some(namespace) = namespace {
            purl.with_namespace(namespace.to_owned()).map_err(refuse)?;
        }
        if let Some(version) = version {
            purl.with_version(version.to_owned()).map_err(refuse)?;
        }
        for (key, value) in qualifiers {
            purl.add_qualifier((*key).to_owned(), (*value).to_owned()).map_err(refuse)?;
        }
        purl.to_string().parse()
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The package type: `deb`, `pypi`, `cargo`.
    pub fn kind(&self) -> &str {
        let rest = self.0.strip_prefix("pkg:").unwrap_or(&self.0);
        rest.split('/').next().unwrap_or(rest)
    }

    /// The namespace, decoded: `debian` for Debian's packages.
    pub fn namespace(&self) -> Option<String> {
        self.parts()?.namespace().map(str::to_owned)
    }

    /// The package's name, decoded.
    pub fn name(&self) -> String {
        self.parts().map(|purl| purl.name().to_owned()).unwrap_or_default()
    }

    /// The version, decoded: a Debian epoch stays in it.
    pub fn version(&self) -> Option<String> {
        self.parts()?.version().map(str::to_owned)
    }

    /// One qualifier's value, decoded: `arch`, `distro`, `file_name`.
    pub fn qualifier(&self, key: &str) -> Option<String> {
        self.parts()?.qualifiers().get(key).map(ToString::to_string)
    }

    /// Whether a policy's pattern covers this purl: the exact text, or a beginning before one
    /// final `*`. No other wildcard, so that a reader sees at a glance what a pattern covers.
    pub fn matches(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(beginning) => self.0.starts_with(beginning),
            None => self.0 == pattern,
        }
    }

    /// The name of the published file, where the purl tells it: its `file_name`, or for Debian
    /// `<name>_<version without epoch>_<arch>.deb` as in the archive's pool.
    pub fn file_name(&self) -> Option<String> {
        self.qualifier("file_name").or_else(|| {
            let version = self.version()?;
            let shown = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
            self.debian_file_name(shown)
        })
    }

    /// Whether a file of this name may be the artifact: true where the purl does not tell a name.
    /// apt keeps downloads under a name with the epoch as `1%3a`, so that one is right too.
    pub fn allows_file_name(&self, name: &str) -> bool {
        let Some(expected) = self.file_name() else {
            return true;
        };
        let cached =
            self.version().and_then(|version| self.debian_file_name(&version.replace(':', "%3a")));
        name == expected || cached.as_deref() == Some(name)
    }

    fn debian_file_name(&self, version: &str) -> Option<String> {
        let arch = self.qualifier("arch").filter(|arch| arch != "source")?;
        (self.kind() == "deb").then(|| format!("{}_{version}_{arch}.deb", self.name()))
    }

    fn parts(&self) -> Option<PackageUrl<'static>> {
        self.0.parse().ok()
    }
}

impl FromStr for Purl {
    type Err = PurlError;

    /// Takes any valid spelling and keeps the canonical one.
    fn from_str(text: &str) -> Result<Self, PurlError> {
        let refuse = |why: String| PurlError { found: quoted(text), why };
        if text.len() > PURL_MAX {
            return Err(refuse(format!("it has {} bytes, at most {PURL_MAX} fit", text.len())));
        }
        let canonical =
            text.parse::<PackageUrl<'static>>().map_err(|error| refuse(said(error)))?.to_string();
        // The canonical spelling may be longer, and must be its own canonical spelling.
        let again = canonical.parse::<PackageUrl<'static>>().map(|purl| purl.to_string());
        if canonical.len() > PURL_MAX || again.as_deref() != Ok(canonical.as_str()) {
            return Err(refuse("it has no stable canonical spelling".to_owned()));
        }
        Ok(Self(canonical))
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Purl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Purl {
    /// Documents carry the canonical spelling only: the text is the identity.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let purl: Self = text.parse().map_err(D::Error::custom)?;
        if purl.0 == text {
            Ok(purl)
        } else {
            Err(D::Error::custom(format!("found purl {text:?}, needed its canonical form {purl}")))
        }
    }
}

/// A text that cannot name a network.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("found network id {found:?}, needed 1 to 64 of the characters a-z 0-9 . -")]
pub struct NetworkIdError {
    /// The text, shortened.
    pub found: String,
}

/// The name of one network of rebuilders, 1 to 64 of `a-z 0-9 . -`. Statements carry it so that
/// none can be replayed in another network; origins carry it, so it has no slash or space.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkId(String);

impl NetworkId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetworkId {
    type Err = NetworkIdError;

    fn from_str(text: &str) -> Result<Self, NetworkIdError> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        if (1..=NETWORK_ID_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NetworkIdError { found: quoted(text) })
        }
    }
}

impl TryFrom<String> for NetworkId {
    type Error = NetworkIdError;

    fn try_from(text: String) -> Result<Self, NetworkIdError> {
        text.parse()
    }
}

impl From<NetworkId> for String {
    fn from(id: NetworkId) -> Self {
        id.0
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn purl(text: &str) -> Purl {
        text.parse().unwrap()
    }

    #[test]
    fn a_purl_has_one_spelling() {
        let canonical = "pkg:deb/debian/gzip@1.13-1%2Bdeb13u1?arch=amd64&distro=trixie";
        let loose = "pkg:deb/debian/gzip@1.13-1+deb13u1?distro=trixie&arch=amd64";
        assert_eq!(purl(loose).as_str(), canonical);
        assert!(serde_json::from_str::<Purl>(&format!("\"{canonical}\"")).is_ok());
        assert!(serde_json::from_str::<Purl>(&format!("\"{loose}\"")).is_err());
        let built = Purl::new(
            "deb",
            Some("debian"),
            "gzip",
            Some("1.13-1+deb13u1"),
            &[("distro", "trixie"), ("arch", "amd64")],
        );
        assert_eq!(built.unwrap().as_str(), canonical);
    }

    #[test]
    fn parts_are_decoded() {
        let gzip = purl("pkg:deb/debian/gzip@1.13-1%2Bdeb13u1?arch=amd64&distro=trixie");
        assert_eq!(gzip.kind(), "deb");
        assert_eq!(gzip.namespace().as_deref(), Some("debian"));
        assert_eq!(gzip.name(), "gzip");
        assert_eq!(gzip.version().as_deref(), Some("1.13-1+deb13u1"));
        assert_eq!(gzip.qualifier("arch").as_deref(), Some("amd64"));
        assert_eq!(gzip.file_name().as_deref(), Some("gzip_1.13-1+deb13u1_amd64.deb"));
    }

    #[test]
    fn an_epoch_is_in_apts_file_name_and_not_in_the_pools() {
        let vim = purl("pkg:deb/debian/vim@2:9.1-1?arch=amd64");
        assert!(vim.allows_file_name("vim_9.1-1_amd64.deb"));
        assert!(vim.allows_file_name("vim_2%3a9.1-1_amd64.deb"));
        assert!(!vim.allows_file_name("emacs_9.1-1_amd64.deb"));
        assert!(purl("pkg:cargo/hex@0.4.3").allows_file_name("anything"));
    }

    #[test]
    fn a_pattern_is_a_beginning_or_the_whole() {
        let netbase = purl("pkg:deb/debian/netbase@6.5?arch=all");
        assert!(netbase.matches("pkg:deb/debian/*"));
        assert!(netbase.matches("pkg:deb/debian/netbase@6.5?arch=all"));
        assert!(!netbase.matches("pkg:deb/debian/netbase"));
        assert!(!netbase.matches("pkg:deb/ubuntu/*"));
    }

    #[test]
    fn bad_names_are_refused() {
        assert!("netbase".parse::<Purl>().is_err());
        assert!(format!("pkg:deb/debian/{}", "a".repeat(600)).parse::<Purl>().is_err());
        for id in ["", "Main", "a/b", "a b", "a+b"] {
            assert!(id.parse::<NetworkId>().is_err(), "{id}");
        }
        assert!("main.example-1".parse::<NetworkId>().is_ok());
    }
}
