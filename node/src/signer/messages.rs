//! What the signer is told and what it tells. Nowhere in here are bytes to be signed.

use reattest_attestation::{Authority, BuildFacts, Digest, Material, PublicKey, Purl};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// From the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToSigner {
    /// Log an announcement of this release.
    Announce(Purl),
    /// Entries up to this size of the own log are synced to disk.
    Stored {
        /// The log's size now.
        size: u64,
    },
    /// A peer or a witness showed this head of a log of the signer's own key.
    Seen {
        /// A C2SP signed note; at most 16 KiB.
        checkpoint: ByteBuf,
    },
    /// Cosign this head as a witness.
    Cosign {
        /// A C2SP signed note; at most 16 KiB.
        checkpoint: ByteBuf,
        /// The log's key, which signed it.
        key: PublicKey,
        /// The size of the head of this log that was cosigned last; 0 where none was.
        old: u64,
        /// The way from there to this head: at most 64 hashes, none where `old` is 0.
        proof: Vec<Digest>,
    },
}

/// To the node.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromSigner {
    /// The first message of a witness, before any other: under which name and key it cosigns.
    Witness {
        /// A C2SP verifier key.
        verifier: String,
    },
    /// What became of a [`ToSigner::Cosign`].
    Cosigned {
        /// The log.
        origin: String,
        /// The note with this witness's line, or why there is none.
        cosigned: Result<ByteBuf, NotCosigned>,
    },
    /// What the first message said it waits for is there: from here on it signs what is asked.
    Ready,
    /// The first message: whose log this is, and where it stands.
    Hello {
        /// The rebuilder's key.
        key: PublicKey,
        /// The operator's certificate of it.
        certificate: ByteBuf,
        /// The log.
        origin: String,
        /// Entries under the last head that was signed.
        size: u64,
        /// That head.
        checkpoint: Option<ByteBuf>,
        /// Whether nothing new is signed yet, until [`FromSigner::Ready`]: witnesses are to show first
        /// where the log stands, or an entry that a crash interrupted comes first.
        awaits: bool,
    },
    /// Append this entry, sync it, and answer [`ToSigner::Stored`].
    Entry {
        /// Its index.
        index: u64,
        /// The envelope.
        envelope: ByteBuf,
        /// The document of links that it names: kept and served like a recipe.
        links: Option<ByteBuf>,
    },
    /// Publish this head.
    Head {
        /// A C2SP signed note.
        checkpoint: ByteBuf,
    },
    /// What became of an announcement: its index, or why not.
    Announced(Result<u64, String>),
    /// The last message: why the signer cannot go on.
    Failed(String),
}

/// From the builder: one finished rebuild. The files that it names travel beside it, sealed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Attest {
    /// The source package.
    pub source: Purl,
    /// The recipe's digest.
    pub recipe: Digest,
    /// The lock's digest.
    pub lock: Digest,
    /// Who covers the lock's packages, where that is not `authority` alone.
    pub lock_authorities: Vec<Authority>,
    /// What was compared with what.
    pub artifacts: Vec<Compared>,
    /// Who bound the release to its sources.
    pub authority: Authority,
    /// The sources.
    pub sources: Vec<Material>,
    /// How it was built.
    pub facts: BuildFacts,
}

/// One published artifact and the files that were made of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Compared {
    /// Its full purl.
    pub purl: Purl,
    /// The digest that the authority published.
    pub published: Digest,
    /// The file of the first run: its place among the files of the message.
    pub produced: Option<u16>,
    /// The file of the second run.
    pub again: Option<u16>,
    /// What normalizers made of the published and the produced file alike.
    pub normalized: Option<Digest>,
}

/// To the builder: the place in the log, or why nothing was signed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Receipt(pub Result<u64, String>);

/// Why a witness did not cosign a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotCosigned {
    /// The last head that it cosigned has another size than the node said: the proof is to begin
    /// there.
    Elsewhere {
        /// That size.
        size: u64,
    },
    /// The head is no head, or not consistent with the last one.
    Refused(String),
}
