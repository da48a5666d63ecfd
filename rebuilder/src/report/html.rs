//! The report as one page (step 4, pure): no script, nothing from elsewhere, pleasant to read in light and dark.
//!
//! Whatever a stranger chose was made printable when it was read, and is escaped here once more.
//! The page forbids itself everything but its own style sheet, which is named by its hash.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reattest_attestation::Digest;

use super::document::{ByteRun, Cause, Difference, Evidence, Hunk, Kind, Origin, Report, Values};
use super::shown::is_safe;
use super::text::{capital, counted, printable, thousands, unhex};

const STYLE: &str = include_str!("style.css");

/// Bytes of a run in one line of a table.
const ROW: usize = 16;
/// Differences that stand open when the page is opened.
const OPEN: usize = 12;

/// All of a report as a page that needs nothing else.
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    summary(&mut page, report);
    causes(&mut page, report);
    members(&mut page, report);
    notes(&mut page, report);
    let _infallible = writeln!(
        page,
        "<footer>Causes are guesses from the bytes. “There” is where the file was published, \
         “here” is where it was rebuilt. Offsets are hexadecimal.</footer></main></body></html>"
    );
    page
}

fn head(page: &mut String, report: &Report) {
    let hash = STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes());
    let _infallible = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"referrer\" content=\"no-referrer\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{} · Reattest</title>\n<style>{STYLE}</style></head>\n<body><main>",
        safe(&report.published.name)
    );
}

fn summary(page: &mut String, report: &Report) {
    let word = if report.is_equal() { "equal" } else { "differs" };
    let _infallible = write!(
        page,
        "<header><p class=\"eyebrow\">Reattest report <span class=\"badge {word}\">{word}</span></p>\
         <h1>{}</h1><p class=\"lead\">{}.</p>",
        breakable(&report.published.name),
        breakable(&capital(&report.summary))
    );
    let _infallible = write!(page, "<table class=\"files\"><tbody>");
    for (name, file) in [("published", &report.published), ("produced", &report.produced)] {
        let _infallible = write!(
            page,
            "<tr><th scope=\"row\"><span class=\"side {name}\">{name}</span></th><td>{}</td>\
             <td class=\"number\">{} bytes</td><td><code class=\"digest\">{}</code></td></tr>",
            breakable(&file.name),
            thousands(file.size),
            file.sha256
        );
    }
    page.push_str("</tbody></table>");
    let members = report.members;
    let shown = report.differences.len() as u64 + report.omitted;
    let numbers = [
        (members.compared, "compared"),
        (members.differing, "differing"),
        (members.following, "following"),
        (shown, "differences"),
    ];
    page.push_str("<dl class=\"numbers\">");
    for (number, name) in numbers {
        let what = if name == "differences" {
            "differences".to_owned()
        } else {
            format!("members {name}")
        };
        let _infallible = write!(page, "<div><dt>{what}</dt><dd>{}</dd></div>", thousands(number));
    }
    page.push_str("</dl></header>\n");
    variation(page, report);
}

fn variation(page: &mut String, report: &Report) {
    let Some(variation) = &report.variation else { return };
    let _infallible = write!(
        page,
        "<section><h2>Varied run</h2><p>{}.</p>",
        breakable(&capital(&variation.words))
    );
    if !variation.places.is_empty() {
        page.push_str("<table class=\"values\"><thead><tr><th>Place</th><th>Depends on</th><th>Differs from the published file</th></tr></thead><tbody>");
        for dependent in &variation.places {
            let on: Vec<&str> = dependent.on.iter().map(|varied| varied.name()).collect();
            let _infallible = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                breakable(&dependent.place),
                on.join(", "),
                if dependent.coincides { "yes" } else { "no" }
            );
        }
        page.push_str("</tbody></table>");
    }
    page.push_str("</section>\n");
}

fn causes(page: &mut String, report: &Report) {
    if report.causes.is_empty() {
        return;
    }
    page.push_str("<section><h2>Likely causes</h2><ul class=\"causes\">");
    for finding in &report.causes {
        let advice = finding.cause.advice().map_or_else(String::new, |advice| {
            format!("<p class=\"advice\">{}</p>", safe(&capital(advice)))
        });
        let _infallible = write!(
            page,
            "<li><div class=\"tags\">{}<span class=\"count\">{}</span></div><p>{}</p>{advice}</li>",
            tag(finding.cause),
            counted(finding.differences, "difference", "differences"),
            breakable(&capital(&finding.words))
        );
    }
    page.push_str("</ul></section>\n");
}

fn tag(cause: Cause) -> String {
    let class = match cause {
        Cause::Content => "content",
        Cause::Consequence => "consequence",
        _ => "known",
    };
    format!("<span class=\"tag {class}\">{}</span>", cause.name())
}

fn members(page: &mut String, report: &Report) {
    if report.differences.is_empty() {
        return;
    }
    page.push_str("<section><h2>Member by member</h2>");
    let mut path: Option<&Vec<String>> = None;
    for (index, difference) in report.differences.iter().enumerate() {
        if path != Some(&difference.path) {
            if path.is_some() {
                page.push_str("</article>\n");
            }
            let _infallible = write!(page, "<article><h3>{}</h3>", crumbs(&difference.path));
            path = Some(&difference.path);
        }
        one(page, difference, index < OPEN);
    }
    page.push_str("</article>");
    if report.omitted > 0 {
        let _infallible = write!(
            page,
            "<p class=\"more\">and {} more differences</p>",
            thousands(report.omitted)
        );
    }
    page.push_str("</section>\n");
}

fn crumbs(path: &[String]) -> String {
    let Some((last, way)) = path.split_last() else { return "the file itself".to_owned() };
    let mut text = String::new();
    for part in way {
        let _infallible = write!(text, "<span class=\"crumb\">{}</span>", breakable(part));
    }
    let _infallible = write!(text, "<bdi>{}</bdi>", breakable(last));
    text
}

fn one(page: &mut String, difference: &Difference, open: bool) {
    let sizes = difference.sizes.as_ref().map_or_else(String::new, |sizes| {
        let one = |size: &str| {
            let number = size.parse().map_or_else(|_| size.to_owned(), thousands);
            if size.is_empty() { "–".to_owned() } else { number }
        };
        let (a, b) = (one(&sizes.published), one(&sizes.produced));
        let text = if a == b { format!("{a} bytes") } else { format!("{a} → {b} bytes") };
        format!("<span class=\"count\">{}</span>", safe(&text))
    });
    let _infallible = write!(
        page,
        "<details{}><summary><span class=\"part\">{}</span>{}{sizes}<span class=\"words\">{}</span></summary>",
        if open { " open" } else { "" },
        breakable(&heading(difference)),
        tag(difference.cause),
        breakable(&capital(&difference.words))
    );
    match &difference.evidence {
        Some(Evidence::Rows(rows)) => values(page, rows),
        Some(Evidence::Runs(runs)) => bytes(page, runs),
        Some(Evidence::Hunks(hunks)) => lines(page, hunks),
        None => page.push_str("<p class=\"more\">no excerpt</p>"),
    }
    if difference.more > 0 {
        let _infallible =
            write!(page, "<p class=\"more\">and {} more</p>", thousands(difference.more));
    }
    page.push_str("</details>");
}

fn values(page: &mut String, rows: &[Values]) {
    let named = rows.iter().any(|row| !row.of.is_empty());
    let first = if named { "<th>Member</th>" } else { "" };
    let _infallible = write!(
        page,
        "<div class=\"scroll\"><table class=\"values\"><thead><tr>{first}<th>Published</th><th>Produced</th></tr></thead><tbody>"
    );
    for row in rows {
        let of = if named { format!("<td>{}</td>", breakable(&row.of)) } else { String::new() };
        let cell = |value: &str, side: &str| {
            let value =
                if value.is_empty() { "<i>nothing</i>".to_owned() } else { breakable(value) };
            format!("<td><code class=\"{side}\">{value}</code></td>")
        };
        let (a, b) = (cell(&row.published, "published"), cell(&row.produced, "produced"));
        let _infallible = write!(page, "<tr>{of}{a}{b}</tr>");
    }
    page.push_str("</tbody></table></div>");
}

fn bytes(page: &mut String, runs: &[ByteRun]) {
    page.push_str("<div class=\"scroll\"><table class=\"hex\"><thead><tr><th>Offset</th><th>Published</th><th></th><th>Offset</th><th>Produced</th><th></th></tr></thead>");
    for run in runs {
        page.push_str("<tbody>");
        let (a, b) = (unhex(&run.published), unhex(&run.produced));
        let before = usize::try_from(run.before).unwrap_or(0);
        let (rows_a, rows_b) = (a.chunks(ROW), b.chunks(ROW));
        for index in 0..rows_a.len().max(rows_b.len()) {
            let cells = |own: &[u8], other: &[u8], at: u64, side: &str| {
                let from = index * ROW;
                let row = own.get(from..own.len().min(from + ROW)).unwrap_or_default();
                let at = at.saturating_sub(run.before).saturating_add(from as u64);
                let offset = if row.is_empty() { String::new() } else { format!("{at:06x}") };
                let marked = marked(row, other.get(from..).unwrap_or_default(), before, from, side);
                format!(
                    "<td class=\"offset\">{offset}</td><td><code>{marked}</code></td><td><code class=\"ascii\">{}</code></td>",
                    safe(&printable(row))
                )
            };
            let (x, y) = (
                cells(&a, &b, run.published_at, "published"),
                cells(&b, &a, run.produced_at, "produced"),
            );
            let _infallible = write!(page, "<tr>{x}{y}</tr>");
        }
        page.push_str("</tbody>");
    }
    page.push_str("</table></div>");
}

/// Bytes in hexadecimal; those that differ from the other side, behind the equal beginning, stand out.
fn marked(row: &[u8], other: &[u8], before: usize, from: usize, side: &str) -> String {
    let mut text = String::new();
    for (index, byte) in row.iter().enumerate() {
        if index > 0 {
            text.push(if index == ROW / 2 { '\u{a0}' } else { ' ' });
        }
        let differs = from + index >= before && other.get(index) != Some(byte);
        let _infallible = if differs {
            write!(text, "<mark class=\"{side}\">{byte:02x}</mark>")
        } else {
            write!(text, "{byte:02x}")
        };
    }
    text
}

fn lines(page: &mut String, hunks: &[Hunk]) {
    page.push_str("<div class=\"scroll\"><table class=\"lines\">");
    for hunk in hunks {
        page.push_str("<tbody>");
        let (mut a, mut b) = (hunk.published_line, hunk.produced_line);
        for line in &hunk.lines {
            let (class, left, right) = match line.side {
                Origin::Both => ("", a.to_string(), b.to_string()),
                Origin::Published => ("published", a.to_string(), String::new()),
                Origin::Produced => ("produced", String::new(), b.to_string()),
            };
            a += u64::from(line.side != Origin::Produced);
            b += u64::from(line.side != Origin::Published);
            let _infallible = write!(
                page,
                "<tr class=\"{class}\"><td class=\"offset\">{left}</td><td class=\"offset\">{right}</td><td class=\"sign\"></td><td><code>{}</code></td></tr>",
                safe(&line.text)
            );
        }
        page.push_str("</tbody>");
    }
    page.push_str("</table></div>");
}

fn notes(page: &mut String, report: &Report) {
    if report.notes.is_empty() {
        return;
    }
    page.push_str("<section><h2>Not looked into</h2><ul class=\"notes\">");
    for note in &report.notes {
        let (place, text) = (breakable(&way(&note.path)), breakable(&note.text));
        let _infallible = write!(page, "<li><b>{place}</b> {text}</li>");
    }
    page.push_str("</ul></section>\n");
}

/// The way through the containers.
pub(super) fn way(path: &[String]) -> String {
    if path.is_empty() { "the file itself".to_owned() } else { path.join(" / ") }
}

/// What of a member differs, in a word or two.
pub(super) fn heading(difference: &Difference) -> String {
    let what = difference.what.as_deref();
    let kind = match difference.kind {
        Kind::Bytes => "content",
        Kind::Text => "text",
        Kind::Metadata => what.unwrap_or("metadata"),
        Kind::OnlyPublished => "only published",
        Kind::OnlyProduced => "only produced",
        Kind::Order => "order",
        Kind::Compression => what.unwrap_or("compression"),
    };
    match &difference.part {
        Some(part) if what.is_none() => part.clone(),
        Some(part) => format!("{part} {kind}"),
        None => kind.to_owned(),
    }
}

/// Text that no browser takes for anything else, whoever made it.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ if is_safe(character) => safe.push(character),
            _ => {
                let _infallible = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
        }
    }
    safe
}

/// The same, with places where a long path may break.
fn breakable(text: &str) -> String {
    safe(text).replace('/', "/<wbr>")
}
