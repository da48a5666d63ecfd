//! Properties of bundles and of the verdicts that are drawn from them.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use reattest_attestation::{
    Bundle, Completeness, Conclusion, Evidence, HashedFile, Policy, Question, Sign as _, Verdict,
    conclude, scan,
};

use super::super::beside::worlds;
use super::{is_one_line, naive, told};

/// Worlds whose lines are cut up and put together again: agreement, dissent, other files, sources,
/// purls and networks, keys that are forked, expired, not certified or not logged.
const WORLDS: [&str; 7] = [
    "a1+F b1+F c1-F",
    "a1-F a1+F b1+F' c1+G z1+F",
    "a1+F b1+G c1+G b2+F a2~F",
    "a1+F b1+F c1+F a1^forked b1^expired c1^none",
    "a1+Fq b1+Fu c1+Fw a2+F a2^unlogged",
    "a1!F b1!F b1+F c1+F c2-F",
    "a1+F a1rF b1+F b1-F b1^revoked@1 c1+F c1^rotated@1>2 c2+F",
];

/// Any bytes: what is accepted can be written, and reads back as the same bundle; the verdict on it
/// stands on real signatures.
pub fn bundle(bytes: &[u8]) -> bool {
    scans(bytes);
    let Some(bundle) = told(Bundle::parse(bytes)) else {
        return false;
    };
    let written = bundle.to_bytes().unwrap();
    let again = Bundle::parse(&written).unwrap();
    assert_eq!(again.ignored, []);
    assert_eq!(again, Bundle { ignored: Vec::new(), ..bundle.clone() });
    assert_eq!(again.to_bytes().unwrap(), written);
    sound(&bundle, bytes);
    true
}

/// Whatever calls itself a scan is used for a file and a time, or passed over in one line.
fn scans(bytes: &[u8]) {
    let key = worlds::operator('s').public_key();
    let text = format!(
        "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n\
         [[scanner]]\nname = \"sieve\"\nkey = \"{key}\"\n"
    );
    let found = scan::read(bytes, &Policy::parse(&text).unwrap(), worlds::at(worlds::NOW));
    assert!(found.scans.iter().all(|scan| scan.scanner() == "sieve"));
    found.refused.iter().for_each(|why| is_one_line(why));
}

/// The bytes are a script that edits the lines of [`WORLDS`], so that the fuzzer meets signatures
/// that hold in places where they should not.
pub fn evidence(script: &[u8]) -> bool {
    let bytes = edited(script);
    let Some(bundle) = told(Bundle::parse(&bytes)) else {
        return false;
    };
    let verdicts = sound(&bundle, &bytes);
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.reverse();
    let turned = Bundle::parse(&lines.join(b"\n".as_slice())).unwrap();
    let again = sound(&turned, &bytes);
    for (one, other) in verdicts.iter().zip(&again) {
        assert_eq!(one, other, "the order of the lines decided");
    }
    verdicts.iter().any(|verdict| verdict.verdict == Conclusion::Accepted)
}

fn policies() -> &'static [Policy; 3] {
    static POLICIES: OnceLock<[Policy; 3]> = OnceLock::new();
    POLICIES.get_or_init(|| ["1/3", "2/3", "3/3"].map(worlds::policy))
}

/// No policy accepts what a naive reader cannot find as many supporters of.
fn sound(bundle: &Bundle, bytes: &[u8]) -> Vec<Verdict> {
    let evidence = Evidence::verify(bundle, &worlds::network(), Completeness::Excerpt);
    let (file, purl) = (worlds::file('F'), worlds::P.parse().unwrap());
    let question = Question::about(HashedFile::elsewhere("netbase.deb", file), Some(purl));
    let mut supporters: Option<BTreeSet<char>> = None;
    let judge = |policy: &Policy| {
        let verdict = conclude(policy, &evidence, &question, worlds::at(worlds::NOW));
        assert_eq!(verdict.quorum.of, policy.of());
        if verdict.verdict == Conclusion::Accepted {
            let found = supporters.get_or_insert_with(|| naive::supporters(bytes, file, worlds::P));
            assert!(
                found.len() >= policy.formula().need(),
                "accepted, supported by {found:?} alone"
            );
            assert!(verdict.quorum.have >= policy.formula().need());
        }
        verdict
    };
    policies().iter().map(judge).collect()
}

/// The lines of each world.
fn lines() -> &'static [Vec<Vec<u8>>; 7] {
    static LINES: OnceLock<[Vec<Vec<u8>>; 7]> = OnceLock::new();
    LINES.get_or_init(|| {
        WORLDS.map(|world| {
            let bytes = worlds::world(world).to_bytes().unwrap();
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.map(<[u8]>::to_vec).collect()
        })
    })
}

/// Three bytes a step: what is done, and two places. The first byte chooses the beginning.
fn edited(script: &[u8]) -> Vec<u8> {
    let all: Vec<&Vec<u8>> = lines().iter().flatten().collect();
    let begin = usize::from(script.first().copied().unwrap_or_default());
    let mut kept = lines().get(begin).cloned().unwrap_or_default();
    for step in script.get(1..).unwrap_or_default().chunks_exact(3).take(64) {
        let [what, one, two] = [step[0], step[1], step[2]].map(usize::from);
        let any = all[one % all.len()].clone();
        if kept.is_empty() || what % 6 == 0 {
            kept.push(any);
            continue;
        }
        let at = one % kept.len();
        match what % 6 {
            1 => drop(kept.remove(at)),
            2 => {
                let other = two % kept.len();
                kept.swap(at, other);
            }
            3 => splice(&mut kept[at], all[two % all.len()], what),
            4 => borrow_field(&mut kept[at], all[two % all.len()], what),
            _ => {
                let length = kept[at].len().max(1);
                if let Some(byte) = kept[at].get_mut(two * (what / 6 + 1) % length) {
                    *byte ^= 1 << (what % 8);
                }
            }
        }
    }
    kept.join(b"\n".as_slice())
}

/// The beginning of one line and the end of another.
fn splice(line: &mut Vec<u8>, other: &[u8], what: usize) {
    let cut = line.len().min(other.len()) * (what / 6) / 43;
    line.truncate(cut);
    line.extend_from_slice(&other[cut..]);
}

/// A line with one field of another line: a proof with another index, a payload under another
/// signature.
fn borrow_field(line: &mut Vec<u8>, other: &[u8], what: usize) {
    let read = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes);
    let (Ok(mut mine), Ok(theirs)) = (read(line), read(other)) else {
        return;
    };
    let (Some(fields), Some(others)) = (mine.as_object_mut(), theirs.as_object()) else {
        return;
    };
    if let Some((name, value)) = others.iter().nth(what / 6 % others.len().max(1)) {
        fields.insert(name.clone(), value.clone());
    }
    *line = mine.to_string().into_bytes();
}
