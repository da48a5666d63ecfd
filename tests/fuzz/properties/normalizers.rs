//! Properties of normalizers: no bytes make them fail, and no byte in front or behind goes unseen.

use super::super::beside::normalize::{NormalizeError, chain, equivalent, normalized};
use super::is_one_line;

/// A name of each form.
const NAMES: [&str; 6] = ["a.whl", "a.zip", "a.tar.gz", "a.1.gz", "a.tar", "a_1_all.deb"];

/// The bytes as a file of each form: what has a normalized form is equivalent to itself, carries its
/// form's normalizers, and is equivalent to nothing with a byte more at either end.
pub fn normalize(bytes: &[u8]) -> bool {
    let file = bytes.to_vec();
    let accepted = NAMES.map(|name| of_form(name, &file));
    accepted.contains(&true)
}

#[allow(
    clippy::ptr_arg,
    reason = "a vector is a source of bytes, and a slice of unknown size is none"
)]
fn of_form(name: &str, file: &Vec<u8>) -> bool {
    let made = match normalized(name, file) {
        Ok(made) => made.unwrap(),
        Err(NormalizeError::Refused(refusal)) => {
            is_one_line(&refusal.to_string());
            assert_eq!(equivalent(name, file, file).unwrap(), None);
            return false;
        }
        Err(fault) => panic!("memory does not fail: {fault}"),
    };
    assert_eq!(made.normalizers.len(), chain(name).len());
    assert_eq!(equivalent(name, file, file).unwrap(), Some(made));
    for changed in [[b"x", file.as_slice()].concat(), [file.as_slice(), b"x"].concat()] {
        assert_eq!(equivalent(name, file, &changed).unwrap(), None, "{name}");
    }
    true
}
