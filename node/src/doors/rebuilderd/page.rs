//! Paging and filters as rebuilderd's clients use them: until an empty page, by the last number they saw.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::records::{Binary, Job, Named, RebuildRecord, Source};
use crate::limits::DOORS_PAGE;

/// Which records, and in which order. What is not known is passed over, as there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    pub(super) limit: Option<usize>,
    pub(super) before: Option<i32>,
    pub(super) after: Option<i32>,
    pub(super) sort: Option<String>,
    pub(super) direction: Option<String>,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) distribution: Option<String>,
    pub(super) release: Option<String>,
    pub(super) component: Option<String>,
    pub(super) architecture: Option<String>,
    pub(super) source_name: Option<String>,
}

/// One page; `total` counts what the filters leave, whatever the page.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    pub(super) total: usize,
    pub(super) records: Vec<T>,
}

/// What can be listed.
pub(super) trait Record {
    fn id(&self) -> i32;
    fn named(&self) -> &Named;
    /// Of what it was built, where that is asked for.
    fn source_name(&self) -> Option<&str> {
        None
    }
    /// The value of a column that only this kind has.
    fn column(&self, _name: &str) -> Option<String> {
        None
    }
}

impl Record for Source {
    fn id(&self) -> i32 {
        self.id
    }

    fn named(&self) -> &Named {
        &self.named
    }

    fn column(&self, name: &str) -> Option<String> {
        match name {
            "status" => Some(format!("{:?}", self.status)),
            "last_seen" => Some(self.last_seen.clone()),
            "build_id" => self.build_id.map(padded),
            _ => None,
        }
    }
}

impl Record for RebuildRecord {
    fn id(&self) -> i32 {
        self.id
    }

    fn named(&self) -> &Named {
        &self.named
    }

    fn column(&self, name: &str) -> Option<String> {
        match name {
            "status" => Some(format!("{:?}", self.status)),
            "started_at" => Some(self.started_at.clone()),
            "built_at" => Some(self.built_at.clone()),
            _ => None,
        }
    }
}

impl Record for Job {
    fn id(&self) -> i32 {
        self.id
    }

    fn named(&self) -> &Named {
        &self.named
    }

    fn column(&self, name: &str) -> Option<String> {
        match name {
            "queued_at" => Some(self.queued_at.clone()),
            "priority" => Some(padded(self.priority)),
            _ => None,
        }
    }
}

impl Record for Binary {
    fn id(&self) -> i32 {
        self.id
    }

    fn named(&self) -> &Named {
        &self.named
    }

    fn source_name(&self) -> Option<&str> {
        self.source_name.as_deref()
    }

    fn column(&self, name: &str) -> Option<String> {
        match name {
            "status" => Some(format!("{:?}", self.status)),
            "url" => Some(self.url.clone()),
            "last_seen" => Some(self.last_seen.clone()),
            "build_id" => self.build_id.map(padded),
            _ => None,
        }
    }
}

/// So that numbers sort as numbers.
fn padded(number: i32) -> String {
    format!("{number:010}")
}

impl Wanted {
    /// The page of what the filters leave.
    pub(super) fn page<T: Record>(&self, all: impl Iterator<Item = T>) -> Page<T> {
        let mut found: Vec<T> = all.filter(|one| self.keeps(one)).collect();
        let total = found.len();
        found.sort_by(|one, other| self.order(one, other));
        // Where the row is not here, so is its value: its number alone tells the place then.
        let cursor =
            |id: Option<i32>| id.map(|id| (id, found.iter().position(|one| one.id() == id)));
        let start = match cursor(self.after) {
            None => 0,
            Some((_, Some(at))) => at.saturating_add(1),
            Some((id, None)) => self.gap(&found, id),
        };
        let end = match cursor(self.before) {
            None => total,
            Some((_, Some(at))) => at,
            Some((id, None)) => self.gap(&found, id),
        };
        let limit = self.limit.unwrap_or(DOORS_PAGE).min(DOORS_PAGE);
        let rest = found.into_iter().take(end).skip(start).take(limit);
        Page { total, records: rest.collect() }
    }

    /// Where a number that is not among these would stand: in a list that is sorted by something
    /// else, at its end, so that whoever pages comes to an end.
    fn gap<T: Record>(&self, found: &[T], id: i32) -> usize {
        if self.sort.is_some() || self.is_descending() {
            return found.len();
        }
        found.partition_point(|one| one.id() < id)
    }

    pub(super) fn keeps<T: Record>(&self, one: &T) -> bool {
        let named = one.named();
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.name, Some(&named.name))
            && is(&self.version, Some(&named.version))
            && is(&self.distribution, Some(&named.distribution))
            && is(&self.release, named.release.as_deref())
            && is(&self.component, named.component.as_deref())
            && is(&self.architecture, Some(&named.architecture))
            && is(&self.source_name, one.source_name())
    }

    fn is_descending(&self) -> bool {
        self.direction.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("descending"))
    }

    fn order<T: Record>(&self, one: &T, other: &T) -> Ordering {
        let value = |record: &T| self.sort.as_deref().and_then(|name| column(record, name));
        let order = value(one).cmp(&value(other)).then(one.id().cmp(&other.id()));
        if self.is_descending() { order.reverse() } else { order }
    }
}

fn column<T: Record>(record: &T, name: &str) -> Option<String> {
    let named = record.named();
    match name {
        "id" => Some(padded(record.id())),
        "name" => Some(named.name.clone()),
        "version" => Some(named.version.clone()),
        "distribution" => Some(named.distribution.clone()),
        "release" => named.release.clone(),
        "component" => named.component.clone(),
        "architecture" => Some(named.architecture.clone()),
        other => record.column(other),
    }
}
