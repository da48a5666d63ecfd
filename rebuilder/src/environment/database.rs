//! dpkg's database for packages that were unpacked natively (step 3): as dpkg would have left it.
//!
//! Format: dpkg's `doc/` and the files that dpkg 1.22 itself writes: `status`, `info/format`,
//! `info/NAME[:ARCH].list` and the members of the control part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::deb::Control;
use crate::recipe::Input;
use crate::release::Stanza;

/// One natively unpacked package.
pub(super) struct Unpacked {
    /// What the lock says of it.
    pub(super) input: Input,
    /// Its control part.
    pub(super) control: Control,
    /// Its paths, each with a leading slash.
    pub(super) list: Vec<String>,
}

impl Unpacked {
    /// Whether only dpkg itself can unpack it rightly: a script that must run before its files come
    /// (it may divert another's), or an interest that later packages must find.
    pub(super) fn needs_dpkg(&self) -> bool {
        let triggers = self.control.get("triggers").map(|(text, _)| String::from_utf8_lossy(text));
        let interested = |text: &str| text.lines().any(|line| line.trim().starts_with("interest"));
        self.control.contains_key("preinst") || triggers.is_some_and(|text| interested(&text))
    }

    fn conffiles(&self) -> Vec<String> {
        let (text, _) = self.control.get("conffiles").cloned().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        // Lines may carry a flag before the path; those name files to remove, not files here.
        text.lines().map(str::trim).filter(|l| l.starts_with('/')).map(str::to_owned).collect()
    }

    fn is_multi_arch_same(&self) -> Result<bool, String> {
        Ok(Stanza::parse(&self.control_text()?)?.get("Multi-Arch") == Some("same"))
    }

    fn control_text(&self) -> Result<String, String> {
        let (text, _) = self.control.get("control").ok_or("no control file")?;
        String::from_utf8(text.clone()).map_err(|_| "a control file that is not UTF-8".to_owned())
    }

    /// The stanza of `status`: unpacked, conffiles not yet taken over.
    fn status(&self) -> Result<String, String> {
        let mut text = self.control_text()?.trim_end().to_owned();
        text.push_str("\nStatus: install ok unpacked\n");
        let conffiles = self.conffiles();
        if !conffiles.is_empty() {
            text.push_str("Conffiles:\n");
            text.push(' ');
            text.push_str(&conffiles.join(" newconffile\n "));
            text.push_str(" newconffile\n");
        }
        Ok(text)
    }
}

/// Packages that share a file path; which of them owns it is dpkg's to decide.
pub(super) fn overlapping(
    packages: &[Unpacked],
    is_directory: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut overlapping = BTreeSet::new();
    for package in packages {
        for path in &package.list {
            let name = package.input.name.as_str();
            if let Some(other) = owners.insert(path, name).filter(|_| !is_directory(path)) {
                overlapping.extend([other.to_owned(), name.to_owned()]);
            }
        }
    }
    overlapping
}

/// Writes the database of these packages, and none else, below a root.
///
/// The root was made by us and nothing has run in it yet, but packages placed links in it: the
/// directories here are made first, before any package is unpacked.
pub(super) fn write(admin: &Path, packages: &[&Unpacked]) -> io::Result<()> {
    let info = admin.join("info");
    write_new(&info.join("format"), b"1\n", 0o644)?;
    write_new(&admin.join("available"), b"", 0o644)?;
    let mut status = String::new();
    for package in packages {
        status.push_str(&package.status().map_err(io::Error::other)?);
        status.push('\n');
        write_info(&info, package)?;
    }
    write_new(&admin.join("status"), status.as_bytes(), 0o644)
}

/// Never through a link that a package put there.
fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

fn write_info(info: &Path, package: &Unpacked) -> io::Result<()> {
    let Input { name, architecture, .. } = &package.input;
    let same = package.is_multi_arch_same().map_err(io::Error::other)?;
    let stem = if same { format!("{name}:{architecture}") } else { name.clone() };
    let list = package.list.join("\n") + "\n";
    write_new(&info.join(format!("{stem}.list")), list.as_bytes(), 0o644)?;
    for (member, (content, mode)) in
        package.control.iter().filter(|(member, _)| *member != "control")
    {
        write_new(&info.join(format!("{stem}.{member}")), content, *mode)?;
    }
    Ok(())
}

/// The directories of the database, made in an empty root.
pub(super) fn prepare(root: &Path) -> io::Result<std::path::PathBuf> {
    let admin = root.join("var/lib/dpkg");
    for part in ["info", "updates", "triggers", "alternatives", "parts"] {
        fs::create_dir_all(admin.join(part))?;
    }
    Ok(admin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use reattest_attestation::Digest;

    fn package(name: &str, members: &[(&str, &str)], list: &[&str]) -> Unpacked {
        let control =
            format!("Package: {name}\nVersion: 1\nMulti-Arch: same\nArchitecture: amd64\n");
        let mut all = vec![("control", control.as_str())];
        all.extend_from_slice(members);
        let entry =
            |(name, text): &(&str, &str)| ((*name).to_owned(), (text.as_bytes().to_vec(), 0o644));
        let input = Input {
            name: name.to_owned(),
            architecture: "amd64".to_owned(),
            version: "1".to_owned(),
            sha256: Digest::of(b""),
            size: 0,
            location: String::new(),
        };
        let list = list.iter().map(|path| (*path).to_owned()).collect();
        Unpacked { input, control: all.iter().map(entry).collect(), list }
    }

    #[test]
    fn the_database_says_unpacked_with_conffiles_pending() {
        let root = tempfile::tempdir().unwrap();
        let admin = prepare(root.path()).unwrap();
        let a =
            package("a", &[("conffiles", "/etc/a\nremove-on-upgrade /etc/old\n")], &["/.", "/etc"]);
        write(&admin, &[&a]).unwrap();
        let status = fs::read_to_string(admin.join("status")).unwrap();
        assert!(
            status.contains("Status: install ok unpacked\nConffiles:\n /etc/a newconffile\n\n")
        );
        assert_eq!(fs::read_to_string(admin.join("info/a:amd64.list")).unwrap(), "/.\n/etc\n");
        assert!(admin.join("info/a:amd64.conffiles").is_file());
    }

    #[test]
    fn dpkg_unpacks_what_only_it_can() {
        assert!(package("a", &[("preinst", "")], &[]).needs_dpkg());
        assert!(
            package("a", &[("triggers", "# x\ninterest-noawait /usr/share\n")], &[]).needs_dpkg()
        );
        assert!(!package("a", &[("triggers", "activate-noawait ldconfig\n")], &[]).needs_dpkg());
        let both = [package("a", &[], &["/usr", "/usr/x"]), package("b", &[], &["/usr", "/usr/x"])];
        assert_eq!(overlapping(&both, |path| path == "/usr").len(), 2);
        assert!(overlapping(&both, |_| true).is_empty());
    }
}
