//! The configuration file of a node, and where things are when nobody says otherwise.

mod alarm;
mod check;
pub(crate) mod place;
mod web;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use etcetera::{AppStrategy, AppStrategyArgs};
use reattest_attestation::NetworkId;
use reattest_rebuilder::retention::{Age, Bytes, Keep};
use reattest_rebuilder::sandbox::Limits;
use serde::{Deserialize, Deserializer, Serialize};

use crate::fault::Fault;
use crate::follow::Follow;
use crate::limits::{MEMORY_PER_JOB, PROCESSORS_PER_JOB};
use crate::protocol::queue::Room;
use crate::signer::custody::Place;
pub use alarm::Alarms;
use place::{Key, Mistake};
pub use web::{Http, MirrorOf, Service};

/// A role that a node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Rebuilds what is announced and signs what it saw.
    Rebuild,
    /// Cosigns the heads of the policy's operators that it found consistent.
    Witness,
    /// Follows the logs of the policy's operators, to answer queries.
    Consume,
}

/// The configuration of one node. Relative paths are relative to the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file itself, where it was read from one.
    #[serde(skip)]
    pub file: PathBuf,
    /// The network's name; evidence of another one is refused.
    pub network: NetworkId,
    /// What this node does.
    pub roles: Vec<Role>,
    /// Logs, index, signer's state, control socket.
    pub data: PathBuf,
    /// The consumer's policy; its operators' logs are followed.
    pub policy: PathBuf,
    /// Addresses to listen at, as multiaddrs: `/ip4/127.0.0.1/tcp/4101`.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Peers to dial, as multiaddrs that may end in `/p2p/PEER`.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Static copies of logs over HTTP, which are followed as peers are.
    #[serde(default, rename = "mirror", skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<MirrorOf>,
    /// Where this node serves its logs and its metrics over HTTP; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Where the local service answers over HTTP; without it, at its socket alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// How peers are found besides these.
    #[serde(default)]
    pub find: Find,
    /// The peers of a private network, by the names that end their addresses; without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_peers: Option<Vec<String>>,
    /// The rebuilder's key; reached by the signer alone.
    #[serde(default)]
    pub key: Option<Place>,
    /// The operator's certificate of that key.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The key and the name of a witness; for the role `witness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// Witnesses of the policy that the signer waits for at each start, before it signs; without it,
    /// one where the policy names any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub await_witnesses: Option<usize>,
    /// The consumer's key, which signs summaries of verdicts and breakglasses; not needed by the node.
    #[serde(default)]
    pub consumer_key: Option<PathBuf>,
    /// A directory with scans for doors: `HEX.jsonl` for the file of that SHA-256, an envelope a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scans: Option<PathBuf>,
    /// Where artifacts and sources come from.
    #[serde(default)]
    pub archive: Archive,
    /// How much the cache of this user keeps.
    #[serde(default, skip_serializing_if = "Cache::is_default")]
    pub cache: Cache,
    /// How much of this machine builds get.
    #[serde(default, skip_serializing_if = "Build::is_default")]
    pub build: Build,
    /// How much the logs may take.
    #[serde(default, skip_serializing_if = "StoreLimits::is_default")]
    pub store: StoreLimits,
    /// Registries whose new releases are rebuilt here without anyone asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follow: Vec<Follow>,
    /// What is said about this machine to policies, whose environments may ask for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whom this machine calls when somebody breaks the glass.
    #[serde(default, skip_serializing_if = "Alarms::is_default")]
    pub alarms: Alarms,
    /// For demonstrations: the builder of this node falsifies what came out, so that its honest
    /// signer signs a lie. It harms nobody but its own operator's name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lies: bool,
}

/// What a witness cosigns with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its name in cosignatures: 1 to 256 bytes without spaces and `+`; a URL without its scheme is
    /// usual.
    pub name: String,
    /// Its key: not the rebuilder's, for a witness of one's own log convinces nobody.
    pub key: Place,
}

/// How peers are found besides those that are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// On the local network, by mDNS.
    #[serde(default)]
    pub local_network: bool,
    /// By asking connected peers whom they know, with Kademlia.
    #[serde(default)]
    pub peers: bool,
}

/// The registries, where the machine's own package managers do not say them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Base URIs of Debian archives; without any, those of apt's sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<String>,
    /// Base URIs of Python indexes, above the projects' pages; without any, what pip uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python: Vec<String>,
    /// Snapshot services by their base URIs, asked for pinned files that no mirror has any more; and
    /// roots of the archive at a time, with `{timestamp}` where the time stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    pub snapshot: Vec<String>,
    /// The keyring that the archive's index is checked with.
    #[serde(default)]
    pub keyring: Option<PathBuf>,
}

/// How much the data directory may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreLimits {
    /// When all of it takes more, e.g. `"100 GiB"`, logs of others take in nothing more; the own log
    /// always does. Without it there is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Bytes>,
}

impl StoreLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of inputs, environments and outputs that differed is kept, by last use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// All together, e.g. `"20 GiB"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Bytes>,
    /// The longest time since the last use, e.g. `"90 days"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Age>,
}

impl Cache {
    /// The limits, with the defaults where nothing is said.
    pub fn keep(&self) -> Keep {
        let default = Keep::default();
        Keep {
            max_bytes: self.max_bytes.map_or(default.max_bytes, |bytes| bytes.0),
            max_age: self.max_age.map_or(default.max_age, |age| age.0),
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of this machine builds get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Builds at a time; without it, one for every four processors and 4 GiB of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<NonZeroU32>,
    /// Memory of all of them together, e.g. `"16 GiB"`; without it, most of the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
}

impl Build {
    /// What builds get, with the machine's own where nothing is said.
    pub fn room(&self) -> Room {
        let memory = self.memory.map_or_else(|| Limits::build().memory_bytes, |bytes| bytes.0);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let by_processors = u64::try_from(processors / PROCESSORS_PER_JOB).unwrap_or(1);
        let usual = by_processors.min(memory / MEMORY_PER_JOB).max(1);
        let jobs = self.jobs.map_or(u32::try_from(usual).unwrap_or(1), NonZeroU32::get);
        Room { jobs, memory }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `"URI"` or `["URI", …]`.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "needed a URI or a list of URIs")]
    enum Given {
        One(String),
        More(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(uri) => vec![uri],
        Given::More(uris) => uris,
    })
}

impl Config {
    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Fault::new(format!("{name} cannot be read; `reattest init` writes one"), error)
        })?;
        let mut config: Self =
            toml::from_str(&text).map_err(|error| place::unreadable(path, &text, &error))?;
        config.check().map_err(|mistake| mistake.within(path, &text))?;
        path.clone_into(&mut config.file);
        let base = path.parent().unwrap_or(Path::new("."));
        for follow in &mut config.follow {
            follow.list = follow.list.take().map(|list| base.join(list));
            follow.lockfile = follow.lockfile.take().map(|lockfile| base.join(lockfile));
        }
        config.data = base.join(&config.data);
        config.policy = base.join(&config.policy);
        config.key = config.key.map(|key| key.below(base));
        config.certificate = config.certificate.map(|certificate| base.join(certificate));
        if let Some(service) = &mut config.service {
            service.token = service.token.take().map(|token| base.join(token));
        }
        config.consumer_key = config.consumer_key.map(|key| base.join(key));
        config.scans = config.scans.map(|scans| base.join(scans));
        if let Some(witness) = &mut config.witness {
            witness.key = witness.key.clone().below(base);
        }
        config.archive.keyring = config.archive.keyring.map(|keyring| base.join(keyring));
        Ok(config)
    }

    /// A mistake that shows only later, told with its place in the file.
    pub(crate) fn mistake(&self, at: &[Key], why: String) -> Fault {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        Mistake::new(at, why).within(&self.file, &text)
    }

    /// Whether the node has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.data.join("node.sock")
    }

    /// The socket of the local service.
    pub fn service_socket(&self) -> PathBuf {
        self.data.join("service.sock")
    }
}

/// The directories of this user, after the XDG base directory specification.
#[derive(Debug, Clone)]
pub struct Directories {
    /// Configuration and policy.
    pub config: PathBuf,
    /// Keys, logs, state.
    pub data: PathBuf,
    /// What can be fetched and built again.
    pub cache: PathBuf,
}

impl Directories {
    /// Finds them from the environment.
    pub fn of_user() -> Result<Self, Fault> {
        let args =
            AppStrategyArgs { app_name: "reattest".to_owned(), ..AppStrategyArgs::default() };
        let strategy = etcetera::app_strategy::Xdg::new(args)
            .map_err(|error| Fault::new("no home directory; set HOME", error))?;
        Ok(Self {
            config: strategy.config_dir(),
            data: strategy.data_dir(),
            cache: strategy.cache_dir(),
        })
    }

    /// The configuration file that is meant when none is named.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
}

#[cfg(test)]
mod tests;
