//! What a node needs before it starts: keys, a certificate, a configuration, a policy.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use reattest_attestation::{Envelope, Policy, PublicKey, SecretKey};
use reattest_rebuilder::fetch::Endpoints;
use reattest_rebuilder::{Cas, FetchProblem, Mirror, Reference, Release, Workshop, release};

use crate::clock;
use crate::config::Archive;
use crate::fault::Fault;
use crate::operator;

/// Makes a key from the system's randomness.
pub fn new_key() -> Result<SecretKey, Fault> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Fault::new("the system gave no randomness", error.to_string()))?;
    Ok(SecretKey::from_seed(&seed))
}

/// Writes a key where only its owner can read it; never over another file.
pub fn write_key(path: &Path, key: &SecretKey, comment: &str) -> Result<(), Fault> {
    let text =
        key.to_openssh(comment).map_err(|error| Fault::new(path.display().to_string(), error))?;
    write_new(path, text.as_bytes(), 0o600)
}

/// Writes a file that must not exist yet.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let fail = |error| Fault::new(path.display().to_string(), error);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail)
}

/// The operator certifies a rebuilder key for a year and a month.
pub fn certify(operator: &SecretKey, rebuilder: PublicKey) -> Result<Envelope, Fault> {
    operator::certify(operator, rebuilder, operator::CERTIFICATE_DAYS)
}

/// Reads a policy file. A node follows the operators of an expired one too.
pub fn read_policy(path: &Path) -> Result<Policy, Fault> {
    let name = path.display();
    let mut text = String::with_capacity(4_096);
    // One byte more than allowed, so that the policy's own check names the limit.
    let limit = reattest_attestation::limits::POLICY_MAX as u64;
    let read = |file: File| file.take(limit.saturating_add(1)).read_to_string(&mut text);
    File::open(path).and_then(read).map_err(|error| {
        Fault::new(
            format!("the policy {name} cannot be read; `reattest init` writes a first one"),
            error,
        )
    })?;
    Policy::parse(&text).map_err(|error| Fault::text(format!("{name}: {error}")))
}

/// Reads a policy that is to judge something now; an expired one is refused.
pub fn policy_in_force(path: &Path) -> Result<Policy, Fault> {
    let policy = read_policy(path)?.in_force(clock::now());
    policy.map_err(|error| Fault::text(format!("{}: {error}", path.display())))
}

/// The way to the registries: the configured one, or that of the machine's own package managers.
pub fn mirror(workshop: &Workshop, archive: &Archive) -> Result<Mirror, FetchProblem> {
    let endpoints = if archive.debian.is_empty() {
        let apt = Path::new("/etc/apt");
        Endpoints::of_apt(apt).map_err(|error| FetchProblem::NoMirror {
            what: "Debian archive".to_owned(),
            looked: error.to_string(),
        })?
    } else {
        Endpoints::given(archive.debian.iter().cloned())
    };
    let endpoints = endpoints
        .with_python(archive.python.iter().cloned())
        .with_snapshots(archive.snapshot.iter().cloned());
    Mirror::new(&endpoints, &workshop.cache).map_err(|error| FetchProblem::Store {
        location: workshop.cache.display().to_string(),
        why: error.to_string(),
    })
}

/// What the archive says of a reference today, checked here.
pub fn look_up(
    reference: &Reference,
    workshop: &Workshop,
    archive: &Archive,
) -> Result<Release, Fault> {
    let mut mirror =
        mirror(workshop, archive).map_err(|problem| Fault::text(problem.to_string()))?;
    let cas = Cas::below(&workshop.cache).map_err(|error| Fault::text(error.to_string()))?;
    let now = clock::now().as_unix();
    Ok(release::find(reference, workshop, &cas, &mut mirror, &mut |_| {}, now)?)
}
