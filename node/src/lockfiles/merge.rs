//! Each identity once, and none with two digests: a name that stands twice is one pin or a contradiction.

use std::collections::{BTreeMap, BTreeSet};

use super::PinsError;
use super::found::{Pin, PinnedFile};
use super::hashes::{Digests, conflict};
use crate::limits::{FILES_PER_PIN, PINS};

/// The pins without repetitions; those that contradict each other are barred, all of them.
pub(super) fn merged(mut pins: Vec<Pin>) -> Result<Vec<Pin>, PinsError> {
    if pins.len() > PINS {
        return Err(PinsError::Many { what: "pins", most: PINS });
    }
    if pins.iter().any(|pin| pin.files.len() > FILES_PER_PIN) {
        return Err(PinsError::Many { what: "files of one pin", most: FILES_PER_PIN });
    }
    let mut known: BTreeMap<&str, Option<Digests>> = BTreeMap::new();
    for file in pins.iter().flat_map(|pin| &pin.files).filter(|file| names_one(file)) {
        let so_far = known.entry(file.purl.as_str()).or_insert_with(|| Some(Digests::default()));
        *so_far = so_far.as_ref().and_then(|so_far| so_far.joined(&file.digests));
    }
    let contradicted: BTreeSet<String> = known
        .into_iter()
        .filter(|(_, digests)| digests.is_none())
        .map(|(purl, _)| purl.to_owned())
        .collect();
    for pin in &mut pins {
        if pin.files.iter().any(|file| contradicted.contains(file.purl.as_str())) {
            pin.obstacle.get_or_insert_with(conflict);
        }
    }
    let mut seen = BTreeSet::new();
    pins.retain(|pin| {
        let files: Vec<(String, Digests)> =
            pin.files.iter().map(|file| (file.purl.to_string(), file.digests.clone())).collect();
        seen.insert((pin.name.clone(), pin.version.clone(), pin.local, pin.obstacle.clone(), files))
    });
    Ok(pins)
}

/// Whether the purl is of one file: a Python release without a file's name has many.
fn names_one(file: &PinnedFile) -> bool {
    file.purl.kind() != "pypi" || file.purl.qualifier("file_name").is_some()
}
