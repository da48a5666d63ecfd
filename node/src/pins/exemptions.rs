//! The ratchet: pins that were not verified when it was set pass until they change or their time is over.
//!
//! An exemption is of one version with its digests, and ends. It lifts `inconclusive` alone: what
//! the evidence rejects is never exempt.

use std::collections::BTreeSet;

use reattest_attestation::{Conclusion, Timestamp};
use serde::{Deserialize, Serialize};

use super::Judged;
use crate::limits::{EXEMPTION_REASON_BYTES, EXEMPTIONS_BYTES, PINS};
use crate::lockfiles::{Format, Lines, Pin, shown};

const HEAD: &str = "\
# Pins that `reattest check` found unverified and lets pass until they change or expire.\n\
# Written by `reattest check --init`; `reattest check --tighten` takes out what is not needed any more.\n\n";

/// One pin that may pass although nothing is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The form of the file that pins it.
    pub form: Format,
    /// Its name there.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// All digests that it may be pinned by, as `sha256:HEX` or `sha512:HEX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// What stood there, where there was no digest: another address is another pin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Why it may pass.
    pub reason: String,
    /// The last second at which it may.
    pub expires: Timestamp,
}

/// All exemptions of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemptions {
    /// The version of this form: 1.
    version: u32,
    #[serde(default)]
    exemption: Vec<Exemption>,
}

/// What an exemption does for a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exempt<'a> {
    /// It may pass.
    Until(&'a Exemption),
    /// It might until lately.
    Expired(&'a Exemption),
}

/// Exemptions that cannot be read, so that none holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExemptionsError {
    /// Too long for a person to review.
    #[error("found {found} bytes, needed at most {EXEMPTIONS_BYTES}; split the project")]
    Large {
        /// Its bytes, or one more than allowed.
        found: usize,
    },
    /// Not of the form.
    #[error(
        "found {found}, needed exemptions as `reattest check --init` writes them; mend the line, or write the file again"
    )]
    Form {
        /// What stands there.
        found: String,
    },
}

impl Exemptions {
    /// Reads exemptions; a mistake in one line refuses all of them.
    pub fn parse(bytes: &[u8]) -> Result<Self, ExemptionsError> {
        if bytes.len() > EXEMPTIONS_BYTES {
            return Err(ExemptionsError::Large { found: bytes.len() });
        }
        let form = |found: String| ExemptionsError::Form { found };
        let text = str::from_utf8(bytes).map_err(|_| form("bytes that are not UTF-8".into()))?;
        let read: Self = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| Lines::of(text).at(span.start));
            form(format!("on line {line}: {}", shown(error.message())))
        })?;
        if read.version != 1 {
            return Err(form(format!("version {}", read.version)));
        }
        if read.exemption.len() > PINS {
            return Err(form(format!("{} exemptions", read.exemption.len())));
        }
        let idle = |one: &&Exemption| {
            let reason = one.reason.trim();
            reason.is_empty() || reason.len() > EXEMPTION_REASON_BYTES || one.is_of_nothing()
        };
        match read.exemption.iter().find(idle) {
            Some(one) => {
                let name = shown(&one.name);
                Err(form(format!(
                    "{name:?} without a reason of 1 to {EXEMPTION_REASON_BYTES} bytes, or without digests and `found`"
                )))
            }
            None => Ok(read),
        }
    }

    /// Exemptions for every pin of which nothing is known; those that are rejected get none.
    pub fn of<'a>(
        judged: impl IntoIterator<Item = (Format, &'a Judged)>,
        reason: &str,
        expires: Timestamp,
    ) -> Self {
        let unverified = judged
            .into_iter()
            .filter(|(_, one)| one.conclusion == Some(Conclusion::Inconclusive))
            .map(|(form, one)| Exemption::of(form, one, reason, expires))
            .filter(|one| !one.is_of_nothing());
        Self { version: 1, exemption: unverified.collect() }
    }

    /// What holds for a pin at a time.
    pub fn covering(&self, form: Format, judged: &Judged, now: Timestamp) -> Option<Exempt<'_>> {
        if judged.conclusion != Some(Conclusion::Inconclusive) {
            return None;
        }
        let mut covering = self.exemption.iter().filter(|one| one.covers(form, judged));
        let best = covering.by_ref().max_by_key(|one| one.expires)?;
        Some(if now <= best.expires { Exempt::Until(best) } else { Exempt::Expired(best) })
    }

    /// Those that some pin still needs; how many were taken out.
    #[must_use]
    pub fn tightened(mut self, judged: &[(Format, &Judged)]) -> (Self, usize) {
        let before = self.exemption.len();
        self.exemption.retain(|one| {
            judged.iter().any(|(form, judged)| {
                judged.conclusion == Some(Conclusion::Inconclusive) && one.covers(*form, judged)
            })
        });
        let after = self.exemption.len();
        (self, before.saturating_sub(after))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.exemption.len()
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String, String> {
        Ok(HEAD.to_owned() + &toml::to_string(self).map_err(|error| error.to_string())?)
    }
}

impl Exemption {
    fn of(form: Format, judged: &Judged, reason: &str, expires: Timestamp) -> Self {
        let Pin { name, version, .. } = &judged.pin;
        Self {
            form,
            name: name.clone(),
            version: version.clone(),
            digests: digests(&judged.pin).into_iter().collect(),
            found: found(judged),
            reason: reason.to_owned(),
            expires,
        }
    }

    /// Whether it names neither bytes nor a place.
    fn is_of_nothing(&self) -> bool {
        self.digests.is_empty() && self.found.is_none()
    }

    fn covers(&self, form: Format, judged: &Judged) -> bool {
        let pinned = digests(&judged.pin);
        let bytes = || pinned.iter().all(|digest| self.digests.contains(digest));
        self.form == form
            && self.name == judged.pin.name
            && self.version == judged.pin.version
            && bytes()
            && self.found == found(judged)
    }
}

/// All digests of a pin.
fn digests(pin: &Pin) -> BTreeSet<String> {
    let files = pin.files.iter().map(|file| &file.digests);
    let all = files.flat_map(|digests| {
        let sha256 = digests.sha256.map(|digest| format!("sha256:{digest}"));
        sha256.into_iter().chain(digests.sha512.iter().map(|hex| format!("sha512:{hex}")))
    });
    all.collect()
}

/// What stands in the way, where no digest says what the pin is.
fn found(judged: &Judged) -> Option<String> {
    let first = judged.obstacles.first().map(|one| one.found.clone());
    first.filter(|_| digests(&judged.pin).is_empty())
}
