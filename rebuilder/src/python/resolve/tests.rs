//! Small indexes in memory, honest and hostile, a line a project.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use reattest_attestation::Digest;

use super::super::name::FileName;
use super::super::requirement;
use super::*;

/// `PROJECT VERSION [TAGS] @TIME !yanked python>=X: REQUIREMENT | REQUIREMENT`, a line a wheel.
struct World(Vec<(Name, File, String)>);

impl World {
    fn of(lines: &str) -> Self {
        Self(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(wheel).collect())
    }

    fn resolve(&mut self, wishes: &[&str]) -> Result<String, String> {
        let by = "the source".to_owned();
        let wish = |text: &&str| Wish { requirement: text.parse().unwrap(), by: by.clone() };
        let wishes: Vec<Wish> = wishes.iter().map(wish).collect();
        let markers = requirement::environment("x86_64").unwrap();
        let at_least = BTreeMap::from([(Name::canonical("old").unwrap(), 200)]);
        let target = Target { machine: "x86_64".to_owned(), markers, until: 100, at_least };
        let chosen = resolve(&wishes, &target, self).map_err(|e| e.to_string())?;
        let texts = chosen.iter().map(|(name, file)| format!("{name} {}", file.version));
        Ok(texts.collect::<Vec<_>>().join(", "))
    }
}

fn wheel(line: &str) -> (Name, File, String) {
    let (head, requires) = line.split_once(": ").unwrap_or((line, ""));
    let words: Vec<&str> = head.split_whitespace().collect();
    let find = |start: &str| words.iter().find_map(|word| word.strip_prefix(start));
    let [project, version, ..] = words.as_slice() else { unreachable!("{line}") };
    let tags = words.iter().find(|word| word.matches('-').count() == 2);
    let file_name = format!("{project}-{version}-{}.whl", tags.copied().unwrap_or("py3-none-any"));
    let name = Name::canonical(project).unwrap();
    let FileName { kind, version } = FileName::parse(&file_name, &name).unwrap();
    let file = File {
        sha256: Digest::of(file_name.as_bytes()),
        name: file_name,
        kind,
        version,
        size: 1,
        uploaded: find("@").map_or(1, |time| time.parse().unwrap()),
        requires_python: find("python").map(str::to_owned),
        yanked: words.contains(&"!yanked"),
    };
    (name, file, requires.to_owned())
}

impl Index for World {
    fn page(&mut self, project: &Name) -> Result<Page, RebuildError> {
        let files: Vec<File> = self
            .0
            .iter()
            .filter(|(name, _, _)| name == project)
            .map(|(_, file, _)| file.clone())
            .collect();
        if files.is_empty() {
            let (project, asked) = (project.to_string(), "a world".to_owned());
            return Err(PythonError::UnknownProject { project, asked }.into());
        }
        Ok(Page { name: project.clone(), files })
    }

    fn requires(&mut self, _: &Name, wheel: &File) -> Result<Vec<Requirement>, RebuildError> {
        let (_, _, text) = self.0.iter().find(|(_, file, _)| file.name == wheel.name).unwrap();
        let texts = text.split(" | ").filter(|text| !text.is_empty());
        Ok(texts.map(str::parse).collect::<Result<_, PythonError>>()?)
    }
}

#[test]
fn the_newest_that_was_there_and_fits_wins() {
    let table = [
        ("a 1.9\na 1.10", "a", "a 1.10"),
        ("a 1\na 2 @101", "a", "a 1"),
        ("a 1\na 2 @100", "a", "a 2"),
        ("a 1\na 2 !yanked", "a", "a 1"),
        // Its releases until 200 do not run here.
        ("old 1\nold 2 @200\nold 3 @201", "old", "old 2"),
        ("a 1\na 2 python>=3.14", "a", "a 1"),
        ("a 1\na 2 cp312-cp312-manylinux_2_17_x86_64", "a", "a 1"),
        ("a 1\na 2 py3-none-manylinux_2_17_x86_64", "a", "a 2"),
        ("a 1\na 2\na 3", "a<3", "a 2"),
        ("a 1\na 2rc1", "a", "a 1"),
        ("a 1\na 2rc1", "a>=2rc1", "a 2rc1"),
        ("a 2.dev1\na 2rc1", "a", "a 2rc1"),
        ("a 1\na 1.post1\na 1.post1.dev2", "a", "a 1.post1"),
        ("a 1!1\na 2", "a", "a 1!1"),
        ("a 1+local", "a==1", "a 1+local"),
        ("A_B 1", "a.b", "a-b 1"),
        ("a 1", "a ; sys_platform == 'win32'", ""),
    ];
    for (lines, wish, expected) in table {
        assert_eq!(World::of(lines).resolve(&[wish]).as_deref(), Ok(expected), "{wish} of {lines}");
    }
}

#[test]
fn dependencies_are_followed_and_may_take_a_choice_back() {
    let table = [
        ("a 1: b>=1\nb 1\nb 2: c\nc 1", "a", "a 1, b 2, c 1"),
        ("a 1: b<2\nb 1\nb 2: c\nc 1", "a", "a 1, b 1"),
        // Only a's version 2, chosen first, would need d.
        ("a 1\na 2: d\nb 1: a<2\nd 1", "a b", "a 1, b 1"),
        ("a 1: b; extra == 'x'\nb 1", "a", "a 1"),
        ("a 1: b; extra == 'x'\nb 1", "a[x]", "a 1, b 1"),
        ("a 1: a[y]; extra == 'x' | b; extra == 'y'\nb 1", "a[x]", "a 1, b 1"),
        ("a 1: b\nb 1: a", "a", "a 1, b 1"),
        ("a 1: a", "a", "a 1"),
        ("a 1: b; python_version < '3.11'", "a", "a 1"),
    ];
    for (lines, wishes, expected) in table {
        let wishes: Vec<&str> = wishes.split(' ').collect();
        assert_eq!(
            World::of(lines).resolve(&wishes).as_deref(),
            Ok(expected),
            "{wishes:?} of {lines}"
        );
    }
}

#[test]
fn the_requirement_that_failed_is_named_with_who_wanted_it() {
    let refused = World::of("a 1: b>=3\nb 1\nb 2").resolve(&["a", "b<2"]).unwrap_err();
    for part in ["b>=3 (for a 1)", "b<2 (for the source)", "2, 1"] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    assert!(World::of("a 1: nonesuch").resolve(&["a"]).unwrap_err().contains("\"nonesuch\""));
    assert!(World::of("a 1: b @ https://host/x").resolve(&["a"]).unwrap_err().contains("URL"));
}

#[test]
fn a_set_without_end_or_rest_is_refused() {
    let chain: Vec<String> = (0..400).map(|n| format!("p{n} 1: p{}", n + 1)).collect();
    let chain = chain.join("\n");
    assert!(World::of(&chain).resolve(&["p0"]).unwrap_err().contains("no set of wheels"));
    let many: Vec<String> = (0..200).map(|n| format!("q{n}")).collect();
    let star = format!("a 1: {}\n{}", many.join(" | "), many.join(" 1\n") + " 1\n");
    assert!(World::of(&star).resolve(&["a"]).unwrap_err().contains("more than 128 wheels"));
    // Each choice of a takes back what led to it.
    let restless = "a 1\na 2: b\nb 1: a<2\n";
    let refused = World::of(restless).resolve(&["a"]).unwrap_err();
    assert!(refused.contains("still change"), "{refused}");
}
