//! Reports on small pairs, one for each cause and format, against golden files; and on a real package.
//!
//! `REATTEST_BLESS=1` writes the files again after a deliberate change.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub(crate) mod objects;
pub(crate) mod pairs;

use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_rebuilder::Cancel;
use reattest_rebuilder::report::{
    Cause, Limits, Rendering, Report, Side, Variation, Varied, compare, sandboxed,
};
use reattest_rebuilder::sandbox::probe;
use reattest_tests::{at_hand, directory, document, printed, program, reattest, run, said, skip};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/golden")
}

fn report(name: &str, published: &[u8], produced: &[u8]) -> Report {
    let limits = Limits::default();
    compare(Side { name, bytes: published }, Side { name, bytes: produced }, &limits)
}

/// What a pipe gets: no colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (index, part) in text.split("\x1b[").enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    plain
}

fn same_as_file(name: &str, content: &str) {
    let path = golden().join(name);
    if std::env::var_os("REATTEST_BLESS").is_some() {
        std::fs::create_dir_all(golden()).unwrap();
        std::fs::write(&path, content).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == content,
        "reports/golden/{name} is not what is made today; if that was meant, run with REATTEST_BLESS=1:\n{content}"
    );
}

#[test]
fn each_cause_in_each_format_is_told_as_in_its_golden_files() {
    for pair in pairs::all() {
        let report = report(pair.file, &pair.published, &pair.produced);
        let causes: Vec<Cause> = report.causes.iter().map(|finding| finding.cause).collect();
        assert_eq!(causes, pair.causes, "{}: {}", pair.name, report.summary);
        let text = plain(&report.render(Rendering::Text).unwrap());
        same_as_file(&format!("{}.txt", pair.name), &text);
        let json: serde_json::Value = serde_json::from_slice(&report.to_bytes().unwrap()).unwrap();
        let pretty = serde_json::to_string_pretty(&json).unwrap();
        same_as_file(&format!("{}.json", pair.name), &format!("{pretty}\n"));
    }
}

#[test]
fn every_document_reads_back_and_every_line_fits() {
    for pair in pairs::all().into_iter().chain(pairs::hostile()) {
        let report = report(pair.file, &pair.published, &pair.produced);
        let bytes = report.to_bytes().unwrap();
        assert!(bytes.len() <= Limits::default().json_bytes, "{}", pair.name);
        assert_eq!(Report::from_bytes(&bytes, &Limits::default()).unwrap(), report);
        assert!(!report.differences.is_empty(), "{}", pair.name);
        for line in plain(&report.render(Rendering::Text).unwrap()).lines() {
            assert!(line.chars().count() < 100, "{}: {line}", pair.name);
            assert!(!line.chars().any(char::is_control), "{}: {line:?}", pair.name);
        }
    }
}

#[test]
fn a_page_shows_hostile_names_and_contents_as_text() {
    for pair in pairs::all().into_iter().chain(pairs::hostile()) {
        let page =
            report(pair.file, &pair.published, &pair.produced).render(Rendering::Html).unwrap();
        let body = page.split("</style>").nth(1).unwrap();
        let tags = body.split('<').skip(1);
        let known = [
            "header", "p", "span", "h1", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td",
            "dl", "div", "dt", "dd", "section", "ul", "li", "article", "details", "summary",
            "code", "mark", "bdi", "i", "b", "wbr", "footer", "main", "head", "body", "html",
        ];
        for tag in tags {
            let name = tag.trim_start_matches('/').split([' ', '>']).next().unwrap();
            assert!(known.contains(&name), "{}: <{tag}", pair.name);
            let attributes = tag.split('>').next().unwrap();
            assert!(!attributes.contains("on") || !attributes.contains("=\"javascript"));
            assert!(!attributes.contains("src=") && !attributes.contains("href="));
        }
        for hidden in ['\u{202e}', '\u{200b}', '\u{1b}', '\u{0}', '\u{7}'] {
            assert!(!page.contains(hidden), "{}: {hidden:?}", pair.name);
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn a_hostile_container_is_compared_as_bytes_and_says_so() {
    for pair in pairs::hostile().into_iter().filter(|pair| pair.name.starts_with("broken")) {
        let report = report(pair.file, &pair.published, &pair.produced);
        assert!(!report.notes.is_empty(), "{}", pair.name);
        assert!(report.notes[0].text.contains("compared as"), "{}", report.notes[0].text);
    }
}

#[test]
fn equal_files_have_nothing_to_tell() {
    let report = report("a", b"x", b"x");
    assert!(report.is_equal() && report.differences.is_empty() && report.causes.is_empty());
    assert_eq!(report.summary, "the files are equal");
}

#[test]
fn a_varied_run_names_what_the_build_depends_on() {
    let pair = pairs::all().into_iter().find(|pair| pair.name == "time-in-text").unwrap();
    let (published, produced) = (pair.published, pair.produced);
    let varied = [produced.as_slice(), b"another line\n"].concat();
    let changed = vec![Varied::HostName, Varied::Clock];
    let variation = Variation { changed };
    let own = report(pair.file, &published, &produced);
    let same = own.clone().with_variation(&variation, &report(pair.file, &produced, &produced));
    let words = same.variation.unwrap().words;
    assert_eq!(words, "this build does not depend on the host name or the clock");
    // The same place changes with the clock.
    let again = pairs::later(&produced);
    let with = own.clone().with_variation(&variation, &report(pair.file, &produced, &again));
    let dependence = with.variation.clone().unwrap();
    assert_eq!(
        dependence.words,
        "this build depends on the clock, where it differs from the published file"
    );
    assert!(dependence.places[0].coincides);
    assert_eq!(Report::from_bytes(&with.to_bytes().unwrap(), &Limits::default()).unwrap(), with);
    // A cause that nobody knows is laid to everything that was varied.
    let unknown = own.with_variation(&variation, &report(pair.file, &produced, &varied));
    assert!(unknown.variation.unwrap().words.contains("the host name or the clock"));
}

#[test]
fn inside_the_sandbox_the_same_report_is_written() {
    let sandbox = match probe(None) {
        Ok(sandbox) => sandbox,
        Err(error) => return skip("reports in the sandbox", &error.to_string()),
    };
    let room = directory();
    let pair = pairs::all().into_iter().find(|pair| pair.name == "package").unwrap();
    let (a, b) = (room.path().join("a"), room.path().join("b"));
    std::fs::write(&a, &pair.published).unwrap();
    std::fs::write(&b, &pair.produced).unwrap();
    let names = ("--hostile \u{202e}name", pair.file);
    let inside = sandboxed(&sandbox, &program(), &a, &b, names, &Cancel::new()).unwrap();
    let outside = report(pair.file, &pair.published, &pair.produced);
    assert_eq!(inside.differences, outside.differences);
    assert_eq!(inside.published.name, "--hostile \\u{202e}name");
}

#[test]
fn hostname_differs_because_of_an_older_toolchain() {
    if !at_hand("report on deb:hostname") {
        return;
    }
    let room = directory();
    let out = room.path().join("out");
    let text = room.path().join("report.txt");
    let mut command = reattest(&["rebuild", "deb:hostname", "--json", "--out"]);
    let output = command.arg(&out).arg("--report").arg(&text).output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", said(&output));
    let text = std::fs::read_to_string(&text).unwrap();
    assert!(text.contains("linked by another toolchain") && !text.contains('\u{1b}'), "{text}");
    let artifact = document(&output)["artifacts"][0].clone();
    let produced = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let produced = produced.filter(|path| path.extension().is_some_and(|end| end == "deb"));
    let produced = produced.min_by_key(|path| path.as_os_str().len()).unwrap();
    let name = produced.file_name().unwrap().to_str().unwrap().to_owned();
    let published = room.path().join("published.deb");
    if !download(&name, artifact["published"].as_str().unwrap(), &published) {
        return skip("report on deb:hostname", "apt cannot fetch the published package");
    }
    let both = [&published, &produced].map(|path| path.to_str().unwrap().to_owned());
    let output = run(&["role", "report", &both[0], &both[1], &name, &name]);
    assert!(output.status.success(), "{}", said(&output));
    let report =
        Report::from_bytes(printed(&output).trim_end().as_bytes(), &Limits::default()).unwrap();
    assert!(report.summary.contains("usr/bin/hostname"), "{}", report.summary);
    assert!(report.summary.contains("linked by another toolchain"), "{}", report.summary);
    assert_eq!(report.causes[0].cause, Cause::Toolchain);
    assert_eq!(report.members.differing, 1, "{}", report.summary);
}

/// The published package, from the mirror that this machine's apt is set to.
fn download(name: &str, sha256: &str, target: &Path) -> bool {
    let listed = Command::new("apt-get").args(["indextargets", "--format", "$(SITE)"]).output();
    let Ok(listed) = listed else { return false };
    let sites = String::from_utf8_lossy(&listed.stdout).into_owned();
    sites.lines().collect::<std::collections::BTreeSet<_>>().iter().any(|site| {
        let location = format!("{site}/pool/main/h/hostname/{name}");
        let fetched = Command::new("/usr/lib/apt/apt-helper")
            .args(["download-file", &location])
            .arg(target)
            .arg(format!("SHA256:{sha256}"))
            .output();
        fetched.is_ok_and(|output| output.status.success()) && target.exists()
    })
}
