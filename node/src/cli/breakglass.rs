//! `reattest breakglass`: one artifact past the policy for a while, by name, recorded, and with an alarm.

use clap::{Args, Subcommand};
use reattest_attestation::{SecretKey, Sign};
use reattest_rebuilder::retention::Age;
use serde::Serialize;

use super::Exit;
use super::output::{self, BAD, UNSURE, styled};
use crate::clock;
use crate::config::Config;
use crate::decisions::{self, Artifact, Chain, Identity, OpenBreakglass, Spool, Untaken};
use crate::fault::Fault;
use crate::signer::custody::read_key;

/// Lets one artifact past the policy for a while: recorded, and with an alarm at once.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  reattest breakglass --artifact 'pkg:deb/debian/netbase@6.5?arch=all&distro=trixie' \\\n      \
    --reason 'the resolver is down, ticket 4711' --expires 4h\n  \
    reattest breakglass list\n  reattest breakglass review 12 --remark 'rebuilt since, accepted'"
)]
pub(super) struct BreakglassCommand {
    #[command(subcommand)]
    command: Option<Command>,
    /// The full purl, or `sha256:HEX`, that is let in; nothing else is.
    #[arg(long, value_name = "PURL|sha256:HEX", required = true)]
    artifact: Option<Artifact>,
    /// Why, for whoever reviews it.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
    /// How long, at most a week: `4h`, `30min`.
    #[arg(long, value_name = "TIME", required = true)]
    expires: Option<Age>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What nobody reviewed yet; sends alarms that wait.
    List {
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Ends one, after somebody looked at it.
    Review {
        /// Its number.
        id: u64,
        /// What came of it.
        #[arg(long, value_name = "TEXT")]
        remark: String,
    },
}

impl BreakglassCommand {
    pub(super) fn run(&self, config: &Config) -> Result<Exit, Fault> {
        let directory = decisions::directory(config);
        let (chain, spool) = (Chain::at(&directory), Spool::beside(&directory, &config.alarms));
        match &self.command {
            Some(Command::List { json }) => list(&chain, &spool, *json),
            Some(Command::Review { id, remark }) => {
                review(&chain, *id, remark, key(config).as_ref())
            }
            None => self.break_glass(&chain, &spool, key(config).as_ref()),
        }
    }

    fn break_glass(
        &self,
        chain: &Chain,
        spool: &Spool,
        key: Option<&SecretKey>,
    ) -> Result<Exit, Fault> {
        let (Some(artifact), Some(reason), Some(expires)) =
            (&self.artifact, &self.reason, self.expires)
        else {
            return Err(Fault::text("needed --artifact, --reason and --expires"));
        };
        let by = key.map(|key| key as &dyn Sign);
        let (line, breakglass) =
            decisions::break_glass(chain, spool, artifact.clone(), reason, expires.0, by)?;
        let signed = key.map(|key| key.public_key().fingerprint());
        let untaken = spool.deliver()?;
        let number = line.record.number;
        if self.json {
            output::json(&serde_json::json!({
                "record": number, "hash": line.hash, "breakglass": breakglass, "signed_by": signed,
                "untaken": untaken,
            }))?;
            return Ok(Exit::Fine);
        }
        output::line(&format!("{}  {}", styled(UNSURE, "broken"), breakglass.artifact));
        output::line(&format!("  record   {number}, sha256:{}", line.hash));
        output::line(&format!("  by       {}", breakglass.by));
        output::line(&format!("  signed   {}", signed.as_deref().unwrap_or("by nobody")));
        output::line(&format!("  until    {}", breakglass.expires));
        output::line(&format!("  review   reattest breakglass review {number} --remark TEXT"));
        warn(&untaken);
        Ok(Exit::Fine)
    }
}

/// The consumer's key. Without it the glass breaks all the same, as it must, and nobody signs.
fn key(config: &Config) -> Option<SecretKey> {
    let why = match config.consumer_key.as_deref().map(read_key) {
        Some(Ok(key)) => return Some(key),
        Some(Err(fault)) => fault.to_string(),
        None => "the configuration names no `consumer_key`".to_owned(),
    };
    output::note(&format!("note: the record is not signed, for {why}"));
    None
}

fn warn(untaken: &[Untaken]) {
    for Untaken { alarm, why } in untaken {
        output::note(&format!("{}  {alarm} was not taken: {why}; it waits", styled(BAD, "alarm")));
    }
}

fn list(chain: &Chain, spool: &Spool, json: bool) -> Result<Exit, Fault> {
    #[derive(Serialize)]
    struct Document {
        open: Vec<OpenBreakglass>,
        untaken: Vec<Untaken>,
    }
    let open = decisions::open_breakglasses(chain, clock::now())?;
    let untaken = spool.deliver()?;
    if json {
        output::json(&Document { open, untaken })?;
        return Ok(Exit::Fine);
    }
    if open.is_empty() {
        output::line("no breakglass is open");
    }
    for line in lines(&open) {
        output::line(&line);
    }
    warn(&untaken);
    Ok(Exit::Fine)
}

/// A line for each open breakglass.
pub(super) fn lines(open: &[OpenBreakglass]) -> Vec<String> {
    let line = |one: &OpenBreakglass| {
        let OpenBreakglass { record, overdue, breakglass, .. } = one;
        let state = if *overdue {
            styled(BAD, &format!("OVERDUE for review since {}", breakglass.expires))
        } else {
            format!("open until {}", breakglass.expires)
        };
        let (artifact, by, reason) = (&breakglass.artifact, &breakglass.by, &breakglass.reason);
        format!("breakglass {record}  {state}: {artifact}, by {by}: {reason}")
    };
    open.iter().map(line).collect()
}

fn review(chain: &Chain, id: u64, remark: &str, key: Option<&SecretKey>) -> Result<Exit, Fault> {
    let (line, breakglass) = decisions::review(chain, id, remark, key.map(|key| key as &dyn Sign))?;
    output::line(&format!("breakglass {id} is closed by record {}", line.record.number));
    let Identity { uid, login_uid, .. } = decisions::identity();
    if (uid, login_uid) == (breakglass.by.uid, breakglass.by.login_uid) {
        output::note("note: whoever broke the glass reviewed it; let somebody else look, too");
    }
    Ok(Exit::Fine)
}
