//! What a build environment is allowed to have (step 1): what Debian itself would have installed for it.
//!
//! A `.buildinfo` says versions. Were its list believed, it could also add packages, and with them
//! decide which compiler a build finds. So every package in it must be reached from the essential
//! ones, from build-essential and from the source's own build dependencies, and what these need must
//! be there.

use std::collections::{BTreeMap, BTreeSet};

use crate::release::{Index, IndexError, Stanza, field, relations};

/// What the listed packages say of each other.
pub(super) struct Listed {
    packages: BTreeMap<String, Relations>,
    essential: BTreeSet<String>,
}

#[derive(Default)]
struct Relations {
    groups: Vec<Vec<String>>,
    provides: Vec<String>,
}

impl Listed {
    /// Reads the stanzas of exactly these versions, and the names of all essential packages.
    pub(super) fn read(index: &Index<'_>, pins: &[(String, String)]) -> Result<Self, IndexError> {
        let versions: BTreeMap<&str, &str> =
            pins.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        let (mut packages, mut essential) = (BTreeMap::new(), BTreeSet::new());
        for raw in index.with_line("Essential: yes")? {
            essential.extend(field(raw, "Package").map(str::to_owned));
        }
        index.each(|raw| {
            let name = field(raw, "Package").unwrap_or_default();
            if let Some(version) = versions.get(name)
                && field(raw, "Version") == Some(*version)
            {
                packages.insert(name.to_owned(), Relations::of(&Stanza::parse(raw)?));
            }
            Ok(())
        })?;
        Ok(Self { packages, essential })
    }

    /// Refuses a list that lacks what every build has, or has what nothing in it asks for.
    pub(super) fn check(&self, build_depends: &[String]) -> Result<(), String> {
        let needed = self.essential.iter().map(String::as_str).chain(["build-essential"]);
        if let Some(name) = needed.clone().find(|name| !self.packages.contains_key(*name)) {
            return Err(format!("it does not list {name}, which every build has"));
        }
        let providers = self.providers();
        let mut left: Vec<&str> = needed.collect();
        left.extend(build_depends.iter().flat_map(|name| who(&providers, name)));
        let mut reached = BTreeSet::new();
        while let Some(name) = left.pop() {
            let Some(relations) = self.packages.get(name).filter(|_| reached.insert(name)) else {
                continue;
            };
            for group in &relations.groups {
                let there: Vec<&str> = group.iter().flat_map(|n| who(&providers, n)).collect();
                if there.is_empty() {
                    return Err(format!(
                        "{name} in it needs {}, which it lacks",
                        group.join(" or ")
                    ));
                }
                left.extend(there);
            }
        }
        match self.packages.keys().find(|name| !reached.contains(name.as_str())) {
            None => Ok(()),
            Some(odd) => Err(format!("it lists {odd}, which nothing in this build asks for")),
        }
    }

    /// The listed packages that stand for a name: the one so named, and those that provide it.
    fn providers(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, relations) in &self.packages {
            providers.entry(name).or_default().push(name);
            for provided in &relations.provides {
                providers.entry(provided).or_default().push(name);
            }
        }
        providers
    }
}

fn who<'a>(providers: &BTreeMap<&'a str, Vec<&'a str>>, name: &str) -> Vec<&'a str> {
    providers.get(name).cloned().unwrap_or_default()
}

impl Relations {
    fn of(stanza: &Stanza) -> Self {
        let field = |name| stanza.get(name).unwrap_or_default();
        Self {
            groups: relations(field("Pre-Depends")).chain(relations(field("Depends"))).collect(),
            provides: relations(field("Provides")).flatten().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn listed(text: &str) -> Listed {
        let mut packages = BTreeMap::new();
        for raw in text.split("\n\n") {
            let stanza = Stanza::parse(raw).unwrap();
            packages.insert(stanza.need("Package").unwrap().to_owned(), Relations::of(&stanza));
        }
        Listed { packages, essential: BTreeSet::from(["dash".to_owned()]) }
    }

    const GOOD: &str = "Package: dash\nDepends: awk\n\nPackage: mawk\nProvides: awk\n\nPackage: build-essential\nDepends: gcc | clang\n\nPackage: gcc\n\nPackage: tool\nPre-Depends: lib (= 1)\n\nPackage: lib";

    #[test]
    fn what_the_build_asks_for_is_reached_through_alternatives_and_virtual_packages() {
        listed(GOOD).check(&["tool".to_owned(), "absent".to_owned()]).unwrap();
    }

    #[test]
    fn a_list_that_adds_drops_or_replaces_is_refused() {
        let table = [
            (format!("{GOOD}\n\nPackage: colorgcc"), "lists colorgcc"),
            (GOOD.replace("Package: gcc\n", "Package: tcc\n"), "needs gcc or clang"),
            (
                GOOD.replace("Package: build-essential", "Package: other"),
                "does not list build-essential",
            ),
            (GOOD.replace("Package: dash", "Package: sash"), "does not list dash"),
            (GOOD.replace("Package: tool", "Package: tools"), "lists lib"),
        ];
        for (text, why) in table {
            let error = listed(&text).check(&["tool".to_owned()]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
