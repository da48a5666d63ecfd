//! The JSON of a provenance predicate, as SLSA v1 lays it out (step 5).
//!
//! Separate from [`Rebuild`] because that one also crosses process links in binary form, where
//! optional fields cannot be left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::provenance::{Authority, BuildFacts, Material, Normalizer, REBUILD, Rebuild};
use super::{ClaimError, Sha256Set, short, within};
use crate::artifact::{NetworkId, Purl};
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{ARTIFACTS_MAX, SIGNERS_MAX, SOURCES_MAX};
use crate::outcome::{ArtifactOutcome, Outcome};
use crate::strict::present;
use crate::time::Timestamp;

/// Recipe, lock, authority and the lock's authorities stand beside the sources.
const DEPENDENCIES_MAX: usize = SOURCES_MAX + 3 + SIGNERS_MAX;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: ExternalParameters,
    internal_parameters: InternalParameters,
    resolved_dependencies: Vec<Resource>,
}

/// The closed set: SLSA asks verifiers to refuse an external parameter that they do not know.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExternalParameters {
    artifacts: Vec<WireArtifact>,
    network: NetworkId,
    recipe: Digest,
    source: Purl,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireArtifact {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    again: Option<Digest>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    normalized: Option<Digest>,
    outcome: Outcome,
    #[serde(deserialize_with = "Option::deserialize")]
    produced: Option<Digest>,
    published: Digest,
    purl: Purl,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InternalParameters {
    architecture: String,
    command: Vec<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    confinement: Option<String>,
    cpu: String,
    environment: BTreeMap<String, String>,
    format_version: u32,
    kernel: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    learned: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    normalizers: Vec<Normalizer>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    source_date_epoch: Option<u64>,
}

/// in-toto's `ResourceDescriptor`, the fields that we use.
#[derive(Serialize, Deserialize)]
struct Resource {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
    digest: Sha256Set,
    name: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Annotations {
    signers: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct RunDetails {
    builder: Builder,
    byproducts: Vec<Resource>,
    metadata: Metadata,
}

#[derive(Serialize, Deserialize)]
struct Builder {
    id: String,
    version: BuilderVersion,
}

#[derive(Serialize, Deserialize)]
struct BuilderVersion {
    reattest: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    finished_on: Timestamp,
    invocation_id: String,
    started_on: Timestamp,
}

impl Resource {
    fn bare(name: &str, sha256: Digest) -> Self {
        let (annotations, uri) = (None, None);
        Self { annotations, digest: Sha256Set { sha256 }, name: name.to_owned(), uri }
    }

    fn material(material: &Material) -> Self {
        let told = file_name(&material.uri) == material.name;
        let name = if told { "source".to_owned() } else { format!("source/{}", material.name) };
        Self { uri: Some(material.uri.clone()), ..Self::bare(&name, material.digest) }
    }

    fn authority(name: &str, authority: &Authority) -> Self {
        Self {
            annotations: Some(Annotations { signers: authority.signers.clone() }),
            uri: Some(authority.uri.clone()),
            ..Self::bare(name, authority.digest)
        }
    }
}

impl From<&ArtifactOutcome> for WireArtifact {
    fn from(from: &ArtifactOutcome) -> Self {
        Self {
            again: from.again,
            normalized: from.normalized,
            outcome: from.outcome,
            produced: from.produced,
            published: from.published,
            purl: from.purl.clone(),
        }
    }
}

impl From<WireArtifact> for ArtifactOutcome {
    fn from(from: WireArtifact) -> Self {
        Self {
            purl: from.purl,
            published: from.published,
            produced: from.produced,
            again: from.again,
            normalized: from.normalized,
            outcome: from.outcome,
        }
    }
}

impl Predicate {
    pub(super) fn of(rebuild: &Rebuild, builder: &PublicKey) -> Self {
        let facts = &rebuild.facts;
        let mut resolved_dependencies = vec![
            Resource::bare("recipe", rebuild.recipe),
            Resource::bare("lock", rebuild.lock),
            Resource::authority("authority", &rebuild.authority),
        ];
        let covering = rebuild.lock_authorities.iter();
        resolved_dependencies.extend(covering.map(|a| Resource::authority("lock-authority", a)));
        resolved_dependencies.extend(rebuild.sources.iter().map(Resource::material));
        let mut byproducts = vec![Resource::bare("log", facts.log)];
        byproducts.extend(facts.diff.map(|digest| Resource::bare("diff", digest)));
        byproducts.extend(rebuild.links.map(|digest| Resource::bare("links", digest)));
        Self {
            build_definition: BuildDefinition {
                build_type: REBUILD.to_owned(),
                external_parameters: ExternalParameters {
                    artifacts: rebuild.artifacts.iter().map(WireArtifact::from).collect(),
                    network: rebuild.network.clone(),
                    recipe: rebuild.recipe,
                    source: rebuild.source.clone(),
                },
                internal_parameters: InternalParameters {
                    architecture: facts.architecture.clone(),
                    command: facts.command.clone(),
                    confinement: facts.confinement.clone(),
                    cpu: facts.cpu.clone(),
                    environment: facts.environment.clone(),
                    format_version: facts.format_version,
                    kernel: facts.kernel.clone(),
                    learned: facts.learned.clone(),
                    normalizers: facts.normalizers.clone(),
                    source_date_epoch: facts.source_date_epoch,
                },
                resolved_dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: builder.builder_id(),
                    version: BuilderVersion { reattest: facts.node_version.clone() },
                },
                byproducts,
                metadata: Metadata {
                    finished_on: facts.finished,
                    invocation_id: facts.invocation.clone(),
                    started_on: facts.started,
                },
            },
        }
    }

    /// Takes the predicate apart. Dependencies with names that we do not know are ignored, as
    /// in-toto asks; ours must be there, once.
    pub(super) fn into_rebuild(self, signer: &PublicKey) -> Result<Rebuild, ClaimError> {
        let BuildDefinition {
            build_type,
            external_parameters: external,
            internal_parameters: internal,
            resolved_dependencies: dependencies,
        } = self.build_definition;
        let RunDetails { builder, byproducts, metadata } = self.run_details;
        if build_type != REBUILD {
            return Err(ClaimError::BuildType { found: short(&build_type) });
        }
        if builder.id != signer.builder_id() {
            let expected = signer.builder_id();
            return Err(ClaimError::Builder { found: short(&builder.id), expected });
        }
        within("artifacts", external.artifacts.len(), 1, ARTIFACTS_MAX)?;
        within("resolvedDependencies", dependencies.len(), 1, DEPENDENCIES_MAX)?;
        within("byproducts", byproducts.len(), 1, DEPENDENCIES_MAX)?;
        if only(&dependencies, "recipe")?.digest.sha256 != external.recipe {
            return Err(ClaimError::Dependency { name: "recipe".to_owned() });
        }
        Ok(Rebuild {
            network: external.network,
            source: external.source,
            recipe: external.recipe,
            lock: only(&dependencies, "lock")?.digest.sha256,
            lock_authorities: dependencies
                .iter()
                .filter(|resource| resource.name == "lock-authority")
                .map(authority)
                .collect::<Result<_, _>>()?,
            artifacts: external.artifacts.into_iter().map(ArtifactOutcome::from).collect(),
            authority: authority(only(&dependencies, "authority")?)?,
            sources: dependencies.iter().filter_map(source).collect::<Result<_, _>>()?,
            links: at_most_one(&byproducts, "links")?,
            facts: BuildFacts {
                command: internal.command,
                environment: internal.environment,
                source_date_epoch: internal.source_date_epoch,
                learned: internal.learned,
                kernel: internal.kernel,
                cpu: internal.cpu,
                architecture: internal.architecture,
                node_version: builder.version.reattest,
                format_version: internal.format_version,
                started: metadata.started_on,
                finished: metadata.finished_on,
                invocation: metadata.invocation_id,
                log: only(&byproducts, "log")?.digest.sha256,
                diff: at_most_one(&byproducts, "diff")?,
                normalizers: internal.normalizers,
                confinement: internal.confinement,
            },
        })
    }
}

fn only<'a>(resources: &'a [Resource], name: &str) -> Result<&'a Resource, ClaimError> {
    let mut named = resources.iter().filter(|resource| resource.name == name);
    match (named.next(), named.next()) {
        (Some(resource), None) => Ok(resource),
        _ => Err(ClaimError::Dependency { name: name.to_owned() }),
    }
}

fn at_most_one(resources: &[Resource], name: &str) -> Result<Option<Digest>, ClaimError> {
    if resources.iter().any(|resource| resource.name == name) {
        only(resources, name).map(|resource| Some(resource.digest.sha256))
    } else {
        Ok(None)
    }
}

fn authority(resource: &Resource) -> Result<Authority, ClaimError> {
    match (&resource.uri, &resource.annotations) {
        (Some(uri), Some(annotations)) => Ok(Authority {
            uri: uri.clone(),
            digest: resource.digest.sha256,
            signers: annotations.signers.clone(),
        }),
        _ => Err(ClaimError::Dependency { name: resource.name.clone() }),
    }
}

/// A source's file name stands in its own name only where the URI does not tell it.
fn source(resource: &Resource) -> Option<Result<Material, ClaimError>> {
    let name = match resource.name.strip_prefix("source") {
        Some("") => None,
        Some(rest) => Some(rest.strip_prefix('/')?.to_owned()),
        None => return None,
    };
    let digest = resource.digest.sha256;
    Some(match resource.uri.clone() {
        Some(uri) => {
            let name = name.unwrap_or_else(|| file_name(&uri).to_owned());
            Ok(Material { name, uri, digest })
        }
        None => Err(ClaimError::Dependency { name: resource.name.clone() }),
    })
}

fn file_name(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap_or_default()
}
