//! ELF files section by section (step 4, pure): the compiler's own note often says it all; elf(5).

use std::collections::BTreeMap;

use object::{Object as _, ObjectSection as _, SectionKind};

use super::document::{Cause, Difference, Evidence, Kind, Values};
use super::{Limits, bytes, classify, shown::shown};

/// Objects of large C++ libraries have thousands of sections.
const SECTIONS: usize = 20_000;
/// Sections that share bytes would make small files expensive: real ones do not overlap.
const OVERLAP: usize = 2;

const BUILD_ID: &str = ".note.gnu.build-id";
const DEBUG_LINK: &str = ".gnu_debuglink";
const COMMENT: &str = ".comment";

/// Sections in their order.
type Sections<'a> = Vec<(Key, Data<'a>)>;

/// A section's name and how many of that name came before.
type Key = (Vec<u8>, usize);

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Data<'a> {
    bytes: &'a [u8],
    /// Whether words and times may stand in it.
    is_telling: bool,
}

/// Whether a content is an ELF file.
pub(super) fn is_elf(content: &[u8]) -> bool {
    content.starts_with(b"\x7fELF")
}

/// The differing sections, or why the files cannot be read as ELF.
pub(super) fn differences(a: &[u8], b: &[u8], limits: &Limits) -> Result<Vec<Difference>, String> {
    let (x, y) = (sections(a)?, sections(b)?);
    let in_x: BTreeMap<_, _> = x.iter().map(|(key, data)| (key, *data)).collect();
    let in_y: BTreeMap<_, _> = y.iter().map(|(key, data)| (key, *data)).collect();
    let mut differences = Vec::new();
    for (key, data) in &x {
        match in_y.get(key) {
            Some(other) if *data == *other => {}
            Some(other) => differences.push(section(&key.0, *data, *other, limits)),
            None => differences.push(lonely(Kind::OnlyPublished, &key.0, data.bytes)),
        }
    }
    for (key, data) in y.iter().filter(|(key, _)| !in_x.contains_key(key)) {
        differences.push(lonely(Kind::OnlyProduced, &key.0, data.bytes));
    }
    differences.extend(order(&x, &y, &in_x, &in_y));
    if differences.is_empty() {
        differences.push(layout(a, b, limits));
    }
    explain(&mut differences);
    Ok(differences)
}

/// The same sections in another order: only the linker decides that.
fn order(
    x: &Sections<'_>,
    y: &Sections<'_>,
    in_x: &BTreeMap<&Key, Data<'_>>,
    in_y: &BTreeMap<&Key, Data<'_>>,
) -> Option<Difference> {
    let names = |own: &Sections<'_>, other: &BTreeMap<&Key, Data<'_>>| -> Vec<String> {
        let both = own.iter().filter(|(key, _)| other.contains_key(key));
        both.map(|(key, _)| shown(&key.0, 120)).collect()
    };
    let (a, b) = (names(x, in_y), names(y, in_x));
    let moved: Vec<(usize, (&String, &String))> =
        a.iter().zip(&b).enumerate().filter(|(_, (a, b))| a != b).collect();
    moved.first()?;
    let row = |(at, (a, b)): &(usize, (&String, &String))| Values {
        of: format!("section {at}"),
        published: (*a).clone(),
        produced: (*b).clone(),
    };
    let rows: Vec<Values> = moved.iter().take(8).map(row).collect();
    Some(Difference {
        path: Vec::new(),
        part: Some("sections".to_owned()),
        kind: Kind::Order,
        what: Some("order".to_owned()),
        cause: Cause::Toolchain,
        words: "linked by another toolchain: the same sections in another order".to_owned(),
        sizes: None,
        more: moved.len().saturating_sub(rows.len()) as u64,
        evidence: Some(Evidence::Rows(rows)),
    })
}

/// Every section is the same: what differs is where they stand, and the tables that say so.
fn layout(a: &[u8], b: &[u8], limits: &Limits) -> Difference {
    let words = "the same sections at other places: another version of binutils".to_owned();
    Difference { cause: Cause::Toolchain, words, ..bytes::opaque(a, b, limits) }
}

fn sections(content: &[u8]) -> Result<Sections<'_>, String> {
    let file = object::File::parse(content).map_err(|error| error.to_string())?;
    let mut seen = BTreeMap::<Vec<u8>, usize>::new();
    let (mut all, mut total) = (Vec::new(), 0_usize);
    for section in file.sections() {
        let name = section.name_bytes().map_err(|error| error.to_string())?.to_vec();
        let data = section.data().map_err(|error| error.to_string())?;
        total = total.saturating_add(data.len());
        if all.len() >= SECTIONS || total > content.len().saturating_mul(OVERLAP) {
            return Err("it has too many sections, or they overlap".to_owned());
        }
        let count = seen.entry(name.clone()).or_default();
        let is_telling = is_telling(section.kind(), &name);
        all.push(((name, *count), Data { bytes: data, is_telling }));
        *count += 1;
    }
    Ok(all)
}

/// Not machine code, and not what the linker fills with addresses.
fn is_telling(kind: SectionKind, name: &[u8]) -> bool {
    let is_of_addresses = [&b".got"[..], b".data.rel.ro", b".eh_frame", b".gcc_except_table"]
        .iter()
        .any(|start| name.starts_with(start));
    let is_of_words = matches!(
        kind,
        SectionKind::Data
            | SectionKind::ReadOnlyData
            | SectionKind::ReadOnlyString
            | SectionKind::Debug
            | SectionKind::DebugString
            | SectionKind::Note
            | SectionKind::OtherString
            | SectionKind::Other
    );
    is_of_words && !is_of_addresses
}

fn section(name: &[u8], a: Data<'_>, b: Data<'_>, limits: &Limits) -> Difference {
    let describe = if a.is_telling && b.is_telling { bytes::difference } else { bytes::opaque };
    let (a, b) = (a.bytes, b.bytes);
    let mut difference = describe(a, b, limits);
    let name = shown(name, 120);
    match name.as_str() {
        COMMENT => comment(&mut difference, a, b),
        BUILD_ID => {
            difference.cause = Cause::Randomness;
            let id = |note: &[u8]| bytes::hex(note.get(16..).unwrap_or(note), 20);
            difference.words.replace_range(.., "the build ID");
            difference.evidence = Some(Evidence::Rows(vec![values(id(a), id(b))]));
            difference.more = 0;
        }
        DEBUG_LINK => {
            difference.cause = Cause::Consequence;
            difference.words.replace_range(.., "names the debug information by its checksum");
        }
        _ => {}
    }
    difference.part = Some(name);
    difference
}

fn values(published: String, produced: String) -> Values {
    Values { of: String::new(), published, produced }
}

/// Strings with NUL behind each; compilers and linkers sign here.
fn comment(difference: &mut Difference, a: &[u8], b: &[u8]) {
    let strings = |note: &[u8]| -> Vec<String> {
        let strings = note.split(|byte| *byte == 0).filter(|string| !string.is_empty());
        strings.take(16).map(|string| String::from_utf8_lossy(string).into_owned()).collect()
    };
    let (x, y) = (strings(a), strings(b));
    let only = |these: &[String], those: &[String]| {
        let differ = these.iter().find(|string| !those.contains(string));
        differ.map_or_else(|| "no such note".to_owned(), |string| classify::tool(string))
    };
    difference.cause = Cause::Toolchain;
    difference.words =
        format!("built by another compiler ({} there, {} here)", only(&x, &y), only(&y, &x));
    let text = |strings: &[String]| shown(strings.join(" | ").as_bytes(), 400);
    difference.evidence = Some(Evidence::Rows(vec![values(text(&x), text(&y))]));
    difference.more = 0;
}

fn lonely(kind: Kind, name: &[u8], data: &[u8]) -> Difference {
    let size = format!("{} bytes", data.len());
    let values = match kind {
        Kind::OnlyPublished => values(size, String::new()),
        _ => values(String::new(), size),
    };
    Difference {
        path: Vec::new(),
        part: Some(shown(name, 120)),
        kind,
        what: None,
        cause: Cause::Content,
        words: "this section is on one side only".to_owned(),
        sizes: Some(values),
        evidence: None,
        more: 0,
    }
}

/// What one section tells of the others: another compiler writes other code, and a build ID is a
/// checksum of all the rest.
fn explain(differences: &mut [Difference]) {
    let compiler = differences.iter().any(|d| d.cause == Cause::Toolchain);
    let of = |difference: &Difference, start: &str| {
        difference.part.as_deref().is_some_and(|part| part.starts_with(start))
    };
    let data =
        differences.iter().any(|d| of(d, ".rodata") || of(d, ".data") && !of(d, ".data.rel"));
    for code in differences.iter_mut().filter(|d| of(d, ".text") && !compiler && !data) {
        code.cause = Cause::Toolchain;
        code.words =
            format!("the same data and other code, perhaps of another compiler; {}", code.words);
    }
    let compiler = differences.iter().any(|d| d.cause == Cause::Toolchain);
    let rest = differences.iter().any(|d| {
        let part = d.part.as_deref().unwrap_or_default();
        part != BUILD_ID && part != DEBUG_LINK
    });
    for difference in differences {
        if difference.part.as_deref() == Some(BUILD_ID) {
            let (cause, words) = if rest {
                (Cause::Consequence, "the build ID is a checksum of the rest")
            } else {
                (
                    Cause::Randomness,
                    "only the build ID differs: chance, or something that was stripped (debug information with a build path)",
                )
            };
            (difference.cause, difference.words) = (cause, words.to_owned());
        } else if compiler && difference.cause == Cause::Content {
            difference.cause = Cause::Toolchain;
            difference.words = format!("comes with the other toolchain; {}", difference.words);
        }
    }
}
