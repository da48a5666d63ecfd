//! Properties of single documents: what is accepted has one spelling, and means what its bytes say.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reattest_attestation::limits::ENVELOPE_MAX;
use reattest_attestation::log::SignedCheckpoint;
use reattest_attestation::policy::{MetaPolicy, Mode, PolicyError, Scope};
use reattest_attestation::{
    Claim, Digest, Envelope, Outcome, Policy, PublicKey, Rebuild, SecretKey, Sign as _, canonical,
};
use serde_json::{Value, json};

use super::super::beside::worlds::rebuilder;
use super::super::beside::{Lock, Recipe};
use super::{is_one_line, told};

fn ours() -> SecretKey {
    rebuilder('a', '1')
}

fn theirs() -> SecretKey {
    rebuilder('b', '1')
}

/// A payload, or the payload of an envelope: whatever our key signs and a reader accepts can be
/// written again and reads back as the same claim; the outcomes follow from the digests by the
/// table of FORMAT.md, and no key can sign another's rebuild as its own.
pub fn statement(bytes: &[u8]) -> bool {
    let payload = Envelope::parse(bytes)
        .map_or_else(|_| bytes.to_vec(), |envelope| envelope.unverified_payload().to_vec());
    let Some(claim) = told_claim(&payload, &ours()) else {
        return false;
    };
    let again = match &claim {
        Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) => {
            assert!(told_claim(&payload, &theirs()).is_none(), "signed by somebody else");
            follows_from_digests(&payload, rebuild);
            rebuild.to_payload(&ours().public_key())
        }
        Claim::Announcement(announcement) => announcement.to_payload(),
        Claim::Retraction(retraction) => retraction.to_payload(),
        Claim::Certificate(certificate) => certificate.to_payload(),
        Claim::Revocation(revocation) => revocation.to_payload(),
        Claim::Rotation(rotation) => rotation.to_payload(),
        Claim::Unknown { .. } => return true,
    };
    let again = again.unwrap();
    assert!(again.len() <= payload.len(), "only unknown fields are lost");
    assert_eq!(told_claim(&again, &ours()), Some(claim));
    true
}

/// Signing is the dear part under a fuzzer, so what every claim refuses first is refused unsigned.
fn told_claim(payload: &[u8], key: &SecretKey) -> Option<Claim> {
    told(canonical::value_from_bytes(payload, "a statement", ENVELOPE_MAX))?;
    let envelope = told(Envelope::sign(payload.to_vec(), key))?;
    told(envelope.verify(&key.public_key()).unwrap().claim())
}

/// The table of FORMAT.md 4.1, read again from the payload's own JSON.
fn follows_from_digests(payload: &[u8], rebuild: &Rebuild) {
    let statement: Value = serde_json::from_slice(payload).unwrap();
    let artifacts = &statement["predicate"]["buildDefinition"]["externalParameters"]["artifacts"];
    let artifacts = artifacts.as_array().unwrap();
    assert_eq!(artifacts.len(), rebuild.artifacts.len());
    let mut subjects = statement["subject"].as_array().unwrap().iter();
    for artifact in artifacts {
        let of = |name: &str| artifact[name].as_str();
        let (published, produced, again) = (of("published"), of("produced"), of("again"));
        let derived = match (produced, again, of("normalized")) {
            (None, None, None) => Outcome::BuildFailed,
            (Some(one), Some(two), None) if one != two => Outcome::Unstable,
            (Some(_), _, None) if produced == published => Outcome::Reproduced,
            (Some(one), two, Some(_)) if two.is_none_or(|two| one == two) => Outcome::Equivalent,
            (Some(_), Some(_), None) => Outcome::Differs,
            digests => panic!("no outcome follows from {digests:?}"),
        };
        assert_eq!(of("outcome"), Some(derived.as_str()));
        if produced.is_some() {
            let subject = subjects.next().unwrap()["digest"]["sha256"].as_str();
            assert_eq!(subject == published, derived == Outcome::Reproduced, "{artifact}");
        }
    }
}

/// What is accepted is spelled as we would spell it, is named by its bytes, and verifies under no
/// key but the one that signed exactly this payload.
pub fn envelope(bytes: &[u8]) -> bool {
    let Some(envelope) = told(Envelope::parse(bytes)) else {
        return false;
    };
    assert_eq!(envelope.as_bytes(), bytes);
    assert_eq!(envelope.digest(), Digest::of(bytes));
    assert_eq!(Envelope::parse(envelope.as_bytes()).as_ref(), Ok(&envelope));
    let wire: Value = serde_json::from_slice(bytes).unwrap();
    let signature = BASE64_STANDARD.decode(wire["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let spelled = json!({
        "payload": BASE64_STANDARD.encode(envelope.unverified_payload()),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"keyid": envelope.keyid(), "sig": BASE64_STANDARD.encode(signature)}],
    });
    assert_eq!(canonical::to_bytes(&spelled).as_deref(), Ok(bytes));
    for key in [ours(), theirs()] {
        if let Some(authentic) = told(envelope.verify(&key.public_key())) {
            // Ed25519 gives one signature a message, so nobody else's can differ from our own.
            let own = Envelope::sign(authentic.payload().to_vec(), &key).unwrap();
            assert_eq!(own.as_bytes(), bytes);
            told(authentic.claim());
        }
    }
    true
}

/// The text of an accepted head is its first three lines; signed again, it reads back as itself.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Some(signed) = told(SignedCheckpoint::parse(bytes)) else {
        return false;
    };
    assert_eq!(signed.as_bytes(), bytes);
    let head = signed.unverified();
    let text = head.text();
    assert!(bytes.starts_with(format!("{text}\n").as_bytes()), "{text:?}");
    assert_eq!(text.lines().count(), 3);
    assert_eq!(head.origin.to_string().parse().as_ref(), Ok(&head.origin));
    for line in str::from_utf8(bytes).unwrap()[text.len() + 1..].lines() {
        let blob = line.rsplit(' ').next().unwrap();
        assert_eq!(BASE64_STANDARD.encode(BASE64_STANDARD.decode(blob).unwrap()), blob);
    }
    for key in [ours(), theirs()] {
        is_signed_by(&signed, &key);
    }
    true
}

fn is_signed_by(signed: &SignedCheckpoint, key: &SecretKey) {
    let public: PublicKey = key.public_key();
    let head = signed.unverified();
    let verified = told(signed.verify(&public));
    let Some(again) = told(head.sign(key)) else {
        assert!(verified.is_none(), "a head of another key's log verified");
        return;
    };
    assert_eq!(again.unverified(), head);
    again.verify(&public).unwrap();
    let own = str::from_utf8(again.as_bytes()).unwrap().lines().last().unwrap();
    let carried = str::from_utf8(signed.as_bytes()).unwrap().lines().filter(|line| *line == own);
    if let Some(verified) = verified {
        assert_eq!(verified.checkpoint(), head);
        assert_eq!(carried.count(), 1);
    }
}

/// A mistake is one line that stands inside the text.
fn stands_inside(text: &str, error: &PolicyError) {
    is_one_line(&error.to_string());
    let line = text.split('\n').nth(error.line - 1).unwrap();
    assert!((1..=line.chars().count() + 1).contains(&error.column), "{error}");
}

/// Votes needed are 1 to the number of voters, or nobody votes; a policy about policies is read
/// without harm.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    if let Err(error) = MetaPolicy::parse(text) {
        stands_inside(text, &error);
    }
    match Policy::parse(text) {
        Ok(policy) => {
            assert_eq!(policy.digest(), Digest::of(bytes));
            let (k, n) = (policy.formula().fewest(), policy.of());
            assert!((1..=n).contains(&k) || (k, n) == (0, 0), "{k} of {n}");
            assert!(k + policy.demands().max_dissent <= n);
            let everybody = (0..n).collect();
            assert!(policy.formula().holds(&everybody), "a quorum that nobody can reach");
            assert!(n == 0 || !policy.formula().holds(&BTreeSet::new()), "silence accepts");
            let names: BTreeSet<_> =
                policy.voters().map(|operator| operator.key.to_bytes()).collect();
            assert_eq!(names.len(), n, "operators vote once");
            let scopes = policy.environments().iter().map(|each| &each.scope);
            assert!(scopes.clone().all(|scope| *scope != Scope::default()), "a scope of nothing");
            assert_eq!(policy.mode(), Mode::Enforce, "lenient outside of an environment");
            true
        }
        Err(error) => {
            stands_inside(text, &error);
            false
        }
    }
}

/// Recipes and locks: what is accepted is spelled as we would spell it.
pub fn document(bytes: &[u8]) -> bool {
    let lock = told(Lock::parse(bytes));
    if let Some(lock) = &lock {
        assert_eq!(lock.document().unwrap().bytes(), bytes);
        let mut sorted = Lock::new(&lock.suite, &lock.architecture, lock.packages.clone());
        sorted.base.clone_from(&lock.base);
        assert_eq!(&sorted, lock, "another order of the same packages, or of another format");
    }
    let recipe = told(Recipe::parse(bytes));
    if let Some(recipe) = &recipe {
        assert_eq!(recipe.document().unwrap().bytes(), bytes);
        assert_eq!(recipe.format, 1);
    }
    assert!(lock.is_none() || recipe.is_none(), "both a lock and a recipe");
    lock.is_some() || recipe.is_some()
}
