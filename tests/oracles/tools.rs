//! Where the verifiers that other people wrote are found, and one function for each question asked of them.
//!
//! They stand in `target/oracles`, where `tests/oracles/install` puts them, or on the PATH. One
//! that is missing is a skip that is printed and counted; `REATTEST_ORACLES=required` makes it a
//! failure. Every function takes files, so that it can be asked about what a running network
//! emitted, too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use reattest_tests::skip;

/// What a verifier answered.
#[derive(Clone, Eq, PartialEq, Debug)]
pub(crate) enum Answer {
    /// It accepts.
    Accepted,
    /// It refuses, and says this.
    Refused(String),
}

impl Answer {
    /// Fails with what was said unless the verifier accepts.
    #[track_caller]
    pub(crate) fn accepted(&self) {
        assert_eq!(*self, Self::Accepted);
    }

    /// Fails unless the verifier refuses for this reason, in its own words.
    #[track_caller]
    pub(crate) fn refused(&self, why: &str) {
        match self {
            Self::Accepted => panic!("accepted, needed a refusal: {why}"),
            Self::Refused(said) => assert!(said.contains(why), "{why}: {said}"),
        }
    }

    /// Exit code 0 accepts and 1 refuses; anything else is no answer.
    fn of(output: &Output) -> Self {
        let said = [&output.stdout, &output.stderr].map(|out| String::from_utf8_lossy(out));
        match output.status.code() {
            Some(0) => Self::Accepted,
            Some(1) => Self::Refused(said.join("\n")),
            other => panic!("no answer, exit code {other:?}: {}", said.join("\n")),
        }
    }
}

/// A tool that is not there: skipped and counted, or a failure where all are required.
pub(crate) fn missing(what: &str, why: &str) {
    let required = std::env::var_os("REATTEST_ORACLES").is_some_and(|value| value == "required");
    assert!(!required, "missing: {what}: {why}");
    skip(what, why);
}

/// `target/oracles`, beside the directory in which this test was built.
pub(crate) fn installed() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|path| path.ends_with("debug")).unwrap().parent().unwrap();
    target.join("oracles")
}

/// One of our drivers.
fn driver(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles").join(name)
}

fn answers(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// A tool that is looked for once: as a file of `target/oracles`, then as a name on the PATH.
/// Every test that asks for one that is missing is a skip of its own.
fn find(
    once: &'static OnceLock<Option<PathBuf>>,
    [place, name]: [&str; 2],
    arguments: &[&str],
    what: &str,
) -> Option<&'static PathBuf> {
    let works = |tool: &PathBuf| answers(Command::new(tool).args(arguments));
    let places = || [installed().join(place), name.into()];
    let found = once.get_or_init(|| places().into_iter().find(works));
    if found.is_none() {
        missing(what, "it is not installed; run tests/oracles/install");
    }
    found.as_ref()
}

fn python() -> Option<&'static PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let imports = ["-I", "-c", "import in_toto, in_toto_attestation, securesystemslib"];
    find(&PYTHON, ["venv/bin/python", "python3"], &imports, "in-toto and securesystemslib")
}

/// How many of `keys` signed a statement with the file as a subject, asked of securesystemslib:
/// accepted from `need` on. `sha256` may be `any`; `envelopes` is one or JSON lines of them.
pub(crate) fn dsse(
    need: usize,
    sha256: &str,
    envelopes: &Path,
    keys: &[PathBuf],
) -> Option<Answer> {
    let mut command = Command::new(python()?);
    command.arg(driver("dsse.py")).arg(need.to_string()).arg(sha256).arg(envelopes).args(keys);
    Some(Answer::of(&command.output().unwrap()))
}

/// Whether in-toto-verify takes the file on the links in a directory, `need` of `keys` agreeing.
pub(crate) fn in_toto(need: usize, links: &Path, file: &Path, keys: &[PathBuf]) -> Option<Answer> {
    let mut command = Command::new(python()?);
    command.arg(driver("in_toto_quorum.py")).arg(need.to_string()).arg(links).arg(file).args(keys);
    Some(Answer::of(&command.output().unwrap()))
}

/// Whether Sigstore's libraries take these bundles as signed by the key.
pub(crate) fn sigstore(key: &Path, bundles: &[PathBuf]) -> Option<Answer> {
    let what = "Sigstore bundles checked by @sigstore/verify";
    let modules = installed().join("npm/node_modules");
    if !modules.join("@sigstore/verify").exists() || !answers(Command::new("node").arg("-v")) {
        missing(what, "it is not installed; run tests/oracles/install");
        return None;
    }
    let mut command = Command::new("node");
    command.arg(driver("sigstore.mjs")).arg(modules).arg(key).args(bundles);
    Some(Answer::of(&command.output().unwrap()))
}

/// Whether repro-threshold takes the file on these links, `need` of `keys` (with NULL) agreeing.
pub(crate) fn repro_threshold(
    need: usize,
    links: &[PathBuf],
    file: &Path,
    keys: &[PathBuf],
) -> Option<Answer> {
    static TOOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let places = ["bin/repro-threshold", "repro-threshold"];
    let mut command = Command::new(find(&TOOL, places, &["--version"], "repro-threshold")?);
    command.args(["plumbing", "verify", "-t"]).arg(need.to_string());
    for (option, files) in [("-S", keys), ("-A", links)] {
        for file in files {
            command.arg(option).arg(file);
        }
    }
    Some(Answer::of(&command.arg(file).output().unwrap()))
}

/// Whether openssl takes the signature over these bytes, with a key as RFC 8410 has it.
pub(crate) fn openssl(key: &Path, signed: &[u8], signature: &[u8]) -> Option<Answer> {
    if !answers(Command::new("openssl").arg("version")) {
        missing("signatures checked by openssl", "it is not installed");
        return None;
    }
    let home = reattest_tests::directory();
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.into_os_string()
    };
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(key);
    command.args([OsStr::new("-in"), &file("signed", signed)]);
    command.args([OsStr::new("-sigfile"), &file("signature", signature)]);
    Some(Answer::of(&command.output().unwrap()))
}
