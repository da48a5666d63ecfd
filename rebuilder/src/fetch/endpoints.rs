//! Where the registries are (step 2): what the machine's own package managers use, or what was given.
//!
//! Formats: sources.list(5), one-line style and deb822 style; pip's are in `pip.rs`. A consumer chose
//! its mirrors there once; asking again, or knowing better, would be rude.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use deb822_fast::Deb822;

use super::{pip, snapshot};

/// Roots by registry, in the order in which they are asked, each without a trailing slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    debian: Vec<String>,
    /// Empty: pip says it when it is needed.
    python: Vec<String>,
    snapshots: Vec<String>,
}

/// Why no endpoint could be read.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// A sources file is there and cannot be read.
    #[error("cannot read {}: {source}; needed apt's sources to be readable by this user", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Endpoints {
    /// Exactly these Debian roots, e.g. from the configuration file, which wins.
    pub fn given(roots: impl IntoIterator<Item = String>) -> Self {
        let mut endpoints = Self::default();
        roots.into_iter().for_each(|root| endpoints.add(&root));
        endpoints
    }

    /// The Debian roots that apt itself uses, read below `etc_apt` (`/etc/apt` on a real machine).
    pub fn of_apt(etc_apt: &Path) -> Result<Self, EndpointsError> {
        let mut endpoints = Self::default();
        for path in source_files(etc_apt)? {
            let text = match fs::read_to_string(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                read => read
                    .map_err(|source| EndpointsError::Unreadable { path: path.clone(), source })?,
            };
            endpoints.add_file(&path, &text);
        }
        Ok(endpoints)
    }

    /// Exactly these Python indexes, each the root above the projects' pages; none leaves it to pip.
    #[must_use]
    pub fn with_python(mut self, roots: impl IntoIterator<Item = String>) -> Self {
        self.python.clear();
        roots.into_iter().for_each(|root| add(&mut self.python, &root));
        self
    }

    /// Snapshot services by their base URIs, and archives at a time as templates with `{timestamp}`.
    #[must_use]
    pub fn with_snapshots(mut self, roots: impl IntoIterator<Item = String>) -> Self {
        self.snapshots.clear();
        roots.into_iter().for_each(|root| add(&mut self.snapshots, &root));
        self
    }

    /// Services that answer the machine-readable API.
    pub(super) fn services(&self) -> impl Iterator<Item = &String> {
        self.snapshots.iter().filter(|root| !root.contains(snapshot::TIME))
    }

    /// The roots of an archive as it was at a time. A template says one archive, Debian's own.
    pub(super) fn archive_at(&self, archive: &str, time: &str) -> Vec<String> {
        let root = |base: &String| {
            if base.contains(snapshot::TIME) {
                return (archive == "debian").then(|| base.replace(snapshot::TIME, time));
            }
            Some(format!("{base}/archive/{archive}/{time}"))
        };
        self.snapshots.iter().filter_map(root).collect()
    }

    /// The Debian archives.
    pub fn debian(&self) -> &[String] {
        &self.debian
    }

    /// The Python indexes: those given, else what pip is configured with, else what pip answers.
    pub fn python(&self) -> Vec<String> {
        if !self.python.is_empty() {
            return self.python.clone();
        }
        let configured = pip::configured();
        if configured.is_empty() { pip::ask_client() } else { configured }
    }

    fn add_file(&mut self, path: &Path, text: &str) {
        match path.extension() {
            Some(extension) if extension == "sources" => self.add_deb822(text),
            _ => text.lines().for_each(|line| self.add_line(line)),
        }
    }

    /// A file that does not parse is passed over, as apt warns and goes on.
    fn add_deb822(&mut self, text: &str) {
        let Ok(parsed) = text.parse::<Deb822>() else {
            return;
        };
        for stanza in parsed.iter() {
            let enabled =
                stanza.get("Enabled").is_none_or(|e| !e.trim().eq_ignore_ascii_case("no"));
            let is_deb = stanza.get("Types").is_some_and(|t| t.split_whitespace().any(is_type));
            if enabled && is_deb {
                let uris = stanza.get("URIs").unwrap_or_default();
                uris.split_whitespace().for_each(|uri| self.add(uri));
            }
        }
    }

    fn add_line(&mut self, line: &str) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if !words.next().is_some_and(is_type) {
            return;
        }
        // Options stand in brackets before the URI and may hold spaces.
        let mut in_options = false;
        for word in words {
            in_options |= word.starts_with('[');
            if !in_options {
                return self.add(word);
            }
            in_options &= !word.ends_with(']');
        }
    }

    fn add(&mut self, uri: &str) {
        add(&mut self.debian, uri);
    }
}

fn add(roots: &mut Vec<String>, uri: &str) {
    let root = uri.trim_end_matches('/').to_owned();
    let speaks_http = root.starts_with("http://") || root.starts_with("https://");
    if speaks_http && !roots.contains(&root) {
        roots.push(root);
    }
}

fn is_type(word: &str) -> bool {
    word == "deb" || word == "deb-src"
}

/// `sources.list` first, then the parts in the order in which apt reads them.
fn source_files(etc_apt: &Path) -> Result<Vec<PathBuf>, EndpointsError> {
    let parts = etc_apt.join("sources.list.d");
    let unreadable = |source| EndpointsError::Unreadable { path: parts.clone(), source };
    let mut files = match fs::read_dir(&parts) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        listing => listing
            .and_then(|entries| {
                entries.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()
            })
            .map_err(unreadable)?,
    };
    files.retain(|path| path.extension().is_some_and(|e| e == "list" || e == "sources"));
    files.sort();
    files.insert(0, etc_apt.join("sources.list"));
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn both_styles_are_read_once_each_and_in_apts_order() {
        let etc = tempfile::tempdir().unwrap();
        let parts = etc.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        fs::write(
            etc.path().join("sources.list"),
            "# deb http://commented.example/a x main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian/ trixie main\n\
             deb cdrom:[Debian]/ trixie main\nrpm http://no.example/ x\n",
        )
        .unwrap();
        fs::write(
            parts.join("b.sources"),
            "Types: deb\nURIs: https://two.example/debian\n http://one.example/debian\nSuites: x\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.example/\n",
        )
        .unwrap();
        fs::write(parts.join("a.list"), "deb-src http://three.example/d trixie main").unwrap();
        fs::write(parts.join("c.save"), "deb http://four.example/d trixie main").unwrap();
        let endpoints = Endpoints::of_apt(etc.path()).unwrap();
        let roots =
            ["http://one.example/debian", "http://three.example/d", "https://two.example/debian"];
        assert_eq!(endpoints.debian(), roots);
    }

    #[test]
    fn a_machine_without_apt_has_no_endpoint() {
        let etc = tempfile::tempdir().unwrap();
        assert!(Endpoints::of_apt(etc.path()).unwrap().debian().is_empty());
    }
}
