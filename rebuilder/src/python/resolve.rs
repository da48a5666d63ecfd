//! Which wheels a build needs (step 3): a small resolver, the same answer for everyone who asks later.
//!
//! For each project the newest version wins that every requirement admits, that was published when the
//! artifact was, that is not withdrawn, and that has a wheel for the environment. A new requirement may
//! take a choice back; then all is chosen again from what the chosen ones require. There is no search
//! for older versions of those who require: where that would be needed, the set is refused.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::{Version, VersionSpecifier};
use pep508_rs::MarkerEnvironment;

use super::name::{Kind, Name};
use super::page::{File, Page};
use super::requirement::Requirement;
use super::{PYTHON_FULL, PythonError};
use crate::error::RebuildError;
use crate::limits;

/// What a resolver reads: pages, and the dependencies of the wheels that it chooses.
pub trait Index {
    /// The page of a project.
    fn page(&mut self, project: &Name) -> Result<Page, RebuildError>;
    /// `Requires-Dist` of a wheel, read from the wheel itself.
    fn requires(&mut self, project: &Name, wheel: &File) -> Result<Vec<Requirement>, RebuildError>;
}

/// What a set is resolved for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The kernel's name of the architecture, `x86_64`.
    pub machine: String,
    /// What markers are evaluated against.
    pub markers: MarkerEnvironment,
    /// Nothing that was uploaded later counts; Unix seconds.
    pub until: i64,
    /// A later such time for projects whose older releases do not run on this Python.
    pub at_least: BTreeMap<Name, i64>,
}

impl Target {
    fn until(&self, project: &Name) -> i64 {
        self.at_least.get(project).map_or(self.until, |time| self.until.max(*time))
    }
}

/// A requirement, and who states it.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is required.
    pub requirement: Requirement,
    /// Who requires it, in words.
    pub by: String,
}

/// The wheels that satisfy the wishes and each other, by project.
pub fn resolve(
    wishes: &[Wish],
    target: &Target,
    index: &mut dyn Index,
) -> Result<BTreeMap<Name, File>, RebuildError> {
    let mut resolver =
        Resolver { target, index, pages: BTreeMap::new(), required: BTreeMap::new() };
    let mut chosen: BTreeMap<Name, File> = BTreeMap::new();
    for _ in 0..limits::RESOLVE_ROUNDS {
        let all = resolver.all_wishes(wishes, &chosen)?;
        if all.len() > limits::RESOLVED_WHEELS {
            return Err(too_many().into());
        }
        let next = resolver.choose(&all)?;
        if next == chosen {
            return Ok(chosen);
        }
        chosen = next;
    }
    let why = format!("the choices still change after {} rounds", limits::RESOLVE_ROUNDS);
    Err(PythonError::NoSet { why }.into())
}

fn too_many() -> PythonError {
    PythonError::NoSet { why: format!("more than {} wheels", limits::RESOLVED_WHEELS) }
}

struct Resolver<'a> {
    target: &'a Target,
    index: &'a mut dyn Index,
    pages: BTreeMap<Name, Page>,
    required: BTreeMap<String, Vec<Requirement>>,
}

impl Resolver<'_> {
    /// The wishes themselves, and what the chosen wheels that they lead to require. A cycle ends,
    /// since each project and extra is followed once.
    fn all_wishes(
        &mut self,
        wishes: &[Wish],
        chosen: &BTreeMap<Name, File>,
    ) -> Result<BTreeMap<Name, Vec<Wish>>, RebuildError> {
        let mut all: BTreeMap<Name, Vec<Wish>> = BTreeMap::new();
        let none = BTreeSet::new();
        let applies = |wish: &&Wish| wish.requirement.applies(&self.target.markers, &none);
        let mut left: Vec<Wish> = wishes.iter().filter(applies).cloned().collect();
        let mut followed = BTreeSet::new();
        while let Some(wish) = left.pop() {
            let Requirement { name, extras, .. } = wish.requirement.clone();
            all.entry(name.clone()).or_default().push(wish);
            if let Some(file) = chosen.get(&name)
                && followed.insert((name.clone(), extras.clone()))
            {
                left.extend(self.requires(&name, file, &extras)?);
            }
            if followed.len() > limits::RESOLVED_WHEELS {
                return Err(too_many().into());
            }
        }
        Ok(all)
    }

    fn requires(
        &mut self,
        name: &Name,
        file: &File,
        extras: &BTreeSet<String>,
    ) -> Result<Vec<Wish>, RebuildError> {
        if !self.required.contains_key(&file.name) {
            let read = self.index.requires(name, file)?;
            self.required.insert(file.name.clone(), read);
        }
        let known = self.required.get(&file.name).into_iter().flatten();
        let applying =
            known.filter(|requirement| requirement.applies(&self.target.markers, extras));
        let by = format!("{name} {}", file.version);
        Ok(applying.map(|r| Wish { requirement: r.clone(), by: by.clone() }).collect())
    }

    fn choose(
        &mut self,
        all: &BTreeMap<Name, Vec<Wish>>,
    ) -> Result<BTreeMap<Name, File>, RebuildError> {
        let mut chosen = BTreeMap::new();
        for (name, wishes) in all {
            if !self.pages.contains_key(name) {
                let page = self.index.page(name)?;
                self.pages.insert(name.clone(), page);
            }
            let page = self.pages.get(name);
            let file = page.and_then(|page| newest(page, wishes, self.target));
            let file = file.ok_or_else(|| unsatisfiable(page, wishes))?;
            chosen.insert(name.clone(), file.clone());
        }
        Ok(chosen)
    }
}

/// PEP 440: a pre-release counts when a requirement names one, or when there is nothing else.
fn newest<'a>(page: &'a Page, wishes: &[Wish], target: &Target) -> Option<&'a File> {
    let early =
        |wish: &Wish| wish.requirement.versions.iter().any(VersionSpecifier::any_prerelease);
    let named = wishes.iter().any(early);
    let final_one = best(page, wishes, target, named);
    final_one.or_else(|| best(page, wishes, target, true))
}

fn best<'a>(page: &'a Page, wishes: &[Wish], target: &Target, early: bool) -> Option<&'a File> {
    let python: Version = PYTHON_FULL.parse().ok()?;
    let until = target.until(&page.name);
    let fits = |file: &&File| {
        let version = &file.version;
        !file.yanked
            && file.uploaded <= until
            && (early || version.is_stable())
            && file.runs_on(&python)
            && wishes.iter().all(|wish| wish.requirement.admits(version))
    };
    let ranked = page.files.iter().filter(fits).filter_map(|file| {
        let Kind::Wheel(tags) = &file.kind else { return None };
        Some((file, tags.rank(&target.machine)?))
    });
    // The newest version; of that, the wheel that fits best; of those, the first by name.
    let better = |one: &(&File, u32), other: &(&File, u32)| {
        let order = one.0.version.cmp(&other.0.version);
        order.then(other.1.cmp(&one.1)).then(other.0.name.cmp(&one.0.name))
    };
    ranked.max_by(better).map(|(file, _)| file)
}

fn unsatisfiable(page: Option<&Page>, wishes: &[Wish]) -> PythonError {
    let wanted: Vec<String> = wishes
        .iter()
        .take(8)
        .map(|wish| format!("{} (for {})", wish.requirement.text, wish.by))
        .collect();
    let found = page.map(Page::newest).unwrap_or_default();
    PythonError::Unsatisfiable { wanted: wanted.join(", "), found: found.join(", ") }
}

#[cfg(test)]
mod tests;
