//! Attacks on a verdict, each by name, with what it gains: nothing, or as much as a bound says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use reattest_attestation::blame::Blame;
use reattest_attestation::log::{Checkpoint, InclusionProof, Origin, SignedCheckpoint, leaf_hash};
use reattest_attestation::verdict::{Conclusion, Verdict};
use reattest_attestation::{
    Bundle, Completeness, Digest, Envelope, Evidence, LoggedAt, Rotation, SecretKey, Sign as _,
    conclude,
};

use crate::worlds::{
    DAY, NOW, O, P, Q, altered, at, carried, certificate, certify, file, judge, logs, network,
    operator, outcome, policy, question, rebuild, rebuilder, revocation, revoke, rules_of,
    verified, world,
};

fn verdict(policy: &str, bundle: &Bundle, asked: &str) -> (Conclusion, usize, String) {
    let found = judge(policy, bundle, asked);
    (found.verdict, found.quorum.have, rules_of(&found))
}

fn json(verdict: &Verdict) -> String {
    serde_json::to_string(verdict).unwrap()
}

/// No byte of any verdict changes when `more` is added to `bundle`.
fn gains_nothing(bundle: &Bundle, more: impl FnOnce(&mut Bundle)) {
    let mut with = bundle.clone();
    more(&mut with);
    assert_ne!(*bundle, with, "the attack adds nothing");
    for policy in ["2/3", "2/3d0", "2/3 w1 h24h", "1/3"] {
        for asked in ["F as P", "F", "X as P", "X", "F as Q"] {
            let (before, after) = (judge(policy, bundle, asked), judge(policy, &with, asked));
            assert_eq!(json(&before), json(&after), "{policy}, {asked}");
        }
    }
}

/// What was refused of a bundle, each with whose fault it is.
fn refusals(bundle: &Bundle) -> Vec<(String, Blame)> {
    let evidence = verified(bundle);
    evidence.refused().iter().map(|refused| (refused.why.clone(), refused.whose)).collect()
}

const I: Conclusion = Conclusion::Inconclusive;
const A: Conclusion = Conclusion::Accepted;
const R: Conclusion = Conclusion::Rejected;

#[test]
fn an_announcer_cannot_bring_its_own_index_sources_or_lock() {
    let all = world("a1+Fu b1+Fu c1+Fu");
    assert_eq!(
        verdict("2/3", &all, "F as P"),
        (I, 0, "quorum authority authority authority".into())
    );
    let lock = world("a1+Fl b1+Fl c1+Fl");
    let rules = "quorum lock-authority lock-authority lock-authority";
    assert_eq!(verdict("2/3", &lock, "F as P"), (I, 0, rules.into()));
    // Whoever fell for other sources adds to nobody who did not.
    let one = world("a1+F b1+F'");
    assert_eq!(verdict("2/3", &one, "F as P"), (I, 1, "quorum sources".into()));
    // Evil rebuilds of an evil file do not keep the real one from its quorum.
    assert_eq!(verdict("2/3", &world("a1+F b1+F c1+Xu"), "F as P").0, A);
    // An announcement by an operator's own key confers nothing either.
    assert_eq!(verdict("1/3", &world("a1aX"), "X as P"), (I, 0, "quorum".into()));
}

#[test]
fn a_renamed_file_is_not_what_its_name_says() {
    let known = world("a1+F b1+F c1+F a1+Gq b1+Gq c1+Gq");
    // hostname's file in place of netbase's.
    assert_eq!(verdict("2/3", &known, "G as P").2, "other-file out-of-reach quorum");
    let asked = "G named netbase_6.5_all.deb";
    assert_eq!(verdict("2/3", &known, asked), (I, 3, "file-name".into()));
    let found = judge("2/3", &known, "G named hostname_3.25_amd64.deb");
    assert_eq!((found.verdict, found.artifact.purl), (A, Some(Q.parse().unwrap())));
}

#[test]
fn a_rolled_back_file_is_accepted_only_as_what_it_is() {
    let known = world("a1+F b1+F c1+F a1+Go b1+Go c1+Go");
    assert_eq!(verdict("2/3", &known, "G as P").0, R);
    assert_eq!(verdict("2/3", &known, "G named netbase_6.5_all.deb"), (I, 3, "file-name".into()));
    // Under its own old name nothing but --as can tell; the answer names the version.
    let found = judge("2/3", &known, "G named netbase_6.4_all.deb");
    assert_eq!((found.verdict, found.artifact.purl), (A, Some(O.parse().unwrap())));
}

#[test]
fn a_thief_of_the_online_key_cannot_name_its_successor() {
    let (boss, stolen, new) = (operator('a'), rebuilder('a', '1'), rebuilder('a', '9'));
    let honest = world("a1+F b1+F c1-F");
    let evil = world("a9+X a9^none");
    let rotation = |boss: &SecretKey| Rotation {
        certificate: certificate(boss, &new, -60, DAY),
        revocation: revocation(boss, &stolen, Vec::new()),
    };
    let in_its_name = rotation(&boss).to_payload().unwrap();
    let by_itself = rotation(&stolen).to_payload().unwrap();
    let certificate = certificate(&boss, &new, -60, DAY).to_payload().unwrap();
    for payload in [in_its_name, by_itself, certificate] {
        gains_nothing(&honest, |bundle| {
            bundle.certificates.push(Envelope::sign(payload, &stolen).unwrap());
            bundle.checkpoints.extend_from_slice(&evil.checkpoints);
            bundle.envelopes.extend_from_slice(&evil.envelopes);
            bundle.proofs.extend_from_slice(&evil.proofs);
        });
    }
}

#[test]
fn a_thief_that_goes_on_signing_after_the_revocation_is_not_heard() {
    for (line, have) in [("a1+F a1-F b1+F a1^revoked@1", 2), ("a1!F a1+F b1+F a1^revoked@1", 1)] {
        let found = verdict("2/3", &world(line), "F as P");
        assert_eq!((found.0, found.1), (if have == 2 { A } else { I }, have), "{line}");
    }
    // Nor in another log of that key.
    let last_year = world("a1+F a1-Fy b1+F c1+F a1^revoked@1");
    assert_eq!(verdict("2/3d0", &last_year, "F as P"), (A, 3, "quorum".into()));
}

#[test]
fn a_thief_that_logs_an_old_entry_again_revives_nothing() {
    let (key, mut log) = logs("a1+F a1rF").remove(0);
    let old = world("a1+F").envelopes[0].clone();
    let vouched = log.head(2);
    log.push(old);
    let mut bundle = world("b1+F");
    let (boss, secret) = (operator(key.0), rebuilder(key.0, key.1));
    bundle.certificates.push(certify(&boss, &secret, -DAY, DAY));
    bundle.envelopes.extend(world("a1+F a1rF").envelopes);
    bundle.checkpoints.push(log.head(3).sign(&secret).unwrap());
    bundle.proofs.extend([log.proofs(3), log.proofs(2)].concat());
    assert_eq!(verdict("2/3", &bundle, "F as P").1, 2, "unrevoked, the key may say it again");
    bundle.certificates.push(revoke(&boss, &secret, vec![vouched]));
    let found = verdict("2/3", &bundle, "F as P");
    assert_eq!(found, (I, 1, "quorum retraction revocation".into()));
}

/// The same envelope with a signature of nothing.
fn unsigned(envelope: &Envelope) -> Envelope {
    let mut wire: serde_json::Value = serde_json::from_slice(envelope.as_bytes()).unwrap();
    let sig = wire["signatures"][0]["sig"].as_str().unwrap();
    let first = if sig.starts_with('A') { "B" } else { "A" };
    wire["signatures"][0]["sig"] = format!("{first}{}", &sig[1..]).into();
    Envelope::parse(&serde_json::to_vec(&wire).unwrap()).unwrap()
}

#[test]
fn an_invalid_envelope_inside_a_signed_log_counts_for_nothing() {
    let of = |line: &str| world(line).envelopes;
    let honest = [(('b', '1'), of("b1+F")[0].clone()), (('c', '1'), of("c1+F")[0].clone())];
    let (dissent, theirs) = (of("a1-F").remove(0), of("b1-F").remove(0));
    for (bad, why) in
        [(unsigned(&dissent), "signature"), (theirs, "its proof is of another key's log")]
    {
        let log = [(('a', '1'), bad), (('a', '1'), of("a1+G")[0].clone())];
        let bundle = carried(log.into_iter().chain(honest.clone()));
        assert_eq!(verdict("2/3d0", &bundle, "F as P"), (A, 2, "quorum".into()));
        // The rest of that log stands: the operator's one well-formed word is G.
        assert_eq!(judge("2/3", &bundle, "F as P").votes.len(), 3);
        let refused = refusals(&bundle);
        assert_eq!(refused.len(), 1);
        assert!(refused[0].0.contains(why) && refused[0].1 == Blame::Carrier, "{refused:?}");
    }
}

#[test]
fn an_outcome_that_its_digests_contradict_is_its_signers_lie() {
    let lie = altered(('a', '1'), '-', "\"differs\"", "\"reproduced\"");
    let bundle = carried([(('a', '1'), lie), (('b', '1'), world("b1+F").envelopes.remove(0))]);
    assert_eq!(verdict("2/3", &bundle, "F as P"), (I, 1, "quorum".into()));
    let refused = refusals(&bundle);
    assert!(refused[0].0.contains("called reproduced, needed differs"), "{refused:?}");
    assert_eq!((refused.len(), refused[0].1), (1, Blame::Signer));
}

#[test]
fn dissent_that_a_bundle_hides_is_unchecked() {
    let (whole, bundle) = (world("a1+F b1+F c1-F"), world("a1+F b1+F"));
    assert_eq!(verdict("2/3d0", &whole, "F as P").2, "dissent");
    let found = judge("2/3d0", &bundle, "F as P, bundle");
    let document = serde_json::to_value(&found).unwrap();
    assert_eq!((found.verdict, &document["dissent"]), (A, &"unchecked".into()));
    let refused = verdict("2/3d0 checked", &bundle, "F as P, bundle");
    assert_eq!(refused, (I, 2, "unchecked-dissent".into()));
}

#[test]
fn a_frozen_head_supports_until_it_is_too_old() {
    let frozen = world("a1+F b1+F a1^w1@-1h b1^w1@-23h");
    assert_eq!(verdict("2/2 w1 h24h", &frozen, "F as P").0, A);
    assert_eq!(verdict("2/2 w1 h24h", &frozen, "F as P, +1h").0, A);
    let later = verdict("2/2 w1 h24h", &frozen, "F as P, +3601s");
    assert_eq!(later, (I, 1, "quorum freshness max-head-age".into()));
}

#[test]
fn a_withheld_newer_head_hides_a_dissent_no_longer_than_the_policy_says() {
    let seen = "a1^w1@-1h b1^w1@-1h c1^w1@-23h";
    let shown = world(&format!("a1+F b1+F c1+F {seen}"));
    let whole = world(&format!("a1+F b1+F c1+F c1-F {seen}#1,w1@-1m"));
    assert_eq!(verdict("2/3 w1 h24h d0", &whole, "F as P").2, "dissent");
    assert_eq!(verdict("2/3 w1 h24h d0", &shown, "F as P").0, A);
    let later = verdict("2/3 w1 h24h d0", &shown, "F as P, +3601s");
    assert_eq!((later.0, later.2.as_str()), (I, "freshness max-head-age"));
}

#[test]
fn evidence_of_another_network_is_no_evidence() {
    let replayed = world("a1+Fw b1+Fw c1+Fw");
    assert_eq!(verdict("2/3", &replayed, "F as P"), (I, 0, "quorum".into()));
    let why = ("it is of network elsewhere, not test".to_owned(), Blame::Carrier);
    assert_eq!(refusals(&replayed), vec![why; 3]);
    // The log of another network, under the same key.
    let secret = rebuilder('a', '1');
    let origin = Origin::new(&"elsewhere".parse().unwrap(), &secret.public_key(), 2026);
    let head = Checkpoint { origin, size: 1, root: Digest::of(b"") }.sign(&secret).unwrap();
    gains_nothing(&world("a1+F b1+F"), |bundle| bundle.checkpoints.push(head));
}

/// Evidence that was verified for another network, under a policy of this one.
#[test]
fn a_policy_of_another_network_counts_none_of_it() {
    let (mut bundle, elsewhere) = (Bundle::default(), "elsewhere".parse().unwrap());
    for letter in ['a', 'b'] {
        let (secret, statement) = (rebuilder(letter, '1'), world(&format!("{letter}1+Fw")));
        let envelope = statement.envelopes[0].clone();
        let origin = Origin::new(&elsewhere, &secret.public_key(), 2026);
        let root = leaf_hash(envelope.as_bytes());
        let head = Checkpoint { origin: origin.clone(), size: 1, root }.sign(&secret).unwrap();
        let proof = InclusionProof { index: 0, hashes: Vec::new() };
        bundle.proofs.push(LoggedAt { envelope: envelope.digest(), origin, size: 1, proof });
        bundle.checkpoints.push(head);
        bundle.envelopes.push(envelope);
        bundle.certificates.extend(statement.certificates);
    }
    let evidence = Evidence::verify(&bundle, &elsewhere, Completeness::Complete);
    assert_eq!(evidence.rebuilds().len(), 2);
    let found = conclude(&policy("2/3"), &evidence, &question("F as P"), at(NOW));
    assert_eq!((found.verdict, rules_of(&found).as_str()), (I, "quorum network"));
}

#[test]
fn a_file_that_was_produced_and_never_published_is_not_accepted() {
    let bundle = world("a1-F b1-F c1-F");
    assert_eq!(verdict("2/3", &bundle, "X as P").0, R);
    assert_eq!(verdict("2/3", &bundle, "X"), (I, 0, "identity".into()));
    assert_eq!(verdict("2/3", &world("a1=F b1=F c1=F"), "X").0, I);
}

#[test]
fn a_stranger_cannot_certify_revoke_or_vouch_for_the_key_of_another() {
    let (z, key) = (operator('z'), rebuilder('a', '1'));
    let honest = world("a1+F b1+F a1^w1@-1h b1^w1@-1h c1-F");
    let (_, log) = logs("a1+F").remove(0);
    let bogus = Checkpoint { root: Digest::of(b"bogus"), ..log.head(1) };
    let bigger = Checkpoint { size: 7, ..bogus.clone() };
    gains_nothing(&honest, |bundle| bundle.certificates.push(certify(&z, &key, -DAY, DAY)));
    for last_good in [vec![], vec![log.head(1)], vec![bogus], vec![bigger]] {
        gains_nothing(&honest, |bundle| {
            bundle.certificates.push(revoke(&z, &key, last_good));
            bundle.certificates.push(certify(&z, &key, -DAY, DAY));
        });
    }
    // A key that its own operator never certified stays unknown.
    gains_nothing(&world("a1+F b1+F b1^none c1+G"), |bundle| {
        bundle.certificates.push(certify(&z, &rebuilder('b', '1'), -DAY, DAY));
    });
}

/// A head that only a stranger's revocation names is not the log's: what it proves is not told of.
#[test]
fn a_stranger_that_vouches_for_an_unsigned_head_is_not_even_mentioned() {
    let (z, key) = (operator('z'), rebuilder('a', '1'));
    let head = logs("a1+F").remove(0).1.head(1);
    for unsigned in ["a1+F b1+F a1^unsigned", "a1+F a1^unsigned"] {
        gains_nothing(&world(unsigned), |bundle| {
            bundle.certificates.push(revoke(&z, &key, vec![head.clone()]));
        });
    }
}

#[test]
fn a_witness_must_be_somebody_else() {
    let cosigned = world("a1+F b1+F a1^w1@-1h b1^w1@-1h");
    assert_eq!(verdict("2/3 w1", &cosigned, "F as P").0, A);
    let own = verdict("2/3 w1 run:1=a", &cosigned, "F as P");
    assert_eq!(own, (I, 1, "quorum witnesses".into()));
    let by_log = world("a1+F b1+F a1^w0@-1h b1^w1@-1h");
    assert_eq!(verdict("2/3 w1=01", &by_log, "F as P").1, 1);
}

#[test]
fn a_cosignature_moved_to_another_head_is_worth_nothing() {
    let line = "a1!F a1+F b1+F a1^w1@-1h#1 b1^w1@-1h";
    let mut bundle = world(line);
    let cosigned = |note: &&SignedCheckpoint| note.as_str().contains("witness.example");
    let small = bundle.checkpoints.iter().find(|note| cosigned(note)).unwrap().clone();
    let cosignature = small.as_str().lines().find(|l| l.contains("witness.example")).unwrap();
    let plain = bundle.checkpoints.iter().position(|n| n.unverified().size == 2).unwrap();
    let moved = format!("{}{cosignature}\n", bundle.checkpoints[plain].as_str());
    bundle.checkpoints[plain] = SignedCheckpoint::parse(moved.as_bytes()).unwrap();
    let found = verdict("2/3 w1", &bundle, "F as P");
    assert_eq!(found, (I, 1, "quorum witnesses".into()));
    assert_eq!(verdict("2/3 w1", &world(&line.replace("#1", "")), "F as P").0, A);
}

fn stranger(seed: u32) -> SecretKey {
    let mut bytes = [0x5a; 32];
    bytes[..4].copy_from_slice(&seed.to_be_bytes());
    SecretKey::from_seed(&bytes)
}

/// `n` of everything that a stranger can make, against the key of another where it can.
fn flood(n: u32) -> Bundle {
    let (mut flood, victim) = (Bundle::default(), rebuilder('a', '1'));
    let alone = InclusionProof { index: 0, hashes: Vec::new() };
    for seed in 0..n {
        let (boss, key) = (stranger(2 * seed), stranger(2 * seed + 1));
        let head = |year, of: &SecretKey, entry: &[u8]| Checkpoint {
            origin: Origin::new(&network(), &of.public_key(), year),
            size: 1,
            root: leaf_hash(entry),
        };
        let bogus = (1970..2034).map(|year| head(year, &victim, &seed.to_be_bytes())).collect();
        let said = rebuild(outcome(P, file('F'), '-'));
        let envelope = Envelope::sign(said.to_payload(&key.public_key()).unwrap(), &key).unwrap();
        let signed = head(2026, &key, envelope.as_bytes()).sign(&key).unwrap();
        let (origin, proof) = (signed.unverified().origin.clone(), alone.clone());
        flood.certificates.push(certify(&boss, &key, -DAY, DAY));
        flood.certificates.push(revoke(&boss, &victim, bogus));
        flood.proofs.push(LoggedAt { envelope: envelope.digest(), origin, size: 1, proof });
        flood.checkpoints.push(signed);
        flood.envelopes.push(envelope);
    }
    flood
}

fn together(one: &Bundle, other: &Bundle) -> Bundle {
    Bundle {
        certificates: [&other.certificates[..], &one.certificates].concat(),
        checkpoints: [&other.checkpoints[..], &one.checkpoints].concat(),
        envelopes: [&other.envelopes[..], &one.envelopes].concat(),
        proofs: [&other.proofs[..], &one.proofs].concat(),
        ..Bundle::default()
    }
}

/// What is kept of evidence: everything that a verdict may have to walk over.
fn kept(evidence: &Evidence) -> usize {
    let under: usize = evidence.rebuilds().iter().map(|logged| logged.under().len()).sum();
    let heads = evidence.rebuilds().iter().map(|logged| evidence.heads(&logged.key()).len());
    let words = evidence.certificates().len() + evidence.revocations().len();
    under + heads.sum::<usize>() + words + evidence.refused().len()
}

#[test]
fn a_flood_of_strangers_changes_no_byte_and_grows_no_faster_than_itself() {
    let honest = world("a1+F b1+F c1-F a1^w1@-1h b1^w1@-1h");
    let own = verified(&honest);
    let all = flood(1_000);
    let half = Bundle {
        certificates: all.certificates[..1_000].to_vec(),
        checkpoints: all.checkpoints[..500].to_vec(),
        envelopes: all.envelopes[..500].to_vec(),
        proofs: all.proofs[..500].to_vec(),
        ..Bundle::default()
    };
    let mut grown = Vec::new();
    for strangers in [&half, &all] {
        let flooded = verified(&together(&honest, strangers));
        for (rules, asked) in [("2/3", "F as P"), ("2/3d0", "F"), ("2/3 w1 h24h", "X")] {
            let verdict = |of| json(&conclude(&policy(rules), of, &question(asked), at(NOW)));
            assert_eq!(verdict(&own), verdict(&flooded), "{rules}, {asked}");
        }
        grown.push(kept(&flooded) - kept(&own));
    }
    // A certificate, a revocation, a statement in its place and a head for each stranger.
    assert_eq!(grown, [4 * 500, 4 * 1_000]);
}
