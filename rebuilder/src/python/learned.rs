//! What a rebuild learns from the published wheel (step 3, pure): a source time and a backend's version.
//!
//! Both stand in the recipe, by these names, and both are checked for their form again wherever a
//! recipe is read: nothing else that a wheel says reaches a build.

use std::collections::BTreeMap;

use super::backend::{Generator, stamps_by_clock};
use super::name::{Name, version};
use super::wheel::Facts;

/// The learned value that becomes `SOURCE_DATE_EPOCH`: Unix seconds.
pub const SOURCE_TIME: &str = "source_date_epoch";
/// The learned value that pins a backend: `PROJECT VERSION`.
pub const BACKEND_VERSION: &str = "backend_version";

/// The first second that a zip can hold, 1980-01-01T00:00:00Z.
const ZIP_FIRST: u64 = 315_532_800;
/// The last one, 2107-12-31T23:59:58Z.
const ZIP_LAST: u64 = 4_354_819_198;
/// What backends write where nobody set a source time: poetry-core 1980-01-01 (and 2016-01-01 for
/// files), flit and pdm-backend 2016-01-01, hatchling 2020-02-02.
const BACKEND_TIMES: &[u64] = &[ZIP_FIRST, 1_451_606_400, 1_580_601_600];

/// For the record alone, and used by nothing: what a wheel's `Generator:` said that was no version of
/// the source's backend.
pub const IGNORED_GENERATOR: &str = "ignored_generator";
/// The longest part of such a text that is shown.
const SHOWN: usize = 80;

/// What was learned, and what was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learned {
    /// The source time in Unix seconds, where the publisher's build had one or would need one.
    pub source_time: Option<u64>,
    /// The project of the backend's family, and its version.
    pub backend: Option<(Name, String)>,
    /// What the wheel's generator said and nobody listened to, without any odd character.
    pub ignored: Option<String>,
}

impl Learned {
    /// From the published wheel's facts and the sdist's own backend and requirements.
    pub fn from_wheel(facts: &Facts, backend: &str, required: &[Name]) -> Self {
        let mut learned = Self { source_time: source_time(facts, backend), ..Self::default() };
        let Some(text) = &facts.generator else {
            return learned;
        };
        let generator = Generator::parse(text);
        let project = generator.as_ref().and_then(|g| g.project(backend, required));
        match generator.zip(project) {
            // A version that was never published cannot be had: pdm-backend builds itself so.
            Some((generator, project)) if !generator.version.is_local() => {
                learned.backend = Some((project, generator.version.to_string()));
            }
            _ => {
                let plain = |c: char| if is_plain(c) { c } else { '?' };
                learned.ignored = Some(text.chars().take(SHOWN).map(plain).collect());
            }
        }
        learned
    }

    /// The values as a recipe states them.
    pub fn values(&self) -> BTreeMap<String, String> {
        let time = self.source_time.map(|time| (SOURCE_TIME.to_owned(), time.to_string()));
        let backend = self.backend.as_ref();
        let backend = backend.map(|(name, v)| (BACKEND_VERSION.to_owned(), format!("{name} {v}")));
        let ignored =
            self.ignored.as_ref().map(|text| (IGNORED_GENERATOR.to_owned(), text.clone()));
        time.into_iter().chain(backend).chain(ignored).collect()
    }
}

/// The publisher's `SOURCE_DATE_EPOCH`, as far as the wheel's times tell it.
///
/// A build with a source time gives it to every entry. One without leaves the files' own times and
/// gives what it makes itself a fixed time, or, with setuptools, the clock's: then the newest time
/// is the build's, and stands for it, since a build that asks the clock makes other bytes each time.
fn source_time(facts: &Facts, backend: &str) -> Option<u64> {
    let fixed = BACKEND_TIMES.contains(&facts.stamped) && !stamps_by_clock(backend);
    let known = (ZIP_FIRST..=ZIP_LAST).contains(&facts.newest) && facts.stamped != 0;
    (known && !fixed).then_some(facts.newest)
}

/// Whether a recipe's learned values have the form that they may have; the reason where not.
pub fn check(values: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in values {
        let fine = match key.as_str() {
            SOURCE_TIME => is_time(value),
            BACKEND_VERSION => is_pin(value),
            IGNORED_GENERATOR => {
                value.len() <= SHOWN && value.chars().all(|c| is_plain(c) || c == '?')
            }
            _ => false,
        };
        if !fine {
            let (key, value): (String, String) =
                (key.chars().take(80).collect(), value.chars().take(80).collect());
            return Err(format!("{key:?} = {value:?} is not a value that a wheel may teach"));
        }
    }
    Ok(())
}

/// Nothing that means something to a shell, a URL or a terminal.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || " ._-+()".contains(c)
}

fn is_time(value: &str) -> bool {
    let number: Option<u64> = value.parse().ok();
    number.is_some_and(|n| (ZIP_FIRST..=ZIP_LAST).contains(&n) && n.to_string() == value)
}

fn is_pin(value: &str) -> bool {
    let Some((name, number)) = value.split_once(' ') else {
        return false;
    };
    Name::canonical(name).is_some_and(|n| n.as_str() == name)
        && version(number).is_some_and(|v| v.to_string() == number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn facts(newest: u64, stamped: u64, generator: &str) -> Facts {
        let generator = Some(generator.to_owned());
        Facts { newest, stamped, generator, requires: Vec::new() }
    }

    #[test]
    fn the_source_time_is_the_publishers_or_none() {
        let (flit, setuptools) = ("flit_core.buildapi", "setuptools.build_meta");
        let table = [
            (
                "all entries equal",
                "hatchling.build",
                1_734_330_394,
                1_734_330_394,
                Some(1_734_330_394),
            ),
            ("hatchling's own time", "hatchling.build", 1_580_601_600, 1_580_601_600, None),
            ("flit without a source time", flit, 1_726_423_614, 1_451_606_400, None),
            ("poetry's own times", "poetry.core.masonry.api", 1_451_606_400, ZIP_FIRST, None),
            (
                "setuptools by the clock",
                setuptools,
                1_733_333_724,
                1_733_333_724,
                Some(1_733_333_724),
            ),
            ("setuptools with source time 0", setuptools, ZIP_FIRST, ZIP_FIRST, Some(ZIP_FIRST)),
            (
                "flit with files of the clock",
                "flit_scm:buildapi",
                1_720_823_130,
                1_451_606_400,
                Some(1_720_823_130),
            ),
            ("no readable time", setuptools, 0, 0, None),
            ("no readable time of WHEEL", setuptools, 1_733_333_724, 0, None),
        ];
        for (claim, backend, newest, stamped, expected) in table {
            assert_eq!(source_time(&facts(newest, stamped, ""), backend), expected, "{claim}");
        }
    }

    #[test]
    fn an_evil_generator_is_ignored_with_a_note() {
        for evil in [
            "evil 1.0",
            "hatchling 1.0; curl",
            "setuptools (1.0)",
            "pip 24.0",
            "hatchling 1.0+evil",
        ] {
            let learned =
                Learned::from_wheel(&facts(1 << 30, 1 << 30, evil), "hatchling.build", &[]);
            assert!(check(&learned.values()).is_ok(), "{evil}");
            assert_eq!((learned.backend, learned.ignored.is_some()), (None, true), "{evil}");
        }
        let learned = Learned::from_wheel(
            &facts(1 << 30, 1 << 30, "hatchling 1.27.0"),
            "hatchling.build",
            &[],
        );
        assert_eq!(learned.ignored, None);
        assert!(check(&learned.values()).is_ok());
        assert_eq!(
            learned.values().get(BACKEND_VERSION).map(String::as_str),
            Some("hatchling 1.27.0")
        );
    }

    #[test]
    fn a_recipe_can_carry_no_other_learned_value() {
        let table = [
            (SOURCE_TIME, "1734330394", true),
            (SOURCE_TIME, "1000000000000000000000000000000", false),
            (SOURCE_TIME, "315532799", false),
            (SOURCE_TIME, "-1", false),
            (SOURCE_TIME, "+1734330394", false),
            (SOURCE_TIME, "1734330394; id", false),
            (SOURCE_TIME, "", false),
            (BACKEND_VERSION, "flit-core 3.9.0", true),
            (BACKEND_VERSION, "Flit_Core 3.9.0", false),
            (BACKEND_VERSION, "flit-core https://host/x", false),
            (BACKEND_VERSION, "flit-core 3.9.0 x", false),
            (IGNORED_GENERATOR, "evil 1.0", true),
            (IGNORED_GENERATOR, "evil; curl", false),
            (IGNORED_GENERATOR, "evil\u{1b}[2J", false),
            ("PATH", "/evil", false),
        ];
        for (key, value, expected) in table {
            let values = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            assert_eq!(check(&values).is_ok(), expected, "{key} = {value}");
        }
    }
}
