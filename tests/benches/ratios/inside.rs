//! What a verdict costs inside: decoding, verifying and concluding, for few and for many operators.

use std::hint::black_box;

use ed25519_dalek::{Signature, Signer as _, SigningKey};
use reattest_attestation::{
    Bundle, Completeness, Conclusion, Digest, Evidence, HashedFile, Policy, Question, Timestamp,
    conclude,
};

use crate::pairs::side_by_side;
use crate::table::Table;
use crate::votes::votes;
use crate::worlds::{P, network};

/// Operators of each size of policy, and how often it is measured.
const SIZES: [(u16, usize); 3] = [(5, 51), (50, 21), (500, 7)];

/// One policy, and the evidence of all of its operators.
struct Case {
    operators: u16,
    bytes: Vec<u8>,
    bundle: Bundle,
    evidence: Evidence,
    policy: Policy,
    question: Question,
}

impl Case {
    fn new(operators: u16) -> Self {
        let sha256 = Digest::of(b"file");
        let votes = votes(operators, sha256);
        let bytes = votes.bundle.to_bytes().unwrap();
        let bundle = Bundle::parse(&bytes).unwrap();
        let evidence = verified(&bundle);
        let policy = Policy::parse(&votes.policy).unwrap();
        let purl = Some(P.parse().unwrap());
        let file = HashedFile::elsewhere("netbase_6.5_all.deb", sha256);
        let question = Question::about(file, purl);
        Self { operators, bytes, bundle, evidence, policy, question }
    }

    fn conclude(&self) {
        let now = Timestamp::from_unix(crate::worlds::NOW);
        let verdict = conclude(&self.policy, &self.evidence, &self.question, now);
        assert_eq!(black_box(verdict).verdict, Conclusion::Accepted);
    }

    fn verify(&self) {
        assert_eq!(verified(&self.bundle).rebuilds().len(), usize::from(self.operators));
    }

    fn decode(&self) {
        assert!(Bundle::parse(black_box(&self.bytes)).is_ok());
    }
}

fn verified(bundle: &Bundle) -> Evidence {
    Evidence::verify(black_box(bundle), &network(), Completeness::Excerpt)
}

/// Every row that needs no program.
pub(crate) fn rows(table: &mut Table) {
    let cases = SIZES.map(|(operators, rounds)| (Case::new(operators), rounds));
    for (case, rounds) in &cases {
        let operators = case.operators;
        let pair = side_by_side(*rounds, || case.conclude(), || case.verify());
        table.times(
            &format!("{operators} operators: conclude"),
            "verify their evidence",
            pair,
            None,
        );
        let pair = side_by_side(*rounds, || case.decode(), || case.verify());
        table.times(&format!("{operators} votes: decode a bundle"), "verify it", pair, None);
        let signatures = signatures(3 * u32::from(operators));
        let both = || {
            case.decode();
            case.verify();
        };
        let pair = side_by_side(*rounds, both, || signatures.iter().for_each(Signed::verify));
        let what = format!("{operators} votes: decode and verify");
        table.times(&what, "its signatures alone", pair, None);
    }
    let [(small, _), .., (large, rounds)] = &cases;
    let hundred = || (0..100).for_each(|_| small.conclude());
    let pair = side_by_side(*rounds, || large.conclude(), hundred);
    table.times("500 operators: conclude", "5 operators, 100 times", pair, None);
}

/// A signature by the library alone.
struct Signed(SigningKey, [u8; 4], Signature);

impl Signed {
    fn verify(&self) {
        assert!(self.0.verifying_key().verify_strict(&self.1, &self.2).is_ok());
    }
}

/// Each vote is an envelope, a certificate and a head.
fn signatures(count: u32) -> Vec<Signed> {
    let sign = |number: u32| {
        let key = SigningKey::from_bytes(Digest::of(&number.to_be_bytes()).as_bytes());
        let message = number.to_be_bytes();
        let signature = key.sign(&message);
        Signed(key, message, signature)
    };
    (0..count).map(sign).collect()
}
