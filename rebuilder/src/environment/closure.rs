//! What one pass over the package index tells the solver (step 3): essential packages, and apt's own
//! closure, which becomes the tool that resolves.
//!
//! The closure takes the first alternative of each dependency. It chooses nothing of the build
//! environment: apt does that, and would choose the same from any root in which it starts.

use std::collections::{BTreeMap, BTreeSet};

use crate::cas::Cas;
use crate::error::RebuildError;
use crate::recipe::Input;
use crate::release::{Index, IndexEntry, Stanza, field, input};

/// apt, what it runs, and the links of the merged `/usr` that all of them expect.
const TOOL: &[&str] = &["base-files", "apt", "dpkg", "dash", "coreutils"];

/// The part of the index that matters here.
pub(super) struct Closure {
    /// Names of all packages that every system has.
    pub(super) essential: Vec<String>,
    /// The packages of the tool.
    pub(super) tool: Vec<Input>,
}

/// One package, before it is known whether it is needed; raw text, since almost none is.
struct Candidate {
    raw: String,
    depends: Vec<String>,
}

impl Closure {
    /// Reads the index once.
    pub(super) fn read(cas: &Cas, entry: &IndexEntry) -> Result<Self, RebuildError> {
        let mut essential = Vec::new();
        let mut candidates = BTreeMap::new();
        Index::open(cas, entry)?.each(|raw| {
            let name = field(raw, "Package").unwrap_or_default();
            if field(raw, "Essential") == Some("yes") {
                essential.push(name.to_owned());
            }
            candidates.insert(name.to_owned(), Candidate::read(raw));
            Ok(())
        })?;
        essential.sort();
        essential.dedup();
        let tool = closure(&candidates).map_err(|why| broken(entry, why))?;
        Ok(Self { essential, tool })
    }
}

fn broken(entry: &IndexEntry, why: String) -> RebuildError {
    crate::release::IndexError::Malformed { location: entry.location.clone(), why }.into()
}

impl Candidate {
    fn read(raw: &str) -> Self {
        let names = ["Pre-Depends", "Depends"].into_iter().filter_map(|name| field(raw, name));
        let depends =
            names.flat_map(|text| text.split(',')).filter_map(first_alternative).collect();
        Self { raw: raw.to_owned(), depends }
    }
}

/// `a (>= 1) | b` is `a`; `a:any` too.
fn first_alternative(relation: &str) -> Option<String> {
    let first = relation.split('|').next()?.split_whitespace().next()?;
    Some(first.split(':').next()?.to_owned())
}

fn closure(candidates: &BTreeMap<String, Candidate>) -> Result<Vec<Input>, String> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<String> = TOOL.iter().map(|name| (*name).to_owned()).collect();
    let mut inputs = Vec::new();
    while let Some(name) = left.pop() {
        // A virtual package has no stanza; apt starts without, or the solver says what is missing.
        let Some(candidate) = candidates.get(&name).filter(|_| seen.insert(name.clone())) else {
            continue;
        };
        inputs.push(input(&Stanza::parse(&candidate.raw)?)?);
        left.extend(candidate.depends.iter().cloned());
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_alternative_is_taken_without_version_and_architecture() {
        let table =
            [("a (>= 1) | b", "a"), (" perl:any", "perl"), ("c | d", "c"), ("e(>= 1)", "e(>=")];
        for (relation, expected) in table {
            assert_eq!(first_alternative(relation).as_deref(), Some(expected));
        }
    }
}
