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
use super::unpack::Root;
use crate::recipe::Input;
use crate::release::Stanza;

/// Where dpkg keeps it.
const ADMIN: &str = "var/lib/dpkg";

/// One package that was read, and unpacked where that can be done natively.
pub(super) struct Unpacked {
    /// What the lock says of it.
    pub(super) input: Input,
    /// Its control part.
    pub(super) control: Control,
    /// When it was built, in seconds since 1970.
    pub(super) built: u64,
    /// Whether dpkg has to unpack it, again or at all.
    pub(super) by_dpkg: bool,
    /// Its paths, each with a leading slash; none where it was not unpacked here.
    pub(super) list: Vec<String>,
    /// The modes of its directories.
    pub(super) directories: Vec<(String, u32)>,
}

/// Whether only dpkg itself can unpack a package rightly: a script that must run before its files come
/// (it may divert another's), or an interest that later packages must find.
pub(super) fn needs_dpkg(control: &Control) -> bool {
    control.contains_key("preinst") || !interests(control).is_empty()
}

/// The triggers that a package waits for; deb-triggers(5).
fn interests(control: &Control) -> Vec<String> {
    let (text, _) = control.get("triggers").cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let interest = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| word.starts_with("interest"))?;
        words.next().map(str::to_owned)
    };
    text.lines().filter_map(interest).collect()
}

/// The file triggers that natively unpacked packages set off; dpkg knows of these only what it
/// unpacked itself. `known` is the list of the layer below, lines `PATH PACKAGE`.
pub(super) fn file_triggers(known: &str, packages: &[Unpacked]) -> BTreeSet<String> {
    let known = known.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    let new = packages.iter().flat_map(|package| interests(&package.control));
    let paths: BTreeSet<&str> = packages
        .iter()
        .filter(|package| !package.by_dpkg)
        .flat_map(|package| package.list.iter().map(String::as_str))
        .collect();
    let is_hit = |trigger: &String| {
        let below = format!("{trigger}/");
        let next = paths.range(below.as_str()..).next();
        paths.contains(trigger.as_str()) || next.is_some_and(|path| path.starts_with(&below))
    };
    known.chain(new).filter(|trigger| trigger.starts_with('/')).filter(is_hit).collect()
}

impl Unpacked {
    /// Puts its conffiles aside, as dpkg leaves those of an unpacked package: they come to their place,
    /// and their digests into the database, when the package is configured.
    fn put_conffiles_aside(&self, root: &Root) -> io::Result<()> {
        let listed: BTreeSet<&str> = self.list.iter().map(String::as_str).collect();
        for path in self.conffiles().iter().filter(|path| listed.contains(path.as_str())) {
            root.rename(path.trim_start_matches('/'), ".dpkg-new")?;
        }
        Ok(())
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

/// Writes the database of these packages below a root, after what the layer below has.
///
/// Packages placed links in the root: the directories here were made first, before any package was
/// unpacked, so none of them can be one.
pub(super) fn write(root: &Root, packages: &[&Unpacked]) -> io::Result<()> {
    let admin = root.path().join(ADMIN);
    let info = admin.join("info");
    let mut status = String::new();
    if let Some(lower) = root.lower() {
        status = lower.read(&format!("{ADMIN}/status"))?;
    } else {
        write_new(&info.join("format"), b"1\n", 0o644)?;
        write_new(&admin.join("available"), b"", 0o644)?;
    }
    for package in packages {
        package.put_conffiles_aside(root)?;
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

/// The directories of the database, made before any package is unpacked, or as the layer below has
/// them: where that has links instead, it is refused.
pub(super) fn prepare(root: &Root) -> io::Result<()> {
    for part in ["info", "updates", "triggers", "alternatives", "parts"] {
        let path = format!("{ADMIN}/{part}");
        match root.lower() {
            None => make(root.path(), &path)?,
            Some(_) if root.directory(&path)?.is_at(&path) => (),
            Some(_) => {
                return Err(io::Error::other(format!("{path} is a link in the layer below")));
            }
        }
    }
    Ok(())
}

/// Whatever our umask is, since a layer's modes are part of its digest.
fn make(root: &Path, path: &str) -> io::Result<()> {
    let mut directory = root.to_owned();
    for part in path.split('/') {
        directory.push(part);
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
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
        let control: Control = all.iter().map(entry).collect();
        let by_dpkg = needs_dpkg(&control);
        Unpacked { input, control, built: 0, by_dpkg, list, directories: Vec::new() }
    }

    #[test]
    fn the_database_says_unpacked_with_conffiles_pending() {
        let root = tempfile::tempdir().unwrap();
        let admin = root.path().join(ADMIN);
        let root = Root::open(root.path()).unwrap();
        prepare(&root).unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/a"), "a").unwrap();
        let a = package(
            "a",
            &[("conffiles", "/etc/a\nremove-on-upgrade /etc/old\n")],
            &["/.", "/etc", "/etc/a"],
        );
        write(&root, &[&a]).unwrap();
        let status = fs::read_to_string(admin.join("status")).unwrap();
        assert!(
            status.contains("Status: install ok unpacked\nConffiles:\n /etc/a newconffile\n\n")
        );
        assert_eq!(
            fs::read_to_string(admin.join("info/a:amd64.list")).unwrap(),
            "/.\n/etc\n/etc/a\n"
        );
        assert_eq!(fs::read(root.path().join("etc/a.dpkg-new")).unwrap(), b"a");
        assert!(!root.path().join("etc/a").exists(), "dpkg puts it there");
        assert!(admin.join("info/a:amd64.conffiles").is_file());
    }

    #[test]
    fn dpkg_unpacks_what_only_it_can() {
        assert!(package("a", &[("preinst", "")], &[]).by_dpkg);
        assert!(package("a", &[("triggers", "# x\ninterest-noawait /usr/share\n")], &[]).by_dpkg);
        assert!(!package("a", &[("triggers", "activate-noawait ldconfig\n")], &[]).by_dpkg);
        let both = [package("a", &[], &["/usr", "/usr/x"]), package("b", &[], &["/usr", "/usr/x"])];
        assert_eq!(overlapping(&both, |path| path == "/usr").len(), 2);
        assert!(overlapping(&both, |_| true).is_empty());
    }

    #[test]
    fn the_database_of_an_upper_layer_goes_on_where_the_lower_one_ends() {
        let (layer, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lower = Root::open(layer.path()).unwrap();
        prepare(&lower).unwrap();
        write(&lower, &[&package("a", &[], &["/."])]).unwrap();
        let root = Root::over(upper.path(), layer.path()).unwrap();
        prepare(&root).unwrap();
        write(&root, &[&package("b", &[], &["/."])]).unwrap();
        let status = fs::read_to_string(upper.path().join(ADMIN).join("status")).unwrap();
        let names: Vec<&str> = status.lines().filter(|line| line.starts_with("Package")).collect();
        assert_eq!(names, ["Package: a", "Package: b"]);
        assert!(!upper.path().join(ADMIN).join("info/format").exists(), "the lower one has it");
    }

    #[test]
    fn a_database_behind_a_link_is_refused() {
        let (layer, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(layer.path().join(ADMIN)).unwrap();
        fs::create_dir_all(layer.path().join("opt/info")).unwrap();
        std::os::unix::fs::symlink("/opt/info", layer.path().join(ADMIN).join("info")).unwrap();
        let root = Root::over(upper.path(), layer.path()).unwrap();
        assert!(prepare(&root).unwrap_err().to_string().contains("is a link"));
    }

    #[test]
    fn a_file_trigger_is_set_off_by_what_was_unpacked_natively() {
        let waits =
            package("w", &[("triggers", "interest-noawait /usr/share/new\ninterest x\n")], &[]);
        let files =
            package("f", &[], &["/usr", "/usr/share/man", "/usr/share/man/x", "/usr/share/new"]);
        let by_dpkg = package("d", &[("preinst", "")], &["/opt/man/x"]);
        let known = "/usr/share/man man-db/noawait\n/opt/man man-db/noawait\n/usr/share/ma x\n";
        let hit = file_triggers(known, &[waits, files, by_dpkg]);
        assert_eq!(hit.into_iter().collect::<Vec<_>>(), ["/usr/share/man", "/usr/share/new"]);
    }
}
