//! What a varied run tells of the cause (step 4, pure): the same build, with one's own machine disguised.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Report;
use super::document::{Cause, Difference};
pub use crate::vary::Varied;

/// What was another in the varied run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variation {
    /// Each thing that was varied.
    pub changed: Vec<Varied>,
}

/// What this build depends on, as far as a varied run shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependence {
    /// What was varied.
    pub varied: Vec<Varied>,
    /// In a sentence.
    pub words: String,
    /// Places that changed with it.
    pub places: Vec<Dependent>,
    /// Places that changed and are not listed.
    pub omitted: u64,
}

/// A place that a varied run changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependent {
    /// The way through the containers.
    pub place: String,
    /// What it depends on: one of what was varied where the bytes tell which, else all of it.
    pub on: Vec<Varied>,
    /// Whether the published file differs at this place, too.
    pub coincides: bool,
}

/// Places that are listed, and characters of each: the document has little room beside the differences.
const PLACES: usize = 32;
const PLACE: usize = 160;

impl Report {
    /// Adds what a varied run showed. `varied` compares the first own run with the varied one.
    #[must_use]
    pub fn with_variation(mut self, variation: &Variation, varied: &Report) -> Self {
        let own: BTreeSet<String> = self.differences.iter().map(Difference::place).collect();
        let mut places: BTreeMap<String, BTreeSet<Varied>> = BTreeMap::new();
        let telling = varied.differences.iter().filter(|d| d.cause != Cause::Consequence);
        for difference in telling {
            let on = decided_by(difference.cause, &variation.changed);
            places.entry(difference.place()).or_default().extend(on);
        }
        let omitted = places.len().saturating_sub(PLACES) as u64 + varied.omitted;
        let dependent = |(place, on): (String, BTreeSet<Varied>)| Dependent {
            coincides: own.contains(&place),
            on: on.into_iter().collect(),
            place: place.chars().take(PLACE).collect(),
        };
        let places: Vec<Dependent> = places.into_iter().map(dependent).take(PLACES).collect();
        let words = sentence(&variation.changed, &places);
        let varied = variation.changed.clone();
        self.variation = Some(Dependence { varied, words, places, omitted });
        self
    }
}

/// What of the varied things decides a difference of this cause; all of them where none is known.
fn decided_by(cause: Cause, changed: &[Varied]) -> Vec<Varied> {
    let known: &[Varied] = match cause {
        Cause::Time => &[Varied::Clock],
        Cause::HostName => &[Varied::HostName],
        Cause::User => &[Varied::Umask, Varied::UserId],
        Cause::Locale => &[Varied::Locale],
        Cause::Parallelism => &[Varied::CpuCount],
        Cause::Order => &[Varied::CpuCount, Varied::Locale],
        _ => &[],
    };
    let some: Vec<Varied> = changed.iter().filter(|v| known.contains(v)).copied().collect();
    if some.is_empty() { changed.to_vec() } else { some }
}

fn sentence(changed: &[Varied], places: &[Dependent]) -> String {
    let list = |varied: &[Varied], last: &str| {
        let names: Vec<&str> = varied.iter().map(|varied| varied.name()).collect();
        match names.split_last() {
            Some((only, [])) => (*only).to_owned(),
            Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
            None => "nothing".to_owned(),
        }
    };
    if places.is_empty() {
        return format!("this build does not depend on {}", list(changed, "or"));
    }
    let of = |coincides: bool| -> BTreeSet<Varied> {
        let places = places.iter().filter(|place| place.coincides == coincides);
        places.flat_map(|place| place.on.clone()).collect()
    };
    let both: Vec<Varied> = of(true).into_iter().collect();
    let joint =
        |on: &[Varied]| if on.len() == changed.len() && on.len() > 1 { "or" } else { "and" };
    if both.is_empty() {
        let on: Vec<Varied> = of(false).into_iter().collect();
        return format!(
            "this build depends on {}, but not where it differs from the published file",
            list(&on, joint(&on))
        );
    }
    format!(
        "this build depends on {}, where it differs from the published file",
        list(&both, joint(&both))
    )
}
