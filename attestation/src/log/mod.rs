//! A key's append-only log: RFC 6962 hashing under C2SP checkpoints and tiles (step 6).

pub mod tree;
pub mod proof;
pub mod stored;
mod note;
pub mod checkpoint;
pub mod cosignature;
pub mod fork;
pub mod tlog_proof;
pub mod tiles;

pub use checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint, VerifiedCheckpoint};
pub use cosignature::{WitnessKey, WitnessKeyError};
pub use fork::{ForkError, ForkProof, Forked};
pub use proof::{
    ConsistencyProof, InclusionProof, ProofError, inclusion_root, prove_consistency,
    prove_inclusion, verify_consistency, verify_inclusion,
};
pub use stored::{
    Beyond, StoredHashes, stored_consistency, stored_frontier, stored_inclusion, stored_root,
};
pub use tlog_proof::{TlogProof, TlogProofError};
pub use tree::{Frontier, leaf_hash};
