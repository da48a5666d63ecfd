//! Members of two archives, paired by name (step 4, pure): their properties, their order, and who is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::archive::{Archive, Facts, Form, Member};
use super::bytes;
use super::classify::{self, Guess, sides};
use super::compare::{Place, Walk};
use super::document::{Cause, Difference, Evidence, Kind, Values};
use super::lines;
use super::shown::shown;

/// Characters of a member's name that are shown.
const NAME: usize = 200;
/// Members of one side whose content is looked for under other names.
const RENAMED: usize = 256;

/// A name, and how many of the same name came before.
type Key = (Vec<u8>, usize);

impl Walk<'_> {
    pub(super) fn members(
        &mut self,
        place: &Place<'_>,
        form: Form,
        a: &[u8],
        b: &[u8],
    ) -> Result<(), String> {
        let x = form.read(a, &mut self.budgets.0)?;
        let y = form.read(b, &mut self.budgets.1)?;
        self.archive(place, &x, &y);
        Ok(())
    }

    fn archive(&mut self, place: &Place<'_>, x: &Archive<'_>, y: &Archive<'_>) {
        self.facts(place, &[(String::new(), &x.facts, &y.facts)]);
        let (x, y) = (keyed(&x.members), keyed(&y.members));
        let other: BTreeMap<&Key, &Member<'_>> = y.iter().map(|(key, m)| (key, *m)).collect();
        let own: BTreeSet<&Key> = x.iter().map(|(key, _)| key).collect();
        let only_y: Vec<&(Key, &Member<'_>)> =
            y.iter().filter(|(key, _)| !own.contains(key)).collect();
        let only_x: Vec<&(Key, &Member<'_>)> =
            x.iter().filter(|(key, _)| !other.contains_key(key)).collect();
        self.compared = self.compared.saturating_add((x.len() + only_y.len()) as u64);
        self.order(place, &x, &y, &other, &own);
        let pairs: Vec<(&Key, &Member<'_>, &Member<'_>)> =
            x.iter().filter_map(|(key, m)| Some((key, *m, *other.get(key)?))).collect();
        let facts: Vec<(String, &Facts, &Facts)> =
            pairs.iter().map(|(key, m, n)| (title(key), &m.facts, &n.facts)).collect();
        self.facts(place, &facts);
        for (key, m, n) in pairs {
            self.member(&inside(place, key), m, n);
        }
        self.lonely(place, &only_x, &only_y);
    }

    fn member(&mut self, place: &Inside, m: &Member<'_>, n: &Member<'_>) {
        let place = place.place();
        if m.packed == n.packed && m.method == n.method {
            return;
        }
        match (m.content(&mut self.budgets.0), n.content(&mut self.budgets.1)) {
            (Ok(x), Ok(y)) if x == y && m.method == n.method => {
                self.add(&place, recompressed(m.packed, n.packed, "deflate"));
            }
            (Ok(x), Ok(y)) => self.pair(&place, &x, &y),
            (Err(why), _) | (_, Err(why)) => {
                let why = shown(why.as_bytes(), 200);
                self.note(&place, format!("not unpacked: {why}; compared as packed"));
                self.add(&place, bytes::difference(m.packed, n.packed, self.limits));
            }
        }
    }

    /// One difference for each property, however many members it is about.
    pub(super) fn facts(&mut self, place: &Place<'_>, pairs: &[(String, &Facts, &Facts)]) {
        let mut rows: BTreeMap<&'static str, Vec<Values>> = BTreeMap::new();
        for (of, x, y) in pairs {
            let names: BTreeSet<&'static str> = x.iter().chain(*y).map(|(name, _)| *name).collect();
            for name in names {
                let (published, produced) = (value(x, name), value(y, name));
                if published != produced {
                    let row = Values { of: of.clone(), published, produced };
                    rows.entry(name).or_default().push(row);
                }
            }
        }
        for (name, rows) in rows {
            self.property(place, name, rows);
        }
    }

    fn property(&mut self, place: &Place<'_>, name: &'static str, mut rows: Vec<Values>) {
        let guess =
            rows.first().map_or_else(|| unknown("properties"), |row| of_property(name, row));
        let count = rows.len();
        let mut difference = Difference {
            path: Vec::new(),
            part: None,
            kind: if name.starts_with("gzip") || name.starts_with("xz") || name.starts_with("zstd")
            {
                Kind::Compression
            } else {
                Kind::Metadata
            },
            what: Some(name.to_owned()),
            cause: guess.cause,
            words: if count > 1 {
                format!("{}; {count} members", guess.words)
            } else {
                guess.words
            },
            sizes: None,
            evidence: None,
            more: 0,
        };
        for row in rows.iter().filter(|row| !row.of.is_empty()) {
            let path = place.path.iter().chain([&row.of]).cloned().collect();
            self.touch(path, difference.cause);
        }
        rows.truncate(self.limits.excerpts);
        difference.more = count.saturating_sub(rows.len()) as u64;
        match rows.as_mut_slice() {
            // One member alone is where its difference is.
            [row] if !row.of.is_empty() => {
                let member = std::mem::take(&mut row.of);
                let path = place.path.iter().cloned().chain([member]).collect();
                difference.evidence = Some(Evidence::Rows(rows));
                self.tell(&Place { path, name: place.name }, difference);
            }
            rows_of => {
                // The container is only where the table of its members stands.
                let own = rows_of.iter().any(|row| row.of.is_empty());
                if own {
                    self.touch(place.path.clone(), difference.cause);
                }
                difference.evidence = Some(Evidence::Rows(rows));
                self.tell(place, difference);
            }
        }
    }

    /// The members that both sides have, in another order.
    fn order(
        &mut self,
        place: &Place<'_>,
        x: &[(Key, &Member<'_>)],
        y: &[(Key, &Member<'_>)],
        in_y: &BTreeMap<&Key, &Member<'_>>,
        in_x: &BTreeSet<&Key>,
    ) {
        let names = |side: &[(Key, &Member<'_>)], other: &dyn Fn(&Key) -> bool| -> Vec<Vec<u8>> {
            side.iter().filter(|(key, _)| other(key)).map(|(key, _)| key.0.clone()).collect()
        };
        let a = names(x, &|key| in_y.contains_key(key));
        let b = names(y, &|key| in_x.contains(key));
        let Some(guess) = lines::order_of(&a, &b, "members") else { return };
        let first = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(0);
        let moved = a.iter().zip(&b).filter(|(a, b)| a != b).count();
        let pairs = a.iter().zip(&b).enumerate().skip(first).take(self.limits.excerpts.min(8));
        let rows: Vec<Values> = pairs
            .map(|(at, (a, b))| Values {
                of: format!("member {}", at + 1),
                published: shown(a, NAME),
                produced: shown(b, NAME),
            })
            .collect();
        let more = moved.saturating_sub(rows.len()) as u64;
        let (kind, evidence) = (Kind::Order, Some(Evidence::Rows(rows)));
        self.add(place, plain(kind, guess, evidence, more));
    }

    /// Members of one side only; the same content under two names was renamed.
    fn lonely(
        &mut self,
        place: &Place<'_>,
        only_x: &[&(Key, &Member<'_>)],
        only_y: &[&(Key, &Member<'_>)],
    ) {
        // Bounded: a stranger chooses how many there are.
        let mut free: Vec<&&(Key, &Member<'_>)> = only_y.iter().take(RENAMED).collect();
        for entry in only_x {
            let (key, m) = entry;
            let same = free.iter().position(|(_, n)| {
                !m.packed.is_empty() && n.packed == m.packed && n.method == m.method
            });
            if let Some(at) = same {
                let (other, _) = free.remove(at);
                self.add(&inside(place, key).place(), renamed(key, other));
            } else {
                self.add(&inside(place, key).place(), one_sided(Kind::OnlyPublished, key, m));
            }
        }
        let left: BTreeSet<&Key> = free.iter().map(|(key, _)| key).collect();
        for (key, n) in only_y
            .iter()
            .enumerate()
            .filter(|(i, e)| *i >= RENAMED || left.contains(&e.0))
            .map(|(_, e)| *e)
        {
            self.add(&inside(place, key).place(), one_sided(Kind::OnlyProduced, key, n));
        }
    }
}

/// A place below another one.
struct Inside {
    path: Vec<String>,
    name: String,
}

impl Inside {
    fn place(&self) -> Place<'_> {
        Place { path: self.path.clone(), name: &self.name }
    }
}

fn inside(place: &Place<'_>, key: &Key) -> Inside {
    let path = place.path.iter().cloned().chain([title(key)]).collect();
    // A module or a list is known by its name, however it is shown.
    Inside { path, name: String::from_utf8_lossy(&key.0).into_owned() }
}

fn title((name, count): &Key) -> String {
    let shown = shown(name, NAME);
    match count {
        0 => shown,
        _ => format!("{shown} (number {} of this name)", count + 1),
    }
}

fn keyed<'a, 'b>(members: &'b [Member<'a>]) -> Vec<(Key, &'b Member<'a>)> {
    let mut seen = BTreeMap::<&[u8], usize>::new();
    let key = |member: &'b Member<'a>| {
        let count = seen.entry(&member.name).or_default();
        *count += 1;
        ((member.name.clone(), *count - 1), member)
    };
    members.iter().map(key).collect()
}

/// Several fields of one name are one value.
fn value(facts: &Facts, name: &str) -> String {
    let values = facts.iter().filter(|(of, _)| *of == name).map(|(_, value)| value.as_str());
    values.collect::<Vec<_>>().join("; ")
}

fn unknown(what: &str) -> Guess {
    Guess { cause: Cause::Content, words: format!("other {what}") }
}

/// Most properties say by their name what decides them.
fn of_property(name: &str, row: &Values) -> Guess {
    let (cause, what) = match name {
        "mtime" | "gzip time" | "extra time" => (Cause::Time, "a time"),
        "owner" | "group" | "extra owner" => (Cause::User, "a user or group"),
        "mode" | "attributes" => (Cause::User, "a file mode, perhaps a umask"),
        "xz threads" => (Cause::Parallelism, "how many threads compressed"),
        "method"
        | "made by"
        | "flags"
        | "header format"
        | "gzip level"
        | "gzip system"
        | "gzip flags"
        | "xz check"
        | "zstd frame descriptor" => (Cause::Toolchain, "another tool or level"),
        "size" => (Cause::Consequence, "a size"),
        _ => {
            let guess = classify::text(&row.published, &row.produced);
            return guess.unwrap_or_else(|| Guess {
                words: format!("another {name}: {}", sides(&row.published, &row.produced)),
                ..unknown(name)
            });
        }
    };
    let words = format!("{what}: {}", sides(&row.published, &row.produced));
    Guess { cause, words }
}

fn plain(kind: Kind, guess: Guess, evidence: Option<Evidence>, more: u64) -> Difference {
    Difference {
        path: Vec::new(),
        part: None,
        kind,
        what: None,
        cause: guess.cause,
        words: guess.words,
        sizes: None,
        evidence,
        more,
    }
}

/// The same content in other compressed bytes, without a header that says why.
pub(super) fn recompressed(a: &[u8], b: &[u8], name: &str) -> Difference {
    let words = format!("the same content, compressed by another {name} or at another level");
    let guess = Guess { cause: Cause::Toolchain, words };
    let mut difference = plain(Kind::Compression, guess, None, 0);
    difference.sizes = Some(bytes::sizes(a, b));
    difference
}

fn renamed(published: &Key, produced: &Key) -> Difference {
    let (a, b) = (String::from_utf8_lossy(&published.0), String::from_utf8_lossy(&produced.0));
    let guess = classify::text(&a, &b).unwrap_or_else(|| {
        let words = "the same content under another name".to_owned();
        Guess { cause: Cause::Content, words }
    });
    let row = Values { of: String::new(), published: title(published), produced: title(produced) };
    let mut difference = plain(Kind::Metadata, guess, Some(Evidence::Rows(vec![row])), 0);
    difference.what = Some("name".to_owned());
    difference
}

fn one_sided(kind: Kind, key: &Key, member: &Member<'_>) -> Difference {
    let size = member.packed.len().to_string();
    let (published, produced, owner) = match kind {
        Kind::OnlyPublished => (size, String::new(), "published"),
        _ => (String::new(), size, "produced"),
    };
    // Debug files are named after a checksum of what they belong to.
    let named_by_content = key.0.windows(10).any(|part| part == b".build-id/");
    let guess = if named_by_content {
        let words = format!("only in the {owner} file; named after a build ID");
        Guess { cause: Cause::Consequence, words }
    } else {
        Guess { cause: Cause::Content, words: format!("only in the {owner} file") }
    };
    let mut difference = plain(kind, guess, None, 0);
    difference.sizes = Some(Values { of: String::new(), published, produced });
    difference
}
