//! Damaged, misplaced and outworn evidence: each is refused with what was found, what was needed and whose fault it is, or leads to its verdict; nothing panics.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use reattest_attestation::blame::Blame;
use reattest_attestation::bundle::BundleError;
use reattest_attestation::log::SignedCheckpoint;
use reattest_attestation::verdict::Conclusion;
use reattest_attestation::{Bundle, Envelope, Sign as _};

use crate::worlds::{
    P, altered, carried, certificate, file, judge, operator, outcome, rebuild, rebuilder, rules_of,
    verified, world,
};

const A: Conclusion = Conclusion::Accepted;
const I: Conclusion = Conclusion::Inconclusive;

/// What was refused, with whose fault it is, and how many still support F.
fn refused(bundle: &Bundle) -> (Vec<(String, Blame)>, usize) {
    let evidence = verified(bundle);
    let refused = evidence.refused().iter();
    let why = refused.map(|one| (format!("{}: {}", one.what, one.why), one.whose)).collect();
    (why, judge("2/3", bundle, "F as P").quorum.have)
}

/// One refusal with this text and blame, and this many that still support.
fn refuses(bundle: &Bundle, part: &str, whose: Blame, have: usize) {
    let (why, counted) = refused(bundle);
    assert!(why.len() == 1 && why[0].0.contains(part) && why[0].1 == whose, "{part}: {why:?}");
    assert_eq!(counted, have, "{part}");
}

/// Two that support F, and one statement of c with something wrong in it.
fn beside_two(envelope: Envelope) -> Bundle {
    let mut honest = world("a1+F b1+F").envelopes.into_iter();
    let (a, b) = (honest.next().unwrap(), honest.next().unwrap());
    carried([(('a', '1'), a), (('b', '1'), b), (('c', '1'), envelope)])
}

#[test]
fn what_a_key_signed_and_must_not_have_is_its_own_fault() {
    let produced = file('F').to_string();
    let nested = format!("{}\"deep\"{}", "[".repeat(14), "]".repeat(14));
    for (from, to, part) in [
        ("\"digest\":{\"sha256\":", "\"digest\":{\"sha1\":", "missing field `sha256`"),
        ("\"cpu\":\"", "\"cpu\": \"", "differs from its RFC 8785 form"),
        (
            "\"cpu\":\"AMD EPYC 9654 96-Core Processor\"",
            &format!("\"cpu\":{nested}"),
            "nested deeper than 16 levels",
        ),
        ("\"formatVersion\":1", "\"formatVersion\":1.5", "needed an integer"),
        ("\"reproduced\"", "\"splendid\"", "splendid"),
        (
            &format!("\"sha256\":\"{produced}\""),
            &format!("\"sha256\":\"{}\"", file('G')),
            "not exactly the produced digests",
        ),
        ("netbase@6.5?arch=all", "netbase?arch=all", "without a version"),
        (
            "urn:reattest:rebuild:v1",
            "urn:reattest:rebuild:v9",
            "needed \"urn:reattest:rebuild:v1\"",
        ),
        (
            "https://in-toto.io/Statement/v1",
            "https://in-toto.io/Statement/v0",
            "needed \"https://in-toto.io/Statement/v1\"",
        ),
        ("\"openpgp:0123", "\"openpgp:x123", "found authority signer"),
        ("2026-05-31T00:00:17Z", "2026-05-30T00:00:17Z", "ends before it begins"),
    ] {
        refuses(&beside_two(altered(('c', '1'), '+', from, to)), part, Blame::Signer, 2);
    }
    let newer = altered(('c', '1'), '+', "\"formatVersion\":1", "\"formatVersion\":2");
    refuses(&beside_two(newer), "a newer reattest may read it", Blame::Reader, 2);
}

#[test]
fn what_another_key_signed_is_not_its_word() {
    // b signs a's statement: the builder that it names is not the key.
    let (thief, said) = (rebuilder('c', '1'), rebuild(outcome(P, file('F'), '+')));
    let of_a = said.to_payload(&rebuilder('a', '1').public_key()).unwrap();
    let resigned = Envelope::sign(of_a, &thief).unwrap();
    refuses(&beside_two(resigned), "needed \"urn:reattest:builder:", Blame::Signer, 2);
    // The key id of one, the signature of another.
    let by_c = Envelope::sign(said.to_payload(&thief.public_key()).unwrap(), &thief).unwrap();
    let (from, to) = (by_c.keyid().to_owned(), rebuilder('a', '1').public_key().fingerprint());
    let text = String::from_utf8(by_c.as_bytes().to_vec()).unwrap().replace(&from, &to);
    let mut bundle = world("a1+F b1+F");
    bundle.envelopes.push(Envelope::parse(text.as_bytes()).unwrap());
    refuses(&bundle, "signature", Blame::Carrier, 2);
    // A key that nobody certified.
    let mut bundle = world("a1+F b1+F");
    bundle.envelopes.extend(world("c1+F").envelopes);
    refuses(&bundle, "no certificate here names its key", Blame::Reader, 2);
}

#[test]
fn proofs_that_lead_nowhere_are_their_carriers_fault() {
    type Damage = fn(&mut Bundle);
    let cases: &[(Damage, &str)] = &[
        (|b| drop(b.proofs.remove(2)), "no proof here places it in its key's log"),
        (|b| b.proofs[2].size = 9, "no verified head of size 9"),
        (|b| b.proofs[2].proof.index = 1, "needed a place before its end"),
        (|b| b.proofs[2].proof.hashes.push(file('F')), "needed exactly the audit path"),
        (|b| b.proofs[2].origin = b.proofs[0].origin.clone(), "its proof is of another key's log"),
        (|b| drop(b.proofs.swap_remove(2)), "no proof here"),
    ];
    for (damage, part) in cases {
        let mut bundle = world("a1+F b1+F c1+F");
        damage(&mut bundle);
        refuses(&bundle, part, Blame::Carrier, 2);
    }
    // Swapped between two entries of one log: the leaf is another.
    let mut swapped = world("a1+F b1+F c1+F c1+Gq");
    let (third, fourth) = (swapped.proofs[2].envelope, swapped.proofs[3].envelope);
    (swapped.proofs[2].envelope, swapped.proofs[3].envelope) = (fourth, third);
    let (why, have) = refused(&swapped);
    assert!(
        why.len() == 2
            && why.iter().all(|(w, b)| w.contains("which is no head of") && *b == Blame::Carrier),
        "{why:?}"
    );
    assert_eq!(have, 2);
}

#[test]
fn heads_and_certificates_that_do_not_hold_take_their_own_log_only() {
    let mut bundle = world("a1+F b1+F c1+F");
    let note = bundle.checkpoints[2].as_str().replace("\n1\n", "\n2\n");
    bundle.checkpoints[2] = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    let (why, have) = refused(&bundle);
    assert!(why.len() == 2 && why[1].0.contains("head 2 of reattest/test/"), "{why:?}");
    assert!(why[0].0.contains("no verified head of size 1") && have == 2, "{why:?}");
    assert!(why.iter().all(|(_, whose)| *whose == Blame::Carrier));

    // A certificate that its operator did not sign; then the key's head and statement have none.
    let mut bundle = world("a1+F b1+F c1+F c1^none");
    let by_another = certificate(&operator('c'), &rebuilder('c', '1'), -60, 60);
    let payload = by_another.to_payload().unwrap();
    bundle.certificates.push(Envelope::sign(payload, &operator('z')).unwrap());
    let (why, have) = refused(&bundle);
    let certificates: Vec<_> =
        why.iter().filter(|(w, _)| w.contains("operator's statement")).collect();
    assert!(certificates.len() == 1 && certificates[0].1 == Blame::Carrier, "{why:?}");
    assert!(certificates[0].0.contains("found key id") && have == 2, "{why:?}");

    // A rebuild where a certificate is due.
    let mut bundle = world("a1+F b1+F");
    bundle.certificates.push(bundle.envelopes[0].clone());
    refuses(&bundle, "needed a certificate, revocation or rotation", Blame::Carrier, 2);
}

fn parsed(bytes: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::parse(bytes)
}

#[test]
fn a_bundle_cut_anywhere_is_refused_or_says_less() {
    let whole = world("a1+F b1+F c1-F").to_bytes().unwrap();
    let (mut damaged, mut less) = (0, 0);
    for length in (0..whole.len()).step_by(37) {
        match parsed(&whole[..length]) {
            Err(error) => {
                let lines = whole[..length].split(|byte| *byte == b'\n').count();
                let text = error.to_string();
                assert!(
                    text.starts_with(&format!("found no JSON object on line {lines} of")),
                    "{text}"
                );
                assert!(text.ends_with("get the bundle again"), "{text}");
                damaged += 1;
            }
            Ok(bundle) => {
                let found = judge("2/3", &bundle, "F as P, bundle");
                assert!(found.quorum.have <= 2);
                less += 1;
            }
        }
    }
    assert!(damaged > 100 && less > 0, "{damaged} damaged, {less} not");
}

#[test]
fn bytes_that_are_no_bundle_are_refused_where_they_stand() {
    let good = world("a1+F").to_bytes().unwrap();
    for (bad, part) in [
        (b"\xff\xfe{}".to_vec(), "utf-8"),
        (b"{\"a\":\"\xff\"}".to_vec(), "line 5"),
        (b"[]".to_vec(), "line 5"),
        ([vec![b'['; 500], vec![b']'; 500]].concat(), "line 5"),
    ] {
        let error = parsed(&[good.as_slice(), &bad, b"\n"].concat()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("on line 5 of the bundle"), "{error}");
    }
    // Nested less deeply it is a line of others, or one of ours in another spelling.
    let deep = [b"{\"a\":".repeat(100), b"1".to_vec(), b"}".repeat(100)].concat();
    let bundle = parsed(&[good.as_slice(), &deep, b"\n"].concat()).unwrap();
    assert!(bundle.ignored[0].why.contains("nested deeper than 16"), "{:?}", bundle.ignored);
    refuses(&bundle, "line 5 of the bundle", Blame::Carrier, 1);
}

/// What a line is about is said twice, and must be the same.
#[test]
fn a_line_about_something_else_than_it_carries_is_passed_over() {
    let text = String::from_utf8(world("a1+F b1+F").to_bytes().unwrap()).unwrap();
    for (kind, part) in
        [("certificate", "what it carries is sha256:"), ("checkpoint", "another key")]
    {
        let lines = text.lines().map(|line| {
            let at = line.find("\"for\":\"sha256:").map(|at| at + 14);
            match at.filter(|_| line.contains(&format!("\"reattest\":\"{kind}\""))) {
                Some(at) => [&line[..at], &file('Z').to_string(), &line[at + 64..]].concat(),
                None => line.to_owned(),
            }
        });
        let bundle = parsed(lines.collect::<Vec<_>>().join("\n").as_bytes()).unwrap();
        assert_eq!(bundle.ignored.len(), 2, "{kind}");
        assert!(bundle.ignored.iter().all(|line| line.why.contains(part)), "{:?}", bundle.ignored);
        assert_eq!(judge("2/3", &bundle, "F as P").quorum.have, 0);
    }
}

#[test]
fn an_envelope_beyond_its_bound_is_passed_over() {
    let good = world("a1+F b1+F").to_bytes().unwrap();
    let long = format!(
        "{{\"payload\":\"{}\",\"payloadType\":\"\",\"signatures\":[]}}\n",
        "A".repeat(65_536)
    );
    let bundle = parsed(&[good.as_slice(), long.as_bytes()].concat()).unwrap();
    refuses(&bundle, "needed at most 65535", Blame::Carrier, 2);
    let huge = vec![b'\n'; reattest_attestation::limits::BUNDLE_MAX + 1];
    let error = parsed(&huge).unwrap_err();
    let (found, limit) = (16 * 1024 * 1024 + 1, 16 * 1024 * 1024);
    assert_eq!(error, BundleError::TooLong { found, unit: "bytes", limit });
}

/// Every line after the bound is damaged, so a reader that looked at one would say so instead.
#[test]
fn a_bundle_of_too_many_records_is_refused_at_the_bound_unread() {
    let many = [b"{}\n".repeat(4_096), b"{}\n".to_vec(), b"\xff\n".repeat(100_000)].concat();
    let error = parsed(&many).unwrap_err();
    assert_eq!(error, BundleError::TooLong { found: 4_097, unit: "lines", limit: 4_096 });
    let text = error.to_string();
    assert!(
        text.contains("4097 lines, needed at most 4096; ask for a bundle of one artifact"),
        "{text}"
    );
    // Up to the bound, each line is looked at.
    let all = [b"{}\n".repeat(4_095), b"\xff".to_vec()].concat();
    assert!(matches!(parsed(&all), Err(BundleError::NotJsonLines { line: 4_096, .. })));
    let bundle = parsed(&b"{}\n".repeat(4_096)).unwrap();
    assert_eq!(bundle.ignored.len(), 4_096);
}

#[test]
fn doubled_and_reordered_lines_say_the_same() {
    let bytes = world("a1+F b1+F c1-F b1rG").to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.extend(lines.clone());
    lines.reverse();
    let other = parsed(lines.join("\n").as_bytes()).unwrap();
    let same = parsed(text.as_bytes()).unwrap();
    for asked in ["F as P", "F", "X"] {
        assert_eq!(judge("2/3", &same, asked), judge("2/3", &other, asked));
    }
}

#[test]
fn evidence_about_something_else_leads_to_no_verdict_on_this() {
    let found = judge("2/3", &world("a1+F b1+F c1+F"), "G, bundle");
    assert_eq!((found.verdict, rules_of(&found).as_str()), (I, "identity"));
    assert!(found.reasons[0].found.contains(&file('G').to_string()));
    assert!(found.reasons[0].fix.contains("--as PURL"));
    let found = judge("2/3", &world("a1+Fq b1+Fq"), "F as P, bundle");
    assert_eq!((found.verdict, rules_of(&found).as_str()), (I, "quorum"));
    assert_eq!(judge("2/3", &Bundle::default(), "F as P, bundle").verdict, I);
}

#[test]
fn outworn_evidence_says_what_it_is_and_what_to_do() {
    for (policy, line, rule, found, fix) in [
        (
            "2/3",
            "a1+F b1+F b1^expired",
            "certificate",
            "b's key SHA256:",
            "ask b for a new certificate",
        ),
        (
            "2/3",
            "a1+F b1+F@+1d",
            "clock",
            "a statement of b dated 2026-06-02T00:00:00Z; it is 2026-06-01T00:00:00Z",
            "ask b to check its own",
        ),
        (
            "2/3 m30d",
            "a1+F b1+F@-31d",
            "max-age",
            "a statement of b from 2026-05-01T00:00:00Z",
            "ask b to rebuild, or raise \"max_age\"",
        ),
        (
            "2/3 b:-1d",
            "a1+F b1+F",
            "operator-expiry",
            "b believed until 2026-05-31T00:00:00Z",
            "set a later \"expires\"",
        ),
        (
            "2/3 w2",
            "a1+F b1+F a1^w1@-1h,w2@-1h b1^w1@-1h",
            "witnesses",
            "no head that 2 of the policy's witnesses",
            "wait for the witnesses",
        ),
        (
            "2/3 w1 h24h",
            "a1+F b1+F a1^w1@-1h b1^w1@-2d",
            "max-head-age",
            "heads of b last cosigned at 2026-05-30T00:00:00Z",
            "follow the operator's log again",
        ),
        (
            "2/3",
            "a1+F b1+F b1^revoked@0",
            "revocation",
            "b's revoked key SHA256:",
            "until b rebuilds with its new key",
        ),
        ("2/3", "a1+F b1+F b1rF", "retraction", "took its support back", "ask b why"),
        ("2/3", "a1+F b1+F b1^split", "fork", "signed two histories", "tell b"),
        (
            "2/3",
            "a1+F b1+Fl",
            "lock-authority",
            "the environment of pkg:deb/debian/netbase",
            "name it in an [[authority]]",
        ),
        (
            "2/3 equivalent",
            "a1+F b1=F",
            "normalizers",
            "strip-nondeterminism@1.14, which was not run",
            "install these normalizers",
        ),
    ] {
        let verdict = judge(policy, &world(line), "F as P");
        assert_eq!(verdict.verdict, I, "{line}");
        let reason = verdict.reasons.iter().find(|reason| reason.rule == rule).unwrap();
        assert!(reason.found.contains(found) && reason.fix.contains(fix), "{line}: {reason:?}");
        assert!(!reason.expected.is_empty());
    }
    assert_eq!(judge("2/3", &world("a1+F b1+F"), "F as P").verdict, A);
}
