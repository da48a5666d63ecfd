//! pip's requirements with `--hash`: a release by name and version, its files by digest alone.

use super::found::{Found, Obstacle, Pin};
use super::hashes::Digests;
use super::place::shown;
use super::python;

pub(super) fn read(text: &str) -> Found {
    let mut found = Found::default();
    for (line, whole) in logical(text) {
        let words: Vec<&str> = whole.split_ascii_whitespace().collect();
        match words.first().copied() {
            None => {}
            Some(option) if option.starts_with('-') => {
                option_line(option, &words, line, &mut found);
            }
            Some(_) => found.pins.push(requirement(&words, line)),
        }
    }
    found
}

/// Lines as pip joins them: a backslash at the end goes on, a `#` behind a space or at the start
/// begins a comment, each with the line on which it began.
fn logical(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in text.lines().enumerate() {
        let comment = line.trim_start().starts_with('#');
        let (line, more) = match line.strip_suffix('\\') {
            Some(line) if !comment => (line, true),
            _ => (line, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            // pip lets a comment end what went on.
            Some((_, last)) => last.extend([" ", line]),
            None => lines.push((number + 1, line.to_owned())),
        }
        goes_on = more;
    }
    for (_, line) in &mut lines {
        let bytes = line.as_bytes();
        let hash = |at: &usize| {
            at.checked_sub(1)
                .is_none_or(|before| bytes.get(before).is_some_and(u8::is_ascii_whitespace))
        };
        let comment = line.match_indices('#').map(|(at, _)| at).find(hash);
        if let Some(at) = comment {
            line.truncate(at);
        }
    }
    lines
}

/// A line of options. Those that install something that is not in this file bar.
fn option_line(option: &str, words: &[&str], line: usize, found: &mut Found) {
    let value = option.split_once('=').map(|(_, value)| value).or(words.get(1).copied());
    let value = value.unwrap_or_default();
    let attached = |short: &str| option.starts_with(short) && !option.starts_with("--");
    if option.starts_with("--requirement") || attached("-r") {
        let obstacle = Obstacle::new(
            format!("another file, {}, which is not opened", shown(words.last().unwrap_or(&""))),
            "all pins in this file",
            "check that file as well, and join the two",
        );
        found.pins.push(Pin::barred(&shown(&words.join(" ")), "", Some(line), obstacle));
    } else if option.starts_with("--editable") || attached("-e") {
        let path = words.last().copied().unwrap_or_default();
        found.pins.push(Pin::barred(path, "", Some(line), Obstacle::path(path)));
    } else if option.starts_with("--constraint") || attached("-c") {
        let note = format!("line {line}: constraints are not read: {}", shown(value));
        found.notes.push(note);
    }
}

/// A requirement: `NAME==VERSION` and digests.
fn requirement(words: &[&str], line: usize) -> Pin {
    let mut spoken = Vec::new();
    let mut hashes = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == "--hash" {
            hashes.extend(words.next());
        } else if let Some(hash) = word.strip_prefix("--hash=") {
            hashes.push(hash);
        } else if !word.starts_with("--") {
            spoken.push(word);
        }
    }
    let spoken = spoken.join(" ");
    let (line, wanted) = (Some(line), spoken.split(';').next().unwrap_or_default().trim());
    if let Some((name, url)) = wanted.split_once('@') {
        return Pin::barred(name.trim(), "", line, Obstacle::url(url.trim()));
    }
    if wanted.contains("://") {
        return Pin::barred(wanted, "", line, Obstacle::url(wanted));
    }
    if wanted.contains('/') || wanted.starts_with('.') {
        return Pin::barred(wanted, "", line, Obstacle::path(wanted));
    }
    let exact = wanted.split_once("==").map(|(name, version)| {
        (name.split('[').next().unwrap_or_default().trim(), version.trim_start_matches('=').trim())
    });
    let Some((name, version)) = exact.filter(|(_, version)| !version.contains(['*', ','])) else {
        let found = format!("{:?}", shown(wanted));
        let fix = "write the file with pip-compile --generate-hashes, or uv export";
        return Pin::barred(wanted, "", line, Obstacle::new(found, "NAME==VERSION", fix));
    };
    python::pin(name, version, line, hashes.iter().map(|one| (None, Digests::prefixed(one))))
}
