//! A `.buildinfo` (step 1): the record that a Debian build leaves of itself; deb-buildinfo(5).
//!
//! It may be signed; the signature is not asked for, because it says who built and not what is true.
//! What counts is that it speaks of exactly this build, and that what it chooses stands under the
//! archive's signature: versions. It names no package that the build itself does not ask for, see
//! `reach.rs`, and no program.

use std::collections::{BTreeMap, BTreeSet};

use reattest_attestation::Digest;

use super::learned::LearnedError;
use crate::limits;
use crate::reference::{is_name, is_version};
use crate::release::{DebianRelease, Stanza, architecture, dsc, sources};

/// Variables that are taken over; `LC_*` besides.
const TAKEN: &[&str] =
    &["DEB_BUILD_OPTIONS", "DEB_BUILD_PROFILES", "LANG", "SOURCE_DATE_EPOCH", "TZ"];
/// Variables that choose programs or libraries: a record that has one is refused and not cleaned.
const REFUSED: &[&str] = &[
    "PATH",
    "SHELL",
    "BASH_ENV",
    "ENV",
    "IFS",
    "CC",
    "CXX",
    "CPP",
    "AR",
    "AS",
    "NM",
    "RANLIB",
    "STRIP",
    "OBJCOPY",
    "LD",
    "GCC_EXEC_PREFIX",
    "COMPILER_PATH",
    "LIBRARY_PATH",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "MAKE",
    "MAKEFILES",
    "PERL5OPT",
    "PERL5LIB",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "GOFLAGS",
    "GOTOOLCHAIN",
    "PKG_CONFIG_PATH",
];
/// Directories below which a build may have stood; no other is one that a build could write to.
const ROOTS: &[&str] = &["build", "home", "srv"];

/// What is taken from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildInfo {
    /// Of the whole file.
    pub(crate) digest: Digest,
    /// Where the source tree stood: the directory above it, and its own name.
    pub(crate) path: Option<(String, String)>,
    /// Variables that are taken over.
    pub(crate) environment: BTreeMap<String, String>,
    /// Names of variables that are not.
    pub(crate) ignored: Vec<String>,
    /// `dpkg-buildpackage`'s option for what was built.
    pub(crate) class: &'static str,
    /// Name and version of every package of the environment.
    pub(crate) pins: Vec<(String, String)>,
    /// Who built it, in their words.
    pub(crate) origin: Option<String>,
}

impl BuildInfo {
    /// Reads one and checks that it is of the build of this release.
    pub(crate) fn parse(bytes: &[u8], release: &DebianRelease) -> Result<Self, LearnedError> {
        parse(bytes, release).map_err(LearnedError::BuildInfo)
    }
}

/// The source time in the record that a build here left of itself, which is as hostile as the rest of
/// its outputs; none where it cannot be read.
pub(crate) fn source_time(bytes: &[u8]) -> Option<u64> {
    let stanza = Stanza::parse(std::str::from_utf8(bytes).ok()?.trim_matches('\n')).ok()?;
    let (environment, _) = variables(stanza.get("Environment")?).ok()?;
    environment.get("SOURCE_DATE_EPOCH")?.parse().ok()
}

fn parse(bytes: &[u8], release: &DebianRelease) -> Result<BuildInfo, String> {
    if bytes.len() as u64 > limits::DSC_BYTES {
        return Err(format!("it has more than {} bytes", limits::DSC_BYTES));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = dsc::signed_text(text)?.trim_matches('\n');
    check_fields(text)?;
    let stanza = Stanza::parse(text)?;
    let format = stanza.need("Format")?;
    if !format.starts_with("1.") {
        return Err(format!("found format {format:?}, needed 1.0"));
    }
    check_build(&stanza, release)?;
    check_files(&stanza, release)?;
    let (environment, ignored) = variables(stanza.get("Environment").unwrap_or_default())?;
    Ok(BuildInfo {
        digest: Digest::of(bytes),
        path: stanza.get("Build-Path").map(path).transpose()?,
        environment,
        ignored,
        class: class(stanza.need("Architecture")?, release.is_indep)?,
        pins: pins(stanza.need("Installed-Build-Depends")?)?,
        origin: stanza.get("Build-Origin").map(origin).transpose()?,
    })
}

/// One stanza, each field once: another reader could take the other one.
fn check_fields(text: &str) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            return Err("it has an empty line, needed one stanza".to_owned());
        }
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let (name, _) = line.split_once(':').ok_or_else(|| format!("the line {line:?}"))?;
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(format!("it has the field {name} twice"));
        }
    }
    Ok(())
}

/// Source, version and architecture: of this build and of no other.
fn check_build(stanza: &Stanza, release: &DebianRelease) -> Result<(), String> {
    let DebianRelease { source_name, version, binary_only, .. } = release;
    let built = match binary_only {
        Some(number) => format!("{version}+b{number}"),
        None => version.clone(),
    };
    let same = |field: &str, needed: &[String]| -> Result<(), String> {
        let found = stanza.need(field)?;
        if needed.iter().any(|needed| needed == found) {
            return Ok(());
        }
        Err(format!("its {field} is {found:?}, needed {}", needed.join(" or ")))
    };
    same("Source", &[source_name.clone(), format!("{source_name} ({version})")])?;
    same("Version", &[built])?;
    same("Build-Architecture", &[architecture().to_owned()])
}

/// The published files that it lists are those of the signed index, the asked one among them.
fn check_files(stanza: &Stanza, release: &DebianRelease) -> Result<(), String> {
    let listed: BTreeMap<String, Digest> =
        sources::checksums(stanza)?.into_iter().map(|(digest, _, name)| (name, digest)).collect();
    let published = release.release.published().iter().map(|p| (&p.file_name, p.sha256));
    let dsc = release.release.sources().iter().take(1).map(|file| (&file.name, file.sha256));
    for (name, needed) in published.chain(dsc) {
        if let Some(found) = listed.get(name).filter(|found| **found != needed) {
            return Err(format!(
                "it lists {name} with sha256 {found}, the archive has {needed}: a record of another build"
            ));
        }
    }
    match release.release.published().first() {
        Some(asked) if listed.contains_key(&asked.file_name) => Ok(()),
        Some(asked) => Err(format!("it does not list {}", asked.file_name)),
        None => Ok(()),
    }
}

/// What was built: `all`, the machine's packages, or both at once.
fn class(text: &str, is_indep: bool) -> Result<&'static str, String> {
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "source").collect();
    let has_all = words.contains(&"all");
    let has_ours = words.contains(&architecture());
    if words.len() != usize::from(has_all) + usize::from(has_ours) {
        return Err(format!("it built for {text:?}, needed all or {}", architecture()));
    }
    match (has_all, has_ours) {
        (true, true) => Ok("--build=binary"),
        (true, false) if is_indep => Ok("--build=all"),
        (false, true) if !is_indep => Ok("--build=any"),
        _ => Err(format!("it built for {text:?}, and not what was asked for")),
    }
}

/// `DIRECTORY/TREE`, which becomes a mount point and a working directory.
fn path(text: &str) -> Result<(String, String), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let plain = |part: &&str| {
        !part.starts_with(['.', '-'])
            && !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+~-".contains(c))
    };
    let fine = match parts.as_slice() {
        ["", root, second, .., _] => {
            ROOTS.contains(root)
                && parts.iter().skip(1).all(plain)
                && (3..=8).contains(&(parts.len() - 1))
                && !(*root == "build" && *second == "inputs")
        }
        _ => false,
    };
    match text.rsplit_once('/').filter(|_| fine && text.len() <= 200) {
        Some((place, tree)) => Ok((place.to_owned(), tree.to_owned())),
        None => Err(format!(
            "its Build-Path is {text:?}, needed three to eight plain parts below /{}",
            ROOTS.join(", /")
        )),
    }
}

/// Lines of `NAME="VALUE"`.
fn variables(text: &str) -> Result<(BTreeMap<String, String>, Vec<String>), String> {
    let (mut taken, mut ignored) = (BTreeMap::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let quoted = |(name, value): (&str, &str)| {
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let (name, value) = line
            .split_once('=')
            .and_then(quoted)
            .ok_or_else(|| format!("the variable {line:?}"))?;
        if REFUSED.contains(&name.as_str()) || name.starts_with("LD_") {
            return Err(format!("it sets {name}, and a record may not choose programs"));
        }
        if !TAKEN.contains(&name.as_str()) && !name.starts_with("LC_") {
            ignored.push(name.chars().filter(char::is_ascii_graphic).take(64).collect());
            continue;
        }
        let fine = |c: char| c.is_ascii_alphanumeric() || " =,.:+!/_@-".contains(c);
        let is_time = name != "SOURCE_DATE_EPOCH" || value.parse::<u32>().is_ok();
        // A zone is a name of the zone database; a path would be read as a file.
        let is_zone = name != "TZ" || !(value.starts_with([':', '/']) || value.contains(".."));
        if !value.chars().all(fine) || value.len() > 256 || !is_time || !is_zone {
            return Err(format!("the variable {line:?}"));
        }
        if taken.insert(name.clone(), value).is_some() {
            return Err(format!("it sets {name} twice"));
        }
    }
    ignored.sort();
    ignored.dedup();
    ignored.truncate(64);
    Ok((taken, ignored))
}

/// `NAME (= VERSION), …`, each name once.
fn pins(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pins = BTreeMap::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let parts = || {
            let (name, rest) = item.split_once(" (= ")?;
            let name = name.strip_suffix(&format!(":{}", architecture())).unwrap_or(name);
            let version = rest.strip_suffix(')')?;
            (is_name(name) && is_version(version)).then(|| (name.to_owned(), version.to_owned()))
        };
        let (name, version) =
            parts().ok_or_else(|| format!("found {item:?}, needed NAME (= VERSION)"))?;
        if pins.insert(name.clone(), version).is_some() {
            return Err(format!("it lists {name} twice"));
        }
        if pins.len() > limits::EXACT_PACKAGES {
            return Err(format!("it lists more than {} packages", limits::EXACT_PACKAGES));
        }
    }
    Ok(pins.into_iter().collect())
}

/// For people; nothing follows from it.
fn origin(text: &str) -> Result<String, String> {
    let fine = text.len() <= 128 && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if fine { Ok(text.to_owned()) } else { Err(format!("its Build-Origin is {text:?}")) }
}

#[cfg(test)]
mod tests;
