//! Contents that are neither container nor text (step 4, pure): runs of differing bytes, and what stands around them.

use std::fmt::Write as _;

use super::classify::{self, Guess, sides};
use super::document::{ByteRun, Cause, Difference, Evidence, Kind, Values};
use super::{Limits, archive::unix_time};

/// Equal bytes shown before a run.
const BEFORE: usize = 8;
/// Bytes shown of a run, on each side, with those before it; excerpts end with a whole row.
const SHOWN: usize = 48;
const ROW: usize = 16;
/// Runs closer than this are one: an excerpt would show them together anyway.
const GAP: usize = 16;
/// Runs shown; more tell nothing new.
const RUNS: usize = 6;
/// Bytes around a difference that are searched for a string.
const AROUND: usize = 256;

/// A difference of two contents that are not equal.
pub(super) fn difference(a: &[u8], b: &[u8], limits: &Limits) -> Difference {
    let guess = |runs: &[Run]| runs.iter().find_map(|run| guess(a, b, *run));
    described(a, b, limits, guess)
}

/// A difference of machine code, addresses and the like, where numbers mean nothing by themselves.
pub(super) fn opaque(a: &[u8], b: &[u8], limits: &Limits) -> Difference {
    described(a, b, limits, |_| None)
}

fn described(
    a: &[u8],
    b: &[u8],
    limits: &Limits,
    guess: impl Fn(&[Run]) -> Option<Guess>,
) -> Difference {
    let (runs, count) = runs(a, b);
    let guess = guess(&runs);
    let shown: Vec<ByteRun> =
        runs.iter().take(RUNS.min(limits.excerpts)).map(|run| excerpt(a, b, *run)).collect();
    let guess = guess.unwrap_or_else(|| unknown(a, b, count));
    Difference {
        path: Vec::new(),
        part: None,
        kind: Kind::Bytes,
        what: None,
        cause: guess.cause,
        words: guess.words,
        sizes: Some(sizes(a, b)),
        more: count.saturating_sub(shown.len()) as u64,
        evidence: Some(Evidence::Runs(shown)),
    }
}

pub(super) fn sizes(a: &[u8], b: &[u8]) -> Values {
    let one = |bytes: &[u8]| bytes.len().to_string();
    Values { of: String::new(), published: one(a), produced: one(b) }
}

/// Lower-case hexadecimal of at most `limit` bytes.
pub(super) fn hex(bytes: &[u8], limit: usize) -> String {
    let mut text = String::new();
    for byte in bytes.iter().take(limit) {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// Where two contents differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    a: usize,
    b: usize,
    /// Length on each side.
    long: (usize, usize),
}

/// The first runs, and how many there are. Contents of different lengths have one: from the first
/// to the last difference, because what moved cannot be told from what changed.
fn runs(a: &[u8], b: &[u8]) -> (Vec<Run>, usize) {
    if a.len() != b.len() {
        let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        let rest = |side: &[u8]| side.len().saturating_sub(start);
        let most = rest(a).min(rest(b));
        let end = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
        let long = (rest(a).saturating_sub(end), rest(b).saturating_sub(end));
        return (vec![Run { a: start, b: start, long }], 1);
    }
    let (mut runs, mut count) = (Vec::<Run>::new(), 0);
    // The end of the run under way, behind its last differing byte.
    let mut end = 0;
    for at in a.iter().zip(b).enumerate().filter(|(_, (x, y))| x != y).map(|(at, _)| at) {
        if count == 0 || at >= end + GAP {
            count += 1;
            runs.truncate(RUNS * 4);
            runs.push(Run { a: at, b: at, long: (1, 1) });
        } else if count == runs.len()
            && let Some(run) = runs.last_mut()
        {
            run.long = (at + 1 - run.a, at + 1 - run.b);
        }
        end = at + 1;
    }
    runs.truncate(RUNS * 4);
    (runs, count)
}

fn excerpt(a: &[u8], b: &[u8], run: Run) -> ByteRun {
    let before = BEFORE.min(run.a).min(run.b);
    let side = |bytes: &[u8], at: usize, long: usize| {
        let start = at - before;
        let end = start + (before + long).next_multiple_of(ROW).min(SHOWN);
        hex(bytes.get(start..end.min(bytes.len())).unwrap_or_default(), SHOWN)
    };
    ByteRun {
        published_at: run.a as u64,
        produced_at: run.b as u64,
        before: before as u64,
        published: side(a, run.a, run.long.0),
        produced: side(b, run.b, run.long.1),
    }
}

fn guess(a: &[u8], b: &[u8], run: Run) -> Option<Guess> {
    let (x, y) = (string_around(a, run.a), string_around(b, run.b));
    // Letters make numbers that look like times, too.
    if x.len() < 4 || y.len() < 4 {
        return time(a, b, run);
    }
    classify::string(&String::from_utf8_lossy(x), &String::from_utf8_lossy(y))
}

/// The printable ASCII that a place stands in.
fn string_around(bytes: &[u8], at: usize) -> &[u8] {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let head = bytes.get(at.saturating_sub(AROUND)..at).unwrap_or_default();
    let back = head.iter().rev().take_while(|byte| is_text(byte)).count();
    let tail = bytes.get(at..).unwrap_or_default();
    let ahead = tail.iter().take(AROUND).take_while(|byte| is_text(byte)).count();
    bytes.get(at - back..at + ahead).unwrap_or_default()
}

/// 2001-09-09 to 2038: other numbers look like everything else.
const TIMES: std::ops::Range<u32> = 1_000_000_000..2_147_483_648;

/// Four bytes that are a plausible time on both sides, in either byte order, the same number of
/// bytes before the difference.
fn time(a: &[u8], b: &[u8], run: Run) -> Option<Guess> {
    if run.long.0 != run.long.1 || run.long.0 > 4 {
        return None;
    }
    for back in 0..=4_usize.checked_sub(run.long.0)? {
        let word = |bytes: &[u8], at: usize| -> Option<[u8; 4]> {
            let start = at.checked_sub(back)?;
            bytes.get(start..start + 4)?.try_into().ok()
        };
        let (Some(x), Some(y)) = (word(a, run.a), word(b, run.b)) else { continue };
        for read in [u32::from_le_bytes, u32::from_be_bytes] {
            let (x, y) = (read(x), read(y));
            if [x, y].into_iter().all(is_time) {
                let date = |seconds: u32| unix_time(i64::from(seconds));
                let words = format!("perhaps a time: {}", sides(&date(x), &date(y)));
                return Some(Guess { cause: Cause::Time, words });
            }
        }
    }
    None
}

/// Addresses and counts end in zeros; of 16 million times one ends in three of them.
fn is_time(word: u32) -> bool {
    let [a, b, c, d] = word.to_be_bytes().map(|byte| u8::from(byte == 0));
    TIMES.contains(&word) && a + b + c + d < 2
}

fn unknown(a: &[u8], b: &[u8], count: usize) -> Guess {
    let words = match (kind(a), kind(b)) {
        (x, y) if x != y => format!("another kind of file: {}", sides(x, y)),
        _ if a.len() != b.len() => {
            format!("other bytes: {}", sides(&format!("{} of them", a.len()), &b.len().to_string()))
        }
        _ if count == 1 => "other bytes at one place".to_owned(),
        _ => format!("other bytes at {count} places"),
    };
    Guess { cause: Cause::Content, words }
}

/// A name for what a content is, by its first bytes.
pub(super) fn kind(bytes: &[u8]) -> &'static str {
    let table: [(&[u8], &str); 9] = [
        (b"\x7fELF", "ELF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF8", "GIF"),
        (b"%PDF-", "PDF"),
        (b"#!", "script"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\xde\x12\x04\x95", "message catalogue"),
        (b"\xca\xfe\xba\xbe", "Java class"),
    ];
    if bytes.is_empty() {
        return "empty";
    }
    let magic = table.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name);
    let packed = super::packed::Packing::of(bytes).map(super::packed::Packing::name);
    let archive = super::archive::Form::of(bytes).map(super::archive::Form::name);
    let text = || if super::lines::is_text(bytes) { "text" } else { "data" };
    magic.or(packed).or(archive).unwrap_or_else(text)
}
