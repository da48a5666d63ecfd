//! From a policy's `[[environment]]` tables to environments (step 10).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::environment::{Door, Environment, Scope, WhenUnavailable, check_labels};
use super::read::{At, bounded, read_name, read_pattern, read_time, value};
use super::read_rules::{self, Named, RulesTable};
use super::{Mistake, Mode, Rules};
use crate::limits::{ENVIRONMENTS_MAX, POLICY_LIST_MAX};
use crate::quoted::{quoted, said};

/// Every key but the lists of the scope is required: what is enforced, and what happens where
/// nobody can be asked, is never a default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentTable {
    name: Spanned<String>,
    mode: Mode,
    when_unavailable: WhenUnavailable,
    expires: Spanned<Datetime>,
    #[serde(default)]
    purls: Vec<Spanned<String>>,
    #[serde(default)]
    doors: BTreeSet<Door>,
    labels: Option<Spanned<BTreeMap<String, String>>>,
    rules: Option<RulesTable>,
}

pub(super) fn environments(
    tables: &[Spanned<EnvironmentTable>],
    named: &Named<'_>,
) -> At<Vec<Environment>> {
    bounded("environments", tables.len(), ENVIRONMENTS_MAX, 0..0)?;
    let mut read: Vec<Environment> = Vec::new();
    for table in tables {
        let one = environment(table, named)?;
        let span = table.get_ref().name.span();
        if read.iter().any(|other| other.name == one.name) {
            let found = quoted(&one.name);
            return Err((span, Mistake::Duplicate { what: "environment name", found }));
        }
        if let Some(other) = read.iter().find(|other| other.scope == one.scope) {
            let what = format!(
                "environments {:?} and {:?} with one scope",
                quoted(&other.name),
                quoted(&one.name)
            );
            let needed = "scopes of which exactly one covers a deployment; change purls, doors or labels of one, or remove it".to_owned();
            return Err((span, Mistake::Unmeetable { what, needed }));
        }
        read.push(one);
    }
    Ok(read)
}

fn environment(table: &Spanned<EnvironmentTable>, named: &Named<'_>) -> At<Environment> {
    let EnvironmentTable { name, mode, when_unavailable, expires, purls, doors, labels, rules } =
        table.get_ref();
    bounded("purls of an environment", purls.len(), POLICY_LIST_MAX, table.span())?;
    for pattern in purls {
        // Everything is a scope that must be written down.
        if pattern.get_ref() != "pkg:*" {
            read_pattern(pattern)?;
        }
    }
    if let Some(labels) = labels {
        check_labels(labels.get_ref())
            .map_err(|error| value(labels.span(), "labels", said(error)))?;
    }
    let labels = labels.as_ref().map(|labels| labels.get_ref().clone()).unwrap_or_default();
    if purls.is_empty() && doors.is_empty() && labels.is_empty() {
        let why = "found no scope, needed purls, doors or labels; purls = [\"pkg:*\"] covers every deployment".to_owned();
        return Err(value(table.span(), "environment", why));
    }
    let purls = purls.iter().map(|pattern| pattern.get_ref().clone()).collect();
    Ok(Environment {
        name: read_name(name)?,
        scope: Scope { purls, doors: doors.clone(), labels },
        mode: *mode,
        when_unavailable: *when_unavailable,
        expires: read_time(expires)?,
        rules: match rules {
            Some(table) => read_rules::rules(table, named)?,
            None => Rules::default(),
        },
    })
}
