//! From a policy's `[environment.rules]` and `[[scanner]]` tables to rules (step 10).

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::deployment_rules::{Command, Rules, ScanRule, Scanner};
use super::read::{At, bounded, parsed, read_name, read_pattern, read_time, value};
use super::read_quorum::read_duration;
use super::{Mistake, Witness};
use crate::artifact::Purl;
use crate::key::PublicKey;
use crate::limits::{POLICY_LIST_MAX, URI_MAX, VALUE_MAX};
use crate::log::WitnessKey;
use crate::quoted::quoted;
use crate::scan::Severity;
use crate::version::{COMPARABLE, order};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScannerTable {
    name: Spanned<String>,
    key: Spanned<String>,
    expires: Option<Spanned<Datetime>>,
}

/// The closed list: a rule of another name is refused by the parser, which lists these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesTable {
    approved_sources: Option<Spanned<Vec<Spanned<String>>>>,
    commands: Option<Spanned<Vec<Spanned<CommandTable>>>>,
    minimum_versions: Option<Spanned<Vec<Spanned<String>>>>,
    max_age: Option<Spanned<String>>,
    scan: Option<Spanned<ScanTable>>,
    witnesses: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandTable {
    run: Spanned<String>,
    flags: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanTable {
    by: Spanned<Vec<Spanned<String>>>,
    within: Spanned<String>,
    refuse_from: RefuseFrom,
}

#[derive(Deserialize, Copy, Clone)]
#[serde(rename_all = "lowercase")]
enum RefuseFrom {
    Low,
    Medium,
    High,
    Critical,
    Never,
}

/// Whom rules may name.
pub(super) struct Named<'a> {
    pub(super) scanners: &'a [Scanner],
    pub(super) witnesses: &'a [Witness],
}

pub(super) fn scanners(tables: &[Spanned<ScannerTable>]) -> At<Vec<Scanner>> {
    let mut read: Vec<Scanner> = Vec::new();
    for table in tables {
        bounded("scanners", read.len() + 1, POLICY_LIST_MAX, table.span())?;
        let ScannerTable { name, key, expires } = table.get_ref();
        let public: PublicKey = parsed("key", key)?;
        let one = read_name(name)?;
        if read.iter().any(|other| other.name == one || other.key == public) {
            let found = quoted(&one);
            return Err((name.span(), Mistake::Duplicate { what: "scanner", found }));
        }
        let expires = expires.as_ref().map(read_time).transpose()?;
        read.push(Scanner { name: one, key: public, expires });
    }
    Ok(read)
}

pub(super) fn rules(table: &RulesTable, named: &Named<'_>) -> At<Rules> {
    Ok(Rules {
        approved_sources: match &table.approved_sources {
            None => None,
            Some(list) => {
                Some(some_of("approved_sources", list, read_source)?.into_iter().collect())
            }
        },
        commands: match &table.commands {
            None => None,
            Some(list) => Some(some_of("commands", list, read_command)?),
        },
        minimum_versions: match &table.minimum_versions {
            None => Vec::new(),
            Some(list) => floors(list)?,
        },
        max_age: table.max_age.as_ref().map(read_duration).transpose()?,
        scan: table.scan.as_ref().map(|scan| read_scan(scan.get_ref(), named)).transpose()?,
        witnesses: match &table.witnesses {
            None => Vec::new(),
            Some(list) => some_of("witnesses", list, |name| read_witness(name, named))?,
        },
    })
}

/// A list that is written must say something: an empty one could mean everything or nothing.
fn some_of<T, U>(
    field: &'static str,
    list: &Spanned<Vec<Spanned<T>>>,
    read: impl Fn(&Spanned<T>) -> At<U>,
) -> At<Vec<U>> {
    bounded(field, list.get_ref().len(), POLICY_LIST_MAX, list.span())?;
    if list.get_ref().is_empty() {
        let why =
            "found an empty list, needed one entry or more; leave the rule out to ask nothing"
                .to_owned();
        return Err(value(list.span(), field, why));
    }
    list.get_ref().iter().map(read).collect()
}

/// A pattern of source packages, or the beginning of places up to a slash.
fn read_source(pattern: &Spanned<String>) -> At<String> {
    let text = pattern.get_ref();
    bounded("approved_sources", text.len(), URI_MAX, pattern.span())?;
    if text.starts_with("pkg:") {
        read_pattern(pattern)?;
        return Ok(text.clone());
    }
    let place = text.strip_suffix("/*").and_then(|start| start.split_once(':'));
    let right = place.is_some_and(|(scheme, rest)| {
        let of_host =
            !matches!(scheme, "http" | "https") || rest.len() > 2 && rest.starts_with("//");
        !scheme.is_empty()
            && of_host
            && !rest.is_empty()
            && !rest.contains(['*', '@', '?', '#', ' '])
    });
    if right {
        return Ok(text.clone());
    }
    let why = format!(
        "found {:?}, needed a pattern of source packages such as pkg:deb/debian/*, or of places such as debian:pool/main/* or https://example.org/releases/*",
        quoted(text)
    );
    Err(value(pattern.span(), "approved_sources", why))
}

fn read_command(table: &Spanned<CommandTable>) -> At<Command> {
    let CommandTable { run, flags } = table.get_ref();
    bounded("flags", flags.len(), POLICY_LIST_MAX, table.span())?;
    for text in flags.iter().chain([run]) {
        bounded("a command's text in bytes", text.get_ref().len(), VALUE_MAX, text.span())?;
        let stars = text.get_ref().matches('*').count();
        let valued = text.get_ref().ends_with("=*") && stars == 1;
        if text.get_ref().is_empty() || (stars > 0 && !valued) {
            let why = format!(
                "found {:?}, needed the argument itself, or its beginning up to = and one *",
                quoted(text.get_ref())
            );
            return Err(value(text.span(), "commands", why));
        }
    }
    let flags = flags.iter().map(|flag| flag.get_ref().clone()).collect();
    Ok(Command { run: run.get_ref().clone(), flags })
}

fn floors(list: &Spanned<Vec<Spanned<String>>>) -> At<Vec<Purl>> {
    let floors = some_of("minimum_versions", list, read_floor)?;
    for (at, floor) in floors.iter().enumerate() {
        let before = floors.get(..at).unwrap_or_default();
        if before.iter().any(|other| crate::version::same_package(other, floor)) {
            let found = quoted(floor.as_str());
            return Err((list.span(), Mistake::Duplicate { what: "minimum version of", found }));
        }
    }
    Ok(floors)
}

fn read_floor(text: &Spanned<String>) -> At<Purl> {
    let purl: Purl = parsed("minimum_versions", text)?;
    let comparable =
        purl.version().is_some_and(|version| order(purl.kind(), &version, &version).is_some());
    if comparable && !purl.as_str().contains(['?', '#']) {
        return Ok(purl);
    }
    let why = format!(
        "found {:?}, needed a purl with a version and no qualifiers, of type {}; such as pkg:deb/debian/openssl@3.0.15-1",
        quoted(text.get_ref()),
        COMPARABLE.join(", ")
    );
    Err(value(text.span(), "minimum_versions", why))
}

fn read_scan(table: &ScanTable, named: &Named<'_>) -> At<ScanRule> {
    let known = |name: &Spanned<String>| {
        if named.scanners.iter().any(|scanner| scanner.name == *name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let fix = "add a [[scanner]] with its key, or name another".to_owned();
        let (found, place) = (quoted(name.get_ref()), "[environment.rules] scan".to_owned());
        Err((name.span(), Mistake::Unknown { found, place, fix }))
    };
    let by: BTreeSet<String> = some_of("by", &table.by, known)?.into_iter().collect();
    let refuse_from = match table.refuse_from {
        RefuseFrom::Low => Some(Severity::Low),
        RefuseFrom::Medium => Some(Severity::Medium),
        RefuseFrom::High => Some(Severity::High),
        RefuseFrom::Critical => Some(Severity::Critical),
        RefuseFrom::Never => None,
    };
    Ok(ScanRule { by, within: read_duration(&table.within)?, refuse_from })
}

fn read_witness(name: &Spanned<String>, named: &Named<'_>) -> At<WitnessKey> {
    let known = named.witnesses.iter().find(|witness| witness.key.name() == name.get_ref());
    known.map(|witness| witness.key.clone()).ok_or_else(|| {
        let fix = "add a [[witness]] with its key, or name another".to_owned();
        let (found, place) = (quoted(name.get_ref()), "[environment.rules] witnesses".to_owned());
        (name.span(), Mistake::Unknown { found, place, fix })
    })
}
