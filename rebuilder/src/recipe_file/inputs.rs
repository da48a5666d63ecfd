//! The inputs that lie beside a recipe file (step 2): into the store, each under its digest.
//!
//! A directory becomes one tar archive that depends on names, bytes and the executable bit alone, so
//! that every checkout of the same files gives the same digest.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use reattest_attestation::Digest;

use super::{InputFile, RecipeFile, RecipeFileError};
use crate::cas::{BlobWriter, Cas, CasError};
use crate::limits;
use crate::recipe::SourceInput;

/// Why an input cannot be taken. Its author's fault, but for the disk's.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The recipe says something that cannot be meant.
    #[error(transparent)]
    Recipe(#[from] RecipeFileError),
    /// The file is not there or cannot be read.
    #[error("cannot read the input {}: {source}", .path.display())]
    Io {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is another one than the recipe says.
    #[error(
        "the input {name} has sha256 {found}, and the recipe says {stated}; restore the file, or write its new digest"
    )]
    Changed {
        /// Its name.
        name: String,
        /// What the recipe says.
        stated: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// Something in a directory that an archive for others cannot hold.
    #[error("the input {} is refused: {why}", .path.display())]
    Refused {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Cas(#[from] CasError),
}

/// The time of every member: the earliest that all archive formats know, 1980-01-01 in UTC.
const MEMBER_TIME: u64 = 315_532_800;
/// Left out of directories: the history of the sources is not a source.
const LEFT_OUT: &[&str] = &[".git"];

impl RecipeFile {
    /// Every input: those beside the recipe go into the store, those at URLs are named.
    pub fn inputs(&self, beside: &Path, cas: &Cas) -> Result<Vec<SourceInput>, InputError> {
        self.input.iter().map(|input| input.take(beside, cas)).collect()
    }
}

impl InputFile {
    fn take(&self, beside: &Path, cas: &Cas) -> Result<SourceInput, InputError> {
        let name = self.checked_name()?;
        if let (Some(url), Some(sha256), Some(size)) = (&self.url, self.sha256, self.size) {
            return Ok(SourceInput { name, sha256, size, location: url.clone() });
        }
        let path = beside.join(self.path.as_deref().unwrap_or(Path::new("")));
        let fail = |source| InputError::Io { path: path.clone(), source };
        let is_directory = fs::metadata(&path).map_err(fail)?.is_dir();
        let name = if is_directory { format!("{name}.tar") } else { name };
        let mut blob = Counted { blob: cas.writer()?, bytes: 0 };
        if is_directory {
            pack(&path, &mut blob)?;
        } else {
            let file = File::open(&path).map_err(fail)?;
            io::copy(&mut file.take(limits::INPUT_BYTES), &mut blob).map_err(fail)?;
        }
        let size = blob.bytes;
        let found = blob.blob.keep(None)?;
        match self.sha256 {
            Some(stated) if stated != found => Err(InputError::Changed { name, stated, found }),
            _ => Ok(SourceInput { name, sha256: found, size, location: format!("sha256:{found}") }),
        }
    }
}

/// A blob that knows its length.
struct Counted<'a> {
    blob: BlobWriter<'a>,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.blob.write(bytes)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.blob.flush()
    }
}

/// Files, directories and links that stay inside, in the order of their names.
fn pack(root: &Path, to: &mut impl Write) -> Result<(), InputError> {
    let mut archive = tar::Builder::new(to);
    let mut left = vec![PathBuf::new()];
    while let Some(directory) = left.pop() {
        for name in names(&root.join(&directory))? {
            let (inside, path) = (directory.join(&name), root.join(&directory).join(&name));
            let fail = |source| InputError::Io { path: path.clone(), source };
            let metadata = fs::symlink_metadata(&path).map_err(fail)?;
            if metadata.is_dir() {
                append(&mut archive, &inside, tar::EntryType::Directory, 0o755, &[])
                    .map_err(fail)?;
                left.push(inside);
            } else if metadata.is_file() {
                let content = read(&path, metadata.len())?;
                let mode = if is_executable(&metadata) { 0o755 } else { 0o644 };
                append(&mut archive, &inside, tar::EntryType::Regular, mode, &content)
                    .map_err(fail)?;
            } else {
                let why = "needed files and directories only; a link may lead elsewhere for others";
                return Err(InputError::Refused { path, why });
            }
        }
    }
    archive.finish().map_err(|source| InputError::Io { path: root.to_owned(), source })
}

fn names(directory: &Path) -> Result<Vec<String>, InputError> {
    let fail = |source| InputError::Io { path: directory.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let Some(name) = name.to_str().map(str::to_owned) else {
            let why = "its name is not UTF-8";
            return Err(InputError::Refused { path: directory.join(name), why });
        };
        if !LEFT_OUT.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path, length: u64) -> Result<Vec<u8>, InputError> {
    if length > limits::RECIPE_FILE_BYTES {
        let why = "it is larger than 256 MiB; publish it and name its URL";
        return Err(InputError::Refused { path: path.to_owned(), why });
    }
    fs::read(path).map_err(|source| InputError::Io { path: path.to_owned(), source })
}

fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    path: &Path,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(MEMBER_TIME);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn tree(mode: u32) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in [("src/b.c", "b"), ("src/deep/a.c", "a"), ("src/.hidden", "h")] {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(tree.path().join("src/.git")).unwrap();
        tree
    }

    fn input() -> InputFile {
        let path = Some(PathBuf::from("src"));
        InputFile { path, url: None, name: None, sha256: None, size: None }
    }

    #[test]
    fn a_directory_has_one_digest_wherever_it_lies() {
        let cache = tempfile::tempdir().unwrap();
        let cas = Cas::below(cache.path()).unwrap();
        let one = input().take(tree(0o600).path(), &cas).unwrap();
        let other = input().take(tree(0o664).path(), &cas).unwrap();
        assert_eq!((one.name.as_str(), &one), ("src.tar", &other));
        let bytes = cas.read(&one.sha256, 1 << 20).unwrap();
        assert_eq!(bytes.len() as u64, one.size);
        let names: Vec<String> = tar::Archive::new(bytes.as_slice())
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, [".hidden", "b.c", "deep", "deep/a.c"]);
        let executable = input().take(tree(0o755).path(), &cas).unwrap();
        assert_ne!(executable.sha256, one.sha256);
    }

    #[test]
    fn a_link_and_a_changed_file_are_refused() {
        let cache = tempfile::tempdir().unwrap();
        let cas = Cas::below(cache.path()).unwrap();
        let tree = tree(0o600);
        let stated = InputFile { sha256: Some(Digest::of(b"other")), ..input() };
        assert!(matches!(stated.take(tree.path(), &cas), Err(InputError::Changed { .. })));
        symlink("/etc/passwd", tree.path().join("src/link")).unwrap();
        assert!(matches!(input().take(tree.path(), &cas), Err(InputError::Refused { .. })));
    }
}
