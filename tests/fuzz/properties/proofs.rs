//! Properties of log proofs, against a recursion written straight from RFC 6962.

use reattest_attestation::Digest;
use reattest_attestation::limits::LOG_SIZE_MAX;
use reattest_attestation::log::tree::node_hash;
use reattest_attestation::log::{
    ConsistencyProof, InclusionProof, verify_consistency, verify_inclusion,
};

use super::told;

/// The bytes choose sizes, places and hashes; an answer must be the recursion's own, and what one
/// leaf or root is proven by proves no other.
pub fn proof(bytes: &[u8]) -> bool {
    let mut script = Script(bytes);
    if script.byte() % 2 == 0 { inclusion(&mut script) } else { consistency(&mut script) }
}

/// Bytes that are read one after the other; past the end come zeros.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Small numbers often, powers of two and their neighbours sometimes, anything at times.
    fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=127 => u64::from(small),
            power @ 128..=254 => {
                let near = (1_u64 << (power % 64)).wrapping_add(u64::from(self.byte()));
                near.wrapping_sub(128)
            }
            255 => u64::from_be_bytes([0; 8].map(|_: u8| self.byte())),
        }
    }

    /// Few different hashes, so that equal ones meet.
    fn hash(&mut self) -> Digest {
        Digest::of(&[self.byte() % 16])
    }

    fn hashes(&mut self) -> Vec<Digest> {
        let count = self.byte() % 70;
        (0..count).map(|_| self.hash()).collect()
    }
}

fn inclusion(script: &mut Script<'_>) -> bool {
    let (size, leaf) = (script.number(), script.hash());
    let proof = InclusionProof { index: script.number(), hashes: script.hashes() };
    let derived = inclusion_root(leaf, proof.index, size, &proof.hashes);
    let root = derived.unwrap_or_else(|| script.hash());
    let holds = |leaf, root| told(verify_inclusion(leaf, &proof, size, root)).is_some();
    assert_eq!(holds(leaf, root), derived.is_some(), "{leaf} at {proof:?} of {size}");
    let other = Digest::of(b"another");
    assert!(!holds(other, root) && !holds(leaf, other));
    derived.is_some()
}

/// The root that a leaf and its path lead to, where they fit the size.
fn inclusion_root(leaf: Digest, index: u64, size: u64, hashes: &[Digest]) -> Option<Digest> {
    if size > LOG_SIZE_MAX || index >= size {
        return None;
    }
    if size == 1 {
        return hashes.is_empty().then_some(leaf);
    }
    let (sibling, rest) = hashes.split_last()?;
    let left = split(size);
    if index < left {
        Some(node_hash(inclusion_root(leaf, index, left, rest)?, *sibling))
    } else {
        Some(node_hash(*sibling, inclusion_root(leaf, index - left, size - left, rest)?))
    }
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

fn consistency(script: &mut Script<'_>) -> bool {
    let (one, two) = (script.number(), script.number());
    let (old, new) = if script.byte() < 240 && one > two { (two, one) } else { (one, two) };
    let known = script.hash();
    let proof = ConsistencyProof { hashes: script.hashes() };
    let derived = consistency_roots(old, new, known, &proof.hashes);
    let (old_root, new_root) = derived.unwrap_or((known, script.hash()));
    let holds = |old_root, new_root| {
        told(verify_consistency((old, old_root), (new, new_root), &proof)).is_some()
    };
    assert_eq!(
        holds(old_root, new_root),
        derived.is_some(),
        "{old} {old_root}, {new} {new_root}, {proof:?}"
    );
    let other = Digest::of(b"another");
    assert!(!holds(other, new_root));
    assert!(old == 0 || !holds(old_root, other), "a tree that begins with another");
    derived.is_some()
}

/// Both roots that a proof leads to; `known` is the old root where the proof leaves it out.
fn consistency_roots(
    old: u64,
    new: u64,
    known: Digest,
    hashes: &[Digest],
) -> Option<(Digest, Digest)> {
    let empty = Digest::of(b"");
    match (old, new) {
        (0, 0) => hashes.is_empty().then_some((empty, empty)),
        (0, 1..=LOG_SIZE_MAX) => hashes.is_empty().then_some((empty, known)),
        (1.., 1..=LOG_SIZE_MAX) if old <= new => subproof(old, new, known, hashes, true),
        _ => None,
    }
}

fn subproof(
    old: u64,
    new: u64,
    known: Digest,
    hashes: &[Digest],
    whole: bool,
) -> Option<(Digest, Digest)> {
    if old == new && whole {
        return hashes.is_empty().then_some((known, known));
    }
    let (last, rest) = hashes.split_last()?;
    if old == new {
        return rest.is_empty().then_some((*last, *last));
    }
    let left = split(new);
    if old <= left {
        let (before, after) = subproof(old, left, known, rest, whole)?;
        Some((before, node_hash(after, *last)))
    } else {
        let (before, after) = subproof(old - left, new - left, known, rest, false)?;
        Some((node_hash(*last, before), node_hash(*last, after)))
    }
}
