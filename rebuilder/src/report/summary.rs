//! One sentence, the causes, and a document that fits (step 4, pure).

use std::collections::BTreeMap;

use reattest_attestation::{Digest, canonical};
use serde::Serialize;

use super::compare::{Side, Walk};
use super::document::{Artifact, Cause, Difference, FORMAT, Finding, Kind, Members, Report};
use super::shown::shown;

/// Members that the sentence names.
const NAMED: usize = 2;
/// Room in the document for everything but the differences, and what of it the notes may take.
const FRAME_BYTES: usize = 64 << 10;
const NOTE_BYTES: usize = 16 << 10;

/// Makes the report of a finished walk.
pub(super) fn finish(walk: Walk<'_>, published: Side<'_>, produced: Side<'_>) -> Report {
    let Walk { limits, mut differences, mut omitted, mut notes, compared, mut differing, .. } =
        walk;
    let alone = differing.values().all(|follows| *follows);
    if alone {
        // A list of checksums that differs by itself is no consequence of anything.
        for difference in differences.iter_mut().filter(|d| d.cause == Cause::Consequence) {
            difference.cause = Cause::Content;
        }
        for follows in differing.values_mut() {
            *follows = false;
        }
    }
    let following = differing.values().filter(|follows| **follows).count() as u64;
    let members = Members {
        compared: compared.max(1),
        differing: differing.len() as u64 - following,
        following,
    };
    omitted += fit(&mut differences, limits.json_bytes.saturating_sub(FRAME_BYTES));
    fit(&mut notes, NOTE_BYTES);
    let mut report = Report {
        format: FORMAT,
        published: artifact(published),
        produced: artifact(produced),
        summary: String::new(),
        members,
        causes: causes(&differences),
        differences,
        omitted,
        notes,
        variation: None,
    };
    report.summary = sentence(&report, &differing);
    report
}

fn artifact(side: Side<'_>) -> Artifact {
    Artifact {
        name: shown(side.name.as_bytes(), 200),
        size: side.bytes.len() as u64,
        sha256: Digest::of(side.bytes),
    }
}

/// Cuts the list where the document would grow too long; how many were cut.
fn fit<T: Serialize>(items: &mut Vec<T>, limit: usize) -> u64 {
    let (mut total, mut kept) = (0_usize, 0_usize);
    for item in items.iter() {
        // One that cannot be written takes all the room, and so ends the list.
        let size = canonical::to_bytes(item).map_or(limit, |bytes| bytes.len());
        total = total.saturating_add(size).saturating_add(1);
        if total > limit {
            break;
        }
        kept += 1;
    }
    let cut = items.len() - kept;
    items.truncate(kept);
    cut as u64
}

/// Each cause once, with the words of the difference that tells most of it.
fn causes(differences: &[Difference]) -> Vec<Finding> {
    let mut found: BTreeMap<Cause, (&Difference, u64)> = BTreeMap::new();
    for difference in differences {
        let entry = found.entry(difference.cause).or_insert((difference, 0));
        entry.1 += 1;
        if telling(difference) > telling(entry.0) {
            entry.0 = difference;
        }
    }
    let finding = |(cause, (difference, count)): (Cause, (&Difference, u64))| Finding {
        cause,
        words: difference.words.clone(),
        differences: count,
    };
    found.into_iter().map(finding).collect()
}

/// A compiler's own note tells more than code that is another, and a value more than none.
fn telling(difference: &Difference) -> u8 {
    match (difference.part.as_deref(), difference.words.contains(" there, ")) {
        (Some(".comment"), _) => 3,
        (Some("sections"), _) => 2,
        (_, true) if !difference.words.starts_with("comes with") => 1,
        _ => 0,
    }
}

fn sentence(report: &Report, differing: &BTreeMap<Vec<String>, bool>) -> String {
    if report.is_equal() {
        return "the files are equal".to_owned();
    }
    let names: Vec<&Vec<String>> =
        differing.iter().filter(|(_, follows)| !**follows).map(|(path, _)| path).collect();
    let why =
        report.causes.first().map_or_else(|| "not told".to_owned(), |first| first.words.clone());
    let subject = subject(report, &names);
    let others: Vec<&str> = report
        .causes
        .iter()
        .skip(1)
        .filter(|finding| finding.cause != Cause::Consequence && finding.cause != Cause::Content)
        .map(|finding| finding.cause.name())
        .collect();
    let also =
        if others.is_empty() { String::new() } else { format!("; also: {}", others.join(", ")) };
    let follows = match report.members.following {
        0 => String::new(),
        1 => "; 1 more member follows from that".to_owned(),
        more => format!("; {more} more members follow from that"),
    };
    format!("{subject}, {why}{also}{follows}")
}

fn subject(report: &Report, names: &[&Vec<String>]) -> String {
    let Members { compared, differing, .. } = report.members;
    let name = |path: &&Vec<String>| {
        let last = path.last().map_or("the file itself", String::as_str);
        last.strip_prefix("./").filter(|rest| !rest.is_empty()).unwrap_or(last).to_owned()
    };
    let listed: Vec<String> = names.iter().take(NAMED).map(name).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let only_wrapping = report.differences.iter().all(|d| d.kind == Kind::Compression);
    match names {
        [path] if path.is_empty() && only_wrapping => {
            "the same content, packed otherwise".to_owned()
        }
        [path] if path.is_empty() => "the file differs".to_owned(),
        [_] => format!("1 of {compared} members differs: {}", listed.join(", ")),
        _ => format!("{differing} of {compared} members differ: {}{more}", listed.join(", ")),
    }
}
