//! Writes and removes the lines of apt's configuration that put the doors in its way.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::fault::Fault;

/// Schemes of apt's sources whose methods are guarded, where apt has them.
pub const SCHEMES: [&str; 4] = ["http", "https", "file", "copy"];

/// Where apt reads the lines, where nobody says otherwise.
pub const CONF: &str = "/etc/apt/apt.conf.d/99reattest";

/// Where the methods are, as links to this program, which tells them apart by their names.
pub const METHODS: &str = "/usr/local/lib/reattest/apt";

/// The files that the door to apt consists of.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file that apt reads.
    pub conf: PathBuf,
    /// The directory of methods.
    pub methods: PathBuf,
}

/// How the door stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The file is there, and apt will use what it says.
    pub enabled: bool,
    /// The file that apt reads.
    pub conf: PathBuf,
    /// Schemes whose downloads pass through the method.
    pub schemes: Vec<String>,
    /// Whether apt runs the hook before dpkg.
    pub hook: bool,
    /// What does not fit together, with what to do.
    pub findings: Vec<String>,
}

impl Place {
    /// Puts the door in apt's way; `program` is this program, `config` the configuration of its node.
    pub fn enable(&self, program: &Path, config: &Path) -> Result<(), Fault> {
        let text = self.text(program, config)?;
        fs::create_dir_all(&self.methods).map_err(|error| failed(&self.methods, error))?;
        for scheme in available() {
            let link = self.methods.join(scheme);
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&link, error));
                }
                _ => symlink(program, &link).map_err(|error| failed(&link, error))?,
            }
        }
        self.write(&text)
    }

    /// Complete under its name, or as it was: apt may run at any time.
    fn write(&self, text: &str) -> Result<(), Fault> {
        let parent = self.conf.parent().unwrap_or(Path::new("."));
        let fail = |error| failed(&self.conf, error);
        // apt reads no file of its directory whose name has a dot at its beginning.
        let file =
            tempfile::Builder::new().prefix(".reattest").tempfile_in(parent).map_err(fail)?;
        fs::write(file.path(), text).map_err(fail)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(file.path(), mode).map_err(fail)?;
        file.persist(&self.conf).map(drop).map_err(|error| fail(error.error))
    }

    /// The lines, as apt.conf(5) has them.
    fn text(&self, program: &Path, config: &Path) -> Result<String, Fault> {
        let program = plain(program, "the program")?;
        let config = plain(config, "the configuration")?;
        let mut lines = vec![
            "// Written by `reattest apt enable`; `reattest apt disable` removes it.".to_owned(),
        ];
        for scheme in available() {
            let path = self.methods.join(scheme);
            let path = plain(&path, "the directory of methods")?;
            lines.push(format!("Dir::Bin::Methods::{scheme} \"{path}\";"));
        }
        lines.push(format!("Reattest::Config \"{config}\";"));
        lines.push(format!("DPkg::Pre-Install-Pkgs:: \"{program} apt hook\";"));
        lines.push(format!("DPkg::Tools::Options::{program}::Version \"3\";"));
        lines.push(String::new());
        Ok(lines.join("\n"))
    }

    /// Takes the door out of apt's way; whether there was one.
    pub fn disable(&self) -> Result<bool, Fault> {
        // The lines first: apt must not be sent to a method that is gone.
        let was = removed(&self.conf)?;
        for scheme in SCHEMES {
            removed(&self.methods.join(scheme))?;
        }
        // Left where something else is in it.
        let _kept = fs::remove_dir(&self.methods);
        Ok(was)
    }

    /// What apt's configuration, as apt itself reads it, makes of the door.
    pub fn standing(&self) -> Result<Standing, Fault> {
        let fail = |error| Fault::new("apt-config cannot be run; is this a Debian system?", error);
        let dump = Command::new("apt-config").arg("dump").output().map_err(fail)?;
        let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
        let program = std::env::current_exe().and_then(fs::canonicalize).unwrap_or_default();
        Ok(self.judged(&dump, &program))
    }

    fn judged(&self, dump: &str, program: &Path) -> Standing {
        // apt's own spelling of a key may differ in capitals, which mean nothing to it.
        let value = |key: &str| {
            let split = |line: &str| {
                line.split_once(" \"").map(|(at, rest)| (at.to_owned(), rest.to_owned()))
            };
            let found = dump.lines().filter_map(split).find(|(at, _)| at.eq_ignore_ascii_case(key));
            found?.1.strip_suffix("\";").map(str::to_owned)
        };
        let written = self.conf.exists();
        let (mut schemes, mut findings) = (Vec::new(), Vec::new());
        for scheme in available().filter(|_| written) {
            let ours = self.methods.join(scheme);
            let used = value(&format!("Dir::Bin::Methods::{scheme}"));
            if used.as_deref().map(Path::new) != Some(&ours) {
                findings.push(format!(
                    "apt uses {} for {scheme}, needed {}: another file of its configuration comes later",
                    used.as_deref().unwrap_or("its own method"),
                    ours.display()
                ));
            } else if fs::canonicalize(&ours).ok().as_deref() != Some(program) {
                findings.push(format!(
                    "{} is not a link to this program: run `reattest apt enable` again",
                    ours.display()
                ));
            } else {
                schemes.push(scheme.to_owned());
            }
        }
        let runs =
            |line: &str| line.starts_with("DPkg::Pre-Install-Pkgs") && line.contains(" apt hook\"");
        let hook = written && dump.lines().any(runs);
        if written && !hook {
            findings.push("apt does not run the hook: run `reattest apt enable` again".to_owned());
        }
        if let Some(config) = value("Reattest::Config").filter(|path| !Path::new(path).exists()) {
            findings.push(format!("{config} does not exist: every package will be refused"));
        }
        let enabled = hook && !schemes.is_empty() && findings.is_empty();
        Standing { enabled, conf: self.conf.clone(), schemes, hook, findings }
    }
}

/// Schemes for which this machine's apt has a method.
fn available() -> impl Iterator<Item = &'static str> {
    SCHEMES.into_iter().filter(|scheme| Path::new(super::method::METHODS).join(scheme).exists())
}

/// A path that apt.conf(5) and the shell which runs the hook read as it is.
fn plain<'a>(path: &'a Path, what: &str) -> Result<&'a str, Fault> {
    let allowed = |one: char| one.is_ascii_alphanumeric() || "/._-+@,".contains(one);
    let plain = |text: &&str| text.starts_with('/') && text.chars().all(allowed);
    path.to_str().filter(plain).ok_or_else(|| {
        Fault::text(format!(
            "found {} as the path of {what}, needed an absolute one of letters, digits and /._-+@, which apt hands on as it is",
            path.display()
        ))
    })
}

fn removed(path: &Path) -> Result<bool, Fault> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path, error)),
    }
}

fn failed(path: &Path, error: io::Error) -> Fault {
    let shown = path.display().to_string();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Fault::text(format!("{shown}: permission denied; run this as root"));
    }
    Fault::new(shown, error)
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

    fn place(home: &Path) -> Place {
        Place { conf: home.join("99reattest"), methods: home.join("methods") }
    }

    #[test]
    fn what_is_written_is_removed_whole() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let program = fs::canonicalize("/proc/self/exe").unwrap();
        place.enable(&program, Path::new("/etc/reattest/node.toml")).unwrap();
        let text = fs::read_to_string(&place.conf).unwrap();
        assert!(
            text.contains(&format!("DPkg::Tools::Options::{}::Version \"3\"", program.display()))
        );
        place.enable(&program, Path::new("/etc/reattest/node.toml")).unwrap();
        assert!(place.disable().unwrap());
        assert!(!place.disable().unwrap());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_apt_would_read_otherwise_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for wrong in ["relative.toml", "/etc/a b.toml", "/etc/\"; x \".toml", "/etc/$x.toml"] {
            let refused =
                place(home.path()).enable(Path::new("/usr/bin/reattest"), Path::new(wrong));
            assert!(refused.is_err(), "{wrong}");
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is half written");
        }
    }

    #[test]
    fn a_later_file_that_takes_the_door_away_is_told() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        let program = fs::canonicalize("/proc/self/exe").unwrap();
        place.enable(&program, &program).unwrap();
        let text = fs::read_to_string(&place.conf).unwrap();
        assert!(place.judged(&text, &program).enabled);
        assert!(place.judged(&text.replace("Methods", "methods"), &program).enabled);
        let other = text.replace("methods/http\"", "elsewhere\"");
        let standing = place.judged(&other, &program);
        assert!(!standing.enabled && standing.findings[0].contains("elsewhere"), "{standing:?}");
        let without: Vec<&str> = text.lines().filter(|line| !line.contains("hook")).collect();
        let without = without.join("\n");
        assert!(!place.judged(&without, &program).enabled);
        place.disable().unwrap();
        assert!(!place.judged(&text, &program).enabled);
    }
}
