//! Whole seconds in UTC: the only times that statements (step 5) and policies (step 9) speak.

use std::fmt;
use std::str::FromStr;

use crate::quoted::quoted;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Seconds since 1970-01-01T00:00:00Z, from there to the end of the year 9999. Text is RFC 3339
/// with `Z` and without fractions; binary codecs carry an `i64`.
///
/// A time is always handed in. Nothing in this crate reads a clock.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Timestamp(i64);

/// 9999-12-30T22:00:00Z: RFC 3339 has four digits for the year, and `jiff` leaves room for offsets.
const LAST: i64 = 253_402_207_200;

impl Timestamp {
    /// Takes Unix seconds, and moves those outside 1970..=9999 to the nearer end: a broken clock
    /// must not become a text that nobody can read back.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds.clamp(0, LAST))
    }

    /// Unix seconds.
    pub fn as_unix(self) -> i64 {
        self.0
    }

    /// The year in UTC, 1970..=9999: a log's origin carries it.
    pub fn year(self) -> i16 {
        self.to_jiff().map_or(1970, |time| time.to_zoned(jiff::tz::TimeZone::UTC).year())
    }

    fn to_jiff(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_second(self.0).ok()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().ok_or(fmt::Error)?.fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a time in the one spelling.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("found {found:?}, needed a time in whole seconds of UTC such as 2026-01-31T12:00:00Z")]
pub struct TimestampError {
    /// The text, shortened.
    pub found: String,
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Offsets, fractions, leap seconds and lowercase letters are refused: a time has one
    /// spelling.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refuse = || TimestampError { found: quoted(text) };
        let parsed: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
        let time = Self::from_unix(parsed.as_second());
        if time.to_string() == text { Ok(time) } else { Err(refuse()) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(D::Error::custom);
        }
        let seconds = i64::deserialize(deserializer)?;
        if (0..=LAST).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(D::Error::custom(format!("found {seconds}, needed Unix seconds up to {LAST}")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn text_goes_there_and_back() {
        for seconds in [0, 1_700_000_000, LAST] {
            let time = Timestamp::from_unix(seconds);
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
        assert_eq!(Timestamp::from_unix(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp::from_unix(1_700_000_000).year(), 2023);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "2023-11-14T22:13:20+00:00",
            "2023-11-14T22:13:20.5Z",
            "2023-11-14t22:13:20z",
            "2023-11-14 22:13:20Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_clock_out_of_range_still_makes_a_text() {
        assert_eq!(Timestamp::from_unix(i64::MIN).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_unix(i64::MAX).to_string(), "9999-12-30T22:00:00Z");
    }
}
