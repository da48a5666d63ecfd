//! What a source distribution says about its build (step 3): its tree's name and its `pyproject.toml`.
//!
//! Only these two are read here, by the orchestrator; everything else is unpacked in the sandbox. The
//! archive is an attacker's: sizes and counts are bounded, and so are the headers that a tar reader
//! collects in memory.

use std::io::{self, Read, Seek};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::PythonError;
use super::name::Packing;
use crate::limits;

/// The one file that is read.
const PROJECT_FILE: &str = "pyproject.toml";

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The one directory at the archive's top, `NAME-VERSION` by custom.
    pub tree: String,
    /// The text of `pyproject.toml`, where there is one.
    pub project: Option<String>,
}

/// Reads a source distribution of this file name.
pub fn read(
    mut file: impl Read + Seek,
    name: &str,
    packing: Packing,
) -> Result<Source, PythonError> {
    let mut found = Found::default();
    let read = match packing {
        Packing::TarGz => bounded_headers(unpacked(&mut file))
            .and_then(|()| file.rewind().map_err(|e| e.to_string()))
            .and_then(|()| found.tar(unpacked(&mut file))),
        Packing::Zip => found.zip(&mut file),
    };
    let source = read.and_then(|()| found.done());
    source.map_err(|why| PythonError::File { file: name.to_owned(), why })
}

/// Past its limit the decoder ends, and the `tar` in it is cut off, which is an error.
fn unpacked<'a>(packed: &'a mut (impl Read + 'a)) -> impl Read + 'a {
    MultiGzDecoder::new(packed).take(limits::SDIST_UNPACKED_BYTES)
}

/// A tar may describe the next entry in entries of its own, which readers take into memory whole.
/// Names and times need a few hundred bytes; a size in such a description would let two readers see
/// two archives.
fn bounded_headers(tar: impl Read) -> Result<(), String> {
    let text = |e: io::Error| e.to_string();
    let mut archive = tar::Archive::new(tar);
    for (count, entry) in archive.entries().map_err(text)?.raw(true).enumerate() {
        let mut entry = entry.map_err(text)?;
        let kind = entry.header().entry_type();
        let describes = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if !describes {
            if count as u64 > limits::SDIST_ENTRIES {
                return Err(format!("more than {} entries", limits::SDIST_ENTRIES));
            }
            continue;
        }
        let mut description = Vec::new();
        let limit = limits::TAR_DESCRIPTION_BYTES;
        let read = entry.by_ref().take(limit + 1).read_to_end(&mut description).map_err(text)?;
        if read as u64 > limit {
            return Err(format!("a description of an entry has more than {limit} bytes"));
        }
        if description.windows(6).any(|window| window == b" size=") {
            return Err("a description of an entry changes its size".to_owned());
        }
    }
    Ok(())
}

#[derive(Default)]
struct Found {
    tree: Option<String>,
    project: Option<String>,
}

impl Found {
    fn tar(&mut self, tar: impl Read) -> Result<(), String> {
        let text = |e: io::Error| e.to_string();
        let mut archive = tar::Archive::new(tar);
        for entry in archive.entries().map_err(text)? {
            let mut entry = entry.map_err(text)?;
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() {
                continue;
            }
            let path = entry.path_bytes().into_owned();
            if self.is_project(&path)? {
                if !kind.is_file() {
                    return Err(format!("{PROJECT_FILE} is no plain file"));
                }
                self.keep(&mut entry)?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, file: impl Read + Seek) -> Result<(), String> {
        let mut archive = ZipArchive::new(file).map_err(|e| e.to_string())?;
        if archive.len() as u64 > limits::SDIST_ENTRIES {
            return Err(format!("more than {} entries", limits::SDIST_ENTRIES));
        }
        for index in 0..archive.len() {
            let path =
                archive.by_index_raw(index).map_err(|e| e.to_string())?.name_raw().to_owned();
            if self.is_project(&path)? {
                self.keep(&mut archive.by_index(index).map_err(|e| e.to_string())?)?;
            }
        }
        Ok(())
    }

    /// Notes the tree that a path stands in; whether it is the file that is read.
    fn is_project(&mut self, path: &[u8]) -> Result<bool, String> {
        let path = path.strip_prefix(b"./").unwrap_or(path);
        let mut parts = path.splitn(2, |byte| *byte == b'/');
        let top = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        if top.is_empty() || top == "." {
            // The archive's own root, as `tar -C` writes it; anything else here is absolute.
            return if path.len() <= 1 && !path.starts_with(b"/") {
                Ok(false)
            } else {
                Err("an absolute path".to_owned())
            };
        }
        if !is_tree(&top) {
            let top: String = top.chars().take(80).collect();
            return Err(format!("a top directory named {top:?}"));
        }
        match &self.tree {
            Some(tree) if *tree != top => {
                return Err(format!("two top directories, {tree} and {top}"));
            }
            Some(_) => {}
            None => self.tree = Some(top),
        }
        Ok(parts.next() == Some(PROJECT_FILE.as_bytes()))
    }

    fn keep(&mut self, entry: &mut dyn Read) -> Result<(), String> {
        let mut bytes = Vec::new();
        let limit = limits::PROJECT_FILE_BYTES;
        let read = entry.take(limit + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if read as u64 > limit {
            return Err(format!("{PROJECT_FILE} has more than {limit} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{PROJECT_FILE} is no UTF-8"))?;
        match self.project.replace(text) {
            None => Ok(()),
            Some(_) => Err(format!("it has two files {PROJECT_FILE}")),
        }
    }

    fn done(self) -> Result<Source, String> {
        let tree = self.tree.ok_or("it is empty")?;
        Ok(Source { tree, project: self.project })
    }
}

/// It becomes a part of a path and of a command.
fn is_tree(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    starts_well && text.len() <= 255 && text.chars().all(fine)
}

#[cfg(test)]
mod tests;
