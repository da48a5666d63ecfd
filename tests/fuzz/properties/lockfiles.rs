//! The property of lockfiles and bills: whatever is read shows no control character, names lines that are there, and has no pin without a file or an obstacle.

use super::super::beside::{Format, Pins};
use super::is_one_line;

/// Bytes as each form of lockfile and bill; the first byte says which.
pub fn lockfile(bytes: &[u8]) -> bool {
    const FORMS: [Format; 8] = [
        Format::Cargo,
        Format::Npm,
        Format::Requirements,
        Format::Uv,
        Format::Poetry,
        Format::Pylock,
        Format::Cyclonedx,
        Format::Spdx,
    ];
    let Some((form, text)) = bytes.split_first() else { return false };
    let form = FORMS.get(usize::from(*form) % FORMS.len()).copied();
    let pins = match Pins::read("file.json", text, form) {
        Ok(pins) => pins,
        Err(error) => {
            is_one_line(&error.to_string());
            return false;
        }
    };
    let lines = text.split(|byte| *byte == b'\n').count();
    for pin in &pins.pins {
        let shown =
            [&pin.name, &pin.version].into_iter().chain(pin.obstacle.iter().map(|one| &one.found));
        for text in shown {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        assert!(pin.line.is_none_or(|line| (1..=lines).contains(&line)), "{pin:?}");
        assert!(pin.local || pin.obstacle.is_some() || !pin.files.is_empty(), "{pin:?}");
        for file in &pin.files {
            assert!(file.purl.version().is_some(), "{pin:?}");
        }
    }
    assert!(pins.notes.iter().all(|note| !note.chars().any(char::is_control)), "{:?}", pins.notes);
    !pins.pins.is_empty()
}
