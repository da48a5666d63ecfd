//! `reattest gc`: what the cache need not keep goes, least recently used first.

use std::path::Path;

use clap::Args;
use reattest_rebuilder::retention::{self, Age, Bytes, Collected, Keep};
use serde::Serialize;

use super::render::align;
use super::{Exit, output};
use crate::config::{Cache, Config, Directories};
use crate::fault::Fault;

/// Removes what the cache need not keep, least recently used first.
#[derive(Debug, Args)]
#[command(
    after_help = "A running build or node loses nothing that it uses; logs and documents of nodes are not in the cache.\n\n\
    Examples:\n  reattest gc --dry-run                 what would go, by the configured limits\n  \
    reattest gc --max-size \"5 GiB\"         until no more than that is left\n  \
    reattest gc --max-age \"30 days\" --json"
)]
pub(super) struct Gc {
    /// The most that stays; without it, `cache.max_bytes` of the configuration, or 20 GiB.
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Bytes>,
    /// The longest time since the last use; without it, `cache.max_age` of the configuration, or 90 days.
    #[arg(long, value_name = "TIME")]
    max_age: Option<Age>,
    /// Shows what would go, and removes nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    cache: String,
    dry_run: bool,
    max_bytes: u64,
    max_age_seconds: u64,
    #[serde(flatten)]
    collected: &'a Collected,
}

impl Gc {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let directories = Directories::of_user()?;
        let keep = self.keep(config, &directories)?;
        let cache = &directories.cache;
        let collected = if self.dry_run {
            retention::preview(cache, &keep)?
        } else {
            retention::collect(cache, &keep)?
        };
        if self.json {
            output::json(&Document {
                cache: cache.display().to_string(),
                dry_run: self.dry_run,
                max_bytes: keep.max_bytes,
                max_age_seconds: keep.max_age.as_secs(),
                collected: &collected,
            })?;
        } else {
            self.show(&collected);
        }
        Ok(Exit::Fine)
    }

    /// Said here, else configured, else the default. A first collection needs no `init`.
    fn keep(&self, config: Option<&Path>, directories: &Directories) -> Result<Keep, Fault> {
        let default = directories.config_file();
        let path = config.or_else(|| default.exists().then_some(default.as_path()));
        let configured = match path {
            Some(path) => Config::load(path)?.cache,
            None => Cache::default(),
        };
        let said = Cache {
            max_bytes: self.max_size.or(configured.max_bytes),
            max_age: self.max_age.or(configured.max_age),
        };
        Ok(said.keep())
    }

    fn show(&self, collected: &Collected) {
        let rows: Vec<[String; 4]> = collected
            .removed
            .iter()
            .map(|removal| {
                let idle = format!("unused {}", span(removal.idle_seconds));
                [size(removal.bytes), idle, removal.why.to_string(), short(&removal.name)]
            })
            .collect();
        for row in align(&rows) {
            output::line(&row);
        }
        let done = if self.dry_run { "would remove" } else { "removed" };
        output::line(&format!(
            "{done} {} of {} units, {}; {} stay, {} units in use now",
            collected.removed.len(),
            collected.units,
            size(collected.before.saturating_sub(collected.after)),
            size(collected.after),
            collected.in_use,
        ));
    }
}

/// Enough of a digest to find it.
fn short(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((place, last)) if last.len() > 24 => {
            let start: String = last.chars().take(12).collect();
            format!("{place}/{start}…")
        }
        _ => name.to_owned(),
    }
}

/// Three digits say enough.
pub(super) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
