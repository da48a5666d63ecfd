//! `reattest init`: keys, a configuration, and a first policy that trusts nobody yet.

use std::path::{Path, PathBuf};

use clap::Args;
use reattest_attestation::{NetworkId, PublicKey, Sign};

use super::operator::show_operator;
use super::{Exit, output};
use crate::config::Directories;
use crate::fault::Fault;
use crate::operator::{self, CERTIFICATE_DAYS};
use crate::setup;
use crate::signer::custody::{self, Place};

/// Makes keys, a configuration, and a first policy that trusts nobody yet.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The name that others will know you by in their policies.
    #[arg(long, default_value = "me")]
    name: String,
    /// The network.
    #[arg(long, default_value = "main")]
    network: NetworkId,
    /// An operator's key that exists already, on a medium or in a token: it certifies, and stays there.
    #[arg(long, value_name = "PATH|TABLE", conflicts_with = "public_only")]
    operator_key: Option<Place>,
    /// Makes no operator's key and no certificate: the public key is certified on another machine.
    #[arg(long)]
    public_only: bool,
}

struct Places {
    config: PathBuf,
    policy: PathBuf,
    data: PathBuf,
    operator: PathBuf,
    key: PathBuf,
    public: PathBuf,
    certificate: PathBuf,
    consumer: PathBuf,
}

impl Places {
    fn of(config: Option<&Path>) -> Result<Self, Fault> {
        let directories = Directories::of_user()?;
        let (config, data) = match config {
            Some(path) => (path.to_owned(), path.with_file_name("data")),
            None => (directories.config_file(), directories.data),
        };
        let keys = data.join("keys");
        Ok(Self {
            policy: config.with_file_name("policy.toml"),
            config,
            operator: keys.join("operator.key"),
            key: keys.join("rebuilder.key"),
            public: keys.join("rebuilder.key.pub"),
            certificate: keys.join("certificate.json"),
            consumer: keys.join("consumer.key"),
            data,
        })
    }

    fn first_that_exists(&self) -> Option<&Path> {
        let Self { config, policy, operator, key, public, certificate, consumer, .. } = self;
        let files = [config, policy, operator, key, public, certificate, consumer];
        files.into_iter().find(|path| path.exists()).map(PathBuf::as_path)
    }
}

impl Init {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let places = Places::of(config)?;
        if let Some(path) = places.first_that_exists() {
            return Err(Fault::text(format!(
                "{} exists already, and init never overwrites; nothing was changed",
                path.display()
            )));
        }
        let rebuilder = setup::new_key()?;
        let public = rebuilder.public_key();
        let operator = self.certify(&places, public)?;
        setup::write_key(&places.key, &rebuilder, "rebuilder")?;
        setup::write_new(&places.public, format!("{public} rebuilder\n").as_bytes(), 0o644)?;
        setup::write_key(&places.consumer, &setup::new_key()?, "consumer")?;
        setup::write_new(&places.policy, self.policy().as_bytes(), 0o644)?;
        setup::write_new(&places.config, self.config(&places).as_bytes(), 0o644)?;
        output::line(&format!("configuration  {}", places.config.display()));
        output::line(&format!("policy         {} (trusts nobody yet)", places.policy.display()));
        match (&self.operator_key, operator) {
            (_, None) => tell_to_certify(&places),
            (Some(place), Some(key)) => {
                output::line(&format!("operator key   {place} (was not copied)"));
                show_operator(&self.name, &key);
            }
            (None, Some(key)) => {
                output::line(&format!("operator key   {}", places.operator.display()));
                output::line(
                    "               move it to a medium that is kept offline; the node never needs it",
                );
                show_operator(&self.name, &key);
            }
        }
        Ok(Exit::Fine)
    }

    /// Has an operator's key certify the new one, where one is at hand; the operator.
    fn certify(&self, places: &Places, rebuilder: PublicKey) -> Result<Option<PublicKey>, Fault> {
        let operator: custody::Key = match &self.operator_key {
            _ if self.public_only => return Ok(None),
            Some(place) => custody::reach(place)?,
            None => {
                let key = setup::new_key()?;
                setup::write_key(&places.operator, &key, &self.name)?;
                Box::new(key)
            }
        };
        let certificate = operator::certify(&*operator, rebuilder, CERTIFICATE_DAYS)?;
        setup::write_new(&places.certificate, certificate.as_bytes(), 0o644)?;
        Ok(Some(operator.public_key()))
    }

    fn policy(&self) -> String {
        let year = crate::clock::now().year().saturating_add(1);
        format!(
            "# Whom you believe. It trusts nobody yet: every verdict is inconclusive until you name\n\
             # operators, compare their fingerprints with them, and say how many must agree.\n\
             version = 1\n\
             network = {network:?}\n\
             expires = {year}-12-31T00:00:00Z\n\
             \n\
             # [[operator]]\n\
             # name = \"alder\"\n\
             # key = \"ssh-ed25519 AAAA...\"\n\
             \n\
             # Who may say which sources belong to which package: fingerprints of the archive's keys,\n\
             # as `gpg --show-keys --with-colons` of the archive's keyring names them.\n\
             # [[authority]]\n\
             # purl = \"pkg:deb/debian/*\"\n\
             # openpgp = [\"...\"]\n\
             \n\
             # [quorum]\n\
             # need = 2\n\
             # of = [\"alder\", \"birch\", \"cedar\"]\n",
            network = self.network.as_str(),
        )
    }

    fn config(&self, places: &Places) -> String {
        format!(
            "# The node's configuration. Relative paths are relative to this file.\n\
             network = {network:?}\n\
             roles = [\"rebuild\", \"consume\"]\n\
             data = {data:?}\n\
             policy = {policy:?}\n\
             key = {key:?}\n\
             certificate = {certificate:?}\n\
             consumer_key = {consumer:?}\n\
             \n\
             # Where peers reach this node, and peers that it dials, as multiaddrs.\n\
             listen = [\"/ip4/0.0.0.0/tcp/4101\"]\n\
             peers = []\n\
             \n\
             # Peers that nobody named: on the local network, and those that others know.\n\
             # [find]\n\
             # local_network = true\n\
             # peers = true\n\
             \n\
             # For the role \"witness\": a key of its own, and its name in cosignatures.\n\
             # [witness]\n\
             # name = \"witness.example/w1\"\n\
             # key = \"witness.key\"\n\
             \n\
             # Logs, documents and metrics over HTTP, for this machine; `public = true` for others.\n\
             # [http]\n\
             # listen = \"127.0.0.1:4180\"\n\
             \n\
             # A static copy of a node's logs on any web server, followed as a peer is.\n\
             # [[mirror]]\n\
             # url = \"https://...\"\n\
             # every = \"60 s\"\n\
             \n\
             # Where packages come from; without it, apt's own sources are used.\n\
             # [archive]\n\
             # debian = [\"https://...\"]\n\
             # keyring = \"/usr/share/keyrings/debian-archive-keyring.gpg\"\n\
             \n\
             # How much of this machine builds get; without it, one for every four processors and 4 GiB.\n\
             # [build]\n\
             # jobs = 2\n\
             # memory = \"16 GiB\"\n\
             \n\
             # Whose new releases are rebuilt without anyone asking; as many as you like.\n\
             # [[follow]]\n\
             # suite = \"trixie\"\n\
             # only = [\"netbase\", \"adduser\"]  # sources or packages; without it, all of the suite\n\
             # [[follow]]\n\
             # lockfile = \"requirements.txt\"     # or list = \"FILE\", with one reference a line\n",
            network = self.network.as_str(),
            data = places.data.to_string_lossy(),
            policy = places.policy.to_string_lossy(),
            key = places.key.to_string_lossy(),
            certificate = places.certificate.to_string_lossy(),
            consumer = places.consumer.to_string_lossy(),
        )
    }
}

fn tell_to_certify(places: &Places) {
    output::line(&format!("public key     {}", places.public.display()));
    output::line("               where the operator's key is, run:");
    output::line(
        "               reattest operator certify --key OPERATOR_KEY rebuilder.key.pub -o certificate.json",
    );
    output::line(&format!("               and bring it to {}", places.certificate.display()));
}
