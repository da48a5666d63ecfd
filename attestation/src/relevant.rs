//! The second step of verification: of authentic evidence, what is about this artifact (step 9).

use crate::artifact::Purl;
use crate::digest::Digest;
use crate::evidence::{Evidence, Logged, Position};
use crate::key::PublicKey;
use crate::outcome::ArtifactOutcome;
use crate::statement::{Rebuild, Retraction};
use crate::verdict::Question;

/// Evidence about one file that is judged as one purl; made only from [`Evidence`], which is
/// authentic, and a [`Question`], whose file was hashed here.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Relevant<'a> {
    evidence: &'a Evidence,
    question: &'a Question,
    purl: &'a Purl,
}

/// One key's claim about the purl.
#[derive(Copy, Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) logged: &'a Logged<Rebuild>,
    pub(crate) artifact: &'a ArtifactOutcome,
}

impl<'a> Relevant<'a> {
    pub(crate) fn of(evidence: &'a Evidence, question: &'a Question, purl: &'a Purl) -> Self {
        Self { evidence, question, purl }
    }

    pub(crate) fn evidence(&self) -> &'a Evidence {
        self.evidence
    }

    pub(crate) fn purl(&self) -> &'a Purl {
        self.purl
    }

    pub(crate) fn file(&self) -> Digest {
        self.question.file.sha256()
    }

    /// What a key says about the purl, by place in its log.
    pub(crate) fn claims(&self, key: &PublicKey) -> impl Iterator<Item = About<'a>> + use<'a> {
        let purl = self.purl;
        self.evidence.rebuilds_of(key).iter().filter_map(move |logged| {
            let artifact = logged.claim().artifacts.iter().find(|a| a.purl == *purl)?;
            Some(About { logged, artifact })
        })
    }

    /// Whether this file is what the normalizers of a rebuild make of it, where the verifier
    /// computed that itself.
    pub(crate) fn normalizes_to(&self, about: About<'_>) -> Option<bool> {
        let normalizers = &about.logged.claim().facts.normalizers;
        let computed = self.question.normalized.iter().filter(|c| c.normalizers == *normalizers);
        computed.map(|c| Some(c.digest) == about.artifact.normalized).reduce(|a, b| a || b)
    }
}

/// A file that a key no longer supports.
pub(crate) struct TakenBack {
    published: Digest,
    position: Position,
    /// Digest of the retraction's envelope.
    pub(crate) envelope: Digest,
}

impl TakenBack {
    /// Whether this statement is about the file, and stood in the log already.
    pub(crate) fn takes(&self, about: &About<'_>) -> bool {
        self.published == about.artifact.published && self.position > about.logged.position()
    }
}

/// The files that a key takes back, each with the places where it does, of those retractions that
/// `counts` lets through.
pub(crate) fn taken_back(
    relevant: Relevant<'_>,
    key: &PublicKey,
    counts: impl Fn(&&Logged<Retraction>) -> bool,
) -> Vec<TakenBack> {
    let retractions = relevant.evidence.retractions_of(key).iter();
    retractions
        .filter(|logged| logged.claim().purl == *relevant.purl)
        .filter(counts)
        .map(|logged| TakenBack {
            published: logged.claim().published,
            position: logged.position(),
            envelope: logged.digest(),
        })
        .collect()
}
