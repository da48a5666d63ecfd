//! Small worlds of operators, keys and logs, written as one line each, for the tests of the verdict.
//!
//! `lines` reads worlds, `policies` reads policies, `asking` puts a question to both; the language
//! of each stands at the head of its file. Operators a to e may vote; z is an operator of no policy.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a world that cannot be built is a broken test"
)]

#[path = "worlds/asking.rs"]
mod asking;
#[path = "worlds/lines.rs"]
mod lines;
#[path = "worlds/policies.rs"]
mod policies;

pub(crate) use asking::{judge, question, rules_of, verified};
pub(crate) use lines::{altered, carried, logs, world};
pub(crate) use policies::{policy, policy_text};

use std::collections::BTreeMap;

use reattest_attestation::log::{Checkpoint, WitnessKey};
use reattest_attestation::statement::{
    Authority, BuildFacts, Certificate, Material, Rebuild, Revocation,
};
use reattest_attestation::{
    ArtifactOutcome, Digest, Envelope, NetworkId, Outcome, Purl, SecretKey, Sign, Timestamp,
};

/// The moment at which worlds are judged: 2026-06-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_780_272_000;

/// What most statements are about.
pub(crate) const P: &str = "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie";

/// Another package.
pub(crate) const Q: &str = "pkg:deb/debian/hostname@3.25?arch=amd64&distro=trixie";

/// The version of P before.
pub(crate) const O: &str = "pkg:deb/debian/netbase@6.4?arch=all&distro=trixie";

/// The authority that policies of these worlds name.
pub(crate) const ARCHIVE: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// An archive that no policy names.
pub(crate) const STRANGE_ARCHIVE: &str = "FEDCBA9876543210FEDCBA9876543210FEDCBA98";

/// An archive that policies may name for the packages of an environment only.
pub(crate) const LOCK_ARCHIVE: &str = "00112233445566778899AABBCCDDEEFF00112233";

/// Seconds.
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn network() -> NetworkId {
    "test".parse().unwrap()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// The file of one letter.
pub(crate) fn file(letter: char) -> Digest {
    Digest::of(letter.to_string().as_bytes())
}

/// The offline key of operator `letter`.
pub(crate) fn operator(letter: char) -> SecretKey {
    SecretKey::from_seed(&[u8::try_from(letter).unwrap(); 32])
}

/// The online key `number` (a digit) of operator `letter`.
pub(crate) fn rebuilder(letter: char, number: char) -> SecretKey {
    let mut seed = [u8::try_from(letter).unwrap(); 32];
    seed[0] = u8::try_from(number).unwrap();
    SecretKey::from_seed(&seed)
}

/// The key of witness `number` (a digit); `0` is a witness that signs with a's first online key.
pub(crate) fn witness(number: char) -> SecretKey {
    match number {
        '0' => rebuilder('a', '1'),
        _ => rebuilder('w', number),
    }
}

/// The name and key of witness `number`, as policies write it.
pub(crate) fn witness_key(number: char) -> WitnessKey {
    WitnessKey::new(&witness_name(number), witness(number).public_key()).unwrap()
}

pub(crate) fn witness_name(number: char) -> String {
    format!("witness.example/{number}")
}

/// `-30d`, `+600s`, `2h`, `5m`: seconds.
pub(crate) fn seconds(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => DAY,
        other => panic!("{other} is no unit of time"),
    };
    number.parse::<i64>().unwrap() * unit
}

/// `boss` certifies `key` between two times, in seconds from now.
pub(crate) fn certify(boss: &SecretKey, key: &SecretKey, from: i64, until: i64) -> Envelope {
    let certificate = certificate(boss, key, from, until);
    Envelope::sign(certificate.to_payload().unwrap(), boss).unwrap()
}

pub(crate) fn certificate(boss: &SecretKey, key: &SecretKey, from: i64, until: i64) -> Certificate {
    Certificate {
        operator: boss.public_key(),
        rebuilder: key.public_key(),
        not_before: at(NOW + from),
        not_after: at(NOW + until),
    }
}

/// `boss` closes the logs of `key` at these heads.
pub(crate) fn revoke(boss: &SecretKey, key: &SecretKey, last_good: Vec<Checkpoint>) -> Envelope {
    let revocation = revocation(boss, key, last_good);
    Envelope::sign(revocation.to_payload().unwrap(), boss).unwrap()
}

pub(crate) fn revocation(
    boss: &SecretKey,
    key: &SecretKey,
    last_good: Vec<Checkpoint>,
) -> Revocation {
    Revocation {
        operator: boss.public_key(),
        rebuilder: key.public_key(),
        last_good,
        reason: "stolen".to_owned(),
        revoked: at(NOW - 60),
    }
}

/// A rebuild of one artifact by a Debian rebuilder, with values of realistic length.
pub(crate) fn rebuild(artifact: ArtifactOutcome) -> Rebuild {
    let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let material = |name: &str| Material {
        name: name.to_owned(),
        uri: format!("pool/main/n/netbase/{name}"),
        digest: Digest::of(name.as_bytes()),
    };
    Rebuild {
        network: network(),
        source: "pkg:deb/debian/netbase@6.5?arch=source&distro=trixie".parse().unwrap(),
        recipe: Digest::of(b"recipe"),
        lock: Digest::of(b"lock"),
        lock_authorities: Vec::new(),
        artifacts: vec![artifact],
        authority: Authority {
            uri: "dists/trixie/InRelease".to_owned(),
            digest: Digest::of(b"InRelease"),
            signers: vec![format!("openpgp:{ARCHIVE}")],
        },
        sources: vec![material("netbase_6.5.dsc"), material("netbase_6.5.tar.xz")],
        links: None,
        facts: BuildFacts {
            command: ["dpkg-buildpackage", "-us", "-uc", "-b", "--build=binary"]
                .map(str::to_owned)
                .to_vec(),
            environment: text(&[
                ("DEB_BUILD_OPTIONS", "nocheck parallel=2"),
                ("HOME", "/nonexistent"),
                ("LANG", "C.UTF-8"),
                ("LC_ALL", "C.UTF-8"),
                ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                ("SOURCE_DATE_EPOCH", "1742000000"),
                ("TZ", "UTC"),
            ]),
            source_date_epoch: Some(1_742_000_000),
            learned: text(&[("build_path", "/build/reproducible-path/netbase-6.5")]),
            kernel: "Linux 6.12.38+deb13-amd64".to_owned(),
            cpu: "AMD EPYC 9654 96-Core Processor".to_owned(),
            architecture: "amd64".to_owned(),
            node_version: "0.1.0".to_owned(),
            format_version: 1,
            started: at(NOW - DAY),
            finished: at(NOW - DAY + 17),
            invocation: "01976f2e-7b40-7cc2-8f6e-2b7f3a1d9c55".to_owned(),
            log: Digest::of(b"log"),
            diff: None,
            normalizers: Vec::new(),
            confinement: None,
        },
    }
}

/// An outcome for `published` as `purl`; what differs is always the file X, then Y.
pub(crate) fn outcome(purl: &str, published: Digest, what: char) -> ArtifactOutcome {
    let purl: Purl = purl.parse().unwrap();
    let (produced, again) = match what {
        '+' => (Some(published), None),
        '-' => (Some(file('X')), Some(file('X'))),
        '~' => (Some(file('X')), Some(file('Y'))),
        '=' => (Some(file('X')), None),
        '!' => (None, None),
        other => panic!("{other} is no outcome"),
    };
    if what == '=' {
        let normalized = Some(file('N'));
        let outcome = Outcome::Equivalent;
        return ArtifactOutcome { purl, published, produced, again, normalized, outcome };
    }
    ArtifactOutcome::observe(purl, published, produced, again).unwrap()
}
