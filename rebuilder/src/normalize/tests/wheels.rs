//! Wheels: RECORD must be right, and is then compared as a set.

use super::zip_writer::{member, zip};
use super::*;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

const RECORD: &str = "p-1.dist-info/RECORD";

fn row(name: &str, content: &[u8]) -> String {
    let hash = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(content).as_bytes());
    format!("{name},sha256={hash},{}\n", content.len())
}

fn files() -> [(&'static str, &'static [u8]); 3] {
    [
        ("p/__init__.py", b"x = 1\n"),
        ("p-1.dist-info/WHEEL", b"Wheel-Version: 1.0\n"),
        ("p/a,b", b""),
    ]
}

fn record() -> String {
    let [a, b, c] = files();
    let quoted = row("\"p/a,b\"", c.1);
    format!("{}{}{quoted}{RECORD},,\n", row(a.0, a.1), row(b.0, b.1))
}

fn wheel(record: &str) -> Vec<u8> {
    let mut members = files().map(|(name, content)| member(name, content)).to_vec();
    members.push(member(RECORD, record.as_bytes()));
    zip(&members)
}

#[test]
fn a_record_is_a_set_that_must_be_right() {
    let before = wheel(&record());
    let lines: Vec<String> = record().lines().map(|line| format!("{line}\n")).collect();
    let reversed: String = lines.iter().rev().cloned().collect();
    let other_hash = row("p/__init__.py", b"x = 2\n");
    let table = [
        ("another order", reversed, Same),
        ("other line ends", record().replace('\n', "\r\n"), Same),
        ("no line end at the end", record().trim_end().to_owned(), Same),
        ("quotes", record().replace("p/__init__.py", "\"p/__init__.py\""), Same),
        ("no size", record().replace(",6\n", ",\n"), Other),
        ("a wrong hash", record().replace(&lines[0], &other_hash), Refused("wrong about")),
        ("no hash", record().replace(&lines[0], "p/__init__.py,,\n"), Refused("wrong about")),
        ("a wrong size", record().replace(",6\n", ",7\n"), Refused("wrong about")),
        ("a spelled-out size", record().replace(",6\n", ",06\n"), Refused("wrong about")),
        ("a weaker hash", record().replacen("sha256", "md5", 1), Refused("wrong about")),
        ("padding", record().replacen(",6\n", "=,6\n", 1), Refused("wrong about")),
        ("a file that is not listed", record().replace(&lines[0], ""), Refused("for each file")),
        ("a file that is not there", record() + &row("p/c", b""), Refused("for each file")),
        (
            "another file instead",
            record().replace("__init__", "__main__"),
            Refused("row in RECORD"),
        ),
        ("a row twice", record() + &lines[0], Refused("twice")),
        ("an own hash", record().replace("RECORD,,", "RECORD,sha256=x,1"), Refused("wrong about")),
        ("four cells", record().replace(",6\n", ",6,\n"), Refused("broken line")),
        ("two cells", record().replace(",6\n", "\n"), Refused("broken line")),
        ("an open quote", record().replace("\"p/a,b\"", "\"p/a,b"), Refused("broken line")),
        ("a quote within", record().replace("p/__init__", "p\"/__init__"), Refused("broken line")),
        ("bytes behind a quote", record().replace("b\",", "b\"x,"), Refused("broken line")),
        ("a bare carriage return", record().replacen('\n', "\r", 1), Refused("broken line")),
        ("an empty line", record() + "\n", Refused("broken line")),
        ("nothing", String::new(), Refused("for each file")),
    ];
    for (claim, record, expected) in table {
        expect("p.whl", &before, claim, &wheel(&record), expected);
    }
}

#[test]
fn a_right_record_of_another_content_keeps_wheels_apart() {
    let evil = b"x = 2\n";
    let record = record().replace(&row("p/__init__.py", files()[0].1), &row("p/__init__.py", evil));
    let mut members = files().map(|(name, content)| member(name, content)).to_vec();
    members[0] = member("p/__init__.py", evil);
    members.push(member(RECORD, record.as_bytes()));
    expect("p.whl", &wheel(&self::record()), "evil", &zip(&members), Other);
}

#[test]
fn a_wheel_has_one_record() {
    let members = files().map(|(name, content)| member(name, content)).to_vec();
    assert!(digest("p.whl", &zip(&members)).unwrap_err().contains("no RECORD"));
    let second = "q-1.dist-info/RECORD";
    let text = record() + &row(second, b"");
    let mut two = members;
    two.extend([member(RECORD, text.as_bytes()), member(second, b"")]);
    assert!(digest("p.whl", &zip(&two)).unwrap_err().contains("several"));
    // A zip is not a wheel, and has another digest under its own name.
    let wheel = wheel(&record());
    assert_ne!(digest("p.whl", &wheel), digest("p.zip", &wheel));
}
