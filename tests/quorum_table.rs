//! The verdict as a picture: one aligned line a world (who said what -> verdict).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use reattest_attestation::verdict::Conclusion;
use reattest_attestation::{Completeness, Evidence, conclude};

use crate::worlds::{NOW, at, file, judge, network, policy, question, rules_of, world};

/// policy | world, in log order | question | have | verdict | first reason | the claim
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str, usize, char, &str, &str)] = &[
    ("2/3", "a1+F b1+F c1+F",              "F as P", 3, 'A', "quorum",        "all three agree"),
    ("2/3", "a1+F b1+F",                   "F as P", 2, 'A', "quorum",        "the quorum is enough"),
    ("2/3", "a1+F",                        "F as P", 1, 'I', "quorum",        "one is not"),
    ("2/3", "",                            "F as P", 0, 'I', "quorum",        "silence decides nothing"),
    ("2/3", "a1+F b1+F c1-F",              "F as P", 2, 'A', "quorum",        "a liar does not stop the others"),
    ("2/3", "a1+F b1+F c1~F",              "F as P", 2, 'A', "quorum",        "nor an unstable build"),
    ("2/3d0", "a1+F b1+F c1-F",            "F as P", 2, 'R', "dissent",       "unless the policy allows no dissent"),
    ("2/3", "a1+F b1-F c1-F",              "F as P", 1, 'R', "dissent",       "two dissent: over the limit"),
    ("2/3", "a1+F b1-F",                   "F as P", 1, 'I', "quorum",        "one each, the third may still decide"),
    ("3/3", "a1+F b1-F",                   "F as P", 1, 'R', "dissent",       "where all must agree one suffices"),
    ("2/3", "a1+F b1+F c1+F",              "X as P", 0, 'R', "other-file",    "a changed byte: the quorum is behind F"),
    ("2/3", "a1+F b1+F c1+G",              "G as P", 1, 'R', "other-file",    "one liar's own file is not accepted"),
    ("2/3", "a1+F b1+F c1+G",              "F as P", 2, 'A', "quorum",        "and does not stop the real one"),
    ("2/3", "a1+F b1+G c1+H",              "F as P", 1, 'R', "out-of-reach",  "three files: nobody can reach two"),
    ("2/3", "a1-F b1-F c1-F",              "X as P", 0, 'R', "out-of-reach",  "what all produced and nobody published"),
    ("1/3", "a1+F b1+G",                   "F as P", 1, 'R', "other-file",    "one purl, two files, each with a quorum"),
    ("2/3", "a1+F b1+F c1+F",              "F as Q", 0, 'I', "quorum",        "the real file under another name"),
    ("2/3", "a1+F b1+F a1+Gq b1+Gq",       "F as Q", 0, 'R', "other-file",    "the same, where Q's own file is known"),
    ("2/3", "a1+F b1+Fq",                  "F as P", 1, 'I', "quorum",        "another purl does not add up"),
    ("2/3", "a1+F a2+F",                   "F as P", 1, 'I', "quorum",        "two keys of one operator are one vote"),
    ("2/3", "a1+F a2-F b1+F",              "F as P", 1, 'I', "quorum",        "own keys contradict each other: dissent"),
    ("2/3d0", "a1+F a2+G b1+F c1+F",       "F as P", 2, 'R', "dissent",       "also about which file is published"),
    ("2/3", "a1+F a2!F b1+F",              "F as P", 2, 'A', "quorum",        "a failed build contradicts nothing"),
    ("2/3", "a1+F z1+F z2+F",              "F as P", 1, 'I', "quorum",        "strangers add nothing"),
    ("2/3", "a1+F b1+F z1-F z2-F z3-F",    "F as P", 2, 'A', "quorum",        "and take nothing away"),
    ("2/3", "a1-F a1+F b1+F",              "F as P", 2, 'A', "quorum",        "the newest word counts"),
    ("2/3", "a1+F a1-F b1+F",              "F as P", 1, 'I', "quorum",        "also where it takes support back"),
    ("2/3", "a1+F a1!F b1+F",              "F as P", 2, 'A', "quorum",        "a failed build takes nothing back"),
    ("2/3", "a1!F b1!F c1!F",              "F as P", 0, 'I', "quorum",        "and refuses nothing"),
    ("2/3", "a1+F b1+F b1^expired",        "F as P", 1, 'I', "quorum",        "an expired certificate does not count"),
    ("2/3", "a1+F b1+F b1^none",           "F as P", 1, 'I', "quorum",        "nor a key without one"),
    ("2/3", "a1+F b1+F b1^forked",         "F as P", 1, 'I', "quorum",        "nor a key with two histories"),
    ("2/3", "a1+F b1+F b1^unlogged",       "F as P", 1, 'I', "quorum",        "nor a statement outside its log"),
    ("2/3", "a1+F b1+Fw",                  "F as P", 1, 'I', "quorum",        "nor one of another network"),
    ("2/3", "a1+F b1+Fu",                  "F as P", 1, 'I', "quorum",        "nor one with an unknown authority"),
    ("2/3", "a1+F a1-Fu b1+F",             "F as P", 2, 'A', "quorum",        "what does not count is not the newest"),
    ("2/3", "a1+F b1+F'",                  "F as P", 1, 'I', "quorum",        "differing sources do not add up"),
    ("2/3", "a1+F b1+F' c1+F",             "F as P", 2, 'A', "quorum",        "two from the same sources do"),
    ("2/3", "a1=F b1=F c1+F",              "F as P", 1, 'R', "out-of-reach",  "equivalent is not bit for bit"),
    ("2/3old", "a1+F b1+F c1+F",           "F as P", 3, 'I', "policy-expiry", "an expired policy accepts nothing"),
    ("2/3old", "a1+F b1+F c1+F",           "G as P", 0, 'R', "other-file",    "and still rejects"),
    ("0/0", "a1+F b1+F c1+F",              "F as P", 0, 'I', "operators",     "a policy that trusts nobody yet"),
    ("2/3", "a1+F b1+F",                   "F",      2, 'A', "quorum",        "without a purl: accepted as P"),
    ("2/3", "a1+F b1+F", "F named hostname_3.25_amd64.deb", 2, 'I', "file-name", "but not under another's file name"),
    ("2/3", "a1+F b1+F",                   "X",      0, 'I', "identity",      "an unknown file is nobody's"),
    ("2/3", "a1+F b1+F a1+Fq b1+Fq",       "F",      0, 'I', "identity",      "one file under two names: say which"),
    ("2/3", "a1+F b1+F c1+Fq",             "F",      2, 'A', "quorum",        "one liar cannot make it ambiguous"),
    ("2/3", "a1+F b1+F z1+Fq z2+Fq",       "F",      2, 'A', "quorum",        "nor strangers"),
    ("3/5", "a1+F b1+F c1+F d1-F e1-F",    "F as P", 3, 'A', "quorum",        "five operators, dissent at the limit"),
    ("3/5d1", "a1+F b1+F c1+F d1-F e1-F",  "F as P", 3, 'R', "dissent",       "and one over it"),
];

#[test]
fn every_world_has_its_verdict() {
    for (policy, line, asked, have, verdict, rule, claim) in TABLE {
        let found = judge(policy, &world(line), asked);
        let expected = conclusion(*verdict);
        let seen = (found.verdict, found.quorum.have, found.reasons[0].rule.as_str());
        assert_eq!(
            seen,
            (expected, *have, *rule),
            "{claim}: {policy} | {line} | {asked}\n{found:#?}"
        );
        assert!(found.reasons.iter().all(|reason| !reason.fix.is_empty()), "{claim}");
    }
}

/// policy | world | question | have | verdict | every reason's rule, in order | the claim
#[rustfmt::skip]
const RULES: &[(&str, &str, &str, usize, char, &str, &str)] = &[
    // Groups.
    ("all/3",              "a1+F b1+F c1+F",           "F as P", 3, 'A', "quorum", "all of three"),
    ("all/3",              "a1+F b1+F",                "F as P", 2, 'I', "quorum", "and nothing less"),
    ("any/3",              "c1+F",                     "F as P", 1, 'A', "quorum", "any of three"),
    ("2/acd",              "a1+F b1+F",                "F as P", 1, 'I', "quorum", "whoever the quorum does not name has no vote"),
    ("2/acd",              "a1+F d1+F",                "F as P", 2, 'A', "quorum", "and whoever it names does"),
    ("2/(1/ab,c,d)",       "a1+F b1+F",                "F as P", 1, 'I', "quorum", "a group is one member however many of it agree"),
    ("2/(1/ab,c,d)",       "b1+F d1+F",                "F as P", 2, 'A', "quorum", "with another member it is two"),
    ("2/(1/ab,c,d)",       "c1+F d1+F",                "F as P", 2, 'A', "quorum", "or two others without it"),
    ("2/(2/ab,2/cd,e)",    "a1+F c1+F e1+F",           "F as P", 1, 'I', "quorum", "half groups do not add up"),
    ("2/(2/ab,2/cd,e)",    "a1+F b1+F c1+F d1+F",      "F as P", 2, 'A', "quorum", "two whole groups"),
    ("all/(any/ab,2/(c,1/de))", "b1+F c1+F e1+F",      "F as P", 2, 'A', "quorum", "groups in groups"),
    ("all/(any/ab,2/(c,1/de))", "a1+F b1+F d1+F e1+F", "F as P", 1, 'I', "quorum", "without c the inner one lacks a member"),
    ("all/(any/ab,2/(c,1/de))", "a1+F c1+G",           "F as P", 1, 'R', "out-of-reach quorum", "c is needed and says G"),
    ("all/(any/ab,any/cd)", "a1+F b1+F c1+G d1+G",     "F as P", 1, 'R', "out-of-reach quorum", "a group that went elsewhere is out of reach"),
    ("2/(1/ab,c,d)",       "a1+G c1+G b1+F d1+F",      "F as P", 2, 'R', "other-file", "formulas can hold for two files"),
    // Dissent: the default d is n less the fewest operators that suffice.
    ("2/(1/ab,c,d)",       "a1+F c1+F b1-F d1-F",      "F as P", 2, 'A', "quorum", "four less two: two may dissent"),
    ("2/(1/ab,c,d) d1",    "a1+F c1+F b1-F d1-F",      "F as P", 2, 'R', "dissent", "one may: two are over it"),
    ("2/(1/ab,c,d) d1",    "a1+F c1+F d1-F",           "F as P", 2, 'A', "quorum", "and one is not"),
    ("all/(2/abc,1/de)",   "a1+F b1+F d1+F c1-F e1-F", "F as P", 2, 'A', "quorum", "five less three: two may"),
    ("all/(2/abc,1/de) d0", "a1+F b1+F d1+F e1~F",     "F as P", 2, 'R', "dissent", "none may: unstable is one"),
    ("3/5 d2",             "a1+F b1+F c1+F d1-F e1-F", "F as P", 3, 'A', "quorum", "an explicit limit, at it"),
    // Diversity.
    ("2/4 by:country:2",   "a1+F c1+F",                "F as P", 2, 'A', "quorum", "two countries"),
    ("2/4 by:country:2",   "a1+F b1+F",                "F as P", 2, 'I', "diversity", "twice the same is one"),
    ("2/5 by:country:2",   "a1+F e1+F",                "F as P", 2, 'I', "diversity", "who says no country adds none"),
    ("2/5 by:country:3",   "a1+F b1+F c1+F d1+F",      "F as P", 4, 'A', "quorum", "three of three"),
    ("2/5 by:country:3",   "a1+F b1+F c1+F",           "F as P", 3, 'I', "diversity", "two of three"),
    ("2/4 by:country:2",   "a1+F b1+F c1+F' d1-F",     "F as P", 2, 'I', "diversity", "nor one from other sources"),
    ("2/4 by:country:2",   "a1+F b1+F c1+F' d1+F'",    "F as P", 2, 'A', "quorum", "of two sets the diverse one counts"),
    ("2/4 by:country:2",   "a1+F",                     "F as P", 1, 'I', "quorum diversity", "both are told"),
    // A bundle.
    ("2/3",                "a1+F b1+F",        "F as P, bundle", 2, 'A', "quorum", "unchecked dissent is allowed"),
    ("2/3 checked",        "a1+F b1+F",        "F as P, bundle", 2, 'I', "unchecked-dissent", "unless it is refused"),
    ("2/3 checked",        "a1+F b1+F",                "F as P", 2, 'A', "quorum", "whole logs answer that"),
    ("2/3 checked",        "a1+G b1+G",        "F as P, bundle", 0, 'R', "other-file out-of-reach quorum unchecked-dissent", "a bundle still rejects"),
    // Age and clock.
    ("2/3 m400d",          "a1+F b1+F@-400d",          "F as P", 2, 'A', "quorum", "as old as allowed"),
    ("2/3 m400d",          "a1+F b1+F@-34560001s",     "F as P", 1, 'I', "quorum max-age", "a second older"),
    ("2/3 m400d d0",       "a1+F b1+F c1-F@-500d",     "F as P", 2, 'R', "dissent", "a dissent does not age"),
    ("2/3 m400d",          "a1+F b1-F@-500d b1+F@-401d", "F as P", 1, 'I', "quorum max-age", "nor is it replaced by what is too old"),
    ("2/3 m2d w1",         "a1+F b1+F a1^w1@-2d b1^w1@-1h", "F as P", 2, 'A', "quorum", "the witnesses' time counts, where it is the older"),
    ("2/3 m2d w1",         "a1+F b1+F a1^w1@-172801s b1^w1@-1h", "F as P", 1, 'I', "quorum max-age", "a second older"),
    ("2/3 m2d w1",         "a1+F b1+F@-3d a1^w1@-1h b1^w1@-1h", "F as P", 1, 'I', "quorum max-age", "a late cosignature makes no old statement young"),
    ("2/3 m2d",            "a1+F b1+F@-3d b1^revoked@1", "F as P", 1, 'I', "quorum max-age", "vouching does not either"),
    ("2/3",                "a1+F b1+F@+600s",          "F as P", 2, 'A', "quorum", "clocks differ by ten minutes"),
    ("2/3",                "a1+F b1+F@+601s",          "F as P", 1, 'I', "quorum clock", "and not by more"),
    ("2/3",                "a1+F b1+F@+601s",     "F as P, +1s", 2, 'A', "quorum", "later it counts"),
    ("2/3 d0",             "a1+F b1+F c1-F@+9d",       "F as P", 2, 'R', "dissent", "a dissent may be dated anyhow"),
    // Witnesses.
    ("2/3 w1",             "a1+F b1+F a1^w1@-2h b1^w2@-2h", "F as P", 2, 'A', "quorum", "one witness each"),
    ("2/3 w1",             "a1+F b1+F a1^w1@-2h",      "F as P", 1, 'I', "quorum witnesses", "no witness saw b's log"),
    ("2/3 w2",             "a1+F b1+F a1^w1@-2h,w2@-1h b1^w1@-2h,w1@-1h", "F as P", 1, 'I', "quorum witnesses", "one witness twice is one"),
    ("2/3 w1=12",          "a1+F b1+F a1^w1@-2h b1^w3@-2h", "F as P", 1, 'I', "quorum witnesses", "a witness of no policy"),
    ("2/3 w1 run:1=b",     "a1+F b1+F a1^w1@-2h b1^w1@-2h", "F as P", 1, 'I', "quorum witnesses", "its own witness tells nothing new"),
    ("2/3 w1 run:1=b",     "a1+F b1+F a1^w1@-2h b1^w2@-2h", "F as P", 2, 'A', "quorum", "another's does"),
    ("2/3 w1=012",         "a1+F b1+F a1^w0@-2h b1^w0@-2h", "F as P", 1, 'I', "quorum witnesses", "nor does a log's own key"),
    ("2/3 w1",             "a1+F a1+Fq b1+F a1^w1@-2h#1 b1^w1@-2h", "F as P", 2, 'A', "quorum", "under the cosigned head"),
    ("2/3 w1",             "a1+Fq a1+F b1+F a1^w1@-2h#1 b1^w1@-2h", "F as P", 1, 'I', "quorum witnesses", "behind it"),
    ("2/3 w1",             "a1+F b1+F a1^w1@+600s b1^w1@-2h", "F as P", 2, 'A', "quorum", "a witness's clock may be ahead"),
    ("2/3 w1",             "a1+F b1+F a1^w1@+601s b1^w1@-2h", "F as P", 1, 'I', "quorum witnesses", "not far ahead"),
    ("2/3 w1 d0",          "a1+F b1+F c1-F a1^w1@-2h b1^w1@-2h", "F as P", 2, 'R', "dissent", "a dissent needs no witness"),
    ("2/3 w1",             "a1+F b1+F a1^w1@-2h b1^expired,w1@-2d", "F as P", 2, 'A', "quorum", "seen while the certificate held"),
    ("2/3 w1",             "a1+F b1+F a1^w1@-2h b1^expired,w1@-2h", "F as P", 1, 'I', "quorum certificate", "seen when it no longer did"),
    // How fresh the heads are.
    ("2/2 w1 h24h",        "a1+F b1+F a1^w1@-24h b1^w1@-1h", "F as P", 2, 'A', "quorum", "as old as allowed"),
    ("2/2 w1 h24h",        "a1+F b1+F a1^w1@-86401s b1^w1@-1h", "F as P", 1, 'I', "quorum freshness max-head-age", "a second older"),
    ("2/3 w1 h24h",        "a1+F b1+F a1^w1@-1h b1^w1@-1h", "F as P", 2, 'A', "quorum", "one may be unheard, as one may dissent"),
    ("2/3 w1 h24h d0",     "a1+F b1+F a1^w1@-1h b1^w1@-1h", "F as P", 2, 'I', "freshness", "where nobody may dissent all must be heard"),
    ("2/3 w1 h24h d0",     "a1+F b1+F c1!F a1^w1@-1h b1^w1@-1h c1^w1@-1h", "F as P", 2, 'A', "quorum", "all are"),
    ("2/4 w1 h24h d1",     "a1+F b1+F c1-F a1^w1@-1h b1^w1@-1h", "F as P", 2, 'I', "freshness", "one dissents, and d may unseen"),
    ("2/3 w1 h24h",        "a1+F a2!F b1+F a1^w1@-1h a2^w1@-2d b1^w1@-1h c1!F c1^w1@-1h", "F as P", 2, 'A', "quorum", "one stale key of a: a is unheard"),
    ("2/3 w1 h24h d0",     "a1+F a2!F b1+F a1^w1@-1h a2^w1@-2d b1^w1@-1h c1!F c1^w1@-1h", "F as P", 2, 'I', "freshness", "which is one too many here"),
    ("2/3 w2 h24h",        "a1+F b1+F a1^w1@-1h,w2@-25h b1^w1@-1h,w2@-2h", "F as P", 1, 'I', "quorum freshness max-head-age", "both witnesses must have seen it lately"),
    // Retraction.
    ("2/3",                "a1+F b1+F b1rF",           "F as P", 1, 'I', "quorum retraction", "support taken back"),
    ("2/3",                "a1+F b1rF b1+F",           "F as P", 2, 'A', "quorum", "and given again"),
    ("2/3",                "a1+F b1+F b1rG",           "F as P", 2, 'A', "quorum", "of another file"),
    ("2/3",                "a1+F b1+F b1rFq",          "F as P", 2, 'A', "quorum", "of another purl"),
    ("2/3",                "a1+F b1+F b2rF",           "F as P", 2, 'A', "quorum", "a key takes back its own word only"),
    ("2/3",                "a1+F b1+F b1rFw",          "F as P", 2, 'A', "quorum", "in its own network only"),
    ("2/3 d0",             "a1+F b1+F c1-F c1rF",      "F as P", 2, 'R', "dissent", "a dissent cannot be taken back"),
    ("2/3",                "a1+F b1-F b1+F b1rF",      "F as P", 1, 'I', "quorum retraction", "then an older dissent stands again"),
    ("2/3 d0",             "a1+F b1+F c1-F c1+F c1rF", "F as P", 2, 'R', "dissent retraction", "and counts"),
    ("2/3",                "a1+F b1+Fy b1rF",          "F as P", 1, 'I', "quorum retraction", "also what last year's log says"),
    ("2/3",                "a1+F b1+F b1rFy",          "F as P", 2, 'A', "quorum", "not what this year's says after it"),
    ("2/3 d0",             "a1+F b1+F c1-Fy c1+F",     "F as P", 3, 'A', "quorum", "years follow one another"),
    // Revocation and rotation.
    ("2/3",                "a1+F b1+F b1^revoked@0",   "F as P", 1, 'I', "quorum revocation", "nothing is vouched for"),
    ("2/3",                "a1+F b1+F b1^revoked@1",   "F as P", 2, 'A', "quorum", "the first entry is"),
    ("2/3",                "a1+F b1!F b1+F b1^revoked@1", "F as P", 1, 'I', "quorum revocation", "and not the second"),
    ("2/3",                "a1+F b1+F b1^revoked@1,expired", "F as P", 2, 'A', "quorum", "it needs no certificate that still holds"),
    ("2/3",                "a1+F b1+F b1^revoked@1,none", "F as P", 2, 'A', "quorum", "nor one at all: who revokes a key calls it its own"),
    ("2/3",                "a1+F b1+F b1^revoked@1,forked", "F as P", 2, 'A', "quorum", "nor an unforked log"),
    ("2/3",                "a1+F b1+F b1^revoked@1,unsigned", "F as P", 2, 'A', "quorum", "nor the log's own head"),
    ("2/3",                "a1+F b1+F b1+Fq b1^revoked@1,revoked@2", "F as P", 2, 'A', "quorum", "twice revoked: under both"),
    ("2/3",                "a1+F b1+F b1+Fq b1^revoked@0,revoked@2", "F as P", 1, 'I', "quorum revocation", "under one only"),
    ("2/3 w1",             "a1+F b1+F a1^w1@-1h b1^revoked@1", "F as P", 2, 'A', "quorum", "vouched for: no witness is needed"),
    ("2/3",                "a1+F b1+F b1rF b1^revoked@1", "F as P", 2, 'A', "quorum", "a thief's retraction does not count"),
    ("2/3",                "a1+F b1+F b1rF b1^revoked@2", "F as P", 1, 'I', "quorum retraction", "one that is vouched for does"),
    ("2/3 d0",             "a1+F b1+F c1!F c1-F c1^revoked@1", "F as P", 2, 'A', "quorum", "nor does a thief's dissent"),
    ("2/3",                "a1+F b1+F b2+F b1^rotated@1>2 b2^none", "F as P", 2, 'A', "quorum", "a rotation: old and new key agree"),
    ("2/3",                "a1+F b1!F b1-F b2+F b1^rotated@1>2 b2^none", "F as P", 2, 'A', "quorum", "what the old key said later does not count"),
    ("2/3",                "a1+F b1-F b2+F b1^rotated@1>2 b2^none", "F as P", 1, 'I', "quorum", "what it said before contradicts the new key"),
    ("2/3 w1 h24h d0",     "a1+F b1+F c1+F c2!F a1^w1@-1h b1^w1@-1h c1^rotated@1>2 c2^none,w1@-1h", "F as P", 3, 'A', "quorum", "a revoked key need not be fresh"),
    // Fork.
    ("2/3",                "a1+F b1+F b1^split",       "F as P", 1, 'I', "quorum fork", "two entries at one place are two histories"),
    ("2/3 d0",             "a1+F b1+F c1-F c1^forked", "F as P", 2, 'A', "quorum", "a forked key cannot dissent either"),
    // Operators, authorities.
    ("2/3 a:+0s",          "a1+F b1+F",                "F as P", 2, 'A', "quorum", "believed until now"),
    ("2/3 a:-1s",          "a1+F b1+F",                "F as P", 1, 'I', "quorum operator-expiry", "and no longer"),
    ("2/3 a:-1s d0",       "a1-F b1+F c1+F",           "F as P", 2, 'A', "quorum", "its dissent neither"),
    ("2/3 auth:+0s",       "a1+F b1+F",                "F as P", 2, 'A', "quorum", "an authority until now"),
    ("2/3 auth:-1s",       "a1+F b1+F",                "F as P", 0, 'I', "quorum authority authority", "and no longer"),
    ("2/3",                "a1+F b1+F b1^until@+0s",   "F as P", 2, 'A', "quorum", "certified until now"),
    ("2/3",                "a1+F b1+F b1^until@-1s",   "F as P", 1, 'I', "quorum certificate", "and no longer"),
    ("2/3",                "a1+F b1+F b1^from@+0s",    "F as P", 2, 'A', "quorum", "certified from now"),
    ("2/3",                "a1+F b1+F b1^from@+1s",    "F as P", 1, 'I', "quorum certificate", "and not yet"),
    ("2/3",                "a1+F b1+Fl",               "F as P", 1, 'I', "quorum lock-authority", "an environment from an unknown archive"),
    ("2/3 locks",          "a1+Fk b1+Fk",              "F as P", 2, 'A', "quorum", "from the archive that is named for it"),
    ("2/3 locks",          "a1+Fk b1+F",               "F as P", 1, 'I', "quorum lock-authority", "the release's own is not named for it then"),
    ("2/3 locks",          "a1+Fk b1+Fkl",             "F as P", 1, 'I', "quorum lock-authority", "every one must be"),
    ("2/3 locks d0",       "a1+Fk b1+Fk c1-Fl",        "F as P", 2, 'A', "quorum", "a dissent from a strange environment says nothing"),
    ("2/3",                "a1+F b1+Fk",               "F as P", 1, 'I', "quorum lock-authority", "and where none is named the release's own is"),
    // Equivalence.
    ("2/3 equivalent",     "a1+F b1=F",           "F as P, =N", 2, 'A', "quorum", "the verifier's digest is the rebuilder's"),
    ("2/3 equivalent",     "a1+F b1=F",           "F as P, =M", 1, 'I', "quorum", "it is another"),
    ("2/3 equivalent",     "a1+F b1=F",               "F as P", 1, 'I', "quorum normalizers", "it was not computed"),
    ("2/3 equivalent",     "a1=F b1=F c1=F",           "F as P", 0, 'I', "quorum normalizers normalizers normalizers", "which is no reason to reject"),
    ("2/3 equivalent",     "a1=F b1=F c1=F",       "F as P, =M", 0, 'R', "out-of-reach quorum", "as another digest is"),
    ("2/3 equivalent",     "a1+F b1=Fv",          "F as P, =N", 1, 'I', "quorum", "another version than the verifier's and the policy's"),
    ("2/3 equivalent",     "a1+F b1=Fv",      "F as P, =N1.15", 1, 'I', "quorum", "than the policy's"),
    ("2/3 equivalent",     "a1+F b1=F",       "F as P, =N1.15", 1, 'I', "quorum normalizers", "than the verifier's"),
    ("2/3",                "a1+F b1=F",           "F as P, =N", 1, 'I', "quorum", "the policy wants equal bytes"),
    ("2/3 equivalent",     "a1=F b1=F",           "G as P, =N", 0, 'R', "out-of-reach quorum", "two say that P is F: too few are left for G"),
    ("2/3 equivalent d0",  "a1+F b1+F c1=F",      "F as P, =M", 2, 'A', "quorum", "it is no dissent"),
    ("2/3 equivalent",     "a1+F b1=F b2+F",      "F as P, =N", 1, 'I', "quorum", "an operator's keys must say the same"),
    // Without a purl.
    ("2/3",                "a1+Fu a1+G b1+G",               "F", 0, 'I', "identity authority", "what does not count gives a file no name"),
    ("2/3",                "a1+F b1+F c1+Fq",          "F as Q", 1, 'I', "quorum", "nor do other names"),
    // Kinds that say nothing here.
    ("2/3",                "a1+F b1aF",                "F as P", 1, 'I', "quorum", "an announcement confers nothing"),
];

#[test]
fn every_rule_holds_on_both_sides_of_its_bound() {
    let mut wrong = Vec::new();
    for (policy, line, asked, have, verdict, rules, claim) in RULES {
        let found = judge(policy, &world(line), asked);
        let seen = (found.verdict, found.quorum.have, rules_of(&found));
        if seen != (conclusion(*verdict), *have, (*rules).to_owned()) {
            wrong.push(format!("{claim}: {policy} | {line} | {asked}: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), RULES.len(), wrong.join("\n"));
}

fn conclusion(letter: char) -> Conclusion {
    match letter {
        'A' => Conclusion::Accepted,
        'R' => Conclusion::Rejected,
        _ => Conclusion::Inconclusive,
    }
}

#[test]
fn a_rejection_names_the_file_behind_which_the_quorum_stands() {
    let verdict = judge("2/3", &world("a1+F b1+F c1+F"), "X as P");
    let found = &verdict.reasons[0].found;
    assert!(
        found.starts_with("3 of 3 operators reproduced another file of pkg:deb/debian/netbase")
    );
    assert!(found.contains(&format!("sha256:{}", file('F'))), "{found}");
    assert_eq!(verdict.votes.len(), 3);
}

#[test]
fn statements_that_do_not_count_are_explained() {
    for (line, rule) in [
        ("a1+F b1+F b1^expired", "certificate"),
        ("a1+F b1+F b1^forked", "fork"),
        ("a1+F b1+Fu", "authority"),
        ("a1+F b1+F'", "sources"),
    ] {
        let verdict = judge("2/3", &world(line), "F as P");
        assert!(verdict.reasons.iter().any(|reason| reason.rule == rule), "{line}: {verdict:#?}");
    }
    let unlogged = world("a1+F b1+F b1^unlogged b2+F b2^none");
    let evidence = Evidence::verify(&unlogged, &network(), Completeness::Complete);
    // The statement without a proof, the one without a certificate, and the head without one.
    assert_eq!(evidence.refused().len(), 3, "{:#?}", evidence.refused());
}

#[test]
fn all_failing_rules_are_told_at_once() {
    let verdict = judge("3/3d0old", &world("a1+G b1-F c1+Fu"), "F as P");
    let rules: Vec<_> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    assert_eq!(rules, ["dissent", "out-of-reach", "quorum", "policy-expiry", "authority"]);
}

#[test]
fn a_bundle_says_that_dissent_is_unchecked() {
    let bundle = world("a1+F b1+F");
    let evidence = Evidence::verify(&bundle, &network(), Completeness::Excerpt);
    let verdict = conclude(&policy("2/3"), &evidence, &question("F as P"), at(NOW));
    assert_eq!(serde_json::to_value(&verdict).unwrap()["dissent"], "unchecked");
}

#[test]
fn evidence_of_another_network_counts_for_nothing() {
    let elsewhere = "elsewhere".parse().unwrap();
    let bundle = world("a1+F b1+F c1+F");
    let evidence = Evidence::verify(&bundle, &elsewhere, Completeness::Complete);
    assert!(evidence.rebuilds().is_empty());
    let verdict = conclude(&policy("2/3"), &evidence, &question("F as P"), at(NOW));
    assert_eq!(verdict.verdict, Conclusion::Inconclusive);
}
