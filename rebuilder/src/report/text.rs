//! The report for a terminal (step 4, pure): the sentence, the causes, then member by member, in 100 columns.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::document::{ByteRun, Cause, Difference, Evidence, Hunk, Origin, Report, Values};

/// Columns of a line.
const WIDTH: usize = 98;
/// Bytes of a run in one line.
const ROW: usize = 16;

const HEAD: Style = Style::new().bold();
const PUBLISHED: Style = AnsiColor::Red.on_default();
const PRODUCED: Style = AnsiColor::Green.on_default();
const CAUSE: Style = AnsiColor::Yellow.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// All of a report, with colours; print it through something that knows whether they are wanted.
pub fn render(report: &Report) -> String {
    let mut text = Page::default();
    text.wrapped(HEAD, "", &capital(&report.summary));
    text.blank();
    for (name, style, file) in
        [("published", PUBLISHED, &report.published), ("produced", PRODUCED, &report.produced)]
    {
        let digest: String = file.sha256.to_string().chars().take(12).collect();
        let line = format!("{}  {} bytes  sha256:{digest}…", file.name, thousands(file.size));
        text.labelled("  ", style, name, 9, &line);
    }
    if let Some(variation) = &report.variation {
        text.blank();
        text.wrapped(HEAD, "", &capital(&variation.words));
        for dependent in &variation.places {
            let on: Vec<&str> = dependent.on.iter().map(|varied| varied.name()).collect();
            text.line("  ", Style::new(), &format!("{}  {}", dependent.place, on.join(", ")));
        }
    }
    causes(&mut text, report);
    differences(&mut text, report);
    for note in &report.notes {
        text.blank();
        text.wrapped(QUIET, "", &format!("{}: {}", super::html::way(&note.path), note.text));
    }
    text.text
}

fn causes(text: &mut Page, report: &Report) {
    if report.causes.is_empty() {
        return;
    }
    text.blank();
    let width = report.causes.iter().map(|finding| finding.cause.name().len()).max().unwrap_or(0);
    for finding in &report.causes {
        let count = counted(finding.differences, "difference", "differences");
        text.labelled(
            "  ",
            CAUSE,
            finding.cause.name(),
            width,
            &format!("{count}: {}", finding.words),
        );
        if let Some(advice) = finding.cause.advice() {
            text.labelled("  ", QUIET, "", width, &format!("→ {advice}"));
        }
    }
}

fn differences(text: &mut Page, report: &Report) {
    let mut member: Option<&Vec<String>> = None;
    for difference in &report.differences {
        if member != Some(&difference.path) {
            text.blank();
            text.line("", HEAD, &super::html::way(&difference.path));
            member = Some(&difference.path);
        }
        one(text, difference);
    }
    if report.omitted > 0 {
        text.blank();
        text.line("", QUIET, &format!("and {} more differences", thousands(report.omitted)));
    }
}

fn one(text: &mut Page, difference: &Difference) {
    let part = super::html::heading(difference);
    let cause = if difference.cause == Cause::Content { "" } else { difference.cause.name() };
    let head = if cause.is_empty() { String::new() } else { format!(" [{cause}]") };
    text.wrapped(Style::new(), "  ", &format!("{part}{head}: {}", difference.words));
    match &difference.evidence {
        Some(Evidence::Rows(rows)) => rows.iter().for_each(|row| values(text, row)),
        Some(Evidence::Runs(runs)) => runs.iter().for_each(|run| bytes(text, run)),
        Some(Evidence::Hunks(hunks)) => hunks.iter().for_each(|hunk| lines(text, hunk)),
        None => {}
    }
    if difference.more > 0 {
        text.line("    ", QUIET, &format!("and {} more", thousands(difference.more)));
    }
}

fn values(text: &mut Page, row: &Values) {
    if !row.of.is_empty() {
        text.line("    ", QUIET, &row.of);
    }
    text.line("    ", PUBLISHED, &format!("- {}", or_nothing(&row.published)));
    text.line("    ", PRODUCED, &format!("+ {}", or_nothing(&row.produced)));
}

fn bytes(text: &mut Page, run: &ByteRun) {
    for (sign, style, at, hex) in [
        ("-", PUBLISHED, run.published_at, &run.published),
        ("+", PRODUCED, run.produced_at, &run.produced),
    ] {
        let bytes = unhex(hex);
        let row = bytes.get(..ROW).unwrap_or(&bytes);
        let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let at = at.saturating_sub(run.before);
        let line = format!("{sign} {at:08x}  {:<47}  {}", hex.join(" "), printable(row));
        text.line("    ", style, &line);
    }
}

fn lines(text: &mut Page, hunk: &Hunk) {
    let head = format!("@ line {} there, line {} here", hunk.published_line, hunk.produced_line);
    text.line("    ", QUIET, &head);
    for line in &hunk.lines {
        let (style, sign) = match line.side {
            Origin::Both => (QUIET, ' '),
            Origin::Published => (PUBLISHED, '-'),
            Origin::Produced => (PRODUCED, '+'),
        };
        text.line("    ", style, &format!("{sign} {}", line.text));
    }
}

/// Lines that end in time.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line, cut where it would be too long.
    fn line(&mut self, indent: &str, style: Style, line: &str) {
        let room = WIDTH.saturating_sub(indent.chars().count());
        let mut cut: String = line.chars().take(room).collect();
        if cut.len() < line.len() {
            cut.pop();
            cut.push('…');
        }
        let cut = cut.trim_end();
        let _infallible = writeln!(self.text, "{indent}{style}{cut}{style:#}");
    }

    /// Words over as many lines as they need.
    fn wrapped(&mut self, style: Style, indent: &str, words: &str) {
        for (index, line) in wrap(words, WIDTH.saturating_sub(indent.len() + 2)).iter().enumerate()
        {
            let hanging = if index == 0 { "" } else { "  " };
            self.line(&format!("{indent}{hanging}"), style, line);
        }
    }

    /// A label, and words beside it.
    fn labelled(&mut self, indent: &str, style: Style, label: &str, width: usize, words: &str) {
        for (index, line) in
            wrap(words, WIDTH.saturating_sub(indent.len() + width + 2)).iter().enumerate()
        {
            let label = if index == 0 { label } else { "" };
            let _infallible =
                writeln!(self.text, "{indent}{style}{label:<width$}{style:#}  {line}");
        }
    }
}

fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        // A name without spaces may be longer than a line.
        while !word.is_empty() || lines.is_empty() {
            let used = lines.last().map_or(0, |line| line.chars().count());
            if used > 0 && used + 1 + word.len() > width {
                lines.push(String::new());
                continue;
            }
            let rest = word.split_off(word.len().min(width));
            if let Some(line) = lines.last_mut() {
                if used > 0 {
                    line.push(' ');
                }
                line.extend(word);
            }
            word = rest;
        }
    }
    lines
}

fn or_nothing(value: &str) -> &str {
    if value.is_empty() { "(nothing)" } else { value }
}

pub(super) fn capital(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", characters.as_str())
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

/// 1234567 as `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The bytes of an excerpt; whatever is no hexadecimal is left out.
pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? * 16 + pair.get(1)?)).collect()
}

/// Printable ASCII, and a point for everything else.
pub(super) fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if matches!(b, b' '..=b'~') { char::from(*b) } else { '.' }).collect()
}
