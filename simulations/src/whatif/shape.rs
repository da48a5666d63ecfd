//! The shape of a quorum: groups, seats and what is asked of them, with stand-ins in place of the operators (step 9).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reattest_attestation::policy::{Diversity, Group, Member};
use reattest_attestation::{Digest, Policy, SecretKey, Sign as _};

use super::WhatIfError;
use crate::rebuilds::ARCHIVE;

/// The end of every policy here; statements are judged long before.
const EXPIRES: &str = "2027-01-01T00:00:00Z";

/// The network of stand-ins.
pub(super) const NETWORK: &str = "what-if";

/// A place in the quorum.
#[derive(Debug, Clone)]
struct Seat {
    /// The operator's name in the policy.
    name: String,
    /// What sets it apart.
    tags: BTreeMap<String, String>,
    /// The innermost group that it sits in; 0 is the quorum itself.
    group: usize,
}

/// A member of a group.
#[derive(Debug, Clone)]
enum Place {
    Seat(usize),
    Group { number: usize, need: usize, of: Vec<Self> },
}

/// A quorum without its operators' keys.
#[derive(Debug, Clone)]
pub struct Shape {
    seats: Vec<Seat>,
    of: Vec<Place>,
    groups: usize,
    diversity: Vec<Diversity>,
    /// k and d of the policy that it was taken from.
    own: Option<(usize, usize)>,
    /// Demands of that policy that are assumed to be met.
    assumed: Vec<String>,
}

impl Shape {
    /// n operators, all alike.
    pub fn flat(operators: usize) -> Self {
        let seat = |at: usize| Seat {
            name: format!("operator {}", at.saturating_add(1)),
            tags: BTreeMap::new(),
            group: 0,
        };
        let (seats, of) = (0..operators).map(|at| (seat(at), Place::Seat(at))).unzip();
        Self { seats, of, groups: 0, diversity: Vec::new(), own: None, assumed: Vec::new() }
    }

    /// The quorum of a policy.
    pub fn of_policy(policy: &Policy) -> Self {
        let seats = policy.voters().map(|operator| Seat {
            name: operator.name.clone(),
            tags: operator.tags.clone(),
            group: 0,
        });
        let demands = policy.demands();
        let mut shape = Self {
            seats: seats.collect(),
            of: Vec::new(),
            groups: 0,
            diversity: demands.diversity.clone(),
            own: Some((policy.formula().need(), demands.max_dissent)),
            assumed: Vec::new(),
        };
        shape.of = shape.places(policy.formula(), 0);
        for (asked, what) in [
            (demands.witnesses > 0, "every statement is witnessed, and every log seen lately"),
            (demands.max_age.is_some(), "every statement is young enough"),
        ] {
            shape.assumed.extend(asked.then(|| what.to_owned()));
        }
        shape
    }

    fn places(&mut self, group: &Group, number: usize) -> Vec<Place> {
        let mut places = Vec::new();
        for member in group.of() {
            places.push(match member {
                Member::Operator(voter) => {
                    if let Some(seat) = self.seats.get_mut(*voter) {
                        seat.group = number;
                    }
                    Place::Seat(*voter)
                }
                Member::Group(inner) => {
                    self.groups = self.groups.saturating_add(1);
                    let number = self.groups;
                    let of = self.places(inner, number);
                    Place::Group { number, need: inner.need(), of }
                }
            });
        }
        places
    }

    /// n.
    pub fn operators(&self) -> usize {
        self.seats.len()
    }

    /// The seat of the operator that the policy calls so.
    pub fn seat(&self, name: &str) -> Option<usize> {
        self.seats.iter().position(|seat| seat.name == name)
    }

    /// Members of the outermost group: the largest k.
    pub fn members(&self) -> usize {
        self.of.len()
    }

    /// The policy's own k and d, where the shape is a policy's.
    pub fn own(&self) -> Option<(usize, usize)> {
        self.own
    }

    /// What of the policy is assumed to be met, in words.
    pub fn assumed(&self) -> &[String] {
        &self.assumed
    }

    /// What tells the seat from others: seats with the same answer are exchangeable.
    pub(super) fn kind(&self, seat: usize) -> Option<(usize, &BTreeMap<String, String>)> {
        self.seats.get(seat).map(|seat| (seat.group, &seat.tags))
    }

    /// The policy of stand-ins with this k; d is as large as k allows, or smaller where asked.
    pub fn policy(&self, need: usize, max_dissent: Option<usize>) -> Result<Policy, WhatIfError> {
        let policy = Policy::parse(&self.text(need, None))?;
        match max_dissent.filter(|asked| *asked < policy.demands().max_dissent) {
            Some(fewer) => Ok(Policy::parse(&self.text(need, Some(fewer)))?),
            None => Ok(policy),
        }
    }

    fn text(&self, need: usize, max_dissent: Option<usize>) -> String {
        let mut text = format!("version = 1\nnetwork = \"{NETWORK}\"\nexpires = {EXPIRES}\n");
        for (at, seat) in self.seats.iter().enumerate() {
            let key = operator(at).public_key();
            let tags = seat.tags.iter();
            let tags = tags.map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
            let tags: Vec<String> = tags.collect();
            // Writing to a text cannot fail.
            let _written = write!(
                text,
                "[[operator]]\nname = \"{at}\"\nkey = \"{key}\"\ntags = {{ {} }}\n",
                tags.join(", ")
            );
        }
        let _written =
            write!(text, "[[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{ARCHIVE}\"]\n");
        for place in &self.of {
            group(place, &mut text);
        }
        let _written = write!(text, "[quorum]\nneed = {need}\nof = [{}]\n", names(&self.of));
        if let Some(limit) = max_dissent {
            let _written = writeln!(text, "max_dissent = {limit}");
        }
        for Diversity { tag, distinct } in &self.diversity {
            let tag = quoted(tag);
            let _written =
                write!(text, "[[quorum.diversity]]\ntag = {tag}\ndistinct = {distinct}\n");
        }
        text
    }
}

/// The offline key of the stand-in in a seat.
pub(super) fn operator(seat: usize) -> SecretKey {
    SecretKey::from_seed(Digest::of(format!("operator {seat}").as_bytes()).as_bytes())
}

fn group(place: &Place, text: &mut String) {
    let Place::Group { number, need, of } = place else { return };
    for inner in of {
        group(inner, text);
    }
    let of = names(of);
    let _written = write!(text, "[[group]]\nname = \"g{number}\"\nneed = {need}\nof = [{of}]\n");
}

fn names(of: &[Place]) -> String {
    let name = |place: &Place| match place {
        Place::Seat(at) => format!("\"{at}\""),
        Place::Group { number, .. } => format!("\"g{number}\""),
    };
    of.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A text as TOML reads it; JSON's spelling is one of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
