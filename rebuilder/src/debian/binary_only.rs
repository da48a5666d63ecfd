//! The changelog entry of a `+bN` version (step 1): the archive built the same source once more.
//!
//! Only the published package has it. sbuild writes it on top of the changelog; version and time of
//! the build come from it. It is read from the package outside of any sandbox, must have exactly the
//! form that sbuild gives it, and goes into the build as one argument of a command.

use std::io::Read;

use flate2::read::GzDecoder;

use super::learned::LearnedError;
use crate::environment::{DebError, read_deb};
use crate::error::RebuildError;
use crate::fetch::Want;
use crate::limits;
use crate::means::Means;
use crate::reference::is_name;
use crate::release::{DebianRelease, Published, architecture};

/// One entry, without the empty lines after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry(String);

impl Entry {
    /// The text, its last line the one with name and date.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The entry of a release whose version ends in `+bN`; `None` for others.
pub(crate) fn learn(
    found: &DebianRelease,
    means: &mut Means<'_>,
) -> Result<Option<Entry>, RebuildError> {
    let Some(number) = found.binary_only else {
        return Ok(None);
    };
    let version = format!("{}+b{number}", found.version);
    let mut left: Vec<&Published> = found.release.published().iter().rev().collect();
    let mut looked = Vec::new();
    while let Some(published) = left.pop().filter(|_| looked.len() < limits::ENTRY_PACKAGES) {
        looked.push(published.file_name.as_str());
        match documents(published, means)? {
            Documents::Entry(text) => {
                let file = || published.file_name.clone();
                let entry = parse(&text, &found.source_name, &version, architecture())
                    .map_err(|why| LearnedError::Entry { file: file(), why })?;
                return Ok(Some(entry));
            }
            // Packages of one source may link their documents to one of them: that one is next.
            Documents::Of(name) => left.sort_by_key(|other| other.purl.name() == name),
            Documents::Nothing => {}
        }
    }
    Err(LearnedError::NoEntry { version, looked: looked.join(", ") }.into())
}

/// What a package has of its documents.
#[derive(Debug, PartialEq, Eq)]
enum Documents {
    /// The entry.
    Entry(Vec<u8>),
    /// A link to another package's.
    Of(String),
    /// Neither.
    Nothing,
}

fn documents(published: &Published, means: &mut Means<'_>) -> Result<Documents, RebuildError> {
    let Published { location, sha256, size, file_name, .. } = published;
    means.bring(&[Want::pinned(location, *sha256, *size)])?;
    let package = means.cas.open(sha256)?;
    let name = published.purl.name();
    let read = read_deb(package, |_, data| entry_of(data, &name)).map_err(|error| {
        LearnedError::Package { file: file_name.clone(), why: error.to_string() }
    })?;
    Ok(read.data)
}

/// The first of a package's data that tells; a package of Debian alone has no `Debian` in the name.
fn entry_of(data: &mut dyn Read, package: &str) -> Result<Documents, DebError> {
    let place = format!("usr/share/doc/{package}");
    let architecture = architecture();
    let wanted = [
        format!("{place}/changelog.Debian.{architecture}.gz"),
        format!("{place}/changelog.{architecture}.gz"),
    ];
    for (count, entry) in tar::Archive::new(data).entries()?.enumerate() {
        let entry = entry?;
        if count as u64 > limits::PACKAGE_ENTRIES {
            return Err(DebError::Form("too many entries".to_owned()));
        }
        let path = {
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            path.strip_prefix("./").map_or(path.clone(), str::to_owned)
        };
        let kind = entry.header().entry_type();
        if kind.is_symlink() && path == place {
            let target = entry.link_name_bytes().unwrap_or_default();
            return Ok(Documents::Of(String::from_utf8_lossy(&target).into_owned()));
        }
        if kind.is_file() && wanted.contains(&path) {
            let mut text = Vec::new();
            GzDecoder::new(entry).take(limits::ENTRY_BYTES + 1).read_to_end(&mut text)?;
            return Ok(Documents::Entry(text));
        }
    }
    Ok(Documents::Nothing)
}

/// Exactly what sbuild writes: header, statement, reasons, name and date.
fn parse(bytes: &[u8], source: &str, version: &str, architecture: &str) -> Result<Entry, String> {
    if bytes.len() as u64 > limits::ENTRY_BYTES {
        return Err(format!("it has more than {} bytes", limits::ENTRY_BYTES));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err("it has control characters".to_owned());
    }
    let text = text.trim_end_matches('\n');
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    check_header(next(), source, version)?;
    let statement =
        format!("  * Binary-only non-maintainer upload for {architecture}; no source changes.");
    let (empty, stated) = (next(), next());
    if !empty.is_empty() || stated != statement {
        return Err(format!("found {stated:?}, needed {statement:?} after an empty line"));
    }
    let mut body: Vec<&str> = lines.collect();
    check_trailer(body.pop().unwrap_or_default())?;
    match body.iter().find(|line| !line.is_empty() && !line.starts_with("  ")) {
        None => Ok(Entry(text.to_owned())),
        // A second entry would be one, and the build's version would be another.
        Some(odd) => Err(format!("found the line {odd:?}, needed two spaces before the reason")),
    }
}

/// `SOURCE (VERSION) SUITE; urgency=LEVEL, binary-only=yes`; deb-changelog(5).
fn check_header(line: &str, source: &str, version: &str) -> Result<(), String> {
    let needed = format!("{source} ({version}) SUITE; urgency=LEVEL, binary-only=yes");
    let parts = || {
        let rest = line.strip_prefix(&format!("{source} ({version}) "))?;
        let (suite, rest) = rest.split_once("; urgency=")?;
        Some((suite, rest.strip_suffix(", binary-only=yes")?))
    };
    match parts() {
        Some((suite, urgency))
            if is_name(suite) && urgency.chars().all(|c| c.is_ascii_lowercase()) =>
        {
            Ok(())
        }
        _ => Err(format!("found the header {line:?}, needed {needed:?}")),
    }
}

/// ` -- NAME <ADDRESS>  DATE`; the date decides the time that the build takes for its own.
fn check_trailer(line: &str) -> Result<(), String> {
    let date = || {
        let (who, date) = line.strip_prefix(" -- ")?.split_once(">  ")?;
        let (_, address) = who.split_once(" <")?;
        let is_address = !address.is_empty() && !address.contains(['<', '>', ' ']);
        (is_address && jiff::fmt::rfc2822::parse(date).is_ok()).then_some(())
    };
    date().ok_or_else(|| format!("found the last line {line:?}, needed name, address and date"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const GOOD: &str = "acl (2.3.2-2+b1) sid; urgency=low, binary-only=yes\n\n  * Binary-only non-maintainer upload for amd64; no source changes.\n  * Rebuild for PAC/BTI support\n\n -- amd64 / i386 Build Daemon (x86-ubc-01) <buildd_amd64-x86-ubc-01@buildd.debian.org>  Mon, 28 Oct 2024 15:02:52 +0000\n";

    fn parsed(text: &str) -> Result<Entry, String> {
        parse(text.as_bytes(), "acl", "2.3.2-2+b1", "amd64")
    }

    #[test]
    fn a_real_entry_is_taken_word_for_word() {
        assert_eq!(parsed(GOOD).unwrap().text(), GOOD.trim_end());
        assert_eq!(parsed(&format!("{GOOD}\n\n")).unwrap().text(), GOOD.trim_end());
    }

    #[test]
    fn an_entry_of_any_other_form_is_refused() {
        let long = "x".repeat(5000);
        let table = [
            ("acl (", "acls ("),
            ("+b1", "+b2"),
            ("2.3.2-2+b1", "9:1"),
            (", binary-only=yes", ""),
            ("urgency=low", "urgency=low; X=y"),
            (" sid;", " ../x;"),
            (" sid;", " sid sid;"),
            ("for amd64;", "for arm64;"),
            ("  * Rebuild", "acl (1) sid; urgency=low\n\n  * Rebuild"),
            ("  * Rebuild", "* Rebuild"),
            ("Rebuild", "Re\u{1b}[31mbuild"),
            ("Rebuild", "Re\0build"),
            ("Rebuild", "Re\rbuild"),
            ("Rebuild", long.as_str()),
            ("Mon, 28 Oct 2024 15:02:52 +0000", "yesterday"),
            ("<buildd_amd64-x86-ubc-01@buildd.debian.org>", ""),
            (" -- ", "-- "),
        ];
        for (from, to) in table {
            assert!(parsed(&GOOD.replacen(from, to, 1)).is_err(), "{from} {to}");
        }
        assert!(parsed("").is_err());
        assert!(parsed(&format!("{GOOD}\n{GOOD}")).is_err());
    }

    /// A tar of plain files and links.
    fn tar_of(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            if *kind == tar::EntryType::Symlink {
                let target = std::str::from_utf8(content).unwrap();
                header.set_size(0);
                builder.append_link(&mut header, path, target).unwrap();
            } else {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, *content).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn gz(text: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn the_entry_is_read_where_debhelper_leaves_it_and_nowhere_else() {
        fn read(entries: &[(&str, tar::EntryType, &[u8])]) -> Documents {
            entry_of(&mut &*tar_of(entries), "acl").unwrap()
        }
        let (file, link) = (tar::EntryType::Regular, tar::EntryType::Symlink);
        let arch = architecture();
        let name = |kind: &str| format!("./usr/share/doc/acl/changelog.{kind}{arch}.gz");
        let packed = gz(b"entry");
        let entry = Documents::Entry(b"entry".to_vec());
        assert_eq!(read(&[(&name("Debian."), file, &packed)]), entry);
        assert_eq!(read(&[(&name(""), file, &packed)]), entry);
        let other = "./usr/share/doc/acl".to_owned();
        assert_eq!(read(&[(&other, link, b"libacl1")]), Documents::Of("libacl1".to_owned()));
        let elsewhere = name("Debian.").replace("/acl/", "/libacl1/");
        assert_eq!(read(&[(&elsewhere, file, &packed)]), Documents::Nothing);
        assert_eq!(read(&[(&name("Debian."), link, b"/etc/shadow")]), Documents::Nothing);
        let bomb = gz(&vec![0; 1 << 20]);
        let Documents::Entry(text) = read(&[(&name(""), file, &bomb)]) else { unreachable!() };
        assert_eq!(text.len() as u64, limits::ENTRY_BYTES + 1, "no more is unpacked");
        assert!(parse(&text, "acl", "1", "amd64").is_err());
        assert!(entry_of(&mut &b"no tar at all"[..], "acl").is_err());
        assert!(entry_of(&mut &[0xff; 600][..], "acl").is_err());
    }

    #[test]
    fn what_a_shell_would_read_stays_one_argument() {
        let entry = parsed(&GOOD.replace("PAC", "$(id) `id` '; id; \" \\")).unwrap();
        assert!(entry.text().contains("$(id) `id`"));
        assert!(!super::super::WRITE_ENTRY.contains("acl"));
    }
}
