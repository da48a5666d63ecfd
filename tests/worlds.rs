//! Small worlds of operators, keys and logs, written as one line each, for the tests of the verdict.
//!
//! A world is a list of statements in log order, each `<operator><key><what><file><marks>`:
//!
//! ```text
//! a1+F   operator a's first key reproduced F as P          marks: '  from other sources
//! a1-F   ... says F differs from what it built twice              q  as the purl Q
//! a1~F   ... built two different files where F is published       u  relying on an unknown authority
//! a1!F   ... could not build where F is published                 w  in another network
//! a1^expired, a1^none, a1^forked, a1^unlogged: what befell that key
//! ```
//!
//! Operators a to e may vote; z is an operator of no policy.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "a world that cannot be built is a broken test"
)]

use std::collections::BTreeMap;

use reattest_attestation::bundle::{Bundle, LoggedAt};
use reattest_attestation::log::{Checkpoint, Frontier, Origin, leaf_hash, prove_inclusion};
use reattest_attestation::statement::{
    Authority, BuildFacts, Certificate, Material, Normalizer, Rebuild,
};
use reattest_attestation::{
    ArtifactOutcome, Digest, Envelope, NetworkId, Outcome, Policy, Purl, SecretKey, Sign, Timestamp,
};

/// The moment at which worlds are judged: 2026-06-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_780_272_000;

/// What most statements are about.
pub(crate) const P: &str = "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie";

/// Another package.
pub(crate) const Q: &str = "pkg:deb/debian/hostname@3.25?arch=amd64&distro=trixie";

/// The authority that policies of these worlds name.
pub(crate) const ARCHIVE: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

const STRANGE_ARCHIVE: &str = "FEDCBA9876543210FEDCBA9876543210FEDCBA98";
const DAY: i64 = 86_400;

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

/// `k/n`, with `dD` for a dissent limit of D and `old` for an expired policy: `2/3`, `2/3d0`.
pub(crate) fn policy(short: &str) -> Policy {
    let (short, expires) = match short.strip_suffix("old") {
        Some(rest) => (rest, "2026-05-31T23:59:59Z"),
        None => (short, "2027-01-01T00:00:00Z"),
    };
    let (quorum, dissent) = short.split_once('d').unwrap_or((short, ""));
    let (need, of) = quorum.split_once('/').unwrap();
    let names: Vec<char> = ('a'..='e').take(of.parse().unwrap()).collect();
    let mut text = format!("version = 1\nnetwork = \"test\"\nexpires = {expires}\n");
    for name in &names {
        let key = operator(*name).public_key();
        text += &format!("[[operator]]\nname = \"{name}\"\nkey = \"{key}\"\n");
    }
    text += &format!("[[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n");
    if !names.is_empty() {
        let of: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        text += &format!("[quorum]\nneed = {need}\nof = [{}]\n", of.join(", "));
    }
    if !dissent.is_empty() {
        text += &format!("max_dissent = {dissent}\n");
    }
    Policy::parse(&text).unwrap()
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

/// One statement of a world.
fn statement(token: &str) -> ((char, char), Rebuild) {
    let mut chars = token.chars();
    let mut next = || chars.next().unwrap();
    let (key, what, letter) = ((next(), next()), next(), next());
    let marks: Vec<char> = chars.collect();
    let purl = if marks.contains(&'q') { Q } else { P };
    let mut rebuild = rebuild(outcome(purl, file(letter), what));
    if what == '=' {
        let (name, version) = ("strip-nondeterminism".to_owned(), "1.14".to_owned());
        rebuild.facts.normalizers = vec![Normalizer { name, version, digest: file('n') }];
    }
    for mark in marks {
        match mark {
            'q' => {}
            '\'' => rebuild.sources.truncate(1),
            'u' => rebuild.authority.signers = vec![format!("openpgp:{STRANGE_ARCHIVE}")],
            'w' => rebuild.network = "elsewhere".parse().unwrap(),
            other => panic!("{other} is no mark"),
        }
    }
    (key, rebuild)
}

/// Everything that the world's keys signed, as a bundle.
pub(crate) fn world(line: &str) -> Bundle {
    let mut logs: BTreeMap<(char, char), Vec<Envelope>> = BTreeMap::new();
    let mut fates: BTreeMap<(char, char), &str> = BTreeMap::new();
    for (number, token) in line.split_whitespace().enumerate() {
        if let Some((key, fate)) = token.split_once('^') {
            let mut chars = key.chars();
            fates.insert((chars.next().unwrap(), chars.next().unwrap()), fate);
            continue;
        }
        let (key, mut rebuild) = statement(token);
        // Two runs are never the same statement, even where they say the same.
        rebuild.facts.invocation = format!("run {number}");
        let secret = rebuilder(key.0, key.1);
        let payload = rebuild.to_payload(&secret.public_key()).unwrap();
        logs.entry(key).or_default().push(Envelope::sign(payload, &secret).unwrap());
    }
    let mut bundle = Bundle::default();
    for (key, envelopes) in logs {
        let fate = fates.get(&key).copied().unwrap_or_default();
        add_log(&mut bundle, key, envelopes, fate);
    }
    bundle
}

fn add_log(bundle: &mut Bundle, key: (char, char), envelopes: Vec<Envelope>, fate: &str) {
    let (boss, secret) = (operator(key.0), rebuilder(key.0, key.1));
    let days_left = if fate == "expired" { -1 } else { 30 };
    let certificate = Certificate {
        operator: boss.public_key(),
        rebuilder: secret.public_key(),
        not_before: at(NOW - 60 * DAY),
        not_after: at(NOW + days_left * DAY),
    };
    if fate != "none" {
        let payload = certificate.to_payload().unwrap();
        bundle.certificates.push(Envelope::sign(payload, &boss).unwrap());
    }
    let leaves: Vec<Digest> = envelopes.iter().map(|e| leaf_hash(e.as_bytes())).collect();
    let mut frontier = Frontier::new();
    leaves.iter().copied().for_each(|leaf| frontier.push(leaf));
    let origin = Origin::new(&network(), &secret.public_key(), 2026);
    let size = frontier.size();
    let head = Checkpoint { origin: origin.clone(), size, root: frontier.root() };
    bundle.checkpoints.push(head.sign(&secret).unwrap());
    if fate == "forked" {
        let other = Checkpoint { root: Digest::of(b"another history"), ..head };
        bundle.checkpoints.push(other.sign(&secret).unwrap());
    }
    for (index, envelope) in (0..).zip(&envelopes) {
        let (envelope, origin) = (envelope.digest(), origin.clone());
        let proof = prove_inclusion(&leaves, index).unwrap();
        if fate != "unlogged" {
            bundle.proofs.push(LoggedAt { envelope, origin, size, proof });
        }
    }
    bundle.envelopes.extend(envelopes);
}
