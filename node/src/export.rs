//! Step 10, export: the evidence on one file as the files that other people's tools read.

use std::collections::BTreeMap;

use reattest_attestation::evidence::Logged;
use reattest_attestation::export::{
    LinkDocument, NamedFile, Vsa, VsaInputs, VsaKind, VsaResult, intoto_jsonl, rebuilderd_pem,
    rfc8410_pem, sigstore_bundle,
};
use reattest_attestation::log::TlogProof;
use reattest_attestation::{
    Bundle, Conclusion, Digest, Envelope, Evidence, Grounds, PublicKey, Question, Rebuild,
    SecretKey, Sign, Timestamp, Verdict,
};

use crate::fault::Fault;

/// A form that other tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// DSSE envelopes, one a rebuilder.
    Dsse,
    /// All envelopes in one file, as in-toto bundles them.
    IntotoJsonl,
    /// Sigstore bundles v0.3, one a rebuilder.
    Sigstore,
    /// in-toto links, one a rebuilder that reproduced the file, with its public key.
    InTotoLink,
    /// rebuilderd's attestations, one a rebuilder that reproduced the file, with its public key.
    Rebuilderd,
    /// Your verdict as a SLSA verification summary, and one for verifiers of older SLSA.
    Vsa,
    /// C2SP proofs that the envelopes are logged, with the logs' verifier keys.
    TlogProof,
}

/// The evidence on one file, verified: the newest statement of each key on it.
#[derive(Debug)]
pub struct Exhibit<'a> {
    bundle: &'a Bundle,
    evidence: &'a Evidence,
    file_name: String,
    sha256: Digest,
    statements: Vec<&'a Logged<Rebuild>>,
}

impl<'a> Exhibit<'a> {
    /// Statements of anybody about this file, published as this purl where one is asked.
    pub fn of(bundle: &'a Bundle, evidence: &'a Evidence, question: &Question) -> Self {
        let sha256 = question.file.sha256();
        let about = |logged: &&Logged<Rebuild>| {
            let artifacts = &logged.claim().artifacts;
            artifacts.iter().any(|artifact| {
                artifact.published == sha256
                    && question.purl.as_ref().is_none_or(|purl| *purl == artifact.purl)
            })
        };
        let mut newest: BTreeMap<PublicKey, &Logged<Rebuild>> = BTreeMap::new();
        for logged in evidence.rebuilds().iter().filter(about) {
            // By key, the later place comes later.
            newest.insert(logged.key(), logged);
        }
        let file_name = question.file.name().to_owned();
        Self { bundle, evidence, file_name, sha256, statements: newest.into_values().collect() }
    }

    /// Whether anybody said anything.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The files of a form that needs no key of ours.
    pub fn files(&self, format: Format) -> Result<Vec<NamedFile>, Fault> {
        match format {
            Format::Dsse => {
                Ok(self.each("dsse.json", |logged| envelope(logged).as_bytes().to_vec()))
            }
            Format::IntotoJsonl => {
                let name = format!("{}.intoto.jsonl", self.file_name);
                let bytes = intoto_jsonl(self.statements.iter().map(|logged| envelope(logged)));
                Ok(vec![NamedFile { name, bytes }])
            }
            Format::Sigstore => self
                .statements
                .iter()
                .map(|logged| {
                    let bytes = sigstore_bundle(envelope(logged)).map_err(cannot)?;
                    Ok(NamedFile { name: self.name(logged, "sigstore.json"), bytes })
                })
                .collect(),
            Format::InTotoLink | Format::Rebuilderd => self.links(format),
            Format::TlogProof => self.proofs(),
            Format::Vsa => Err(Fault::text("a summary is of a verdict, which is asked elsewhere")),
        }
    }

    fn each(&self, kind: &str, bytes: impl Fn(&Logged<Rebuild>) -> Vec<u8>) -> Vec<NamedFile> {
        let file = |logged: &&Logged<Rebuild>| NamedFile {
            name: self.name(logged, kind),
            bytes: bytes(logged),
        };
        self.statements.iter().map(file).collect()
    }

    /// The file's name, the first eight digits of the key's digest, the kind.
    fn name(&self, logged: &Logged<Rebuild>, kind: &str) -> String {
        let key = logged.key().digest().to_string();
        format!("{}.{}.{kind}", self.file_name, key.get(..8).unwrap_or_default())
    }

    /// Links exist for what was reproduced bit for bit; a document of others is no evidence, so
    /// each is verified against the attestation that names it. A link cannot be taken back once it
    /// is out, so none of doubtful keys is given out.
    fn links(&self, format: Format) -> Result<Vec<NamedFile>, Fault> {
        let mut files = Vec::new();
        for logged in self.statements.iter().filter(|logged| !self.is_doubtful(logged)) {
            let Some(digest) = logged.claim().links else { continue };
            let Some(bytes) = self.bundle.links.iter().find(|b| Digest::of(b) == digest) else {
                tracing::warn!(
                    key = logged.key().fingerprint(),
                    "the links of this key are not here yet"
                );
                continue;
            };
            let document = LinkDocument::parse(bytes).map_err(cannot)?;
            let verified = document.verify(&logged.key(), logged.claim()).map_err(cannot)?;
            for links in verified.all().iter().filter(|l| l.product().sha256 == self.sha256) {
                let (link, pem) = match format {
                    Format::InTotoLink => (links.in_toto(), rfc8410_pem(&logged.key())),
                    _ => (links.rebuilderd(), rebuilderd_pem(&logged.key())),
                };
                files.push(link.clone());
                let stem = link.name.strip_suffix(".link").unwrap_or(&link.name);
                files.push(NamedFile { name: format!("{stem}.pem"), bytes: pem.into_bytes() });
            }
        }
        Ok(files)
    }

    /// Whether its key showed two histories, was revoked by whom it belongs to, or took it back.
    fn is_doubtful(&self, logged: &Logged<Rebuild>) -> bool {
        let key = logged.key();
        let revoked = self.evidence.revocations().iter().any(|r| r.revocation().rebuilder == key);
        let retracted = self.evidence.retractions_of(&key).iter().any(|retraction| {
            retraction.claim().published == self.sha256 && retraction.position() > logged.position()
        });
        revoked || retracted || self.evidence.forked().contains(&key)
    }

    fn proofs(&self) -> Result<Vec<NamedFile>, Fault> {
        let mut files = Vec::new();
        for logged in &self.statements {
            let at = self.bundle.proofs.iter().find(|at| {
                at.envelope == logged.digest() && at.proof.index == logged.position().index
            });
            let head = at.and_then(|at| {
                let mut heads = self.bundle.checkpoints.iter();
                heads.find(|head| {
                    let head = head.unverified();
                    head.origin == at.origin
                        && logged.under().iter().any(|under| under.signed && under.head == *head)
                })
            });
            let (Some(at), Some(head)) = (at, head) else { continue };
            let proof = TlogProof::new(at.proof.clone(), head.clone()).map_err(cannot)?;
            let vkey = at.origin.vkey(&logged.key()).map_err(cannot)?;
            files.push(NamedFile {
                name: self.name(logged, "tlog-proof"),
                bytes: proof.to_text().into_bytes(),
            });
            files.push(NamedFile {
                name: self.name(logged, "vkey"),
                bytes: format!("{vkey}\n").into_bytes(),
            });
        }
        Ok(files)
    }
}

/// Two summaries of a verdict, signed by the consumer's key: the same bytes from the same policy,
/// evidence and time.
pub fn summaries(
    verdict: &Verdict,
    grounds: &Grounds,
    at: Timestamp,
    key: &SecretKey,
) -> Result<Vec<NamedFile>, Fault> {
    let Some(purl) = verdict.artifact.purl.clone() else {
        return Err(Fault::text("nobody knows what this file is; say what with --as PURL"));
    };
    let Grounds { envelopes, supporters, operators } = grounds.clone();
    let result = match verdict.verdict {
        Conclusion::Accepted => VsaResult::Passed { supporters, operators },
        Conclusion::Rejected => VsaResult::Failed,
        Conclusion::Inconclusive => {
            return Err(Fault::text("an inconclusive verdict is neither PASSED nor FAILED"));
        }
    };
    let inputs = VsaInputs {
        file_name: verdict.artifact.name.clone(),
        sha256: verdict.artifact.sha256,
        purl,
        policy: verdict.policy.sha256,
        attestations: envelopes,
        verified_at: at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        result,
    };
    let mut files = Vec::new();
    for (kind, suffix) in
        [(VsaKind::Conformant, "vsa.json"), (VsaKind::Compatible, "slsa-1.0.vsa.json")]
    {
        let payload = inputs.payload(&key.public_key(), kind).map_err(cannot)?;
        let envelope = Envelope::sign(payload, key).map_err(cannot)?;
        // Read back as whoever relies on it will read it.
        Vsa::read(&envelope, &key.public_key()).map_err(cannot)?;
        let name = format!("{}.{suffix}", verdict.artifact.name);
        files.push(NamedFile { name, bytes: envelope.as_bytes().to_vec() });
    }
    let name = format!("{}.vsa.pem", verdict.artifact.name);
    files.push(NamedFile { name, bytes: rfc8410_pem(&key.public_key()).into_bytes() });
    Ok(files)
}

fn envelope(logged: &Logged<Rebuild>) -> &Envelope {
    logged.authentic().envelope()
}

fn cannot(error: impl std::fmt::Display) -> Fault {
    Fault::new("the evidence cannot be exported", error.to_string())
}
