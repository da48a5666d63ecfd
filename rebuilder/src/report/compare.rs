//! The walk through both files, pair by pair (step 4, pure): containers into members, members into differences.
//!
//! Whatever cannot be read as what it claims to be is compared as bytes, and a note says so. Two
//! contents that are not equal always leave at least one difference.

use std::collections::BTreeMap;

use super::archive::Form;
use super::budget::Budget;
use super::document::{Cause, Difference, Note, Report};
use super::members::recompressed;
use super::packed::Packing;
use super::shown::shown;
use super::{Limits, bytes, elf, lines, pyc, summary};

/// One of the two files.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its file name; shown, and believed nothing of.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Compares a published file with a produced one. Never fails: what cannot be read is bytes.
pub fn compare(published: Side<'_>, produced: Side<'_>, limits: &Limits) -> Report {
    let mut walk = Walk::new(limits);
    let name = published.name;
    walk.pair(&Place { path: Vec::new(), name }, published.bytes, produced.bytes);
    summary::finish(walk, published, produced)
}

/// Notes that are kept; the same fault in each of a thousand members is told often enough.
const NOTES: usize = 32;

/// Where the walk is.
pub(super) struct Place<'a> {
    pub(super) path: Vec<String>,
    pub(super) name: &'a str,
}

/// What the walk has found.
pub(super) struct Walk<'a> {
    pub(super) limits: &'a Limits,
    pub(super) budgets: (Budget, Budget),
    pub(super) differences: Vec<Difference>,
    pub(super) omitted: u64,
    pub(super) notes: Vec<Note>,
    pub(super) compared: u64,
    /// Members that differ, and whether only as a consequence.
    pub(super) differing: BTreeMap<Vec<String>, bool>,
}

impl<'a> Walk<'a> {
    fn new(limits: &'a Limits) -> Self {
        let budget = Budget::new(limits);
        Self {
            limits,
            budgets: (budget, budget),
            differences: Vec::new(),
            omitted: 0,
            notes: Vec::new(),
            compared: 0,
            differing: BTreeMap::new(),
        }
    }

    fn found(&self) -> u64 {
        self.omitted.saturating_add(self.differences.len() as u64)
    }

    /// A difference of one member, which counts as differing.
    pub(super) fn add(&mut self, place: &Place<'_>, difference: Difference) {
        self.touch(place.path.clone(), difference.cause);
        self.tell(place, difference);
    }

    /// A difference whose members were counted already.
    pub(super) fn tell(&mut self, place: &Place<'_>, mut difference: Difference) {
        difference.path.clone_from(&place.path);
        if self.differences.len() < self.limits.differences {
            self.differences.push(difference);
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }

    pub(super) fn touch(&mut self, path: Vec<String>, cause: Cause) {
        let follows = self.differing.entry(path).or_insert(true);
        *follows &= cause == Cause::Consequence;
    }

    pub(super) fn note(&mut self, place: &Place<'_>, text: String) {
        if self.notes.len() < NOTES {
            self.notes.push(Note { path: place.path.clone(), text });
        }
    }

    /// Two contents of one place.
    pub(super) fn pair(&mut self, place: &Place<'_>, a: &[u8], b: &[u8]) {
        if a == b {
            return;
        }
        let before = self.found();
        if !self.open(place, a, b) {
            self.leaf(place, a, b);
        }
        if self.found() == before {
            // Padding, checksums, an encoding: nothing that has a name here.
            self.add(place, bytes::difference(a, b, self.limits));
        }
    }

    /// Whether both are containers of one kind that can be read.
    fn open(&mut self, place: &Place<'_>, a: &[u8], b: &[u8]) -> bool {
        let packing = Packing::of(a).filter(|packing| Packing::of(b) == Some(*packing));
        let form = Form::of(a).filter(|form| Form::of(b) == Some(*form));
        let name = packing.map(Packing::name).or(form.map(Form::name));
        let Some(name) = name else { return false };
        let opened = if place.path.len() >= self.limits.depth {
            Err("it lies too deep in other containers".to_owned())
        } else if let Some(packing) = packing {
            self.unpack(place, packing, a, b)
        } else if let Some(form) = form {
            self.members(place, form, a, b)
        } else {
            return false;
        };
        opened
            .map_err(|why| {
                let why = shown(why.as_bytes(), 200);
                self.note(place, format!("not looked into as {name}: {why}; compared as bytes"));
            })
            .is_ok()
    }

    fn unpack(
        &mut self,
        place: &Place<'_>,
        packing: Packing,
        a: &[u8],
        b: &[u8],
    ) -> Result<(), String> {
        let x = packing.unpack(a, &mut self.budgets.0)?;
        let y = packing.unpack(b, &mut self.budgets.1)?;
        let facts = (packing.facts(a), packing.facts(b));
        self.facts(place, &[(String::new(), &facts.0, &facts.1)]);
        if x == y && facts.0 == facts.1 {
            self.add(place, recompressed(a, b, packing.name()));
        }
        // A stream in a stream has no name of its own, and may not be endless.
        let inner = Place { path: place.path.clone(), name: place.name };
        if Packing::of(&x).is_some() {
            return Err("it is compressed twice".to_owned());
        }
        self.pair(&inner, &x, &y);
        Ok(())
    }

    fn leaf(&mut self, place: &Place<'_>, a: &[u8], b: &[u8]) {
        if place.path.is_empty() {
            self.compared = self.compared.saturating_add(1);
        }
        let found = if elf::is_elf(a) && elf::is_elf(b) {
            elf::differences(a, b, self.limits).unwrap_or_else(|why| {
                let why = shown(why.as_bytes(), 200);
                self.note(place, format!("not looked into as ELF: {why}; compared as bytes"));
                Vec::new()
            })
        } else if pyc::is_pyc(place.name, a) && pyc::is_pyc(place.name, b) {
            pyc::differences(a, b, self.limits)
        } else if lines::is_text(a) && lines::is_text(b) {
            vec![lines::difference(a, b, place.name, self.limits)]
        } else {
            vec![bytes::difference(a, b, self.limits)]
        };
        for difference in found {
            self.add(place, difference);
        }
    }
}
