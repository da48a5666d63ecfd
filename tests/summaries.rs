//! Verification summaries: derived to the byte, read back strictly, and refused by each check that SLSA asks for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use reattest_attestation::export::vsa::{BUILD_LEVEL_1, REPRODUCED, quorum_level};
use reattest_attestation::export::{Expected, Vsa, VsaInputs, VsaKind, VsaResult};
use reattest_attestation::limits::ENVELOPE_MAX;
use reattest_attestation::{
    Announcement, Digest, Envelope, SecretKey, Sign, canonical, conclude_showing,
};
use serde_json::{Value, json};

use crate::worlds::{NOW, P, Q, at, file, network, operator, policy, question, verified, world};

pub(crate) fn inputs(result: VsaResult) -> VsaInputs {
    VsaInputs {
        file_name: "netbase_6.5_all.deb".to_owned(),
        sha256: file('F'),
        purl: P.parse().unwrap(),
        policy: Digest::of(b"policy"),
        attestations: ['a', 'b', 'c'].map(file).into(),
        verified_at: at(NOW),
        version: "0.1.0".to_owned(),
        result,
    }
}

fn passed(supporters: usize) -> VsaInputs {
    inputs(VsaResult::Passed { supporters, operators: 3 })
}

/// The consumer's key signs summaries.
fn consumer() -> SecretKey {
    operator('e')
}

pub(crate) fn summary(inputs: &VsaInputs, kind: VsaKind) -> Envelope {
    let payload = inputs.payload(&consumer().public_key(), kind).unwrap();
    Envelope::sign(payload, &consumer()).unwrap()
}

#[test]
fn a_summary_derived_again_from_shuffled_evidence_is_the_same() {
    let evidence: Vec<_> = ('a'..='z').map(file).collect();
    let mut shuffled: Vec<_> = evidence.iter().rev().copied().collect();
    shuffled.rotate_left(7);
    shuffled.push(file('k'));
    let derive = |attestations: &[Digest], kind| {
        let attestations = attestations.iter().copied().collect();
        summary(&VsaInputs { attestations, ..passed(2) }, kind)
    };
    for kind in [VsaKind::Conformant, VsaKind::Compatible] {
        assert_eq!(derive(&evidence, kind), derive(&shuffled, kind));
        assert_ne!(derive(&evidence, kind), derive(&evidence[1..], kind));
    }
}

#[test]
fn reproduced_is_said_of_two_operators_and_never_to_slsa_verifier() {
    let quorum = |supporters| quorum_level(supporters, 3);
    let levels = |supporters, kind| passed(supporters).levels(kind);
    assert_eq!(levels(1, VsaKind::Conformant), [quorum(1)]);
    assert_eq!(levels(2, VsaKind::Conformant), [quorum(2), REPRODUCED.to_owned()]);
    assert_eq!(levels(3, VsaKind::Conformant), [quorum(3), REPRODUCED.to_owned()]);
    for supporters in 1..=3 {
        let compatible = levels(supporters, VsaKind::Compatible);
        assert_eq!(compatible, [quorum(supporters), BUILD_LEVEL_1.to_owned()]);
    }
    for kind in [VsaKind::Conformant, VsaKind::Compatible] {
        assert_eq!(inputs(VsaResult::Failed).levels(kind), ["FAILED"]);
    }
}

#[test]
fn a_summary_reads_back_as_what_it_was_made_from() {
    let failed = inputs(VsaResult::Failed);
    for inputs in [passed(1), passed(2), failed] {
        for kind in [VsaKind::Conformant, VsaKind::Compatible] {
            let envelope = summary(&inputs, kind);
            let read = Vsa::read(&envelope, &consumer().public_key()).unwrap();
            assert_eq!(read.inputs(), &inputs);
            assert_eq!(
                read.kind() == kind,
                inputs.result != VsaResult::Failed || kind == VsaKind::Conformant
            );
        }
    }
}

#[test]
fn summaries_of_nothing_and_beyond_their_bounds_are_not_made() {
    let with = |change: fn(&mut VsaInputs)| {
        let mut inputs = passed(2);
        change(&mut inputs);
        inputs.payload(&consumer().public_key(), VsaKind::Conformant).unwrap_err().to_string()
    };
    assert!(
        with(|i| i.result = VsaResult::Passed { supporters: 0, operators: 3 })
            .contains("supporting operators 0")
    );
    assert!(
        with(|i| i.result = VsaResult::Passed { supporters: 4, operators: 3 })
            .contains("needed 1 to 3")
    );
    assert!(
        with(|i| i.result = VsaResult::Passed { supporters: 1, operators: 0 })
            .contains("operators 0")
    );
    // Two operators cannot have supported the file with one envelope.
    assert!(with(|i| i.attestations = [file('a')].into()).contains("needed 2 to 200"));
    assert!(with(|i| i.file_name.clear()).contains("file name 0"));
    assert!(with(|i| i.version.clear()).contains("version 0"));
    let digests = |count: u32| (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect();
    let most = VsaInputs { attestations: digests(200), ..passed(2) };
    assert!(summary(&most, VsaKind::Conformant).as_bytes().len() <= ENVELOPE_MAX);
    let beyond = VsaInputs { attestations: digests(201), ..passed(2) };
    assert!(beyond.payload(&consumer().public_key(), VsaKind::Conformant).is_err());
}

#[test]
fn each_of_slsas_seven_checks_refuses() {
    let verifier = consumer().public_key();
    let (netbase, hostname) = (P.parse().unwrap(), Q.parse().unwrap());
    let expected =
        Expected { verifier: &verifier, sha256: file('F'), purl: &netbase, level: REPRODUCED };
    let envelope = summary(&passed(2), VsaKind::Conformant);
    Vsa::check(&envelope, &expected).unwrap();
    let refused = |envelope: &Envelope, expected: &Expected<'_>, why: &str| {
        let message = Vsa::check(envelope, expected).expect_err(why).to_string();
        assert!(message.contains(why), "{message}");
    };
    let stranger = operator('d').public_key();
    refused(&envelope, &Expected { verifier: &stranger, ..expected }, "key id");
    refused(&envelope, &Expected { sha256: file('G'), ..expected }, "summary of sha256:");
    refused(&announced_by_consumer(), &expected, "predicate type");
    let borrowed = passed(2).payload(&stranger, VsaKind::Conformant).unwrap();
    refused(&Envelope::sign(borrowed, &consumer()).unwrap(), &expected, "found verifier");
    refused(&envelope, &Expected { purl: &hostname, ..expected }, "hostname");
    let failed = summary(&inputs(VsaResult::Failed), VsaKind::Conformant);
    refused(&failed, &expected, "verification result FAILED");
    refused(&failed, &Expected { level: "FAILED", ..expected }, "verification result FAILED");
    refused(&envelope, &Expected { level: BUILD_LEVEL_1, ..expected }, "levels");
    refused(&summary(&passed(1), VsaKind::Conformant), &expected, "levels");
    refused(&summary(&passed(2), VsaKind::Compatible), &expected, "levels");
}

fn announced_by_consumer() -> Envelope {
    let purl = P.parse().unwrap();
    let hint = Announcement { network: network(), purl, announced: at(NOW) };
    Envelope::sign(hint.to_payload().unwrap(), &consumer()).unwrap()
}

#[test]
fn a_summary_that_does_not_follow_from_its_fields_is_refused() {
    let payload = passed(1).payload(&consumer().public_key(), VsaKind::Conformant).unwrap();
    let refused = |change: fn(&mut Value)| {
        let mut statement: Value = serde_json::from_slice(&payload).unwrap();
        change(&mut statement);
        let payload = canonical::to_bytes(&statement).unwrap();
        let envelope = Envelope::sign(payload, &consumer()).unwrap();
        Vsa::read(&envelope, &consumer().public_key()).unwrap_err();
    };
    // One operator, called reproduced all the same.
    refused(|s| s["predicate"]["verifiedLevels"] = json!([quorum_level(1, 3), REPRODUCED]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!([quorum_level(4, 3)]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!(["REATTEST_QUORUM_01_OF_3"]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!(["FAILED"]));
    refused(|s| s["predicate"]["verifiedLevels"] = json!([]));
    refused(|s| s["predicate"]["verificationResult"] = json!("FAILED"));
    refused(|s| s["predicate"]["slsaVersion"] = json!("1.0"));
    refused(|s| s["predicate"]["policy"]["uri"] = json!("urn:reattest:policy:sha256:00"));
    refused(|s| s["predicate"]["inputAttestations"].as_array_mut().unwrap().reverse());
    refused(|s| s["predicate"]["inputAttestations"] = json!([]));
    refused(|s| s["predicate"]["dependencyLevels"] = json!({}));
    refused(|s| s["predicate"]["verifier"]["version"]["other"] = json!("1"));
    refused(|s| s["_type"] = json!("https://in-toto.io/Statement/v0.1"));
    refused(|s| s["subject"] = json!([]));
    refused(|s| {
        let first = s["subject"][0].clone();
        s["subject"].as_array_mut().unwrap().push(first);
    });
}

/// What a summary names: the newest counting statement of each voter, retractions that took
/// something back, and the operators' words on those keys; nothing of strangers.
#[test]
fn a_verdict_tells_all_that_it_rests_on() {
    for (line, statements, words, supporters) in [
        ("a1+F b1+F c1-F", 3, 3, 2),
        ("a1+F a1+F b1+F", 2, 2, 2),
        ("a1+F b1+F z1+F", 2, 2, 2),
        ("a1+F b1+F b1rF", 2, 2, 1),
        ("a1+F a1^rotated@1>2 a2+F b1+F", 3, 4, 2),
        ("", 0, 0, 0),
    ] {
        let bundle = world(line);
        let (_, grounds) =
            conclude_showing(&policy("2/3"), &verified(&bundle), &question("F as P"), at(NOW));
        assert_eq!((grounds.supporters, grounds.operators), (supporters, 3), "{line}");
        let of = |envelopes: &[Envelope]| {
            envelopes.iter().filter(|one| grounds.envelopes.contains(&one.digest())).count()
        };
        let (said, certified) = (of(&bundle.envelopes), of(&bundle.certificates));
        assert_eq!((said, certified), (statements, words), "{line}");
        assert_eq!(grounds.envelopes.len(), statements + words, "{line}: and nothing else");
    }
}
