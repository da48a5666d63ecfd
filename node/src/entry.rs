//! An entry of a log, read as what it is: an envelope that the log's key signed.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reattest_attestation::statement::{ANNOUNCEMENT, BUILD_FAILURE, PROVENANCE, RETRACTION};
use reattest_attestation::{Claim, Digest, Envelope, PublicKey, Purl};
use serde::Deserialize;

/// The claim that an entry makes, where its envelope verifies under the log's key.
///
/// An entry without one is carried, since the log is whole with it, and counts for nothing.
pub fn claim_of(key: &PublicKey, entry: &[u8]) -> Option<Claim> {
    Envelope::parse(entry).ok()?.verify(key).ok()?.claim().ok()
}

/// The documents that a claim names: recipe, lock, and links for other tools.
pub fn documents_of(claim: &Claim) -> Vec<Digest> {
    match claim {
        Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild) => {
            [Some(rebuild.recipe), Some(rebuild.lock), rebuild.links]
                .into_iter()
                .flatten()
                .collect()
        }
        Claim::Announcement(_)
        | Claim::Retraction(_)
        | Claim::Certificate(_)
        | Claim::Revocation(_)
        | Claim::Rotation(_)
        | Claim::Unknown { .. } => Vec::new(),
    }
}

/// What an entry speaks of, before its signature is checked.
///
/// The signed head over a log vouches for the entry's place; whether it counts is decided when it
/// is evidence. So this may find what a forged envelope says, and never misses what a good one says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Packages that it judges or takes support back from, as it spells them.
    pub purls: Vec<String>,
    /// Published and produced files.
    pub files: Vec<Digest>,
    /// The recipe that was followed.
    pub recipe: Option<Digest>,
    /// Documents that belong to it: recipe, lock, and links for other tools.
    pub documents: Vec<Digest>,
    /// The release that it announces.
    pub announced: Option<Purl>,
}

/// Finds what an entry speaks of. An entry that is no statement of ours speaks of nothing.
pub fn mentions(entry: &[u8]) -> Mentions {
    mentioned(entry).unwrap_or_default()
}

fn mentioned(entry: &[u8]) -> Option<Mentions> {
    let envelope: WireEnvelope<'_> = serde_json::from_slice(entry).ok()?;
    let payload = BASE64_STANDARD.decode(envelope.payload).ok()?;
    let statement: WireStatement<'_> = serde_json::from_slice(&payload).ok()?;
    let predicate = statement.predicate;
    match statement.predicate_type {
        PROVENANCE | BUILD_FAILURE => of_rebuild(predicate),
        ANNOUNCEMENT => {
            Some(Mentions { announced: Some(predicate.purl?.parse().ok()?), ..Mentions::default() })
        }
        RETRACTION => {
            Some(Mentions { purls: vec![predicate.purl?.to_owned()], ..Mentions::default() })
        }
        _ => None,
    }
}

fn of_rebuild(predicate: WirePredicate<'_>) -> Option<Mentions> {
    let definition = predicate.build_definition?;
    let parameters = definition.external_parameters;
    let mut found = Mentions::default();
    for artifact in parameters.artifacts {
        found.purls.push(artifact.purl.to_owned());
        found.files.push(artifact.published.parse().ok()?);
        // The published file again where it was reproduced.
        if let Some(produced) = artifact.produced.filter(|made| *made != artifact.published) {
            found.files.push(produced.parse().ok()?);
        }
    }
    let recipe = parameters.recipe.parse().ok()?;
    found.recipe = Some(recipe);
    found.documents.push(recipe);
    let named = |resources: &[WireResource<'_>], name| {
        let found = resources.iter().find(|resource| resource.name == name)?;
        found.digest.sha256.parse().ok()
    };
    found.documents.push(named(&definition.resolved_dependencies, "lock")?);
    found.documents.extend(named(&predicate.run_details?.byproducts, "links"));
    Some(found)
}

/// The canonical spelling escapes nothing in purls and digests, so they are borrowed from it; the
/// name of a dependency may have anything in it.
#[derive(Deserialize)]
struct WireEnvelope<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStatement<'a> {
    #[serde(borrow)]
    predicate: WirePredicate<'a>,
    predicate_type: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePredicate<'a> {
    #[serde(borrow)]
    build_definition: Option<WireDefinition<'a>>,
    #[serde(borrow)]
    run_details: Option<WireRun<'a>>,
    #[serde(borrow)]
    purl: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDefinition<'a> {
    #[serde(borrow)]
    external_parameters: WireParameters<'a>,
    #[serde(borrow)]
    resolved_dependencies: Vec<WireResource<'a>>,
}

#[derive(Deserialize)]
struct WireParameters<'a> {
    #[serde(borrow)]
    artifacts: Vec<WireArtifact<'a>>,
    recipe: &'a str,
}

#[derive(Deserialize)]
struct WireArtifact<'a> {
    produced: Option<&'a str>,
    published: &'a str,
    purl: &'a str,
}

#[derive(Deserialize)]
struct WireRun<'a> {
    #[serde(borrow)]
    byproducts: Vec<WireResource<'a>>,
}

#[derive(Deserialize)]
struct WireResource<'a> {
    #[serde(borrow)]
    digest: WireDigests<'a>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireDigests<'a> {
    sha256: &'a str,
}

/// What a claim says, in words.
pub fn in_words(claim: Option<&Claim>) -> Vec<String> {
    match claim {
        Some(Claim::Rebuild(rebuild) | Claim::BuildFailure(rebuild)) => rebuild
            .artifacts
            .iter()
            .map(|artifact| format!("{} of {}", artifact.outcome, artifact.purl))
            .collect(),
        Some(Claim::Announcement(announcement)) => vec![format!("announces {}", announcement.purl)],
        Some(Claim::Retraction(retraction)) => {
            vec![format!("takes back its support of {}", retraction.purl)]
        }
        Some(Claim::Certificate(certificate)) => {
            vec![format!("certifies {}", certificate.rebuilder.fingerprint())]
        }
        Some(Claim::Revocation(revocation)) => {
            vec![format!("revokes {}", revocation.rebuilder.fingerprint())]
        }
        Some(Claim::Rotation(rotation)) => {
            let (old, new) = (&rotation.revocation.rebuilder, &rotation.certificate.rebuilder);
            vec![format!("replaces {} by {}", old.fingerprint(), new.fingerprint())]
        }
        Some(Claim::Unknown { predicate_type }) => vec![format!("says {predicate_type}")],
        None => vec!["an entry that its key did not sign".to_owned()],
    }
}
