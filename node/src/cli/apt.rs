//! `reattest apt`: the door to apt, put in its way, taken out of it, and looked at.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::output::{self, BAD, GOOD, styled};
use super::{Exit, config_file};
use crate::apt::enable::{CONF, METHODS, Place};
use crate::apt::hook;
use crate::config::Config;
use crate::fault::Fault;

/// Lets apt install only what the policy allows.
#[derive(Debug, Args)]
pub(super) struct Apt {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Puts the door in apt's way: a method that keeps packages back, and a hook before dpkg.
    #[command(
        after_help = "Examples:\n  sudo reattest --config /etc/reattest/node.toml apt enable\n  \
        sudo reattest apt status"
    )]
    Enable(Files),
    /// Takes it out of apt's way again.
    Disable(Files),
    /// How the door stands, as apt reads its configuration.
    Status {
        #[command(flatten)]
        files: Files,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// What apt runs before dpkg; reads what apt tells on standard input.
    #[command(hide = true)]
    Hook,
}

#[derive(Debug, Args)]
struct Files {
    /// The file of apt's configuration that is written.
    #[arg(long, value_name = "FILE", default_value = CONF)]
    conf: PathBuf,
    /// The directory of methods that is written.
    #[arg(long, value_name = "DIR", default_value = METHODS)]
    methods: PathBuf,
}

impl Files {
    fn place(&self) -> Result<Place, Fault> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| Fault::new(path.display().to_string(), error))
        };
        Ok(Place { conf: absolute(&self.conf)?, methods: absolute(&self.methods)? })
    }
}

impl Apt {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        match &self.command {
            Command::Enable(files) => enable(&files.place()?, &config_file(config)?),
            Command::Disable(files) => {
                let was = files.place()?.disable()?;
                output::line(if was { "apt asks nobody any more" } else { "apt asked nobody" });
                Ok(Exit::Fine)
            }
            Command::Status { files, json } => status(&files.place()?, *json),
            Command::Hook => judge(),
        }
    }
}

fn enable(place: &Place, config: &Path) -> Result<Exit, Fault> {
    let fail = |error| Fault::new(config.display().to_string(), error);
    let config = std::fs::canonicalize(config).map_err(fail)?;
    // A configuration that cannot be read would keep apt from installing anything.
    Config::load(&config)?;
    let program = std::env::current_exe().and_then(std::fs::canonicalize);
    let program = program.map_err(|error| Fault::new("this program's own path", error))?;
    place.enable(&program, &config)?;
    output::line(&format!("apt asks the policy of {} from now on", config.display()));
    output::line(&format!("  written     {}, {}", place.conf.display(), place.methods.display()));
    output::line("  to end it   reattest apt disable");
    Ok(Exit::Fine)
}

fn status(place: &Place, json: bool) -> Result<Exit, Fault> {
    let standing = place.standing()?;
    let exit = if standing.findings.is_empty() { Exit::Fine } else { Exit::Fault };
    if json {
        output::json(&standing)?;
        return Ok(exit);
    }
    let word = |good: bool, yes, no| if good { styled(GOOD, yes) } else { styled(BAD, no) };
    output::line(&format!("door       {}", word(standing.enabled, "enabled", "not enabled")));
    let schemes = standing.schemes.join(", ");
    output::line(&format!(
        "downloads  {}",
        if schemes.is_empty() { "not guarded" } else { &schemes }
    ));
    output::line(&format!("hook       {}", if standing.hook { "before dpkg" } else { "none" }));
    for finding in &standing.findings {
        output::line(&format!("{}  {finding}", styled(BAD, "finding")));
    }
    Ok(exit)
}

fn judge() -> Result<Exit, Fault> {
    let judged = hook::judge()?;
    judged.lines().iter().for_each(|line| output::note(line));
    Ok(if judged.refused.is_empty() { Exit::Fine } else { Exit::Rejected })
}
