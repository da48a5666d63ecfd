//! `reattest operator`: the offline key that policies name, and what it certifies.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reattest_attestation::{Certificate, PublicKey, Sign};

use super::{Exit, output};
use crate::fault::Fault;
use crate::operator::{self, CERTIFICATE_DAYS};
use crate::setup;
use crate::signer::custody::{self, Place};

/// Makes an operator's offline key, and certifies rebuilder keys with it.
#[derive(Debug, Args)]
pub(super) struct Operator {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes an operator's key; never over another file. Of a key that is in a token or an agent
    /// already, shows what policies need.
    Init {
        /// Where: a path on a medium that is kept offline, or a table as `key` has in the configuration.
        #[arg(long, value_name = "PATH|TABLE")]
        key: Place,
        /// The name that others will know you by in their policies.
        #[arg(long, default_value = "me")]
        name: String,
    },
    /// Certifies a rebuilder's key.
    Certify {
        /// The operator's key: a path, or a table as `key` has in the configuration.
        #[arg(long, value_name = "PATH|TABLE")]
        key: Place,
        /// The rebuilder's public key: `ssh-ed25519 AAAA...` on one line.
        public_key: PathBuf,
        /// For how long.
        #[arg(long, default_value_t = CERTIFICATE_DAYS)]
        days: u32,
        /// Where the certificate goes; never over another file.
        #[arg(short, long, value_name = "FILE", default_value = "certificate.json")]
        output: PathBuf,
    },
}

impl Operator {
    pub(super) fn run(&self) -> Result<Exit, Fault> {
        match &self.action {
            Action::Init { key, name } => init(key, name)?,
            Action::Certify { key, public_key, days, output } => {
                let operator = custody::reach(key)?;
                let rebuilder = read_public_key(public_key)?;
                let certificate = operator::certify(&*operator, rebuilder, *days)?;
                let certified = Certificate::verify(&certificate)
                    .map_err(|error| Fault::text(error.to_string()))?;
                setup::write_new(output, certificate.as_bytes(), 0o644)?;
                output::line(&format!("certificate  {}", output.display()));
                show_certificate(certified.certificate());
            }
        }
        Ok(Exit::Fine)
    }
}

fn init(place: &Place, name: &str) -> Result<(), Fault> {
    let public = match place {
        Place::File(path) => {
            if path.exists() {
                return Err(Fault::text(format!(
                    "{} exists already, and init never overwrites; nothing was changed",
                    path.display()
                )));
            }
            let key = setup::new_key()?;
            setup::write_key(path, &key, name)?;
            key.public_key()
        }
        elsewhere => custody::reach(elsewhere)?.public_key(),
    };
    output::line(&format!("operator key   {place}"));
    show_operator(name, &public);
    Ok(())
}

/// What others compare, and what they write into a policy.
pub(super) fn show_operator(name: &str, public: &PublicKey) {
    output::line(&format!("fingerprint    {}", public.fingerprint()));
    output::line(
        "\nWho trusts you adds this to a policy, after comparing the fingerprint with you:\n",
    );
    output::line(&format!("[[operator]]\nname = {name:?}\nkey = {:?}", public.to_string()));
}

/// What a certificate says, line by line.
pub(super) fn show_certificate(certificate: &Certificate) {
    output::line(&format!("  rebuilder  {}", certificate.rebuilder.fingerprint()));
    output::line(&format!("  operator   {}", certificate.operator.fingerprint()));
    output::line(&format!("  from       {}", certificate.not_before));
    output::line(&format!("  until      {}", certificate.not_after));
}

/// A `.pub` file, as `ssh-keygen` writes it.
pub(super) fn read_public_key(path: &std::path::Path) -> Result<PublicKey, Fault> {
    let fail = |error: Box<dyn std::error::Error + Send + Sync>| {
        Fault::new(path.display().to_string(), error)
    };
    let bytes = custody::read_small(path).map_err(|error| fail(error.into()))?;
    let text = String::from_utf8(bytes).map_err(|error| fail(error.into()))?;
    text.parse().map_err(|error: reattest_attestation::key::KeyError| fail(error.into()))
}
