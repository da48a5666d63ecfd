//! What a wheel says about itself (step 3): its times, its generator, its dependencies.
//!
//! The published wheel is read here, by the orchestrator, and never enters the sandbox. A wheel is an
//! attacker's file: only `WHEEL` and `METADATA` are unpacked, each bounded, and both must belong to
//! the file's own name.

use std::io::{Read, Seek};

use pep440_rs::Version;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::PythonError;
use super::name::{FileName, Name, version};
use crate::limits;

/// The facts of one wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The newest time of any entry, Unix seconds (zip times have no zone; builders write UTC).
    pub newest: u64,
    /// The time of `WHEEL`, which the build itself made.
    pub stamped: u64,
    /// The text behind `Generator:` in `WHEEL`, unchecked.
    pub generator: Option<String>,
    /// The texts behind `Requires-Dist:` in `METADATA`, unchecked.
    pub requires: Vec<String>,
}

/// Reads a wheel of this file name.
pub fn read(file: impl Read + Seek, name: &str, project: &Name) -> Result<Facts, PythonError> {
    let problem = |why: String| PythonError::File { file: name.to_owned(), why };
    let known = FileName::parse(name, project)
        .ok_or_else(|| problem("its name is not that of a wheel of this project".to_owned()))?;
    let mut zip = ZipArchive::new(file).map_err(|e| problem(e.to_string()))?;
    if zip.len() > limits::WHEEL_ENTRIES {
        return Err(problem(format!("{} entries, more than {}", zip.len(), limits::WHEEL_ENTRIES)));
    }
    let mut found = Found::default();
    for index in 0..zip.len() {
        let mut entry = zip.by_index_raw(index).map_err(|e| problem(e.to_string()))?;
        found.look(index, &mut entry).map_err(problem)?;
    }
    let (index, stamped) = found.wheel.ok_or_else(|| problem("it has no WHEEL".to_owned()))?;
    let wheel = text(&mut zip, index).map_err(problem)?;
    let index = found.metadata.ok_or_else(|| problem("it has no METADATA".to_owned()))?;
    let metadata = text(&mut zip, index).map_err(problem)?;
    let headers = Headers(&metadata);
    headers.belong_to(project, &known.version).map_err(problem)?;
    let requires: Vec<String> =
        headers.all("Requires-Dist").take(limits::REQUIREMENTS + 1).map(str::to_owned).collect();
    if requires.len() > limits::REQUIREMENTS {
        return Err(problem(format!("it has more than {} dependencies", limits::REQUIREMENTS)));
    }
    let generator = Headers(&wheel).all("Generator").next().map(str::to_owned);
    Ok(Facts { newest: found.newest, stamped, generator, requires })
}

/// Where the two files are, and the newest time on the way.
#[derive(Default)]
struct Found {
    newest: u64,
    wheel: Option<(usize, u64)>,
    metadata: Option<usize>,
}

impl Found {
    fn look<R: Read>(&mut self, index: usize, entry: &mut ZipFile<'_, R>) -> Result<(), String> {
        let time = seconds(entry);
        self.newest = self.newest.max(time);
        let twice = match information(entry.name_raw()) {
            Some(b"WHEEL") => self.wheel.replace((index, time)).is_some(),
            Some(b"METADATA") => self.metadata.replace(index).is_some(),
            _ => false,
        };
        // Two of a name: readers disagree about which one counts.
        if twice { Err("it has two files of metadata of one kind".to_owned()) } else { Ok(()) }
    }
}

/// The file's name where it stands right below a `.dist-info` directory.
fn information(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().position(|byte| *byte == b'/')?;
    let (directory, rest) = path.split_at_checked(slash)?;
    directory.ends_with(b".dist-info").then(|| rest.get(1..)).flatten()
}

/// Zero for a time that no calendar has: it says nothing, and nothing is older.
fn seconds<R: Read>(entry: &ZipFile<'_, R>) -> u64 {
    let read = || {
        let time = entry.last_modified()?;
        let small = |number: u8| i8::try_from(number).ok();
        let year = i16::try_from(time.year()).ok()?;
        let (month, day) = (small(time.month())?, small(time.day())?);
        let (hour, minute, second) =
            (small(time.hour())?, small(time.minute())?, small(time.second())?);
        let civil = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        let unix = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
        u64::try_from(unix).ok()
    };
    read().unwrap_or_default()
}

fn text<R: Read + Seek>(zip: &mut ZipArchive<R>, index: usize) -> Result<String, String> {
    let entry = zip.by_index(index).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let read = entry.take(limits::METADATA_BYTES + 1).read_to_end(&mut bytes);
    if read.map_err(|e| e.to_string())? as u64 > limits::METADATA_BYTES {
        return Err(format!("its metadata has more than {} bytes", limits::METADATA_BYTES));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The header of an e-mail, as core metadata is written; the first empty line ends it.
struct Headers<'a>(&'a str);

impl<'a> Headers<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        let lines = self.0.lines().take_while(|line| !line.is_empty());
        let fields = lines.filter_map(|line| line.split_once(':'));
        fields
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn belong_to(&self, project: &Name, expected: &Version) -> Result<(), String> {
        let named = self.all("Name").next().unwrap_or_default();
        if Name::canonical(named).as_ref() != Some(project) {
            let named: String = named.chars().take(80).collect();
            return Err(format!("its METADATA is of {named:?}"));
        }
        let stated = self.all("Version").next().unwrap_or_default();
        if version(stated).as_ref() != Some(expected) {
            let stated: String = stated.chars().take(80).collect();
            return Err(format!("its METADATA is of version {stated:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
