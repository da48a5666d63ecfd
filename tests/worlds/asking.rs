//! Questions as one line each, and their verdicts: `F as P`, `F named x.deb`, `F as P, bundle`.
//!
//! After a comma: `bundle` asks an excerpt, which cannot show dissent; `=N` says that the verifier's
//! normalizers made N of the file (version 1.14, or 1.15 as `=N1.15`); `+601s` asks that much later.

use reattest_attestation::statement::Normalizer;
use reattest_attestation::verdict::{Normalized, Question, Verdict};
use reattest_attestation::{Bundle, Completeness, Evidence, HashedFile, conclude};

use super::{NOW, O, P, Q, at, file, network, policy, seconds};

/// What is asked: a file's letter, what it is judged as, and its name.
pub(crate) fn question(short: &str) -> Question {
    let (short, options) = short.split_once(',').unwrap_or((short, ""));
    let (letter, rest) = short.split_at(1);
    let purl = match rest.trim() {
        "as P" => Some(P.parse().unwrap()),
        "as Q" => Some(Q.parse().unwrap()),
        "as O" => Some(O.parse().unwrap()),
        _ => None,
    };
    let name = rest.trim().strip_prefix("named ").unwrap_or("netbase_6.5_all.deb").to_owned();
    let asked = HashedFile::elsewhere(&name, file(letter.parse().unwrap()));
    let mut question = Question::about(asked, purl);
    for option in options.split(',').map(str::trim).filter(|option| option.starts_with('=')) {
        let (letter, version) = option[1..].split_at(1);
        let version = if version.is_empty() { "1.14" } else { version };
        let digest = file(letter.parse().unwrap());
        question.normalized.push(Normalized { normalizers: vec![normalizer(version)], digest });
    }
    question
}

/// The normalizer of these worlds.
pub(crate) fn normalizer(version: &str) -> Normalizer {
    let (name, version) = ("strip-nondeterminism".to_owned(), version.to_owned());
    Normalizer { name, version, digest: file('n') }
}

/// The bundle as evidence of the test network.
pub(crate) fn verified(bundle: &Bundle) -> Evidence {
    Evidence::verify(bundle, &network(), Completeness::Complete)
}

/// The verdict of one line's policy on another line's question.
pub(crate) fn judge(policy_short: &str, bundle: &Bundle, asked: &str) -> Verdict {
    let options = || asked.split(',').skip(1).map(str::trim);
    let excerpt = options().any(|option| option == "bundle");
    let whole = if excerpt { Completeness::Excerpt } else { Completeness::Complete };
    let later = options().find(|option| option.starts_with(['+', '-'])).map_or(0, seconds);
    let evidence = Evidence::verify(bundle, &network(), whole);
    conclude(&policy(policy_short), &evidence, &question(asked), at(NOW + later))
}

/// Its reasons' rules, in order.
pub(crate) fn rules_of(verdict: &Verdict) -> String {
    let rules: Vec<&str> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
    rules.join(" ")
}
