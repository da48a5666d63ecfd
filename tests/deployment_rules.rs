//! The rules of an environment: each alone, its message word for word, and all that fail at once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reattest_attestation::deployment::judge;
use reattest_attestation::envelope::pae;
use reattest_attestation::verdict::{Conclusion, Reason, Verdict};
use reattest_attestation::{
    Bundle, Completeness, Digest, Evidence, Policy, SecretKey, Sign as _, scan, version,
};
use serde_json::json;

use crate::worlds::{NOW, at, file, network, operator, policy_text, question, world};

/// Two of three operators behind the file P.
const WORLD: &str = "a1+F b1+F c1+F";

/// A policy of the world's line with one environment of these rules.
fn policy(short: &str, rules: &str) -> Policy {
    let scanner = operator('s').public_key();
    let text = format!(
        "{}\n[[scanner]]\nname = \"sieve\"\nkey = \"{scanner}\"\n\n\
         [[environment]]\nname = \"prod\"\nmode = \"enforce\"\nwhen_unavailable = \"refuse\"\n\
         expires = 2026-12-01T00:00:00Z\npurls = [\"pkg:*\"]\n[environment.rules]\n{rules}\n",
        policy_text(short)
    );
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn judged(policy: &Policy, bundle: &Bundle, scans: &str) -> Verdict {
    let evidence = Evidence::verify(bundle, &network(), Completeness::Complete);
    let scans = scan::read(scans.as_bytes(), policy, at(NOW));
    let environment = &policy.environments()[0];
    judge(policy, environment, &evidence, &question("F as P"), &scans, at(NOW))
}

fn told(reason: &Reason) -> String {
    let Reason { rule, found, expected, fix } = reason;
    format!("{rule}\nfound {found}\nneeded {expected}\n{fix}")
}

/// The only reason, word for word.
fn only(verdict: &Verdict) -> String {
    assert_eq!(verdict.reasons.len(), 1, "{verdict:#?}");
    told(&verdict.reasons[0])
}

/// A scan as a tool of another vendor signs it: its own spelling, and no key id.
pub(crate) fn scanned(
    key: &SecretKey,
    file: Digest,
    finished: &str,
    result: &serde_json::Value,
) -> String {
    let payload = json!({
        "predicateType": "https://in-toto.io/attestation/vulns/v0.1",
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "netbase_6.5_all.deb", "digest": {"sha256": file.to_string()}}],
        "predicate": {
            "scanner": {"uri": "pkg:github/example/sieve", "db": {"lastUpdate": finished}, "result": result},
            "metadata": {"scanStartedOn": finished, "scanFinishedOn": finished},
        },
    })
    .to_string();
    let kind = "application/vnd.in-toto+json";
    let signature = key.sign(&pae(kind, payload.as_bytes())).unwrap();
    let signatures = json!([{"keyid": "", "sig": BASE64_STANDARD.encode(signature)}]);
    json!({"payloadType": kind, "payload": BASE64_STANDARD.encode(payload), "signatures": signatures})
        .to_string()
}

#[test]
fn rules_that_hold_change_nothing_but_the_mode_that_is_named() {
    let rules = "approved_sources = [\"pkg:deb/debian/*\"]\n\
        commands = [{ run = \"dpkg-buildpackage\", flags = [\"-us\", \"-uc\", \"-b\", \"--build=*\"] }]\n\
        minimum_versions = [\"pkg:deb/debian/netbase@6.5\", \"pkg:deb/debian/openssl@3.0.15-1\"]\n\
        max_age = \"2d\"\nscan = { by = [\"sieve\"], within = \"7d\", refuse_from = \"high\" }\n\
        witnesses = [\"w1.example/w\"]";
    let witness = crate::worlds::witness_name('1');
    let policy = policy("2/3 w1", &rules.replace("w1.example/w", &witness));
    let clean = scanned(&operator('s'), file('F'), "2026-05-30T12:00:00.52Z", &json!([]));
    let bundle = world("a1+F b1+F c1+F a1^w1@-2h b1^w1@-2h c1^w1@-2h");
    let verdict = judged(&policy, &bundle, &clean);
    assert_eq!(verdict.verdict, Conclusion::Accepted, "{verdict:#?}");
    let evidence = Evidence::verify(&bundle, &network(), Completeness::Complete);
    let plain = reattest_attestation::conclude(&policy, &evidence, &question("F as P"), at(NOW));
    assert_eq!(verdict, plain);
}

#[test]
fn sources_must_be_approved() {
    let elsewhere =
        policy("2/3", "approved_sources = [\"pkg:deb/ubuntu/*\", \"debian:pool/contrib/*\"]");
    let verdict = judged(&elsewhere, &world(WORLD), "");
    assert_eq!(verdict.verdict, Conclusion::Inconclusive);
    assert_eq!(only(&verdict), include_str!("rules/approved-sources.txt").trim_end());
    let by_package = policy("2/3", "approved_sources = [\"pkg:deb/debian/*\"]");
    assert_eq!(judged(&by_package, &world(WORLD), "").verdict, Conclusion::Accepted);
}

#[test]
fn commands_and_flags_must_be_allowed() {
    let rules = "commands = [{ run = \"dpkg-buildpackage\", flags = [\"-us\", \"-uc\", \"-b\"] }]";
    let verdict = judged(&policy("2/3", rules), &world(WORLD), "");
    assert_eq!(verdict.verdict, Conclusion::Inconclusive);
    assert_eq!(only(&verdict), include_str!("rules/commands.txt").trim_end());
    let valued = rules.replace("\"-b\"", "\"-b\", \"--build=*\"");
    assert_eq!(judged(&policy("2/3", &valued), &world(WORLD), "").verdict, Conclusion::Accepted);
}

#[test]
fn a_version_below_its_floor_is_rejected() {
    let verdict = judged(
        &policy("2/3", "minimum_versions = [\"pkg:deb/debian/netbase@6.5+deb13u1\"]"),
        &world(WORLD),
        "",
    );
    assert_eq!(verdict.verdict, Conclusion::Rejected);
    assert_eq!(told(&verdict.reasons[0]), include_str!("rules/minimum-version.txt").trim_end());
    let lower = policy("2/3", "minimum_versions = [\"pkg:deb/debian/netbase@6.5~rc1\"]");
    assert_eq!(judged(&lower, &world(WORLD), "").verdict, Conclusion::Accepted);
}

#[test]
fn a_rebuild_must_be_young_enough() {
    let rule = policy("2/3", "max_age = \"12h\"");
    let verdict = judged(&rule, &world(WORLD), "");
    assert_eq!(verdict.verdict, Conclusion::Inconclusive);
    assert_eq!(only(&verdict), include_str!("rules/max-age.txt").trim_end());
    // One old rebuild of three does not matter, where two are asked for.
    let young = world("a1+F@-1h b1+F@-2h c1+F");
    assert_eq!(judged(&rule, &young, "").verdict, Conclusion::Accepted);
}

#[test]
fn a_trusted_scan_must_be_recent_and_clean() {
    let rule =
        policy("2/3", "scan = { by = [\"sieve\"], within = \"7d\", refuse_from = \"high\" }");
    let (sieve, bundle) = (operator('s'), world(WORLD));
    let none = judged(&rule, &bundle, "");
    assert_eq!(none.verdict, Conclusion::Inconclusive);
    assert_eq!(only(&none), include_str!("rules/scan-missing.txt").trim_end());
    let old = scanned(&sieve, file('F'), "2026-05-24T23:59:59Z", &json!([]));
    assert_eq!(only(&judged(&rule, &bundle, &old)), include_str!("rules/scan-old.txt").trim_end());
    let strange = scanned(&operator('z'), file('F'), "2026-05-31T00:00:00Z", &json!([]));
    let found = only(&judged(&rule, &bundle, &strange));
    assert!(found.contains("a scan that no [[scanner]] of the policy signed"), "{found}");
    for (about, finished) in [('G', "2026-05-31T00:00:00Z"), ('F', "2026-06-02T00:00:00Z")] {
        let other = scanned(&sieve, file(about), finished, &json!([]));
        assert_eq!(judged(&rule, &bundle, &other).verdict, Conclusion::Inconclusive);
    }

    let result = json!([
        {"id": "CVE-2026-1", "severity": [{"method": "cvss_score", "score": "5.2"}]},
        {"vulnerability": {"id": "CVE-2026-2", "severity": [{"method": "nvd", "score": "HIGH"}]}},
        {"id": "CVE-2026-3", "severity": [{"method": "house", "score": "purple"}]},
    ]);
    let bad = scanned(&sieve, file('F'), "2026-05-30T12:00:00Z", &result);
    let verdict = judged(&rule, &bundle, &bad);
    assert_eq!(verdict.verdict, Conclusion::Rejected);
    assert_eq!(told(&verdict.reasons[0]), include_str!("rules/scan-found.txt").trim_end());
    // The newest scan of a scanner is its word.
    let clean = scanned(&sieve, file('F'), "2026-05-31T12:00:00Z", &json!([]));
    let both = format!("{bad}\n{{\"other\":1}}\n{clean}\n");
    assert_eq!(judged(&rule, &bundle, &both).verdict, Conclusion::Accepted);
    let altered = bad.replace("\"keyid\"", "\"other\"").replace("payload\":\"ey", "payload\":\"eW");
    assert_eq!(judged(&rule, &bundle, &altered).verdict, Conclusion::Inconclusive);
}

#[test]
fn the_named_witnesses_must_have_cosigned() {
    let witness = crate::worlds::witness_name('2');
    let rule = policy("2/3 w1", &format!("witnesses = [\"{witness}\"]"));
    let verdict = judged(&rule, &world("a1+F b1+F a1^w1@-2h b1^w2@-2h"), "");
    assert_eq!(verdict.verdict, Conclusion::Inconclusive);
    assert_eq!(only(&verdict), include_str!("rules/witnesses.txt").trim_end());
    let seen = world("a1+F b1+F a1^w2@-2h b1^w2@-2h");
    assert_eq!(judged(&rule, &seen, "").verdict, Conclusion::Accepted);
}

#[test]
fn every_failing_rule_is_told_at_once_and_what_forbids_stands_first() {
    let rules = "approved_sources = [\"pkg:pypi/*\"]\ncommands = [{ run = \"make\", flags = [] }]\n\
        minimum_versions = [\"pkg:deb/debian/netbase@7\"]\nmax_age = \"1h\"\n\
        scan = { by = [\"sieve\"], within = \"7d\", refuse_from = \"never\" }\n";
    let verdict = judged(&policy("2/3", rules), &world("a1+F b1-F"), "");
    assert_eq!(verdict.verdict, Conclusion::Rejected);
    let rules: Vec<&str> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    let expected = ["minimum-version", "approved-sources", "commands", "max-age", "scan", "quorum"];
    assert_eq!(rules, expected, "{verdict:#?}");
}

#[test]
fn rules_are_kept_together_by_a_quorum_and_not_by_one_each() {
    let witness = crate::worlds::witness_name('1');
    let rules = format!("max_age = \"12h\"\nwitnesses = [\"{witness}\"]");
    let rule = policy("2/3 w1", &rules);
    let world = world("a1+F@-1h b1+F@-1h c1+F a1^w1@-30m b1^w2@-30m c1^w1@-30m");
    let verdict = judged(&rule, &world, "");
    assert_eq!(only(&verdict), include_str!("rules/rules-together.txt").trim_end());
}

/// dpkg is the judge of its own order.
#[test]
fn debian_versions_stand_in_the_order_of_dpkg() {
    let versions = [
        "1.0",
        "1.0-0",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1~deb12u1",
        "1.0~rc1-1",
        "1:0.1",
        "0:1.0",
        "1.0a",
        "1.0+",
        "1.0+dfsg-1",
        "1.0.1",
        "1.00",
        "1.10",
        "1.9",
        "0",
        "00",
        "1.0-1.1",
        "2024a-0+deb12u1",
        "20240203",
        "1.0~~",
        "1.0~",
        "1.0.",
        "1.0-a",
        "1-2-3",
        "1.2-3",
    ];
    for left in versions {
        for right in versions {
            let order = version::order("deb", left, right).unwrap();
            let word = if order.is_lt() {
                "lt"
            } else if order.is_gt() {
                "gt"
            } else {
                "eq"
            };
            let status =
                Command::new("dpkg").args(["--compare-versions", left, word, right]).status();
            assert!(status.unwrap().success(), "{left} {word} {right}");
        }
    }
}
