//! The outcome attestation: SLSA Provenance v1 with our build type, and the build that made nothing (step 5).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::wire::Predicate;
use super::{Claim, ClaimError, Statement, Subject, short, within};
use crate::artifact::{NetworkId, Purl};
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{
    ARTIFACTS_MAX, FACTS_MAX, SIGNERS_MAX, SOURCES_MAX, TEXT_MAX, URI_MAX, VALUE_MAX,
};
use crate::outcome::{ArtifactOutcome, Outcome};
use crate::time::Timestamp;

/// Predicate type of a build that made something: SLSA's own, so that the field's verifiers read
/// it.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Predicate type of a build that made none of its artifacts. Not SLSA's: a provenance says how a
/// subject was made, and here nothing was.
pub const BUILD_FAILURE: &str = "urn:reattest:build-failure:v1";

/// The `buildType` of both.
pub const REBUILD: &str = "urn:reattest:rebuild:v1";

/// The version of the fields below that SLSA leaves to us.
pub const FORMAT_VERSION: u32 = 1;

/// One rebuild of one source: what was asked, what it was made from, and the outcome of each
/// artifact.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rebuild {
    /// The network that this statement is made for; it counts in no other.
    pub network: NetworkId,
    /// The source package, with its version.
    pub source: Purl,
    /// Digest of the recipe.
    pub recipe: Digest,
    /// Digest of the lock.
    pub lock: Digest,
    /// Who covers the packages of the lock, where that is not [`Rebuild::authority`] alone: every
    /// index that covers one of them, at most 16. Empty where the one authority covers all.
    pub lock_authorities: Vec<Authority>,
    /// 1 to 64 artifacts, no purl twice.
    pub artifacts: Vec<ArtifactOutcome>,
    /// Who binds the purls to the published digests and the sources.
    pub authority: Authority,
    /// 1 to 64 source files.
    pub sources: Vec<Material>,
    /// Digest of the document with the links for other tools, where an artifact was reproduced;
    /// see [`crate::export`].
    pub links: Option<Digest>,
    /// Everything else that a reader may want to know about the run.
    pub facts: BuildFacts,
}

/// Who binds a release to its files, as this rebuilder itself verified it: a signed index, a
/// registry's answer, or a maintainer's signed recipe.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct Authority {
    /// Where the index was read; up to 1,024 bytes.
    pub uri: String,
    /// SHA-256 of the signed index, `InRelease` for Debian.
    pub digest: Digest,
    /// 1 to 16 signers, each in one of the forms that [`signer_form`] allows.
    pub signers: Vec<String>,
}

/// One source file.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
pub struct Material {
    /// File name; up to 256 bytes.
    pub name: String,
    /// Where it was read; up to 1,024 bytes.
    pub uri: String,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// A normalizer that made two files comparable.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
pub struct Normalizer {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its code.
    pub digest: Digest,
}

/// Facts about one run. None of them decides a verdict; all of them help to explain one.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
pub struct BuildFacts {
    /// The command, an argument an entry; 1 to 64.
    pub command: Vec<String>,
    /// The environment, names to values; at most 64.
    pub environment: BTreeMap<String, String>,
    /// `SOURCE_DATE_EPOCH` in Unix seconds, where the build had one.
    pub source_date_epoch: Option<u64>,
    /// Values learned from the published artifact; at most 64.
    pub learned: BTreeMap<String, String>,
    /// Kernel name and release.
    pub kernel: String,
    /// CPU model.
    pub cpu: String,
    /// Debian's or the registry's name for the machine's architecture.
    pub architecture: String,
    /// Version of the rebuilder's software.
    pub node_version: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// When the first run began, by the rebuilder's own clock: a claim.
    pub started: Timestamp,
    /// When the last run ended, by the same clock.
    pub finished: Timestamp,
    /// This run's own id.
    pub invocation: String,
    /// SHA-256 of the build log.
    pub log: Digest,
    /// SHA-256 of the report on what differs, where something does.
    pub diff: Option<Digest>,
    /// Normalizers, where an artifact is `equivalent`.
    pub normalizers: Vec<Normalizer>,
    /// What held the build to its limits, in the rebuilder's own words; up to 256 bytes.
    pub confinement: Option<String>,
}

impl Rebuild {
    /// Whether no artifact was made: then it is a build failure, with the recipe as its subject.
    pub fn made_nothing(&self) -> bool {
        self.artifacts.iter().all(|artifact| artifact.outcome == Outcome::BuildFailed)
    }

    /// The canonical statement that the key `builder` is to sign; its predicate type follows from
    /// the outcomes.
    pub fn to_payload(&self, builder: &PublicKey) -> Result<Vec<u8>, ClaimError> {
        self.check()?;
        let kind = if self.made_nothing() { BUILD_FAILURE } else { PROVENANCE };
        Statement::payload(kind, self.subjects(), &Predicate::of(self, builder))
    }

    /// Everything that a reader refuses, checked before signing too.
    pub fn check(&self) -> Result<(), ClaimError> {
        within("artifacts", self.artifacts.len(), 1, ARTIFACTS_MAX)?;
        let mut seen = BTreeSet::new();
        for artifact in &self.artifacts {
            artifact.check()?;
            if !seen.insert(&artifact.purl) {
                return Err(ClaimError::TwiceTheSame { purl: artifact.purl.to_string() });
            }
        }
        self.authority.check()?;
        within("lock authorities", self.lock_authorities.len(), 0, SIGNERS_MAX)?;
        self.lock_authorities.iter().try_for_each(Authority::check)?;
        if self.links.is_some() && !self.artifacts.iter().any(reproduced) {
            return Err(ClaimError::NothingToLink);
        }
        within("sources", self.sources.len(), 1, SOURCES_MAX)?;
        for source in &self.sources {
            within("source name", source.name.len(), 1, TEXT_MAX)?;
            within("source uri", source.uri.len(), 1, URI_MAX)?;
        }
        self.facts.check()
    }

    /// The subjects that follow from the outcomes, in the order of the artifacts.
    fn subjects(&self) -> Vec<Subject> {
        if self.made_nothing() {
            return vec![Subject::new("recipe".to_owned(), self.recipe)];
        }
        let made = self.artifacts.iter().filter_map(|artifact| {
            let name = artifact.purl.file_name().unwrap_or_else(|| artifact.purl.to_string());
            Some(Subject::new(name, artifact.subject()?))
        });
        made.collect()
    }
}

impl Authority {
    fn check(&self) -> Result<(), ClaimError> {
        within("authority uri", self.uri.len(), 1, URI_MAX)?;
        within("authority signers", self.signers.len(), 1, SIGNERS_MAX)?;
        match self.signers.iter().find(|signer| !signer_form(signer)) {
            None => Ok(()),
            Some(signer) => Err(ClaimError::Form {
                field: "authority signer",
                found: short(signer),
                expected: "openpgp: and 40 or 64 uppercase hexadecimal digits, registry: and its name, or maintainer: and an OpenSSH fingerprint",
            }),
        }
    }
}

fn reproduced(artifact: &ArtifactOutcome) -> bool {
    artifact.outcome == Outcome::Reproduced
}

/// Whether a text names a signer in a form that policies can name too: `openpgp:` and the primary
/// key's fingerprint (40 or 64 uppercase hexadecimal digits), `registry:` and 1 to 128 of
/// `a-z 0-9 . - _ / :` (a registry as the rebuilder saw it), or `maintainer:` and the OpenSSH
/// fingerprint of an Ed25519 key.
pub fn signer_form(signer: &str) -> bool {
    let Some((kind, name)) = signer.split_once(':') else { return false };
    match kind {
        "openpgp" => {
            matches!(name.len(), 40 | 64)
                && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
        }
        "registry" => {
            let allowed =
                |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'/' | b':');
            (1..=128).contains(&name.len()) && name.bytes().all(allowed)
        }
        "maintainer" => name.strip_prefix("SHA256:").is_some_and(|hash| {
            hash.len() == 43
                && hash.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        }),
        _ => false,
    }
}

impl BuildFacts {
    fn check(&self) -> Result<(), ClaimError> {
        if self.format_version != FORMAT_VERSION {
            return Err(ClaimError::FormatVersion { found: self.format_version });
        }
        if self.finished < self.started {
            return Err(ClaimError::Times { field: "a build" });
        }
        within("command", self.command.len(), 1, FACTS_MAX)?;
        within("environment", self.environment.len(), 0, FACTS_MAX)?;
        within("learned", self.learned.len(), 0, FACTS_MAX)?;
        within("normalizers", self.normalizers.len(), 0, FACTS_MAX)?;
        for value in &self.command {
            within("command argument", value.len(), 0, VALUE_MAX)?;
        }
        for (name, value) in self.environment.iter().chain(&self.learned) {
            within("variable name", name.len(), 1, TEXT_MAX)?;
            within("variable value", value.len(), 0, VALUE_MAX)?;
        }
        for normalizer in &self.normalizers {
            within("normalizer name", normalizer.name.len(), 1, TEXT_MAX)?;
            within("normalizer version", normalizer.version.len(), 1, TEXT_MAX)?;
        }
        for (field, text) in [
            ("kernel", &self.kernel),
            ("cpu", &self.cpu),
            ("architecture", &self.architecture),
            ("node version", &self.node_version),
            ("invocation", &self.invocation),
        ]
        .into_iter()
        .chain(self.confinement.iter().map(|text| ("confinement", text)))
        {
            within(field, text.len(), 1, TEXT_MAX)?;
        }
        Ok(())
    }
}

/// Reads either predicate back, and refuses what [`Rebuild::to_payload`] would not have written.
pub(crate) fn read(statement: &Statement, signer: &PublicKey) -> Result<Claim, ClaimError> {
    let rebuild = statement.predicate::<Predicate>()?.into_rebuild(signer)?;
    rebuild.check()?;
    statement.expect_subjects(&rebuild.subjects())?;
    let says_failure = statement.predicate_type == BUILD_FAILURE;
    match (says_failure, rebuild.made_nothing()) {
        (true, true) => Ok(Claim::BuildFailure(rebuild)),
        (false, false) => Ok(Claim::Rebuild(rebuild)),
        _ => Err(ClaimError::Form {
            field: "predicate type",
            found: short(&statement.predicate_type),
            expected: "build-failure exactly where nothing was made",
        }),
    }
}
