//! The source of a release (step 1): its one stanza, and the files that it names.

use std::collections::BTreeSet;

use reattest_attestation::Digest;

use super::index::Index;
use super::stanza::{Stanza, field};
use super::{SourceFile, safe_location};
use crate::error::RebuildError;

/// The stanza of exactly this source and version; two of them are refused.
pub(super) fn stanza(index: &Index<'_>, name: &str, version: &str) -> Result<Stanza, RebuildError> {
    let mut found = index.named(name)?;
    found.retain(|raw| field(raw, "Version") == Some(version));
    match found.as_slice() {
        [raw] => Ok(Stanza::parse(raw).map_err(|why| index.malformed(why))?),
        [] => Err(index.malformed(format!("it has no source {name} {version}")).into()),
        _ => Err(index.malformed(format!("two stanzas of the source {name} {version}")).into()),
    }
}

/// `Checksums-Sha256`: lines of `DIGEST SIZE NAME`, the `.dsc` put first.
pub(super) fn files(stanza: &Stanza) -> Result<Vec<SourceFile>, String> {
    let (name, version) = (stanza.need("Package")?, stanza.need("Version")?);
    let directory = stanza.need("Directory")?;
    let dsc = format!("{name}_{}.dsc", version.split_once(':').map_or(version, |(_, rest)| rest));
    let mut files = Vec::new();
    for (sha256, size, file) in checksums(stanza)? {
        // dpkg-source(1) knows no others, and what is named as nothing it knows would hide.
        if !file.starts_with(&format!("{name}_")) || (is_dsc(&file) && file != dsc) {
            return Err(format!("a source file named {file:?}, needed {name}_… and one {dsc}"));
        }
        let location = safe_location(&format!("{directory}/{file}"))?;
        files.push(SourceFile { name: file, sha256, size, location });
    }
    files.sort_by_key(|file| (!is_dsc(&file.name), file.name.clone()));
    match files.first() {
        Some(first) if is_dsc(&first.name) => Ok(files),
        _ => Err("a source without .dsc".to_owned()),
    }
}

/// The lines of `Checksums-Sha256`, each file once.
pub(crate) fn checksums(stanza: &Stanza) -> Result<Vec<(Digest, u64, String)>, String> {
    let lines = stanza.need("Checksums-Sha256")?.lines().map(str::trim).filter(|l| !l.is_empty());
    let mut seen = BTreeSet::new();
    let parse = |line: &str| -> Result<(Digest, u64, String), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [sha256, size, name] = words.as_slice() else {
            return Err(format!("the line {line:?}"));
        };
        if !is_file_name(name) {
            return Err(format!("a source file named {name:?}"));
        }
        // Names that differ in case alone would be one file on some disks.
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(format!("two source files named {name:?}"));
        }
        let digest = sha256.parse().map_err(|_| format!("no SHA-256 in {sha256:?}"))?;
        let size = size.parse().map_err(|_| format!("no size in {size:?}"))?;
        Ok((digest, size, (*name).to_owned()))
    };
    lines.map(parse).collect()
}

/// The names that dpkg-source(1) gives: visible, and without anything that a shell or URL reads.
fn is_file_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fine = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    starts_well && text.len() <= 255 && text.chars().all(fine)
}

fn is_dsc(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("dsc"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn files_of(lines: &str) -> Result<Vec<SourceFile>, String> {
        let digest = Digest::of(b"").to_string();
        let text = format!(
            "Package: a\nVersion: 2:1\nDirectory: pool/main/a/a\nChecksums-Sha256:\n{}\n",
            lines.replace("DIGEST", &digest)
        );
        files(&Stanza::parse(&text).unwrap())
    }

    #[test]
    fn a_source_stanza_gives_its_files_with_the_dsc_first() {
        let files = files_of(" DIGEST 2 a_1.orig.tar.xz\n DIGEST 1 a_1.dsc").unwrap();
        let locations: Vec<_> = files.iter().map(|f| f.location.as_str()).collect();
        let expected = ["debian:pool/main/a/a/a_1.dsc", "debian:pool/main/a/a/a_1.orig.tar.xz"];
        assert_eq!(locations, expected);
    }

    #[test]
    fn source_files_that_collide_hide_or_leave_are_refused() {
        let table = [
            (" DIGEST 1 a_1.dsc\n DIGEST 1 a_1.dsc", "two source files"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 a_1.tar.xz\n DIGEST 2 a_1.TAR.xz", "two source files"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 a_2.dsc", "one a_1.dsc"),
            (" DIGEST 1 a_2.dsc", "one a_1.dsc"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 b_1.tar.xz", "needed a_"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 .a_1.tar.xz", "named"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 ../a_1.tar.xz", "named"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 a_1/a.tar.xz", "named"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1 a_1;x.tar.xz", "named"),
            (" DIGEST 1 a_1.dsc\n DIGEST 1", "the line"),
            (" DIGEST -1 a_1.dsc", "no size"),
            (" abc 1 a_1.dsc", "no SHA-256"),
            (" DIGEST 1 a_1.tar.xz", "without .dsc"),
            ("", "without"),
        ];
        for (lines, why) in table {
            let error = files_of(lines).unwrap_err();
            assert!(error.contains(why), "{lines}: {error}");
        }
    }
}
