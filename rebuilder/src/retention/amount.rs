//! Sizes and times as people write them: `20 GiB`, `90 days` (before step 1).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A time span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub Duration);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, needed {needed}")]
pub struct AmountError {
    found: String,
    needed: &'static str,
}

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
const TIMES: &[(&str, u64)] = &[
    ("seconds", 1),
    ("minutes", 60),
    ("hours", 3_600),
    ("days", 86_400),
    ("weeks", 604_800),
    ("second", 1),
    ("minute", 60),
    ("hour", 3_600),
    ("day", 86_400),
    ("week", 604_800),
    ("s", 1),
    ("min", 60),
    ("h", 3_600),
    ("d", 86_400),
];

/// A whole number and a unit; a number alone would leave open which was meant, 0 but once.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    if unit.trim().is_empty() {
        return (number == 0).then_some(0);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.checked_mul(*factor)
}

/// The largest unit that leaves a whole number.
fn write(f: &mut fmt::Formatter<'_>, amount: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| amount.is_multiple_of(*factor);
    let (name, factor) = units.iter().rfind(fits).copied().unwrap_or(("", 1));
    write!(f, "{} {name}", amount / factor)
}

impl FromStr for Bytes {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let needed = "a whole number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, e.g. \"20 GiB\"";
        parse(text, SIZES).map(Self).ok_or_else(|| AmountError { found: text.to_owned(), needed })
    }
}

impl FromStr for Age {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let needed = "a whole number and s, min, h, d, hours, days or weeks, e.g. \"90 days\"";
        let seconds = parse(text, TIMES).map(Duration::from_secs);
        seconds.map(Self).ok_or_else(|| AmountError { found: text.to_owned(), needed })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary: Vec<_> = SIZES.iter().filter(|(n, _)| n.len() != 2).copied().collect();
        write(f, self.0, &binary)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0.as_secs(), TIMES.get(..4).unwrap_or_default())
    }
}

macro_rules! as_text {
    ($($amount:ty),*) => {$(
        impl Serialize for $amount {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $amount {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

as_text!(Bytes, Age);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn amounts_are_read_and_written_as_people_do() {
        let sizes = [
            ("20 GiB", 20 << 30, "20 GiB"),
            ("1500MB", 1_500_000_000, "1500000000 B"),
            ("0", 0, "0 TiB"),
        ];
        for (text, bytes, written) in sizes {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (bytes, written));
            assert_eq!(read.to_string().parse::<Bytes>().unwrap(), read);
        }
        let times = [
            ("90 days", 90 * 86_400, "90 days"),
            ("36h", 36 * 3_600, "36 hours"),
            ("1 week", 604_800, "7 days"),
        ];
        for (text, seconds, written) in times {
            let read: Age = text.parse().unwrap();
            assert_eq!((read.0.as_secs(), read.to_string().as_str()), (seconds, written));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "20", "GiB", "20 gb", "-1 GB", "1.5 GiB", "99999999999999 TiB", "20 GiB!"]
        {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["90", "days", "90 Days", "1 month", "99999999999999999999 d"] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
