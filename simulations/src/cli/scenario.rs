//! `reattest-simulations scenario`: one scenario, or the page of all.

use clap::Args;
use reattest_simulations::scenarios::{SCENARIOS, Scenario as Staged, page};
use serde_json::json;

use super::{Said, json, text};

/// Runs a scenario and prints what it shows, in Markdown.
#[derive(Debug, Args)]
pub(crate) struct Scenario {
    /// Which; without it their names are printed.
    #[arg(value_name = "NAME", conflicts_with = "all")]
    name: Option<String>,
    /// Prints the page of all scenarios: docs/SIMULATIONS.md.
    #[arg(long)]
    all: bool,
    /// Prints one JSON document.
    #[arg(long, conflicts_with = "all")]
    json: bool,
}

impl Scenario {
    pub(crate) fn run(&self) -> Said {
        if self.all {
            let page = page().map_err(|failure| failure.to_string())?;
            return text(&page.trim_end());
        }
        let Some(name) = &self.name else {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            return text(&names.join("\n"));
        };
        let unknown = || format!("found scenario {name:?}, needed one that `scenario` lists");
        let staged = Staged::named(name).ok_or_else(unknown)?;
        let found = staged.run().map_err(|failure| failure.to_string())?;
        if self.json {
            return json(&json!({ "name": staged.name, "set": staged.set, "found": found }));
        }
        text(&staged.page(&found).trim_end())
    }
}
