//! The comparison where it can do no harm (step 4): the same program in a sandbox that holds two files and nothing else.
//!
//! The sandbox's root is an empty directory. Of the host it shows, read-only, the program, the
//! system's libraries that the program is linked with, and the two files. It has no network and no
//! writable place but memory. What comes back is one document, bounded, and checked to be about
//! the files that were asked about.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reattest_attestation::{Digest, Digester};

use super::document::{DocumentError, Report};
use super::shown::shown;
use super::{Limits, Side, compare};
use crate::limits;
use crate::progress::Cancel;
use crate::sandbox::{Access, Bind, Ended, Filter, Identity, Root, Sandbox, SandboxError, Spec};

/// Why there is no report. Always an own fault, and never an outcome: that two files differ is
/// known without it.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file that is too large to be held in memory twice.
    #[error("found {} of {size} bytes, needed at most {limit} to compare it member by member; compare it with another tool", .path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The comparison itself ended without a report.
    #[error(
        "the comparison ended without a report (exit code {code}): {said}; please report this fault with both files"
    )]
    Ended {
        /// Its exit code.
        code: i32,
        /// The beginning of what it said.
        said: String,
    },
    /// What came back is no report.
    #[error("the comparison wrote no valid report: {0}")]
    Document(#[from] DocumentError),
    /// What came back is about other files.
    #[error(
        "the comparison reported on other files than it was given; one of them is an attack on it"
    )]
    OtherFiles,
    /// The sandbox failed.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A file cannot be read or made.
    #[error("{what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What another tool says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deeper {
    /// Its text, printable.
    pub text: String,
    /// Whether it had more to say.
    pub cut: bool,
}

/// What of the host a dynamic program may need; what is missing there is left out.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64"];
/// Which libraries there are: diffoscope's own ask for one by name.
const LIBRARIES: &str = "/etc/ld.so.cache";
/// Where everything else stands, inside.
const PLACE: &str = "/report";
/// What a program may say when it fails.
const SAID: usize = 400;

/// Compares two files inside a sandbox, with `program` (the binary `reattest`).
///
/// `names` are the file names to show, published first. Both files must stay as they are meanwhile.
pub fn sandboxed(
    sandbox: &Sandbox,
    program: &Path,
    published: &Path,
    produced: &Path,
    names: (&str, &str),
    cancel: &Cancel,
) -> Result<Report, ReportError> {
    let digests = (digest(published)?, digest(produced)?);
    let inside = |name: &str| format!("{PLACE}/{name}");
    let command =
        ["role", "report", "--", &inside("published"), &inside("produced"), names.0, names.1];
    let mut words = vec![inside("program")];
    words.extend(command.map(str::to_owned));
    let binds = [(program, "program"), (published, "published"), (produced, "produced")];
    let run = crate::sandbox::Limits {
        wall: limits::REPORT_WALL,
        // A log may not reach its limit: a document of the full length, its line's end, and one byte.
        log_bytes: limits::REPORT_JSON_BYTES as u64 + 2,
        ..crate::sandbox::Limits::step()
    };
    let (ended, said) = run_in(sandbox, &binds, &[], words, run, cancel)?;
    if let Ended::Failure(code) = ended {
        return Err(ReportError::Ended { code, said: shown(&said, SAID) });
    }
    let report = Report::from_bytes(said.trim_ascii_end(), &Limits::default())?;
    if (report.published.sha256, report.produced.sha256) != digests {
        return Err(ReportError::OtherFiles);
    }
    Ok(report)
}

/// What `reattest role report` does inside: reads both files and compares them.
pub fn document(
    published: &Path,
    produced: &Path,
    names: (&str, &str),
) -> Result<Vec<u8>, ReportError> {
    let (a, b) = (read(published)?, read(produced)?);
    let published = Side { name: names.0, bytes: &a };
    let produced = Side { name: names.1, bytes: &b };
    Ok(compare(published, produced, &Limits::default()).to_bytes()?)
}

/// What diffoscope says of both files, inside the same sandbox; `None` where it is not installed.
pub fn deepened(
    sandbox: &Sandbox,
    published: &Path,
    produced: &Path,
    cancel: &Cancel,
) -> Result<Option<Deeper>, ReportError> {
    let Some(program) = find("diffoscope") else { return Ok(None) };
    let bytes = limits::REPORT_DEEPER_BYTES.to_string();
    let inside = |name: &str| format!("{PLACE}/{name}");
    let mut words = vec![program];
    let options = ["--no-progress", "--text=-", "--text-color=never", "--max-text-report-size"];
    words.extend(options.map(str::to_owned));
    words.extend([bytes, inside("published"), inside("produced")]);
    let run = crate::sandbox::Limits {
        wall: limits::REPORT_DEEPER_WALL,
        log_bytes: limits::REPORT_DEEPER_BYTES.saturating_mul(2),
        ..crate::sandbox::Limits::step()
    };
    let binds = [(published, "published"), (produced, "produced")];
    let (ended, said) = run_in(sandbox, &binds, &[LIBRARIES], words, run, cancel)?;
    match ended {
        // 1 is its word for files that differ.
        Ended::Success | Ended::Failure(1) => {}
        Ended::Failure(code) => return Err(ReportError::Ended { code, said: shown(&said, SAID) }),
    }
    let limit = usize::try_from(limits::REPORT_DEEPER_BYTES).unwrap_or(usize::MAX);
    let lines = said.get(..limit).unwrap_or(&said).split(|byte| *byte == b'\n');
    let text: Vec<String> = lines.map(|line| shown(line, 1000)).collect();
    Ok(Some(Deeper { text: text.join("\n"), cut: said.len() > limit }))
}

/// Runs a command over some files, and returns what it said.
fn run_in(
    sandbox: &Sandbox,
    files: &[(&Path, &str)],
    host: &[&str],
    command: Vec<String>,
    limits: crate::sandbox::Limits,
    cancel: &Cancel,
) -> Result<(Ended, Vec<u8>), ReportError> {
    let scratch = tempfile::tempdir()
        .map_err(|source| fault("make a directory in", &env::temp_dir(), source))?;
    let root = scratch.path().join("root");
    let mut binds = prepare(&root).map_err(|source| fault("prepare", &root, source))?;
    for file in host.iter().map(Path::new).filter(|file| file.is_file()) {
        binds.push(place(&root, file).map_err(|source| fault("prepare", &root, source))?);
    }
    for (source, name) in files {
        let target = root.join("report").join(name);
        File::create(&target).map_err(|source| fault("prepare", &target, source))?;
        let source =
            fs::canonicalize(source).map_err(|error| fault("cannot find", source, error))?;
        let target = format!("{PLACE}/{name}");
        binds.push(Bind { source, target, access: Access::ReadOnly });
    }
    let variables = [("HOME", "/tmp"), ("LC_ALL", "C.UTF-8"), ("PATH", "/usr/bin:/bin")];
    let spec = Spec {
        root: Root::Directory(root),
        root_access: Access::ReadOnly,
        binds,
        identity: Identity::Builder,
        hostname: "reattest".to_owned(),
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        directory: "/tmp".to_owned(),
        command,
        filter: Filter::Build,
        limits,
    };
    let log = scratch.path().join("said");
    let ended = sandbox.run(&spec, &log, cancel)?;
    let said = fs::read(&log).map_err(|source| fault("cannot read", &log, source))?;
    Ok((ended, said))
}

/// An empty root with a place for everything that is mounted over it.
fn prepare(root: &Path) -> io::Result<Vec<Bind>> {
    for place in ["dev", "proc", "run", "sys", "tmp", "report"] {
        fs::create_dir_all(root.join(place))?;
    }
    let mut binds = Vec::new();
    for name in SYSTEM {
        let source = Path::new("/").join(name);
        // `/bin` may be a link into `/usr`: what is mounted is where it leads.
        if source.is_dir() {
            fs::create_dir(root.join(name))?;
            let target = format!("/{name}");
            binds.push(Bind { source, target, access: Access::ReadOnly });
        }
    }
    Ok(binds)
}

/// A file of the host, where it is on the host.
fn place(root: &Path, file: &Path) -> io::Result<Bind> {
    let inside = root.join(file.strip_prefix("/").unwrap_or(file));
    fs::create_dir_all(inside.parent().unwrap_or(root))?;
    File::create(inside)?;
    let (source, target) = (file.to_owned(), file.display().to_string());
    Ok(Bind { source, target, access: Access::ReadOnly })
}

/// A program of the host's `/usr`, the only place that is seen inside.
fn find(name: &str) -> Option<String> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|directory| directory.join(name));
    let found =
        candidates.find(|candidate| candidate.is_file() && candidate.starts_with("/usr"))?;
    found.to_str().map(str::to_owned)
}

fn read(path: &Path) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    let limit = limits::REPORT_FILE_BYTES;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| fault("cannot read", path, source))?;
    check_size(path, bytes.len() as u64)?;
    Ok(bytes)
}

fn digest(path: &Path) -> Result<Digest, ReportError> {
    let mut file = open(path)?;
    let size = file.metadata().map_err(|source| fault("cannot read", path, source))?.len();
    check_size(path, size)?;
    let mut hasher = Digester::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(|source| fault("cannot read", path, source))?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

fn open(path: &Path) -> Result<File, ReportError> {
    File::open(path).map_err(|source| fault("cannot open", path, source))
}

fn check_size(path: &Path, size: u64) -> Result<(), ReportError> {
    let limit = limits::REPORT_FILE_BYTES;
    if size <= limit {
        return Ok(());
    }
    Err(ReportError::TooLarge { path: path.to_owned(), size, limit })
}

fn fault(what: &'static str, path: &Path, source: io::Error) -> ReportError {
    ReportError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_root_holds_nothing_but_places_to_mount_on() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("root");
        let binds = prepare(&root).unwrap();
        assert!(binds.iter().all(|bind| bind.access == Access::ReadOnly));
        for name in ["etc", "home", "root", "var"] {
            assert!(!root.join(name).exists(), "{name}");
            assert!(binds.iter().all(|bind| !bind.target.starts_with(&format!("/{name}"))));
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_before_it_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(limits::REPORT_FILE_BYTES + 1).unwrap();
        let error = digest(file.path()).unwrap_err();
        assert!(matches!(error, ReportError::TooLarge { .. }), "{error}");
        assert!(error.to_string().contains("another tool"));
    }
}
