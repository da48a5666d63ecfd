//! Step 5, attest, composed by hand: what any key may claim, true or not; a signer composes only what it saw.

use std::collections::BTreeMap;

use reattest_attestation::outcome::OutcomeError;
use reattest_attestation::{
    ArtifactOutcome, Authority, BuildFacts, Digest, Material, NetworkId, Purl, Rebuild, Timestamp,
};

/// The archive whose key policies of these worlds name.
pub const ARCHIVE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// An archive that no policy names.
pub const STRANGE_ARCHIVE: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

/// What a rebuild claims.
#[derive(Debug, Clone)]
pub struct Said<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The package.
    pub purl: &'a Purl,
    /// The file that the rebuilder saw published.
    pub published: Digest,
    /// What it made of the sources; another file is said to have come out twice.
    pub produced: Digest,
    /// The archive that it relied on.
    pub archive: &'a str,
    /// Recipe and lock.
    pub documents: [Digest; 2],
    /// When the build ended.
    pub finished: Timestamp,
}

impl Said<'_> {
    /// The statement.
    pub fn rebuild(&self) -> Result<Rebuild, OutcomeError> {
        let again = (self.produced != self.published).then_some(self.produced);
        let artifact = ArtifactOutcome::observe(
            self.purl.clone(),
            self.published,
            Some(self.produced),
            again,
        )?;
        let [recipe, lock] = self.documents;
        Ok(Rebuild {
            network: self.network.clone(),
            source: self.purl.clone(),
            recipe,
            lock,
            lock_authorities: Vec::new(),
            artifacts: vec![artifact],
            authority: Authority {
                uri: "dists/stable/InRelease".to_owned(),
                digest: Digest::of(b"InRelease"),
                signers: vec![format!("openpgp:{}", self.archive)],
            },
            sources: vec![Material {
                name: "source.dsc".to_owned(),
                uri: "pool/source.dsc".to_owned(),
                digest: Digest::of(b"source"),
            }],
            links: None,
            facts: facts(self.finished),
        })
    }
}

/// What every build of these worlds ran on.
fn facts(finished: Timestamp) -> BuildFacts {
    BuildFacts {
        command: vec!["dpkg-buildpackage".to_owned()],
        environment: BTreeMap::new(),
        source_date_epoch: None,
        learned: BTreeMap::new(),
        kernel: "Linux 6.12".to_owned(),
        cpu: "simulated".to_owned(),
        architecture: "amd64".to_owned(),
        node_version: "0.1.0".to_owned(),
        format_version: 1,
        started: finished,
        finished,
        invocation: "simulated".to_owned(),
        log: Digest::of(b"log"),
        diff: None,
        normalizers: Vec::new(),
        confinement: None,
    }
}
