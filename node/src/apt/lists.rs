//! What apt's lists, whose signatures apt has checked, say of a package: its name, and the archive that lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reattest_attestation::{Digest, Purl};

use super::relay::Archive;
use crate::limits::{APT_LINE_BYTES, APT_LISTS, APT_RELEASE_BYTES};

/// Prints lists, whatever they are compressed with.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// Where apt keeps its lists, where it does not say.
const LISTS: &str = "/var/lib/apt/lists";

/// apt's directory of lists.
#[derive(Debug, Clone)]
pub struct Lists(PathBuf);

/// Who publishes a package, as purls name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `Origin` in small letters, such as `debian`: the namespace.
    pub origin: String,
    /// The code name, such as `trixie`: the qualifier `distro`.
    pub codename: String,
}

/// A package's own names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Names {
    /// Its name.
    pub package: String,
    /// Its version, with the epoch.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
}

/// By which bytes lists publish a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// These, in these releases.
    As(Digest, Vec<Release>),
    /// Lists contradict each other.
    Contradicted,
}

impl Default for Lists {
    fn default() -> Self {
        Self(PathBuf::from(LISTS))
    }
}

impl Names {
    /// From the file's name: apt writes it from its signed lists, and a colon in it as `%3a`.
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".deb")?;
        let mut parts = name.split('_');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (package, version, architecture) = (next()?, next()?, next()?);
        let version = version.replace("%3a", ":").replace("%3A", ":");
        parts.next().is_none().then(|| Self {
            package: package.to_owned(),
            version,
            architecture: architecture.to_owned(),
        })
    }

    /// The full purl. Without a release it names no archive, and no evidence is about it.
    pub fn purl(&self, release: Option<&Release>) -> Option<Purl> {
        let arch = ("arch", self.architecture.as_str());
        let distro = release.map(|release| ("distro", release.codename.as_str()));
        let qualifiers: Vec<(&str, &str)> = [Some(arch), distro].into_iter().flatten().collect();
        let namespace = release.map(|release| release.origin.as_str());
        Purl::new("deb", namespace, &self.package, Some(&self.version), &qualifiers).ok()
    }
}

impl Lists {
    /// The directory that apt's configuration names.
    pub fn in_directory(path: PathBuf) -> Self {
        Self(path)
    }

    /// Who publishes an archive.
    pub fn release(&self, archive: &Archive) -> Option<Release> {
        let address = format!("{}dists/{}/", archive.repository, archive.release);
        let found = read_release(&self.0.join(format!("{}InRelease", list_name(&address))))?;
        (found.codename == archive.codename || archive.codename.is_empty()).then_some(found)
    }

    /// Which archives list files with these digests, and under which names.
    pub fn listing(
        &self,
        wanted: &BTreeSet<Digest>,
    ) -> io::Result<BTreeMap<Digest, (Names, Release)>> {
        let mut found = BTreeMap::new();
        self.each_stanza(&mut |names, digest, release| {
            if wanted.contains(&digest) {
                found.entry(digest).or_insert_with(|| (names.clone(), release.clone()));
            }
            found.len() < wanted.len()
        })?;
        Ok(found)
    }

    /// By which bytes these versions are published.
    pub fn publishing(&self, wanted: &BTreeSet<Names>) -> io::Result<BTreeMap<Names, Published>> {
        let mut found: BTreeMap<Names, Published> = BTreeMap::new();
        self.each_stanza(&mut |names, digest, release| {
            if wanted.contains(names) {
                let published =
                    found.entry(names.clone()).or_insert_with(|| Published::As(digest, Vec::new()));
                published.add(digest, release);
            }
            true
        })?;
        Ok(found)
    }

    /// Calls for each package of each list, until the answer is no.
    fn each_stanza(&self, visit: &mut Visit<'_>) -> io::Result<()> {
        for (list, release) in self.packages()? {
            let mut child = Command::new(HELPER)
                .arg("cat-file")
                .arg(&list)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()?;
            let output = child.stdout.take().map(BufReader::new);
            let mut goes_on = true;
            let mut of_list = |names: &Names, digest| {
                goes_on = goes_on && visit(names, digest, &release);
            };
            let read = output.map(|output| scan(output, &mut of_list));
            let ended = child.wait()?;
            read.transpose()?;
            if !ended.success() {
                return Err(io::Error::other(format!("{} cannot be read", list.display())));
            }
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// The lists of packages with the release that signs each.
    fn packages(&self) -> io::Result<Vec<(PathBuf, Release)>> {
        let mut names: Vec<String> = fs::read_dir(&self.0)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .take(APT_LISTS)
            .collect();
        names.sort();
        let releases: Vec<(&str, Release)> = names
            .iter()
            .filter_map(|name| {
                let beginning = name.strip_suffix("InRelease").or(name.strip_suffix("Release"))?;
                Some((beginning, read_release(&self.0.join(name))?))
            })
            .collect();
        let of = |name: &str| {
            let signs = releases.iter().filter(|(beginning, _)| name.starts_with(beginning));
            signs.max_by_key(|(beginning, _)| beginning.len()).map(|(_, release)| release.clone())
        };
        let lists = names.iter().filter(|name| is_packages(name));
        Ok(lists.filter_map(|name| Some((self.0.join(name), of(name)?))).collect())
    }
}

/// A package of a list: its names, its digest, and who publishes the list.
type Visit<'a> = dyn FnMut(&Names, Digest, &Release) -> bool + 'a;

impl Published {
    fn add(&mut self, digest: Digest, release: &Release) {
        match self {
            Self::As(known, releases) if *known == digest => {
                if !releases.contains(release) {
                    releases.push(release.clone());
                }
            }
            _ => *self = Self::Contradicted,
        }
    }
}

/// `…_binary-amd64_Packages`, compressed or not.
fn is_packages(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or(name);
    last == "Packages" || last.strip_prefix("Packages.").is_some_and(|end| !end.contains('.'))
}

/// Looks at each stanza's names and digest.
fn scan(mut list: impl BufRead, visit: &mut dyn FnMut(&Names, Digest)) -> io::Result<()> {
    let empty =
        Names { package: String::new(), version: String::new(), architecture: String::new() };
    let (mut names, mut digest) = (empty.clone(), None);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = list.by_ref().take(APT_LINE_BYTES).read_until(b'\n', &mut line)?;
        let text = std::str::from_utf8(&line).unwrap_or_default().trim_end();
        if text.is_empty() {
            if let Some(digest) = digest.take() {
                visit(&names, digest);
            }
            names = empty.clone();
        }
        if read == 0 {
            return Ok(());
        }
        match text.split_once(": ") {
            Some(("Package", value)) => value.clone_into(&mut names.package),
            Some(("Version", value)) => value.clone_into(&mut names.version),
            Some(("Architecture", value)) => value.clone_into(&mut names.architecture),
            Some(("SHA256", value)) => {
                digest = value.parse().ok();
            }
            _ => {}
        }
    }
}

/// `Origin` and `Codename`, which stand among the first fields; none where one is missing.
fn read_release(path: &Path) -> Option<Release> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(APT_RELEASE_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
        Some(line.trim().to_ascii_lowercase().replace(' ', "-"))
    };
    Some(Release { origin: field("Origin")?, codename: field("Codename")? })
}

/// The beginning of the names of an archive's lists, as apt makes it of the archive's address.
fn list_name(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = match rest.split_once('/') {
        // Names and passwords are left out.
        Some((site, path)) => {
            format!("{}/{path}", site.rsplit_once('@').map_or(site, |(_, site)| site))
        }
        None => rest.to_owned(),
    };
    rest.chars()
        .map(|one| match one {
            '/' => "_".to_owned(),
            '\\' | '|' | '{' | '}' | '[' | ']' | '<' | '>' | '"' | '^' | '~' | '_' | '=' | '!'
            | '@' | '#' | '$' | '%' | '&' | '*' => format!("%{:02x}", u32::from(one)),
            plain => plain.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test fails by panicking"
    )]
    use super::*;

    fn release() -> Release {
        Release { origin: "debian".to_owned(), codename: "trixie".to_owned() }
    }

    #[test]
    fn names_come_from_the_name_that_apt_gives_a_file() {
        let names = Names::of_file(Path::new("/partial/hello_1%3a2.0-1+b1_amd64.deb")).unwrap();
        assert_eq!(names.version, "1:2.0-1+b1");
        let purl = names.purl(Some(&release())).unwrap();
        assert_eq!(purl.as_str(), "pkg:deb/debian/hello@1:2.0-1%2Bb1?arch=amd64&distro=trixie");
        for wrong in ["hello.deb", "hello_1.deb", "hello_1_all", "a_b_c_d.deb", "_1_all.deb"] {
            assert_eq!(Names::of_file(Path::new(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn an_archives_lists_are_found_by_its_address() {
        assert_eq!(
            list_name("https://user:word@m.example:80/a_b/~x/dists/trixie/"),
            "m.example:80_a%5fb_%7ex_dists_trixie_"
        );
    }

    #[test]
    fn a_digest_finds_the_names_in_a_list() {
        let digest = Digest::of(b"one");
        let text = format!(
            "Package: zero\nVersion: 1\nArchitecture: all\nSHA256: {}\n\nPackage: one\nArchitecture: amd64\nVersion: 2\nDescription: x\n SHA256: no\nSHA256: {digest}\n",
            Digest::of(b"zero")
        );
        let mut found = Vec::new();
        let mut visit = |names: &Names, digest| found.push((names.package.clone(), digest));
        scan(text.as_bytes(), &mut visit).unwrap();
        assert_eq!(found, [("zero".to_owned(), Digest::of(b"zero")), ("one".to_owned(), digest)]);
    }
}
