//! Mistakes in a configuration, each with its file, line, column, what was found, and what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

/// A configuration of seven lines without a mistake, with other roles.
fn with_roles(roles: &str, more: &str) -> String {
    format!(
        "network = \"test\"\nroles = [{roles}]\ndata = \"data\"\npolicy = \"policy.toml\"\n\
         key = \"a.key\"\ncertificate = \"a.cert\"\nlisten = []\n{more}"
    )
}

/// Roles, what else stands in the file from line 8 on, and what is said of it after the file's name.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "\"consume\", \"witness\"",
        "",
        "line 2, column 21: roles[1]: found the role \"witness\" without a table [witness], needed \
         one with `name` and `key`; ssh-keygen -t ed25519 -N '' -f witness.key makes a key",
    ),
    (
        "\"consume\"",
        "\n[witness]\nname = \"w\"\nkey = \"w.key\"\n",
        "line 9, column 1: witness: found [witness] without the role \"witness\", needed both; add \
         \"witness\" to `roles`, or remove the table",
    ),
    (
        "\"witness\"",
        "[witness]\nname = \"a witness\"\nkey = \"w.key\"\n",
        "line 9, column 8: witness.name: found witness name \"a witness\", needed 1 to 256 bytes \
         without spaces, control characters and \"+\"; a URL without its scheme is usual",
    ),
    (
        "\"rebuild\", \"witness\"",
        "[witness]\nname = \"w\"\nkey = \"a.key\"\n",
        "line 10, column 7: witness.key: found the rebuilder's key (file a.key), needed another one, \
         for a witness of one's own log convinces nobody; ssh-keygen -t ed25519 -N '' -f witness.key \
         makes one",
    ),
    (
        "\"witness\"",
        "[witness]\nkey = \"w.key\"\n",
        "line 8, column 1: missing field `name`; compare with a configuration that `reattest init` \
         writes",
    ),
    (
        "\"witness\"",
        "[witness]\nname = \"w\"\n",
        "line 8, column 1: missing field `key`; compare with a configuration that `reattest init` \
         writes",
    ),
    (
        "\"witness\"",
        "[witness]\nname = \"w\"\nkey = { pkcs11 = \"m.so\" }\n",
        "line 10, column 7: key: found a key that mixes or lacks fields, needed a path, { agent = \
         \"SHA256:...\" }, { credential = \"name\" }, or { pkcs11 = \"module\", token = \"...\", label \
         = \"...\", pin_file = \"...\" }; compare with a configuration that `reattest init` writes",
    ),
    (
        "\"rebuild\", \"sing\"",
        "",
        "line 2, column 21: roles: unknown variant `sing`, expected one of `rebuild`, `witness`, `consume`; \
         compare with a configuration that `reattest init` writes",
    ),
    (
        "\"consume\"",
        "[[follow]]\nsuite = \"trixie\"\n",
        "line 8, column 1: follow[0]: found [[follow]] without the role \"rebuild\", needed both, for \
         what is followed is rebuilt; add \"rebuild\" to `roles`, or remove the table",
    ),
    (
        "\"rebuild\"",
        "[[follow]]\nsuite = \"trixie\"\n[[follow]]\nlist = \"l\"\nlockfile = \"f\"\n",
        "line 10, column 1: follow[1]: found list and lockfile, needed one of `suite`, `list` and \
         `lockfile`; write a [[follow]] for each",
    ),
    (
        "\"rebuild\"",
        "[[follow]]\nsuite = \"trixie\"\ncomponents = [\"main\", \"contrib\"]\n",
        "line 10, column 23: follow[0].components[1]: found \"contrib\", needed one of [\"main\"]: \
         nothing else is rebuilt on this machine; take it out",
    ),
    (
        "\"rebuild\"",
        "[[follow]]\nlist = \"l\"\nonly = [\"a\"]\n",
        "line 10, column 8: follow[0].only: found it in a [[follow]] without `suite`, which alone has \
         it; remove it",
    ),
    (
        "\"rebuild\"",
        "[archive]\ndebian = [\"https://a.example\", \"ftp://b.example\"]\n",
        "line 9, column 32: archive.debian[1]: found \"ftp://b.example\", needed an http or https URI",
    ),
    (
        "\"rebuild\"",
        "await_witness = 1\n",
        "line 8, column 1: unknown field `await_witness`, expected one of ",
    ),
];

/// What is said of a configuration, after the file's name.
fn said(text: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let fault = Config::load(&file).unwrap_err().to_string();
    fault.strip_prefix(&format!("{}, ", file.display())).unwrap_or(&fault).to_owned()
}

#[test]
fn a_mistake_is_told_with_line_column_what_was_found_and_what_to_do() {
    for (roles, more, expected) in MISTAKES {
        let said = said(&with_roles(roles, more));
        // A list of all keys is not repeated here.
        let said = if expected.ends_with(' ') { &said[..expected.len()] } else { &said };
        assert_eq!(said, *expected);
    }
}

#[test]
fn what_the_role_rebuild_lacks_is_told_where_the_role_stands() {
    let whole = with_roles("\"consume\", \"rebuild\"", "");
    let cases = [("key", "`key`"), ("certificate", "`certificate`")];
    for (key, missing) in cases {
        let lines = whole.lines().filter(|line| !line.starts_with(&format!("{key} =")));
        let text = lines.collect::<Vec<_>>().join("\n");
        let expected = format!(
            "line 2, column 21: roles[1]: found the role \"rebuild\" without {missing}, needed the \
             rebuilder's key and the operator's certificate of it; `reattest init` makes both"
        );
        assert_eq!(said(&text), expected);
    }
}

#[test]
fn what_is_missing_at_the_top_is_told_from_the_first_line_on() {
    let said = said("network = \"test\"\nroles = []\npolicy = \"p\"\n");
    let expected = "line 1, column 1: missing field `data`; compare with a configuration that \
                    `reattest init` writes";
    assert_eq!(said, expected);
}

#[test]
fn a_mistake_that_shows_later_has_its_place_too() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    std::fs::write(&file, with_roles("\"consume\"", "await_witnesses = 3\n")).unwrap();
    let config = Config::load(&file).unwrap();
    let fault = config.mistake(&[Key::Of("await_witnesses")], "found 3".to_owned()).to_string();
    assert!(fault.ends_with("config.toml, line 8, column 19: await_witnesses: found 3"), "{fault}");
}
