//! `reattest key`: the rebuilder's key as it is, and its end: by a successor, or by a revocation.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reattest_attestation::log::Checkpoint;
use reattest_attestation::{Certified, PublicKey};
use serde::Serialize;

use super::operator::{read_public_key, show_certificate};
use super::{Exit, output};
use crate::clock;
use crate::config::Config;
use crate::fault::Fault;
use crate::operator::{self, CERTIFICATE_DAYS, LastGood};
use crate::rotate::{self, Wish};
use crate::signer::custody::{self, Place};
use crate::signer::resume;
use crate::store::Store;
use crate::words::Words;

/// Shows, rotates or revokes the rebuilder's key.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The key, where it is kept, its certificate, and where its log stands.
    Show {
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// A new key takes the place of the old one; the operator's offline key signs. The node must be
    /// stopped.
    Rotate {
        #[command(flatten)]
        end: End,
        /// The new key's public half, where it is made in an agent or a token; without it, a new file.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// For how long the new key is certified.
        #[arg(long, default_value_t = CERTIFICATE_DAYS)]
        days: u32,
        /// Up to where the old key's log is vouched for: now (the signed head on this disk),
        /// SIZE:ROOT, or none.
        #[arg(long, default_value = "now")]
        last_good: LastGood,
        /// Why, for people.
        #[arg(long, default_value = "rotated")]
        reason: String,
    },
    /// Ends a key without a successor; the operator's offline key signs.
    Revoke {
        #[command(flatten)]
        end: End,
        /// Which key, by its public half; without it, the configured one.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// Up to where its log is vouched for: none, SIZE:ROOT, or now (the signed head on this disk).
        #[arg(long)]
        last_good: LastGood,
        /// Why, for people; at most 256 bytes.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
struct End {
    /// The operator's key: a path, or a table as `key` has in the configuration.
    #[arg(long, value_name = "PATH|TABLE")]
    operator_key: Place,
}

#[derive(Serialize)]
struct Shown {
    fingerprint: String,
    public_key: String,
    kept: String,
    operator: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    days_left: Option<i64>,
    logs: Vec<ShownHead>,
    /// The head for which nothing is signed with this key.
    held: Option<ShownHead>,
    words: usize,
}

#[derive(Serialize)]
struct ShownHead {
    origin: String,
    size: u64,
    root: String,
}

impl ShownHead {
    fn of(head: &Checkpoint) -> Self {
        let (origin, root) = (head.origin.to_string(), head.root.to_string());
        Self { origin, size: head.size, root }
    }
}

impl Key {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        match &self.action {
            Action::Show { json } => show(config, *json)?,
            Action::Rotate { end, public_key, days, last_good, reason } => {
                let new = public_key.as_deref().map(read_public_key).transpose()?;
                let (days, last_good, reason) = (*days, *last_good, reason.clone());
                let wish = Wish { new, days, last_good, reason };
                let operator = || custody::reach(&end.operator_key);
                tell(config, &rotate::rotate(config, &operator, &wish)?)?;
            }
            Action::Revoke { end, public_key, last_good, reason } => {
                revoke(config, &end.operator_key, public_key.as_ref(), *last_good, reason)?;
            }
        }
        Ok(Exit::Fine)
    }
}

fn show(config: &Config, json: bool) -> Result<(), Fault> {
    let Some(place) = &config.key else {
        return Err(Fault::text("the configuration names no `key`, needed one to show"));
    };
    let certificate = config.certificate.as_ref().filter(|path| path.exists());
    let certified = certificate.map(|path| custody::read_certificate(path)).transpose()?;
    let certified = certified.map(|(_, certified)| certified);
    let key = match &certified {
        Some(certified) => certified.certificate().rebuilder,
        None => custody::reach(place)?.public_key(),
    };
    let words = Words::open(&config.data).map_err(|error| Fault::text(error.to_string()))?;
    let about = words.about(&std::iter::once(key.digest()).collect()).count();
    let shown = Shown {
        fingerprint: key.fingerprint(),
        public_key: key.to_string(),
        kept: place.to_string(),
        operator: certified.as_ref().map(|c| c.certificate().operator.fingerprint()),
        valid_from: certified.as_ref().map(|c| c.certificate().not_before.to_string()),
        valid_until: certified.as_ref().map(|c| c.certificate().not_after.to_string()),
        days_left: certified.as_ref().map(days_left),
        logs: heads(config, &key)?,
        held: resume::held(config, &key)?.map(|head| ShownHead::of(&head)),
        words: about,
    };
    if json {
        return output::json(&shown);
    }
    output::line(&format!("fingerprint  {}", shown.fingerprint));
    output::line(&format!("public key   {}", shown.public_key));
    output::line(&format!("kept in      {}", shown.kept));
    match &certified {
        None => output::line("certificate  none yet: `reattest operator certify` makes one"),
        Some(certified) => {
            output::line(&format!("certificate  {} days left", days_left(certified)));
            show_certificate(certified.certificate());
        }
    }
    for head in &shown.logs {
        output::line(&format!("log          {}", head.origin));
        output::line(&format!("  head       {}:{}", head.size, head.root));
    }
    if let Some(head) = &shown.held {
        show_held(head);
    }
    Ok(())
}

/// Why nothing is signed with the key, and the way out.
fn show_held(head: &ShownHead) {
    let at = format!("{}:{}", head.size, head.root);
    output::line(&format!("held         at {at} of {}", head.origin));
    output::line(
        "             this key signed that head, and the signer's state does not know it:",
    );
    output::line("             it may be restored from a backup, or the key signs elsewhere too.");
    output::line(
        "             Nothing is signed until, with the log on this disk and the node stopped,",
    );
    output::line(&format!("             reattest log resume --at {at}"));
    output::line("             has run; if the key may be in other hands: reattest key revoke");
}

/// Whole days until a certificate ends; none or fewer when it has.
fn days_left(certified: &Certified) -> i64 {
    let until = certified.certificate().not_after.as_unix();
    until.saturating_sub(clock::now().as_unix()).div_euclid(24 * 3600)
}

/// The signed heads of a key's logs on this disk.
fn heads(config: &Config, key: &PublicKey) -> Result<Vec<ShownHead>, Fault> {
    if !config.data.is_dir() {
        return Ok(Vec::new());
    }
    let heads = LastGood::Now.heads(&Store::read_only(&config.data)?, &config.network, key)?;
    Ok(heads.iter().map(ShownHead::of).collect())
}

fn tell(config: &Config, rotated: &rotate::Rotated) -> Result<(), Fault> {
    if rotated.finished {
        output::line("an earlier rotation was interrupted; it is finished now");
    }
    output::line(&format!("old key   {}", rotated.old.fingerprint()));
    output::line(&format!("new key   {}", rotated.new.fingerprint()));
    for path in &rotated.kept {
        output::line(&format!("kept      {}", path.display()));
    }
    output::line(&format!("word      {}", rotated.word.display()));
    let fits = match &config.key {
        Some(place @ Place::File(_)) => custody::reach(place)?.public_key() == rotated.new,
        _ => false,
    };
    if !fits {
        output::line("          set `key` in the configuration to where the new key is");
    }
    output::line("          start the node: peers learn of both keys by it");
    Ok(())
}

fn revoke(
    config: &Config,
    operator_key: &Place,
    public_key: Option<&PathBuf>,
    last_good: LastGood,
    reason: &str,
) -> Result<(), Fault> {
    let operator = custody::reach(operator_key)?;
    let key = match (public_key, &config.certificate) {
        (Some(path), _) => read_public_key(path)?,
        (None, Some(path)) => {
            let (_, certified) = custody::read_certificate(path)?;
            operator::is_own(&*operator, &certified, path)?;
            certified.certificate().rebuilder
        }
        (None, None) => {
            return Err(Fault::text(
                "the configuration names no `certificate`; say which key with --public-key FILE",
            ));
        }
    };
    let store = Store::read_only(&config.data)?;
    let last_good = last_good.heads(&store, &config.network, &key)?;
    let word = operator::revoke(&*operator, key, last_good.clone(), reason)?;
    let fail = |error: crate::words::WordsError| Fault::text(error.to_string());
    let mut words = Words::open(&config.data).map_err(fail)?;
    words.put(&word).map_err(fail)?;
    output::line(&format!("revoked   {}", key.fingerprint()));
    if last_good.is_empty() {
        output::line("          nothing that it signed counts any more");
    }
    for head in &last_good {
        output::line(&format!("good till {}:{} of {}", head.size, head.root, head.origin));
    }
    output::line(&format!("word      {}", words.path(&word.digest()).display()));
    output::line("          a node that runs on this directory shows it to its peers");
    Ok(())
}
