//! `reattest doctor`: what this machine can enforce, and what it lacks.

mod checks;

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::output::{BAD, DIM, GOOD, UNSURE, styled};
use super::{Exit, output};
use crate::config::{Config, Directories};
use crate::fault::Fault;

/// Tells what this machine can enforce; exit 0 when builds can run.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Asks the archive for its index as well; without this, no request is made.
    #[arg(long)]
    online: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// As it should be.
    Fine,
    /// Builds run, with something less than could be.
    Lesser,
    /// Builds do not run.
    Missing,
    /// For information.
    Info,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
struct Check {
    /// What is looked at.
    #[serde(rename = "check")]
    name: &'static str,
    state: State,
    found: String,
    /// What is needed and what to do; nothing where all is fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "canBuild")]
    can_build: bool,
    checks: &'a [Check],
}

impl Doctor {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let directories = Directories::of_user()?;
        let default = directories.config_file();
        let path = config.or_else(|| default.exists().then_some(default.as_path()));
        // A file that is named and cannot be read is a fault; that there is none is not.
        let config = path.map(Config::load).transpose()?;
        let checks = checks::all(&directories, config.as_ref(), self.online);
        let can_build = checks.iter().all(|check| check.state != State::Missing);
        if self.json {
            output::json(&Document { can_build, checks: &checks })?;
        } else {
            show(&checks, can_build);
        }
        Ok(if can_build { Exit::Fine } else { Exit::Fault })
    }
}

fn show(checks: &[Check], can_build: bool) {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for Check { name: check, state, found, fix } in checks {
        let (style, word) = match state {
            State::Fine => (GOOD, "fine   "),
            State::Lesser => (UNSURE, "lesser "),
            State::Missing => (BAD, "missing"),
            State::Info => (DIM, "       "),
        };
        output::line(&format!("{}  {check:<width$}  {found}", styled(style, word)));
        if let Some(fix) = fix {
            output::line(&format!(
                "{:9}{:width$}  {}",
                "",
                "",
                styled(DIM, &format!("fix: {fix}"))
            ));
        }
    }
    output::line(if can_build {
        "this machine can rebuild packages"
    } else {
        "this machine cannot rebuild packages until what is missing is there"
    });
}
