//! Pages of one project, and what each reference to it means.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn page(names: &str) -> Page {
    let file = |name: &str| {
        let (name, yanked) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let digest = Digest::of(name.as_bytes());
        format!(
            r#"{{"filename":"{name}","hashes":{{"sha256":"{digest}"}},"size":1,"upload-time":"2024-12-16T06:59:26Z","yanked":{yanked}}}"#
        )
    };
    let files: Vec<String> = names.split_whitespace().map(file).collect();
    let text = format!(r#"{{"name":"a","files":[{}]}}"#, files.join(","));
    Page::parse(text.as_bytes(), &Name::canonical("a").unwrap()).unwrap()
}

fn find(
    names: &str,
    version: Option<&str>,
    file_name: Option<&str>,
) -> Result<String, PythonError> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (version, file_name) = (owned(version), owned(file_name));
    let reference = PythonReference { project: "a".to_owned(), version, file_name };
    let digest = Digest::of(b"page");
    let found = PythonRelease::on_page(&reference, &page(names), digest)?;
    let authority = found.release.authority();
    assert_eq!((authority.uri.as_str(), authority.digest), ("pypi:a/", digest));
    assert!(found.release.index().contains("signs nothing"));
    Ok(format!("{} {}", found.sdist.name, found.wheel.name))
}

const PURE: &str = "a-1-py3-none-any.whl";

#[test]
fn a_reference_means_one_source_and_one_wheel() {
    let native = "a-1-cp313-cp313-manylinux_2_17_x86_64.whl";
    let both = format!("a-1.tar.gz a-1.zip {PURE} {native}");
    let table = [
        (both.as_str(), Some("1"), None, format!("a-1.tar.gz {PURE}")),
        (&both, Some("1.0"), None, format!("a-1.tar.gz {PURE}")),
        (&both, Some("1"), Some(native), format!("a-1.tar.gz {native}")),
        (&both, None, None, format!("a-1.tar.gz {PURE}")),
        ("a-1.zip a-1-py3-none-any.whl", None, None, format!("a-1.zip {PURE}")),
        // Without a version: the newest that is whole, final and not withdrawn.
        (
            "a-1.tar.gz a-1-py3-none-any.whl a-2.tar.gz a-3.tar.gz! a-3-py3-none-any.whl! a-4rc1.tar.gz a-4rc1-py3-none-any.whl",
            None,
            None,
            format!("a-1.tar.gz {PURE}"),
        ),
    ];
    for (names, version, file, expected) in table {
        assert_eq!(find(names, version, file).unwrap(), expected, "{names}");
    }
}

#[test]
fn what_cannot_be_rebuilt_is_refused_with_what_there_is() {
    let whole = format!("a-1.tar.gz {PURE}");
    let table = [
        (
            whole.as_str(),
            Some("2"),
            None,
            "no version 2 of a; needed one that the registry has (newest: 1)",
        ),
        (&whole, Some("nonsense"), None, "no version nonsense"),
        ("a-1.tar.gz! a-1-py3-none-any.whl! a-2.tar.gz", Some("1"), None, "withdrawn"),
        (PURE, Some("1"), None, "no source distribution (it has: a-1-py3-none-any.whl)"),
        (
            "a-1.tar.gz",
            Some("1"),
            None,
            "no wheel for this machine's Python 3.13 (it has: a-1.tar.gz)",
        ),
        (&whole, Some("1"), Some("a-2-py3-none-any.whl"), "no wheel a-2-py3-none-any.whl"),
        ("a-1.tar.gz a-1-cp312-cp312-win_amd64.whl", Some("1"), None, "no wheel"),
        ("", None, None, "no version with a source and a wheel"),
    ];
    for (names, version, file, expected) in table {
        let refused = find(names, version, file).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
