//! Texts (step 4, pure): lines that differ, aligned, with their neighbours; and what the changed ones have in common.

use std::borrow::Cow;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use super::classify::{self, Guess};
use super::document::{Cause, Difference, Evidence, Hunk, Kind, Line, Origin};
use super::shown::shown;
use super::{Limits, bytes};

/// Lines shown around a change.
const CONTEXT: usize = 2;
/// Characters shown of one line.
const LINE_CHARACTERS: usize = 240;
/// Bytes that are looked at to tell text from data.
const SNIFFED: usize = 8 << 10;

/// No NUL and hardly any control character. Latin-1 is text, too.
pub(super) fn is_text(content: &[u8]) -> bool {
    let head = content.get(..SNIFFED).unwrap_or(content);
    let odd =
        head.iter().filter(|b| matches!(b, 0x01..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)).count();
    !content.contains(&0) && odd.saturating_mul(100) <= head.len()
}

/// A difference of two texts that are not equal.
pub(super) fn difference(a: &[u8], b: &[u8], name: &str, limits: &Limits) -> Difference {
    let (x, y) = (split(a), split(b));
    let changes = changes(&x, &y, limits);
    let guess = guess(&x, &y, &changes, name);
    let (hunks, more) = hunks(&x, &y, changes, limits);
    Difference {
        path: Vec::new(),
        part: None,
        kind: Kind::Text,
        what: None,
        cause: guess.cause,
        words: guess.words,
        sizes: Some(bytes::sizes(a, b)),
        evidence: Some(Evidence::Hunks(hunks)),
        more,
    }
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Where the common beginning and end are cut off, and the rest is small enough, an alignment;
/// else one change of everything between them.
fn changes(x: &[&[u8]], y: &[&[u8]], limits: &Limits) -> Vec<DiffOp> {
    let start = x.iter().zip(y).take_while(|(a, b)| a == b).count();
    let most = x.len().min(y.len()).saturating_sub(start);
    let end = x.iter().rev().zip(y.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (x.len() - start - end, y.len() - start - end);
    if old_len.max(new_len) <= limits.lines {
        return capture_diff_slices(Algorithm::Myers, x, y);
    }
    vec![
        DiffOp::Equal { old_index: 0, new_index: 0, len: start },
        DiffOp::Replace { old_index: start, old_len, new_index: start, new_len },
        DiffOp::Equal { old_index: start + old_len, new_index: start + new_len, len: end },
    ]
}

type Lines<'a> = &'a [&'a [u8]];

/// The changed lines on both sides.
fn changed<'a>(x: Lines<'a>, y: Lines<'a>, op: &DiffOp) -> Option<(Lines<'a>, Lines<'a>)> {
    if matches!(op, DiffOp::Equal { .. }) {
        return None;
    }
    Some((x.get(op.old_range()).unwrap_or_default(), y.get(op.new_range()).unwrap_or_default()))
}

fn guess(x: Lines<'_>, y: Lines<'_>, changes: &[DiffOp], name: &str) -> Guess {
    let known = listing(x, y, changes, name)
        .or_else(|| order(x, y))
        .or_else(|| dependencies(x, y, changes, name))
        .or_else(|| trimmed(x, y, name))
        .or_else(|| generator(x, y, changes));
    if let Some(guess) = known {
        return guess;
    }
    let pairs = changes.iter().filter_map(|op| changed(x, y, op)).flat_map(pairs);
    let (mut guesses, mut unknown) = (Vec::new(), 0_usize);
    for (a, b) in pairs.take(256) {
        match classify::text(&a, &b) {
            Some(guess) => guesses.push(guess),
            None => unknown += 1,
        }
    }
    // A cause that explains less than half of the lines explains nothing.
    let best = guesses.iter().min_by_key(|guess| guess.cause).cloned();
    best.filter(|_| guesses.len() >= unknown)
        .unwrap_or_else(|| Guess { cause: Cause::Content, words: "other lines".to_owned() })
}

/// Line by line where there are as many on both sides, else all of them together.
fn pairs<'a>((a, b): (Lines<'a>, Lines<'a>)) -> Vec<(String, String)> {
    let text = |line: &&[u8]| String::from_utf8_lossy(line).into_owned();
    if a.len() == b.len() {
        return a.iter().zip(b).take(256).map(|(a, b)| (text(a), text(b))).collect();
    }
    let all = |lines: Lines<'_>| lines.iter().take(64).map(text).collect::<String>();
    vec![(all(a), all(b))]
}

/// Lists of checksums and sizes change with what they list.
fn listing(x: Lines<'_>, y: Lines<'_>, changes: &[DiffOp], name: &str) -> Option<Guess> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let sums = base.ends_with("sums") || base.ends_with("SUMS") || base == "RECORD";
    let jar = base == "MANIFEST.MF" || base.strip_suffix(".SF").is_some();
    let belongs = |line: &&[u8]| {
        let text = String::from_utf8_lossy(line);
        let digest = text.contains("-Digest") || text.starts_with(' ') || text.starts_with("Name:");
        let size = text.starts_with("Installed-Size:");
        sums || jar && digest || base == "control" && size
    };
    let lines = changes.iter().filter_map(|op| changed(x, y, op));
    let all = lines.flat_map(|(a, b)| a.iter().chain(b)).all(belongs);
    let words = "lists checksums or sizes of what differs".to_owned();
    all.then_some(Guess { cause: Cause::Consequence, words })
}

/// Lines that are looked at for the name of a tool: it stands near the top.
const GENERATED: usize = 32;

/// A line that names the tool that wrote the text, in another version: that explains all the others.
fn generator(x: Lines<'_>, y: Lines<'_>, changes: &[DiffOp]) -> Option<Guess> {
    let all: Vec<_> = changes.iter().filter_map(|op| changed(x, y, op)).collect();
    let named = |lines: Vec<&&[u8]>| -> Vec<String> {
        let texts = lines.into_iter().take(GENERATED).map(|l| String::from_utf8_lossy(l));
        texts.filter(|text| classify::names_tool(text)).map(Cow::into_owned).collect()
    };
    let a = named(all.iter().flat_map(|(a, _)| a.iter()).collect());
    let b = named(all.iter().flat_map(|(_, b)| b.iter()).collect());
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    let mut guesses = pairs.filter_map(|(a, b)| classify::text(a, b));
    guesses.find(|guess| guess.cause == Cause::Toolchain)
}

/// A package depends on the versions of the libraries that it was linked with.
fn dependencies(x: Lines<'_>, y: Lines<'_>, changes: &[DiffOp], name: &str) -> Option<Guess> {
    if name.rsplit('/').next() != Some("control") {
        return None;
    }
    let mut values = Vec::new();
    for (a, b) in changes.iter().filter_map(|op| changed(x, y, op)) {
        let pairs = || a.iter().zip(b).map(|(a, b)| (&**a, &**b));
        if a.len() != b.len() || !pairs().all(is_relation) {
            return None;
        }
        values.extend(pairs().find_map(other_version));
    }
    let (a, b) = values.first()?;
    let words = format!("built with other versions of libraries: {}", classify::sides(a, b));
    Some(Guess { cause: Cause::Toolchain, words })
}

/// Name and value of a field on both sides.
fn field<'a>((a, b): (&'a [u8], &'a [u8])) -> Option<(&'a str, &'a str, &'a str)> {
    let (a, b) = (std::str::from_utf8(a).ok()?, std::str::from_utf8(b).ok()?);
    let ((field, a), (other, b)) = (a.split_once(": ")?, b.split_once(": ")?);
    (field == other).then_some((field, a, b))
}

/// The same packages, or a size, which changes with everything.
fn is_relation(lines: (&[u8], &[u8])) -> bool {
    field(lines).is_some_and(|(field, a, b)| {
        field == "Installed-Size" || field.ends_with("Depends") && names(a) == names(b)
    })
}

/// The first dependency that has another version.
fn other_version<'a>(lines: (&'a [u8], &'a [u8])) -> Option<(&'a str, &'a str)> {
    let (_, a, b) = field(lines).filter(|(field, _, _)| field.ends_with("Depends"))?;
    a.split(',').zip(b.split(',')).find(|(a, b)| a.trim() != b.trim())
}

/// Packages without their versions; deb-control(5) puts these in brackets.
fn names(relations: &str) -> Vec<&str> {
    relations.split(',').map(|one| one.split('(').next().unwrap_or(one).trim()).collect()
}

/// debhelper cuts old entries off a changelog, and how many depends on its version and on the day.
fn trimmed(x: Lines<'_>, y: Lines<'_>, name: &str) -> Option<Guess> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let longer = if x.len() > y.len() { x } else { y };
    // The shorter one ends without the empty lines between entries.
    let start = x.iter().zip(y).take_while(|(a, b)| a == b).count();
    let shorter = x.len().min(y.len());
    let is_cut = longer.len() > shorter && start + 2 >= shorter && start > 0;
    if !base.starts_with("changelog") || !is_cut {
        return None;
    }
    let side = if x.len() > y.len() { "produced" } else { "published" };
    let words = format!(
        "old entries are cut off in the {side} file: another version of debhelper ({})",
        classify::sides(&format!("{} lines", x.len()), &y.len().to_string())
    );
    Some(Guess { cause: Cause::Toolchain, words })
}

/// The same lines, sorted in another way or not at all.
fn order(x: Lines<'_>, y: Lines<'_>) -> Option<Guess> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    // The last line may have no end of its own.
    let trimmed = |lines: Lines<'_>| -> Vec<Vec<u8>> {
        lines.iter().map(|line| line.trim_ascii_end().to_vec()).collect()
    };
    order_of(&trimmed(x), &trimmed(y), "lines")
}

/// Which kind of order it is, where both sides hold the same things.
pub(super) fn order_of(x: &[Vec<u8>], y: &[Vec<u8>], what: &str) -> Option<Guess> {
    let sorted = |items: &[Vec<u8>]| {
        let mut items = items.to_vec();
        items.sort();
        items
    };
    let plain = sorted(x);
    if x == y || plain != sorted(y) {
        return None;
    }
    let folds = |items: &[Vec<u8>]| items.is_sorted_by_key(|item| item.to_ascii_lowercase());
    // Sorted by bytes on one side, by letters on the other: two locales collate so.
    let locale = x == plain && folds(y) || y == plain && folds(x);
    Some(if locale {
        let words =
            format!("the same {what}, sorted by bytes on one side and by letters on the other");
        Guess { cause: Cause::Locale, words }
    } else {
        Guess { cause: Cause::Order, words: format!("the same {what} in another order") }
    })
}

fn hunks(x: Lines<'_>, y: Lines<'_>, changes: Vec<DiffOp>, limits: &Limits) -> (Vec<Hunk>, u64) {
    let mut hunks = Vec::new();
    let (mut count, mut more) = (0_usize, 0_u64);
    for group in group_diff_ops(changes, CONTEXT) {
        let lines = group.iter().flat_map(|op| lines_of(x, y, op));
        let (mut kept, mut left) = (Vec::new(), 0_u64);
        for (side, line) in lines {
            if count < limits.excerpts {
                kept.push(Line { side, text: text(line) });
                count += 1;
            } else if side != Origin::Both {
                left += 1;
            }
        }
        more += left;
        if let (Some(first), false) = (group.first(), kept.is_empty()) {
            hunks.push(Hunk {
                published_line: first.old_range().start as u64 + 1,
                produced_line: first.new_range().start as u64 + 1,
                lines: kept,
            });
        }
    }
    (hunks, more)
}

/// A line without its end; a last line that has none says so, or two sides would look the same.
fn text(line: &[u8]) -> String {
    match line.strip_suffix(b"\n") {
        Some(line) => shown(line, LINE_CHARACTERS),
        None => format!("{} ⟨no line end⟩", shown(line, LINE_CHARACTERS)),
    }
}

fn lines_of<'a>(x: Lines<'a>, y: Lines<'a>, op: &DiffOp) -> Vec<(Origin, &'a [u8])> {
    let with = |side: Origin, lines: Option<Lines<'a>>| {
        lines.unwrap_or_default().iter().map(move |line| (side, *line))
    };
    match op {
        DiffOp::Equal { .. } => with(Origin::Both, x.get(op.old_range())).collect(),
        _ => with(Origin::Published, x.get(op.old_range()))
            .chain(with(Origin::Produced, y.get(op.new_range())))
            .collect(),
    }
}
