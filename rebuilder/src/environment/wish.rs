//! What an environment is resolved for (step 3, pure): the question, and how apt is asked.

use reattest_attestation::Digest;

use crate::error::RebuildError;
use crate::reference::{is_name, is_version};
use crate::release::{IndexEntry, SourceFile, Suite, architecture};

/// Where apt works inside the sandbox.
pub(super) const PLACE: &str = "/tmp/solve";
/// Between two answers of apt.
pub(super) const MARK: &str = "== next answer ==";
/// What the layer has that most builds share, besides the essential packages.
const BASE: &[&str] = &["build-essential", "debhelper"];

/// The verified package index that everything is resolved against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The suite's codename.
    pub suite: String,
    /// The binary package index; its bytes must be in the store.
    pub packages: IndexEntry,
    /// The architecture that the environment runs on, as Debian names it.
    pub architecture: String,
}

/// What an environment must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// What a source package's build asks for, and the build-essential packages.
    BuildDependencies {
        /// The source's `.dsc`; its bytes must be in the store.
        dsc: SourceFile,
        /// The source for messages, name and version.
        source: String,
        /// Whether only its `Architecture: all` packages are built, or only the others.
        is_indep: bool,
        /// Whether the build pretends to be root.
        requires_root: bool,
        /// Build profiles, separated by spaces.
        profiles: String,
    },
    /// These packages, what they need, and the essential ones.
    Packages(Vec<String>),
    /// Exactly these packages in these versions, as a `.buildinfo` lists them: nothing is resolved.
    Exact(Vec<(String, String)>),
}

impl Archive {
    /// The index of a suite, for this machine.
    pub(crate) fn of(suite: &Suite) -> Self {
        Self {
            suite: suite.codename().to_owned(),
            packages: suite.packages().clone(),
            architecture: architecture().to_owned(),
        }
    }
}

impl Wish {
    /// Who wants it, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::BuildDependencies { source, .. } => source.clone(),
            Self::Packages(names) => names.join(" "),
            Self::Exact(pins) => format!("{} packages of exact versions", pins.len()),
        }
    }

    /// Names become words of a command line and must be what they say.
    pub(super) fn check(&self) -> Result<(), RebuildError> {
        let profile = |word: &str| is_name(word.trim_start_matches('!'));
        let odd = match self {
            Self::BuildDependencies { profiles, .. } => {
                profiles.split_whitespace().find(|word| !profile(word)).map(str::to_owned)
            }
            Self::Packages(names) => names.iter().find(|name| !is_name(name)).cloned(),
            Self::Exact(pins) => pins
                .iter()
                .find(|(name, version)| !is_name(name) || !is_version(version))
                .map(|(name, version)| format!("{name} {version}")),
        };
        match odd {
            None => Ok(()),
            Some(odd) => Err(RebuildError::Environment {
                step: "resolve the packages".to_owned(),
                why: format!("found {odd:?}, needed the name of a Debian package or profile"),
            }),
        }
    }

    /// Everything that the answer depends on, by digest; the version of the question is its first word.
    pub(super) fn question(&self, archive: &Archive) -> Digest {
        let Archive { suite, packages, architecture } = archive;
        let wish = match self {
            Self::BuildDependencies { dsc, is_indep, requires_root, profiles, .. } => {
                format!("build {} {is_indep} {requires_root} {profiles}", dsc.sha256)
            }
            Self::Packages(names) => format!("packages {}", names.join(" ")),
            Self::Exact(pins) => {
                let pins: Vec<_> = pins.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("exact {}", pins.join(" "))
            }
        };
        Digest::of(format!("2 {suite} {} {architecture} {wish}", packages.sha256).as_bytes())
    }

    /// The base layers that may fit, the largest first: what each has besides the essential packages.
    fn bases(&self) -> &'static [&'static [&'static str]] {
        match self {
            Self::BuildDependencies { .. } | Self::Exact(_) => &[BASE],
            // An interpreter alone needs no compiler.
            Self::Packages(_) => &[BASE, &[]],
        }
    }

    /// Asks for the wish, unless it needs no resolving, and then for each base that may fit. What
    /// cannot be had of those is no fault: there is one layer then.
    pub(super) fn script(&self, essential: &[String]) -> String {
        let apt = "apt-get -s -q -o Debug::pkgProblemResolver=0";
        let essential = essential.join(" ");
        let wish = match self {
            Self::BuildDependencies { is_indep, .. } => {
                let class = if *is_indep { "--indep-only" } else { "--arch-only" };
                format!("{apt} build-dep {class} {PLACE}/source.dsc")
            }
            Self::Packages(names) => format!("{apt} install {essential} {}", names.join(" ")),
            Self::Exact(_) => ":".to_owned(),
        };
        let base = |names: &&[&str]| {
            format!("echo '{MARK}'; {apt} install {essential} {} || :\n", names.join(" "))
        };
        let bases: String = self.bases().iter().map(base).collect();
        format!("set -e\napt-get -qq update\n{wish}\n{bases}")
    }

    /// apt.conf(5). The index was verified here, so apt is told to trust it; there is no other.
    pub(super) fn configuration(&self, archive: &Archive, essential: &[String]) -> String {
        let mut always = essential.to_vec();
        always.push("build-essential".to_owned());
        let mut build_profiles = "";
        if let Self::BuildDependencies { requires_root, profiles, .. } = self {
            build_profiles = profiles;
            if *requires_root {
                always.push("fakeroot".to_owned());
            }
        }
        // apt.conf(5): every value in quotes, and a semicolon after each.
        let always = format!("\"{}\";", always.join("\"; \""));
        let architecture = &archive.architecture;
        format!(
            "Dir::State \"{PLACE}/state\";\nDir::State::status \"{PLACE}/status\";\n\
             Dir::Cache \"{PLACE}/cache\";\nDir::Etc \"{PLACE}/etc\";\nDir::Log \"{PLACE}\";\n\
             APT::Architecture \"{architecture}\";\nAPT::Architectures \"{architecture}\";\n\
             APT::Sandbox::User \"root\";\nAPT::Install-Recommends \"false\";\n\
             APT::Build-Profiles \"{build_profiles}\";\nAcquire::Languages \"none\";\n\
             Debug::NoLocking \"true\";\n\
             #clear APT::Build-Essential;\nAPT::Build-Essential {{ {always}}};\n"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn archive() -> Archive {
        let packages = IndexEntry {
            location: "dists/trixie/Packages.xz".to_owned(),
            sha256: Digest::of(b"index"),
            size: 1,
            unpacked: None,
            kept: crate::release::Kept::default(),
        };
        Archive { suite: "trixie".to_owned(), packages, architecture: "amd64".to_owned() }
    }

    fn packages(names: &[&str]) -> Wish {
        Wish::Packages(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_name_that_a_shell_would_read_otherwise_is_refused() {
        packages(&["python3", "libstdc++-14-dev"]).check().unwrap();
        for odd in ["a;b", "$(x)", "-o", "a b", "", "A", "a'"] {
            assert!(packages(&["python3", odd]).check().is_err(), "{odd}");
        }
        let exact = |version: &str| Wish::Exact(vec![("a".to_owned(), version.to_owned())]);
        exact("1:2~x-1+b1").check().unwrap();
        assert!(exact("1 2").check().is_err());
    }

    #[test]
    fn two_wishes_are_two_questions() {
        let archive = archive();
        let exact = |pins: &[(&str, &str)]| {
            Wish::Exact(pins.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
        };
        let all =
            [packages(&["a"]), packages(&["a", "b"]), exact(&[("a", "1")]), exact(&[("a", "2")])];
        let questions = all.map(|wish| wish.question(&archive));
        let distinct: std::collections::BTreeSet<_> = questions.iter().collect();
        assert_eq!(distinct.len(), questions.len());
        let mut other = archive.clone();
        other.packages.sha256 = Digest::of(b"another index");
        assert_ne!(packages(&["a"]).question(&other), packages(&["a"]).question(&archive));
    }

    #[test]
    fn the_wish_is_asked_first_and_every_base_after_it() {
        let script = packages(&["python3"]).script(&["dash".to_owned()]);
        let asked = [
            "install dash python3",
            "install dash build-essential debhelper ||",
            "install dash  ||",
        ];
        assert_eq!(script.split(MARK).count(), asked.len(), "{script}");
        for (answer, asked) in script.split(MARK).zip(asked) {
            assert!(answer.contains(asked), "{script}");
        }
    }
}
