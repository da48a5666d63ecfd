//! Where a policy is enforced, and how: environments, of which exactly one matches a deployment (step 10).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Mode, Policy, Rules};
use crate::artifact::Purl;
use crate::limits::{LABEL_MAX, LABELS_MAX};
use crate::quoted::quoted;
use crate::time::Timestamp;

/// Which client asks before it deploys. A closed list, so that a mistyped name is refused when
/// the policy is read, and not when nothing matches.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// apt and its hooks.
    Apt,
    /// pip and other installers of Python packages.
    Pip,
    /// npm and other installers of JavaScript packages.
    Npm,
    /// cargo.
    Cargo,
    /// An admission webhook of a cluster.
    Kubernetes,
    /// A check of lockfiles, inventories or an installed system.
    Check,
    /// A person or a script at the command line.
    Cli,
    /// A program at the local service.
    Http,
}

impl Door {
    /// The word of policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apt => "apt",
            Self::Pip => "pip",
            Self::Npm => "npm",
            Self::Cargo => "cargo",
            Self::Kubernetes => "kubernetes",
            Self::Check => "check",
            Self::Cli => "cli",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens where the service that holds the evidence cannot be asked. It never covers
/// `inconclusive`, which is an answer.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnavailable {
    /// Nothing is deployed.
    Refuse,
    /// It is deployed, recorded, and asked about again later.
    Allow,
}

impl WhenUnavailable {
    /// The word of policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Allow => "allow",
        }
    }
}

/// What is about to be deployed, by which door, and what that door's configuration says about
/// the place. Labels come from the machine's configuration, never from the asker: whoever chooses
/// the labels chooses the environment.
#[derive(Clone, Eq, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "RequestParts")]
pub struct DeploymentRequest {
    purl: Purl,
    door: Door,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestParts {
    purl: Purl,
    door: Door,
    labels: BTreeMap<String, String>,
}

/// Labels beyond the bounds.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error(
    "found label {found:?}, needed at most {LABELS_MAX} labels, each name and value 1 to {LABEL_MAX} of a-z A-Z 0-9 . - _ / :"
)]
pub struct LabelError {
    /// The label, shortened, or how many there are.
    pub found: String,
}

impl DeploymentRequest {
    /// A request whose labels are within the bounds.
    pub fn new(
        purl: Purl,
        door: Door,
        labels: BTreeMap<String, String>,
    ) -> Result<Self, LabelError> {
        check_labels(&labels)?;
        Ok(Self { purl, door, labels })
    }

    /// What is to be deployed.
    pub fn purl(&self) -> &Purl {
        &self.purl
    }

    /// Who asks.
    pub fn door(&self) -> Door {
        self.door
    }

    /// What the door's configuration says about the place.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

impl TryFrom<RequestParts> for DeploymentRequest {
    type Error = LabelError;

    fn try_from(parts: RequestParts) -> Result<Self, LabelError> {
        Self::new(parts.purl, parts.door, parts.labels)
    }
}

/// Checks labels of a request or a scope.
pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), LabelError> {
    if labels.len() > LABELS_MAX {
        return Err(LabelError { found: format!("{} labels", labels.len()) });
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/:".contains(&b);
    let formed = |text: &str| (1..=LABEL_MAX).contains(&text.len()) && text.bytes().all(allowed);
    match labels.iter().find(|(name, value)| !formed(name) || !formed(value)) {
        Some((name, value)) => Err(LabelError { found: quoted(&format!("{name}={value}")) }),
        None => Ok(()),
    }
}

impl fmt::Display for DeploymentRequest {
    /// `pkg:deb/debian/netbase@6.5?arch=all by apt with stage=prod`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.purl, self.door)?;
        let mut before = " with ";
        for (name, value) in &self.labels {
            write!(f, "{before}{name}={value}")?;
            before = ", ";
        }
        Ok(())
    }
}

/// What an environment covers: a request that fits each list that is not empty.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Scope {
    /// Patterns, of which one covers the purl.
    pub purls: BTreeSet<String>,
    /// Doors, of which one asks.
    pub doors: BTreeSet<Door>,
    /// Labels, all of which the request has.
    pub labels: BTreeMap<String, String>,
}

impl Scope {
    /// Whether the request is inside.
    pub fn covers(&self, request: &DeploymentRequest) -> bool {
        let purl = || self.purls.iter().any(|pattern| request.purl.matches(pattern));
        (self.purls.is_empty() || purl())
            && (self.doors.is_empty() || self.doors.contains(&request.door))
            && self.labels.iter().all(|(name, value)| request.labels.get(name) == Some(value))
    }
}

/// A part of an organisation in which deployments are treated alike.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Environment {
    /// Its name in records and messages.
    pub name: String,
    /// What it covers.
    pub scope: Scope,
    /// What a verdict does there.
    pub mode: Mode,
    /// What happens there where the service cannot be asked.
    pub when_unavailable: WhenUnavailable,
    /// Last second at which it may be applied.
    pub expires: Timestamp,
    /// What it asks besides the quorum.
    pub rules: Rules,
}

/// Why no environment can be applied. A fault of the policy or the clock, and never a verdict.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum EnvironmentError {
    /// The policy has none at all.
    #[error(
        "found a policy without [[environment]], needed one that covers {request}; add an [[environment]] with mode and when_unavailable, as the policy chapter of FORMAT.md shows"
    )]
    NoEnvironments {
        /// The request.
        request: String,
    },
    /// None covers the request.
    #[error(
        "found no environment that covers {request}, needed exactly one; there are {names}: widen the scope of one, or add an [[environment]]"
    )]
    NoneMatches {
        /// The request.
        request: String,
        /// The environments that there are.
        names: String,
    },
    /// More than one covers the request.
    #[error(
        "found environments {names} that all cover {request}, needed exactly one; narrow their purls, doors or labels until one of them remains"
    )]
    SeveralMatch {
        /// The request.
        request: String,
        /// The environments that cover it.
        names: String,
    },
    /// The one that covers the request is out of force.
    #[error(
        "found environment {name:?} that expired at {expires}, and it is {now}; review it and set a later \"expires\", or check this machine's clock"
    )]
    Expired {
        /// The environment.
        name: String,
        /// Its last second.
        expires: Timestamp,
        /// The time of the request.
        now: Timestamp,
    },
    /// The whole policy is out of force.
    #[error(
        "found a policy that expired at {expires}, and it is {now}; review it and set a later \"expires\", or check this machine's clock"
    )]
    PolicyExpired {
        /// Its last second.
        expires: Timestamp,
        /// The time of the request.
        now: Timestamp,
    },
}

impl Policy {
    /// Every environment, in the file's order.
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// The one environment that covers the request and is in force at `now`.
    ///
    /// An expired one still counts as covering: that it lapsed must not hand its deployments to
    /// another, more lenient one.
    pub fn environment_for(
        &self,
        request: &DeploymentRequest,
        now: Timestamp,
    ) -> Result<&Environment, EnvironmentError> {
        if now > self.expires {
            return Err(EnvironmentError::PolicyExpired { expires: self.expires, now });
        }
        let covering: Vec<&Environment> =
            self.environments.iter().filter(|each| each.scope.covers(request)).collect();
        let told = || request.to_string();
        match covering.as_slice() {
            [] if self.environments.is_empty() => {
                Err(EnvironmentError::NoEnvironments { request: told() })
            }
            [] => {
                let names = listed(self.environments.iter());
                Err(EnvironmentError::NoneMatches { request: told(), names })
            }
            [one] if now > one.expires => {
                let (name, expires) = (one.name.clone(), one.expires);
                Err(EnvironmentError::Expired { name, expires, now })
            }
            [one] => Ok(one),
            several => {
                let names = listed(several.iter().copied());
                Err(EnvironmentError::SeveralMatch { request: told(), names })
            }
        }
    }
}

/// The first few names; a message is no place for two hundred.
fn listed<'a>(environments: impl ExactSizeIterator<Item = &'a Environment>) -> String {
    const SHOWN: usize = 8;
    let more = environments.len().saturating_sub(SHOWN);
    let names: Vec<String> =
        environments.take(SHOWN).map(|each| format!("{:?}", quoted(&each.name))).collect();
    let tail = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{tail}", names.join(", "))
}
