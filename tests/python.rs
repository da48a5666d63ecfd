//! Python wheels from source: real ones, and a registry that tries to choose what builds them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use reattest_attestation::{Digest, Outcome};
use reattest_rebuilder::fetch::{Endpoints, Mirror};
use reattest_rebuilder::{
    Cancel, Cas, Fetch, FetchProblem, RebuildError, Rebuilt, Recipe, Want, Workshop, rebuild,
};
use reattest_tests::{at_hand, cache, document, run, said};

/// Wheels that their publishers built with a source time, or with a backend that needs none.
#[test]
fn attrs_and_rich_are_reproduced_bit_for_bit() {
    if !at_hand("rebuild pypi:attrs and pypi:rich") {
        return;
    }
    for reference in ["pypi:attrs@24.3.0", "pypi:rich@13.9.4"] {
        let output = run(&["rebuild", reference, "--json"]);
        if said(&output).contains("cannot reach") || said(&output).contains("found no Python index")
        {
            reattest_tests::skip(reference, &said(&output));
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let artifact = document(&output)["artifacts"][0].clone();
        assert_eq!(artifact["outcome"], "reproduced", "{artifact}");
        assert_eq!(artifact["produced"], artifact["published"]);
    }
}

/// A backend inside its own source: it needs no wheel, so the whole index can be made here. Before it
/// builds, it looks for what it must not see, and fails when it finds any of it.
const BACKEND: &str = r#"
import glob, os, socket, zipfile

def get_requires_for_build_wheel(config=None):
    return ASKED

def build_wheel(out, config=None, metadata=None):
    seen = [p for top in ("/build", "/tmp", "/home") for p in glob.glob(top + "/**/*.whl", recursive=True)]
    assert not seen, seen
    assert not [value for value in os.environ.values() if "66" in value]
    try:
        socket.create_connection(("127.0.0.1", 80), 1)
    except OSError:
        pass
    else:
        raise SystemExit("a network")
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    import time
    name = "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(out, name), "w") as z:
        for member, text in FILES:
            info = zipfile.ZipInfo(member, time.gmtime(epoch)[:6])
            z.writestr(info, text)
    return name
"#;

const TIME: &str = "2024-12-16T06:59:26Z";
const GENERATORS: &[&str] =
    &["evil 66.0", "setuptools (1.0)", "own @ https://host.invalid/x.whl; touch /tmp/x"];

/// The files of a wheel, as the backend above writes them too.
fn members(generator: &str) -> [(String, String); 3] {
    let info = |name: &str| format!("evil-1.0.dist-info/{name}");
    [
        ("evil.py".to_owned(), "x = 1\n".to_owned()),
        (info("METADATA"), "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n".to_owned()),
        (info("WHEEL"), format!("Wheel-Version: 1.0\nGenerator: {generator}\n")),
    ]
}

fn wheel(generator: &str, second: u8) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let time = zip::DateTime::from_date_and_time(2024, 12, 16, 6, 26, second).unwrap();
    for (name, text) in members(generator) {
        let stored = zip::CompressionMethod::Stored;
        let options = zip::write::SimpleFileOptions::default();
        let options = options.compression_method(stored).last_modified_time(time);
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn sdist(generator: &str, asked: &str) -> Vec<u8> {
    let files: Vec<String> =
        members(generator).iter().map(|(name, text)| format!("({name:?}, {text:?})")).collect();
    let backend = format!("ASKED = {asked}\nFILES = [{}]\n{BACKEND}", files.join(", "));
    let project = "[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n";
    let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    for (name, text) in [("pyproject.toml", project), ("own.py", backend.as_str())] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_734_330_394);
        tar.append_data(&mut header, format!("evil-1.0/{name}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A registry in memory in front of the real archive.
struct Registry {
    cas: Cas,
    files: BTreeMap<String, Vec<u8>>,
    archive: Mirror,
    asked: Vec<String>,
}

impl Registry {
    fn new(workshop: &Workshop, wheel: Vec<u8>, sdist: Vec<u8>) -> Self {
        let entry = |name: &str, bytes: &[u8]| {
            let digest = Digest::of(bytes);
            format!(
                r#"{{"filename":"{name}","url":"{name}","hashes":{{"sha256":"{digest}"}},"size":{},"upload-time":"{TIME}"}}"#,
                bytes.len()
            )
        };
        let (wheel_name, sdist_name) = ("evil-1.0-py3-none-any.whl", "evil-1.0.tar.gz");
        let page = format!(
            r#"{{"meta":{{"api-version":"1.1"}},"name":"evil","files":[{},{}]}}"#,
            entry(wheel_name, &wheel),
            entry(sdist_name, &sdist)
        );
        let files = BTreeMap::from([
            ("pypi:evil/".to_owned(), page.into_bytes()),
            (format!("pypi:evil/{wheel_name}"), wheel),
            (format!("pypi:evil/{sdist_name}"), sdist),
        ]);
        let endpoints = Endpoints::of_apt(Path::new("/etc/apt")).unwrap();
        let archive = Mirror::new(&endpoints, &workshop.cache).unwrap();
        Self { cas: Cas::below(&workshop.cache).unwrap(), files, archive, asked: Vec::new() }
    }
}

impl Fetch for Registry {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        let one = |want: &Want| {
            self.asked.push(want.location.clone());
            if !want.location.starts_with("pypi:") {
                return self.archive.fetch(std::slice::from_ref(want)).remove(0);
            }
            let why = "no such file in this registry".to_owned();
            let location = want.location.clone();
            let file = self.files.get(&want.location);
            file.map(|bytes| self.cas.put(bytes).unwrap())
                .ok_or(FetchProblem::Unreachable { location, why })
        };
        wants.iter().map(one).collect()
    }
}

fn rebuilt(wheel: Vec<u8>, sdist: Vec<u8>) -> (Result<Rebuilt, RebuildError>, Vec<String>) {
    let workshop = Workshop::new(&cache());
    let mut registry = Registry::new(&workshop, wheel, sdist);
    let reference = "pypi:evil@1.0".parse().unwrap();
    let made = rebuild(&reference, &workshop, &mut registry, &mut |_| (), &Cancel::new());
    (made, registry.asked)
}

#[test]
fn an_evil_generator_chooses_nothing_and_the_wheel_is_not_in_the_room() {
    if !at_hand("an evil Generator") {
        return;
    }
    for generator in GENERATORS {
        let (made, asked) = rebuilt(wheel(generator, 34), sdist(generator, "[]"));
        let made = made.unwrap();
        let log = std::fs::read_to_string(&made.first.log).unwrap_or_default();
        // Made, though not by the same program as the wheel above.
        assert_ne!(made.outcomes()[0].outcome, Outcome::BuildFailed, "{generator}: {log}");
        let recipe = Recipe::parse(made.recipe.bytes()).unwrap();
        assert_eq!(recipe.wheels, [], "{generator}");
        let mut learned = recipe.learned.clone();
        assert!(learned.remove("ignored_generator").is_some(), "{generator}");
        let time = ("source_date_epoch".to_owned(), "1734330394".to_owned());
        assert_eq!(learned, BTreeMap::from([time]), "{generator}");
        let beyond = |location: &&String| {
            location.starts_with("pypi:") && !location.starts_with("pypi:evil/")
        };
        assert_eq!(asked.iter().find(beyond), None, "{generator}");
    }
}

#[test]
fn a_release_is_bound_by_the_registrys_page_and_says_that_nobody_signed_it() {
    if !at_hand("the authority of a wheel") {
        return;
    }
    let made = rebuilt(wheel("own 1.0", 34), sdist("own 1.0", "[]")).0.unwrap();
    let authority = made.release.authority();
    assert_eq!(authority.uri, "pypi:evil/");
    assert_eq!(authority.signers, ["registry:pypi"]);
    assert!(made.release.index().contains("signs nothing"));
    assert_eq!(made.release.lock_authorities().len(), 1);
    let purl = made.release.published()[0].purl.to_string();
    assert_eq!(purl, "pkg:pypi/evil@1.0?file_name=evil-1.0-py3-none-any.whl");
}

#[test]
fn a_backend_that_asks_for_what_cannot_be_pinned_is_refused() {
    if !at_hand("an evil backend") {
        return;
    }
    let table = [
        ("['x @ https://host.invalid/x.whl']", "names a URL"),
        ("['nonesuch']", "nonesuch"),
        ("['-r /etc/passwd']", "cannot be used"),
        ("[1]", "no list of texts"),
        ("['a'] * 100_000", "requirements"),
    ];
    for (asked, expected) in table {
        let (made, _) = rebuilt(wheel("own 1.0", 34), sdist("own 1.0", asked));
        let refused = made.map(drop).unwrap_err().to_string();
        assert!(refused.contains(expected), "{asked}: {refused}");
    }
}
