//! Bills of materials before a policy: real ones, written by their own tools, and hostile ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::path::Path;

use reattest::lockfiles::{Format, Pin, Pins, PinsError};
use reattest_attestation::Digest;
use serde_json::json;

use crate::pins::World;

fn kept(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("lockfiles");
    std::fs::read(directory.join(name)).unwrap()
}

fn of(format: Format, text: &str) -> Result<Pins, PinsError> {
    Pins::read("bill", text.as_bytes(), Some(format))
}

fn found(pin: &Pin) -> &str {
    pin.obstacle.as_ref().map_or("", |obstacle| &obstacle.found)
}

fn named(pins: &Pins) -> Vec<String> {
    pins.pins.iter().map(|pin| format!("{} {}", pin.name, pin.version)).collect()
}

#[test]
fn bills_of_the_real_tools_are_read_whole() {
    let wanted = ["@types/ms 2.1.0", "is-number 6.0.0", "is-odd 3.0.1", "left-pad 1.3.0"];
    let pins = Pins::read("npm.cdx.json", &kept("npm.cdx.json"), None).unwrap();
    assert_eq!((pins.format, named(&pins)), (Format::Cyclonedx, wanted.map(String::from).to_vec()));
    assert!(
        pins.pins.iter().all(|pin| pin.files[0].digests.sha512.is_some() && pin.line.is_some())
    );
    // The one package that the document describes is the user's own.
    let pins = Pins::read("npm.spdx.json", &kept("npm.spdx.json"), None).unwrap();
    assert_eq!(pins.format, Format::Spdx);
    assert_eq!(named(&pins)[0], "app 1.0.0");
    assert_eq!(named(&pins)[1..], wanted);
    assert!(pins.pins[0].local && !pins.pins[1].local);
    assert_eq!(pins.pins[1].files[0].purl.as_str(), "pkg:npm/%40types/ms@2.1.0");
    // Of Python's releases, each digest is another file.
    let pins = Pins::read("requirements.cdx.json", &kept("requirements.cdx.json"), None).unwrap();
    assert_eq!(named(&pins), ["attrs 24.3.0", "idna 3.10", "markupsafe 3.0.2"]);
    let files = |pin: &Pin| pin.files.iter().filter(|one| one.digests.sha256.is_some()).count();
    assert_eq!((files(&pins.pins[0]), files(&pins.pins[1])), (2, 2));
    assert!(files(&pins.pins[2]) > 50, "{}", files(&pins.pins[2]));
    // Of crates, one file each, and the workspace's own crates are no published ones.
    let pins = Pins::read("cargo.cdx.json", &kept("cargo.cdx.json"), None).unwrap();
    assert_eq!(named(&pins), ["beside 0.1.0", "hex 0.4.3", "itoa 1.0.11"]);
    assert!(found(&pins.pins[0]).contains("file://"), "{:?}", pins.pins[0]);
    assert_eq!(pins.pins[1].files[0].purl.as_str(), "pkg:cargo/hex@0.4.3");
    assert!(pins.pins[1].files[0].digests.sha256.is_some());
}

#[test]
fn a_bill_is_known_by_what_it_says_under_any_name() {
    let read = |text: &str| Pins::read("found.json", text.as_bytes(), None);
    let format = |text: &str| read(text).map(|pins| pins.format);
    assert_eq!(format(r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#), Ok(Format::Cyclonedx));
    assert_eq!(format(r#"{"spdxVersion":"SPDX-2.3"}"#), Ok(Format::Spdx));
    assert_eq!(format(r#"{"lockfileVersion":3,"packages":{}}"#), Ok(Format::Npm));
    for neither in ["{}", "[]", "x", r#"{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3"}"#] {
        assert_eq!(format(neither), Err(PinsError::Unknown), "{neither}");
    }
}

#[test]
fn a_component_is_judged_as_the_purl_that_it_has() {
    let world = World::new();
    let (good, other) = (Digest::of(b"good"), Digest::of(b"other"));
    let netbase = "pkg:deb/debian/netbase@6.5?arch=all&distro=trixie";
    world.consumer.reproduced("pkg:cargo/good@1.0.0", good);
    world.consumer.reproduced("pkg:cargo/inner@1.0.0", good);
    world.consumer.reproduced(netbase, other);
    let component = |purl: &str, sha256: Digest| {
        json!({"type": "library", "name": "x", "version": "1.0.0", "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": sha256.to_string()}]})
    };
    let bill = |components: &[serde_json::Value]| {
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components})
            .to_string()
    };
    let check = |components: &[serde_json::Value]| world.check("bom.cdx.json", &bill(components));
    let right = component("pkg:cargo/good@1.0.0", good);
    assert_eq!(check(std::slice::from_ref(&right)).0, 0);
    // A purl that leaves the archive open is filled in by evidence of the same bytes.
    assert_eq!(check(&[component("pkg:deb/debian/netbase@6.5?arch=all", other)]).0, 0);
    assert_eq!(check(&[component("pkg:deb/debian/netbase@6.4?arch=all", other)]).0, 4);
    assert_eq!(check(&[component("pkg:deb/debian/netbase@6.5?arch=amd64", other)]).0, 4);
    assert_eq!(check(&[component(netbase, good)]).0, 3, "another file under the full name");
    assert_eq!(check(&[right.clone(), component("pkg:cargo/other@1.0.0", good)]).0, 4);
    // What is inside is judged too.
    let mut outer = right.clone();
    outer["components"] = json!([component("pkg:cargo/inner@1.0.0", other)]);
    assert_eq!(check(&[outer]).0, 3);
    let spdx = |describes: &[&str], checksum: Digest| {
        json!({"spdxVersion": "SPDX-2.3", "documentDescribes": describes, "packages": [{
            "SPDXID": "SPDXRef-1", "name": "good", "versionInfo": "1.0.0",
            "checksums": [{"algorithm": "SHA256", "checksumValue": checksum.to_string()}],
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:cargo/good@1.0.0"}]}]})
        .to_string()
    };
    assert_eq!(world.check("a.spdx.json", &spdx(&[], good)).0, 0);
    // To be described makes nobody's published file one's own.
    assert_eq!(world.check("a.spdx.json", &spdx(&["SPDXRef-1"], other)).0, 3);
}

#[test]
fn what_a_bill_does_not_say_is_never_accepted() {
    let component = |members: &str| {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"library","name":"a","version":"1",{members}}}]}}"#
        );
        of(Format::Cyclonedx, &text).unwrap().pins.remove(0)
    };
    let digest = Digest::of(b"a");
    let two = format!(
        r#""purl":"pkg:cargo/a@1","hashes":[{{"alg":"SHA-256","content":"{digest}"}},{{"alg":"SHA-256","content":"{}"}}]"#,
        Digest::of(b"b")
    );
    let cases = [
        (r#""hashes":[]"#.to_owned(), "no purl"),
        (r#""purl":"pkg:cargo/a@1""#.to_owned(), "no digest"),
        (r#""purl":"pkg:cargo/a""#.to_owned(), "without a version"),
        (r#""purl":"nonsense""#.to_owned(), "needed a package URL"),
        (r#""purl":"pkg:npm/a@1?vcs_url=git%2Bhttps://x.test/a""#.to_owned(), "version control"),
        (r#""purl":"pkg:cargo/a@1?download_url=file://."#.to_owned() + "\"", "an address"),
        (r#""purl":"pkg:npm/a@1?repository_url=https://x.test""#.to_owned(), "an address"),
        (
            r#""purl":"pkg:cargo/a@1","hashes":[{"alg":"SHA-256","content":"00"}]"#.to_owned(),
            "for a digest",
        ),
        (two, "contradict"),
    ];
    for (members, wanted) in cases {
        let pin = component(&members);
        assert!(found(&pin).contains(wanted), "{members}: {pin:?}");
    }
    let sha1 = component(r#""purl":"pkg:cargo/a@1","hashes":[{"alg":"SHA-1","content":"00"}]"#);
    assert_eq!(
        (sha1.files[0].digests.sha256, sha1.files[0].digests.kinds()),
        (None, "sha1".into())
    );
}

#[test]
fn hostile_bills_are_refused_in_clear_words() {
    let nested = |deep: usize| {
        let open = r#"{"type":"library","name":"a","components":["#.repeat(deep);
        let close = "]}".repeat(deep);
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{open}{close}]}}"#)
    };
    let cases = [
        (Format::Cyclonedx, nested(100_000), "limit"),
        (Format::Cyclonedx, r#"{"specVersion":"2.0"}"#.to_owned(), "version 2.0"),
        (Format::Cyclonedx, r#"{"specVersion":"1.5","specVersion":"1.6"}"#.to_owned(), "duplicate"),
        (Format::Cyclonedx, "[]".to_owned(), "found"),
        (Format::Spdx, r#"{"spdxVersion":"SPDX-3.0"}"#.to_owned(), "version SPDX-3.0"),
        (Format::Spdx, r#"{"spdxVersion":"SPDX-2.3","packages":{}}"#.to_owned(), "invalid type"),
    ];
    for (format, text, wanted) in cases {
        match of(format, &text) {
            // A part that cannot be read bars itself, with its line.
            Ok(pins) => assert!(found(&pins.pins[0]).contains(wanted), "{:?}", pins.pins[0]),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(wanted) && error.len() < 400, "{format:?}: {error}");
            }
        }
    }
    let many = format!(
        r#"{{"specVersion":"1.5","components":[{}{{"name":"a"}}]}}"#,
        r#"{"name":"a"},"#.repeat(20_000)
    );
    assert!(matches!(of(Format::Cyclonedx, &many), Err(PinsError::Many { .. })));
}
