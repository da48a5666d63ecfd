//! A JSON object whose names are told apart, each with the raw text of its value.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object, in their order; a name that stands twice is refused, for two readers
/// would read two files.
#[derive(Debug)]
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

/// A name, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Members {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let (mut members, mut names) = (Vec::new(), BTreeSet::new());
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            let value = map.next_value::<&'de RawValue>()?;
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!(
                    "the name {:?} twice",
                    super::place::shown(&name)
                )));
            }
            members.push((name, value));
        }
        Ok(Entries(members))
    }
}

/// One object of its kind, or why it is none, in one short line.
pub(super) fn value<T: DeserializeOwned>(raw: &RawValue) -> Result<T, String> {
    // A list of a struct's fields would be a second spelling of the struct.
    if !raw.get().starts_with('{') {
        return Err(format!("{} for an object", super::place::shown(raw.get())));
    }
    serde_json::from_str(raw.get()).map_err(|error| said(&error))
}

/// What the library says, in one short line.
pub(super) fn said(error: &serde_json::Error) -> String {
    super::place::shown(&error.to_string())
}
