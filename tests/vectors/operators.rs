//! The forms that the plain worlds do not have: everything that a statement may carry, retraction, and the words of operators.

use reattest_attestation::log::{TlogProof, WitnessKey, leaf_hash, prove_inclusion};
use reattest_attestation::statement::Authority;
use reattest_attestation::{Retraction, Revocation, Rotation};

use super::*;

/// A rebuild with every field that may be left out.
pub(super) fn full() -> Rebuild {
    let mut full = attested('+');
    full.lock_authorities = vec![
        full.authority.clone(),
        Authority {
            uri: "dists/trixie-security/InRelease".to_owned(),
            digest: Digest::of(b"security"),
            signers: vec![
                "registry:example.org/simple".to_owned(),
                format!("maintainer:{}", rebuilder('m', '1').public_key().fingerprint()),
            ],
        },
    ];
    full.links = Some(file('L'));
    full.facts.diff = Some(file('D'));
    full
}

pub(super) fn retraction() -> Retraction {
    Retraction {
        network: network(),
        purl: P.parse().unwrap(),
        published: file('F'),
        reason: "the machine was not ours alone".to_owned(),
        retracted: at(NOW),
    }
}

pub(super) fn revocation() -> Revocation {
    let good = |year, size| {
        let origin = Origin::new(&network(), &key(), year);
        Checkpoint { origin, size, root: file('r') }
    };
    Revocation {
        operator: operator('a').public_key(),
        rebuilder: key(),
        last_good: vec![good(2025, 7), good(2026, 5)],
        reason: "the key was stolen".to_owned(),
        revoked: at(NOW),
    }
}

pub(super) fn rotation() -> Rotation {
    let mut certificate = plain_certificate();
    certificate.rebuilder = rebuilder('a', '2').public_key();
    Rotation { certificate, revocation: revocation() }
}

pub(super) fn cosigned() -> SignedCheckpoint {
    let witness = rebuilder('w', '1');
    head(5).cosign("witness.example.org/w", &witness, at(NOW)).unwrap()
}

/// The first of two entries, under a head that covers both.
pub(super) fn proof_file() -> String {
    let entries = [signed(payload('+')), signed(payload('-'))];
    let leaves = entries.map(|entry| leaf_hash(&entry));
    let origin = Origin::new(&network(), &key(), 2026);
    let root = reattest_attestation::log::tree::root_of(&leaves);
    let head = Checkpoint { origin, size: 2, root }.sign(&rebuilder('a', '1')).unwrap();
    TlogProof::new(prove_inclusion(&leaves, 0).unwrap(), head).unwrap().to_text()
}

/// Every key that a policy may have.
pub(super) fn full_policy() -> String {
    let witness =
        WitnessKey::new("witness.example.org/w", rebuilder('w', '1').public_key()).unwrap();
    let plain = policy_text().replacen(
        "need = 2\nof = [\"alder\", \"birch\", \"cedar\"]\nmax_dissent = 1\n",
        "",
        1,
    );
    let (head, _) = plain.split_once("\n[quorum]").unwrap();
    let head =
        head.replacen("name = \"alder\"\n", "name = \"alder\"\ntags = { country = \"de\" }\n", 1);
    let head = head.replacen(
        "name = \"cedar\"\n",
        "name = \"cedar\"\ntags = { country = \"fr\" }\nexpires = 2026-12-01T00:00:00Z\n",
        1,
    );
    format!(
        "{head}\n[[authority]]\npurl = \"pkg:pypi/*\"\nregistry = [\"example.org/simple\"]\n\
         maintainer = [\"{}\"]\nlock = [\"{ARCHIVE}\"]\nexpires = 2026-12-01T00:00:00Z\n\n\
         [[witness]]\nkey = \"{witness}\"\noperator = \"birch\"\n\n\
         [[witness]]\nkey = \"{}\"\n\n\
         [[group]]\nname = \"pair\"\nneed = \"any\"\nof = [\"alder\", \"birch\"]\n\n\
         [quorum]\nneed = \"all\"\nof = [\"pair\", \"cedar\"]\nmax_dissent = 0\n\
         unchecked_dissent = \"refuse\"\naccept = \"equivalent\"\nnormalizers = [\"zip@1\"]\n\
         max_age = \"400d\"\nwitnesses = 1\nmax_head_age = \"24h\"\n\n\
         [[quorum.diversity]]\ntag = \"country\"\ndistinct = 2\n",
        rebuilder('m', '1').public_key(),
        WitnessKey::new("other.example.org/w", rebuilder('w', '2').public_key()).unwrap(),
    )
}
