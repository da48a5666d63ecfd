//! What a dishonest log, witness or carrier may try with heads, proofs and cosignatures, each tried and refused.
//!
//! Every proof here is made from tile files, as a node makes it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cosignatures;
pub(crate) mod tiled_log;

use proptest::prelude::*;
use reattest_attestation::log::tree::{node_hash, root_of};
use reattest_attestation::log::{
    Checkpoint, CheckpointError, ConsistencyProof, InclusionProof, ProofError, TlogProof,
    TlogProofError, VerifiedCheckpoint, leaf_hash, stored_consistency, verify_consistency,
    verify_inclusion,
};
use reattest_attestation::{Bundle, Completeness, Digest, Envelope, Evidence, LoggedAt, Sign};

use crate::worlds::{P, file, network, outcome, rebuild, rebuilder, world};
use tiled_log::TiledLog;

const NOTHING: ConsistencyProof = ConsistencyProof { hashes: Vec::new() };

fn flipped(hash: Digest, bit: usize) -> Digest {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Digest::from_bytes(bytes)
}

/// Every proof that has lost a hash, has one twice, or has a strange one somewhere.
fn wrong_lengths(hashes: &[Digest]) -> Vec<Vec<Digest>> {
    let mut wrong = Vec::new();
    for at in 0..hashes.len() {
        let mut shorter = hashes.to_vec();
        shorter.remove(at);
        wrong.push(shorter);
        wrong.push(hashes[..at].to_vec());
    }
    for at in 0..=hashes.len() {
        for strange in [Digest::of(b""), Digest::from_bytes([0; 32])].iter().chain(hashes) {
            let mut longer = hashes.to_vec();
            longer.insert(at, *strange);
            wrong.push(longer);
        }
    }
    wrong
}

/// Every choice, place by place, between the hashes of two proofs of one length.
fn mixtures(one: &[Digest], other: &[Digest]) -> Vec<Vec<Digest>> {
    assert_eq!(one.len(), other.len());
    let choose = |mask: usize| -> Vec<Digest> {
        let pairs = one.iter().zip(other).enumerate();
        pairs.map(|(at, (a, b))| if mask >> at & 1 == 0 { *a } else { *b }).collect()
    };
    (0..1 << one.len()).map(choose).collect()
}

#[test]
fn a_shrinking_log_is_refused_whatever_proof_it_brings() {
    let log = TiledLog::of(600, "one");
    for (old, new) in [(600, 599), (600, 256), (257, 256), (2, 1), (1, 0)] {
        let backwards = stored_consistency(&log, new, old).unwrap().unwrap_or(NOTHING);
        for proof in [NOTHING, backwards] {
            let refused = verify_consistency(log.at(old), log.at(new), &proof);
            assert_eq!(refused, Err(ProofError::Shrunk { old, new }));
        }
        assert!(stored_consistency(&log, old, new).unwrap().is_none());
    }
}

#[test]
fn a_replayed_old_head_is_older_than_what_is_known() {
    let log = TiledLog::of(9, "one");
    let (old, known) = (log.head(5), log.head(9));
    let pair = |head: &VerifiedCheckpoint| (head.checkpoint().size, head.checkpoint().root);
    assert!(matches!(
        verify_consistency(pair(&known), pair(&old), &log.consistency(5, 9)),
        Err(ProofError::Shrunk { old: 9, new: 5 })
    ));
    // What came after it cannot be shown under it, by any path.
    let late = TlogProof::new(log.inclusion(7, 9), old.signed().clone());
    assert!(matches!(late, Err(TlogProofError::Proof(ProofError::OutOfRange { .. }))));
}

#[test]
fn two_roots_of_one_size_are_no_growth_and_no_two_copies() {
    let (one, other) = (TiledLog::of(9, "one"), TiledLog::forked_at(8, 9));
    for proof in [NOTHING, one.consistency(8, 9), other.consistency(8, 9)] {
        assert!(verify_consistency(one.at(9), other.at(9), &proof).is_err());
    }
    assert!(matches!(
        one.signed(9).with_signatures_of(&other.signed(9)),
        Err(CheckpointError::OtherHead { .. })
    ));
}

#[test]
fn no_proof_leads_from_one_branch_of_a_fork_to_the_other() {
    for (shared, old, new) in [(3, 5, 9), (0, 1, 2), (6, 7, 8), (4, 6, 13), (250, 300, 600)] {
        let (one, other) = (TiledLog::of(new, "one"), TiledLog::forked_at(shared, new));
        let (from, to) = (one.at(old), other.at(new));
        let (a, b) = (one.consistency(old, new), other.consistency(old, new));
        verify_consistency(from, one.at(new), &a).unwrap();
        verify_consistency(other.at(old), to, &b).unwrap();
        for hashes in mixtures(&a.hashes, &b.hashes) {
            assert!(verify_consistency(from, to, &ConsistencyProof { hashes }).is_err());
        }
    }
}

#[test]
fn two_leaves_at_one_index_are_a_fork_even_under_heads_of_two_sizes() {
    let (key, purl) = (rebuilder('a', '1'), P);
    let statement = |letter, run: &str| {
        let mut rebuild = rebuild(outcome(purl, file(letter), '+'));
        run.clone_into(&mut rebuild.facts.invocation);
        Envelope::sign(rebuild.to_payload(&key.public_key()).unwrap(), &key).unwrap()
    };
    let (first, shown, hidden) = (statement('F', "1"), statement('F', "2"), statement('G', "3"));
    let branch = |last: &Envelope, count: usize| {
        let mut entries = vec![first.as_bytes().to_vec(), last.as_bytes().to_vec()];
        entries.extend((2..count).map(|n| n.to_string().into_bytes()));
        TiledLog::new(rebuilder('a', '1'), entries)
    };
    let (one, other) = (branch(&shown, 2), branch(&hidden, 5));
    let mut bundle = Bundle { certificates: world("a1+F").certificates, ..Bundle::default() };
    let mut show = |log: &TiledLog, envelope: &Envelope| {
        let size = log.entries.len() as u64;
        bundle.checkpoints.push(log.signed(size));
        bundle.envelopes.push(envelope.clone());
        let (envelope, origin, proof) = (envelope.digest(), log.origin(), log.inclusion(1, size));
        bundle.proofs.push(LoggedAt { envelope, origin, size, proof });
        Evidence::verify(&bundle, &network(), Completeness::Excerpt)
    };
    assert!(show(&one, &shown).forked().is_empty());
    let evidence = show(&other, &hidden);
    assert_eq!(evidence.rebuilds().len(), 2, "{:?}", evidence.refused());
    assert!(evidence.forked().contains(&key.public_key()));
}

#[test]
fn a_proof_for_another_tree_is_refused() {
    let (one, other) = (TiledLog::of(300, "one"), TiledLog::forked_at(150, 300));
    for index in [0, 149, 150, 255, 256, 299] {
        let (leaf, (size, root)) = (one.leaf(index), one.at(300));
        verify_inclusion(leaf, &one.inclusion(index, size), size, root).unwrap();
        assert!(verify_inclusion(leaf, &other.inclusion(index, size), size, root).is_err());
        assert!(
            verify_inclusion(leaf, &one.inclusion(index, size), size, other.at(300).1).is_err()
        );
    }
    // The same entries in the log of another key: the same hashes, and no signature for them.
    let theirs = TiledLog::new(rebuilder('b', '1'), one.entries.clone());
    let proof = one.proof(7, theirs.signed(300));
    assert!(proof.verify(&one.entries[7], &theirs.public()).is_ok());
    assert!(matches!(
        proof.verify(&one.entries[7], &one.public()),
        Err(TlogProofError::Checkpoint(CheckpointError::OtherKey { .. }))
    ));
}

#[test]
fn a_proof_for_another_place_or_another_head_is_refused() {
    let log = TiledLog::of(40, "one");
    for size in 1..=40 {
        for index in 0..size {
            let (proof, root) = (log.inclusion(index, size), log.at(size).1);
            for other in (0..size + 2).filter(|other| *other != index) {
                let moved = InclusionProof { index: other, ..proof.clone() };
                assert!(verify_inclusion(log.leaf(index), &moved, size, root).is_err());
            }
            for other in (1..=40).filter(|other| *other != size) {
                let (other, root) = log.at(other);
                assert!(verify_inclusion(log.leaf(index), &proof, other, root).is_err());
            }
        }
    }
}

#[test]
fn the_size_beside_a_root_counts_because_it_is_signed() {
    // A path turns the same way at every level in trees of 5 to 8: alone it cannot tell them apart.
    let log = TiledLog::of(8, "one");
    let (proof, root) = (log.inclusion(0, 8), log.at(8).1);
    assert!(verify_inclusion(log.leaf(0), &proof, 6, root).is_ok());
    let text = log.proof(0, log.signed(8)).to_text();
    let lied = TlogProof::parse(text.replace("\n8\n", "\n6\n").as_bytes()).unwrap();
    assert!(matches!(
        lied.verify(&log.entries[0], &log.public()),
        Err(TlogProofError::Checkpoint(CheckpointError::Signature(_)))
    ));
}

#[test]
fn a_node_is_no_leaf_and_a_leaf_is_no_node() {
    let log = TiledLog::of(4, "one");
    let (left, right) = (log.leaf(0), log.leaf(1));
    let inner = node_hash(left, right);
    let both = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    let short = InclusionProof { index: 0, hashes: vec![node_hash(log.leaf(2), log.leaf(3))] };
    // The hashes do lead to the root; only the signed size says that this is no path of a leaf.
    assert!(verify_inclusion(inner, &short, 2, log.at(4).1).is_ok());
    assert!(verify_inclusion(inner, &short, 4, log.at(4).1).is_err());
    for forged in [both.clone(), [&[1], both.as_slice()].concat(), [&[0], both.as_slice()].concat()]
    {
        let proof = TlogProof::new(short.clone(), log.signed(4)).unwrap();
        assert!(proof.verify(&forged, &log.public()).is_err());
        // Nor under a head of half the size, whose leaves would be the nodes of this one.
        let half = Checkpoint { origin: log.origin(), size: 2, root: log.at(4).1 };
        let proof = TlogProof::new(short.clone(), half.sign(&log.key).unwrap()).unwrap();
        assert!(proof.verify(&forged, &log.public()).is_err());
    }
}

#[test]
fn a_path_longer_than_the_tree_is_high_is_refused_even_where_it_leads_to_the_root() {
    // A head that says less than its root holds: entry 3 of 4 would be entry 1 of 2, or 0 of 1.
    let log = TiledLog::of(4, "one");
    let (leaf, path, root) = (log.leaf(3), log.inclusion(3, 4).hashes, log.at(4).1);
    for (index, size) in [(0, 1), (1, 2), (2, 3)] {
        let hashes = path.clone();
        let held = verify_inclusion(leaf, &InclusionProof { index, hashes }, size, root);
        assert!(held.is_err(), "{index} of {size}");
    }
}

#[test]
fn an_empty_consistency_proof_holds_between_equal_heads_only() {
    let log = TiledLog::of(20, "one");
    for old in 1..=20 {
        for new in old..=20 {
            let holds = verify_consistency(log.at(old), log.at(new), &NOTHING).is_ok();
            assert_eq!(holds, old == new, "{old} {new}");
            // One root claimed for two sizes.
            let (from, to) = ((old, log.at(new).1), log.at(new));
            assert_eq!(verify_consistency(from, to, &NOTHING).is_ok(), old == new, "{old} {new}");
        }
    }
}

#[test]
fn growth_from_nothing_needs_the_root_of_nothing_and_no_hash() {
    let log = TiledLog::of(9, "one");
    let nothing = (0, root_of(&[]));
    verify_consistency(nothing, log.at(9), &NOTHING).unwrap();
    for from in [(0, log.at(9).1), (0, Digest::from_bytes([0; 32])), (0, leaf_hash(b""))] {
        assert!(verify_consistency(from, log.at(9), &NOTHING).is_err());
    }
    let full = ConsistencyProof { hashes: vec![log.at(9).1] };
    assert!(verify_consistency(nothing, log.at(9), &full).is_err());
    assert!(verify_consistency(nothing, (0, log.at(9).1), &NOTHING).is_err());
    assert!(stored_consistency(&log, 0, 9).unwrap().is_none());
}

#[test]
fn a_proof_cut_short_or_made_longer_is_refused() {
    let log = TiledLog::of(300, "one");
    for (old, new) in [(1, 1), (1, 2), (3, 7), (4, 8), (6, 8), (255, 257), (256, 300), (299, 300)] {
        for hashes in wrong_lengths(&log.consistency(old, new).hashes) {
            let wrong = ConsistencyProof { hashes };
            assert!(verify_consistency(log.at(old), log.at(new), &wrong).is_err(), "{old} {new}");
        }
        let index = old - 1;
        for hashes in wrong_lengths(&log.inclusion(index, new).hashes) {
            let (leaf, wrong) = (log.leaf(index), InclusionProof { index, hashes });
            assert!(verify_inclusion(leaf, &wrong, new, log.at(new).1).is_err(), "{index} {new}");
        }
    }
}

#[test]
fn no_bit_of_a_tlog_proof_can_change() {
    let log = TiledLog::of(5, "one");
    let text = log.proof(2, log.signed(5)).to_text().into_bytes();
    let holds = |bytes: &[u8]| {
        let proof = TlogProof::parse(bytes);
        proof.is_ok_and(|proof| proof.verify(&log.entries[2], &log.public()).is_ok())
    };
    assert!(holds(&text));
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            assert!(!holds(&changed), "bit {bit} of byte {at}");
        }
        assert!(!holds(&text[..at]), "cut at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn proofs_from_tiles_hold_and_no_change_of_one_does(
        size in 1_u64..800,
        place in any::<prop::sample::Index>(),
        before in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bit in 0_usize..256,
    ) {
        let log = TiledLog::of(size, "one");
        let index = place.index(usize::try_from(size).unwrap()) as u64;
        let old = before.index(usize::try_from(size).unwrap()) as u64 + 1;
        let (leaf, root) = (log.leaf(index), log.at(size).1);
        let leaves: Vec<Digest> = log.entries.iter().map(|entry| leaf_hash(entry)).collect();
        prop_assert_eq!(root, root_of(&leaves));

        let path = log.inclusion(index, size);
        let included = |leaf, hashes: Vec<Digest>, root| {
            verify_inclusion(leaf, &InclusionProof { index, hashes }, size, root).is_ok()
        };
        prop_assert!(included(leaf, path.hashes.clone(), root));
        prop_assert!(!included(flipped(leaf, bit), path.hashes.clone(), root));
        prop_assert!(!included(leaf, path.hashes.clone(), flipped(root, bit)));

        let growth = log.consistency(old, size);
        let (from, to) = (log.at(old), log.at(size));
        let grown = |from, to, hashes: Vec<Digest>| {
            verify_consistency(from, to, &ConsistencyProof { hashes }).is_ok()
        };
        prop_assert!(grown(from, to, growth.hashes.clone()));
        prop_assert!(!grown((old, flipped(from.1, bit)), to, growth.hashes.clone()));
        prop_assert!(!grown(from, (size, flipped(to.1, bit)), growth.hashes.clone()));
        if old > 1 {
            prop_assert!(!grown((old - 1, from.1), to, growth.hashes.clone()));
        }

        for (hashes, is_path) in [(path.hashes, true), (growth.hashes, false)] {
            if hashes.is_empty() {
                continue;
            }
            let holds = |hashes| {
                if is_path { included(leaf, hashes, root) } else { grown(from, to, hashes) }
            };
            let at = at.index(hashes.len());
            let mut changed = hashes.clone();
            changed[at] = flipped(changed[at], bit);
            prop_assert!(!holds(changed));
            for other in (0..hashes.len()).filter(|other| *other != at) {
                let mut swapped = hashes.clone();
                swapped.swap(at, other);
                prop_assert!(!holds(swapped));
            }
        }
    }
}
