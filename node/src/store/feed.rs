//! Step 8, store: what a followed registry had when it was looked at last, one build a line.
//!
//! The builder writes `feeds/KEY.now`, the node moves it over `feeds/KEY.seen` once all that is new
//! in it is in the queue; a crash in between compares once more. A file that is damaged counts as
//! none: then everything is new, and what was built already is known from the own log.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reattest_attestation::{Digest, Purl};

use super::durable;
use crate::disk::{Disk as _, FileSystem};
use crate::limits::{FEED_BYTES, SCHEDULED};
use crate::protocol::Listed;

/// The builds of a registry, with the bytes of their sources where they are known.
pub type Seen = BTreeMap<Purl, Option<u64>>;

/// The first line.
const HEADER: &str = "reattest feed v1\n";

/// What changed between two looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Builds that were not there before.
    pub new: Vec<Listed>,
    /// Builds that are there no more.
    pub superseded: Vec<Purl>,
}

fn path(data: &Path, key: &str, end: &str) -> PathBuf {
    data.join("feeds").join(format!("{key}.{end}"))
}

/// Writes what a registry has now.
pub fn write_now(data: &Path, key: &str, builds: &Seen) -> io::Result<()> {
    let mut text = HEADER.to_owned();
    for (purl, bytes) in builds {
        let bytes = bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        // Writing to a string does not fail.
        let _written = writeln!(text, "{purl} {bytes}");
    }
    let sum = Digest::of(text.as_bytes());
    let _written = writeln!(text, "sha256 {sum}");
    durable::write(&FileSystem, &path(data, key, "now"), text.as_bytes())
}

/// Compares what a registry has now with what it had when it was looked at last.
pub fn compare(data: &Path, key: &str) -> io::Result<Changed> {
    let now = read(&path(data, key, "now"))?
        .ok_or_else(|| io::Error::other("the builder's list of what is followed is damaged"))?;
    let mut before = read(&path(data, key, "seen"))?.unwrap_or_default();
    let mut changed = Changed::default();
    for (purl, source_bytes) in now {
        if before.remove(&purl).is_none() {
            changed.new.push(Listed { purl, source_bytes });
        }
    }
    changed.superseded = before.into_keys().collect();
    Ok(changed)
}

/// All that is new is in the queue: what there is now is what was seen.
pub fn settle(data: &Path, key: &str) -> io::Result<()> {
    let seen = path(data, key, "seen");
    fs::rename(path(data, key, "now"), &seen)?;
    seen.parent().map_or(Ok(()), |directory| FileSystem.sync(directory))
}

/// A file's builds; none where there is no file, or it is not whole.
fn read(path: &Path) -> io::Result<Option<Seen>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(FEED_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).ok().as_deref().and_then(parse))
}

fn parse(text: &str) -> Option<Seen> {
    let (lines, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let signed = text.get(..lines.len().saturating_add(1))?;
    if sum != format!("sha256 {}", Digest::of(signed.as_bytes())) {
        return None;
    }
    let mut builds = Seen::new();
    for line in signed.strip_prefix(HEADER)?.lines() {
        let (purl, bytes) = line.split_once(' ')?;
        let bytes = if bytes.is_empty() { None } else { Some(bytes.parse().ok()?) };
        builds.insert(purl.parse().ok()?, bytes);
    }
    (builds.len() <= SCHEDULED).then_some(builds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    fn seen(names: &[&str]) -> Seen {
        let purl = |name: &&str| {
            format!("pkg:deb/debian/{name}?arch=all&distro=trixie").parse::<Purl>().unwrap()
        };
        names.iter().map(|name| (purl(name), Some(7))).collect()
    }

    fn names(changed: &Changed) -> (Vec<String>, Vec<String>) {
        let name = |purl: &Purl| format!("{}@{}", purl.name(), purl.version().unwrap());
        let new = changed.new.iter().map(|listed| name(&listed.purl)).collect();
        (new, changed.superseded.iter().map(name).collect())
    }

    #[test]
    fn what_is_new_and_what_is_gone_shows_until_it_is_settled() {
        let home = tempfile::tempdir().unwrap();
        write_now(home.path(), "k", &seen(&["a@1", "b@1"])).unwrap();
        assert_eq!(compare(home.path(), "k").unwrap().new.len(), 2, "the first look");
        settle(home.path(), "k").unwrap();
        write_now(home.path(), "k", &seen(&["a@2", "b@1"])).unwrap();
        for _ in 0..2 {
            let changed = compare(home.path(), "k").unwrap();
            assert_eq!(names(&changed), (vec!["a@2".to_owned()], vec!["a@1".to_owned()]));
        }
        settle(home.path(), "k").unwrap();
        write_now(home.path(), "k", &seen(&["a@2", "b@1"])).unwrap();
        assert_eq!(compare(home.path(), "k").unwrap(), Changed::default());
        assert_eq!(compare(home.path(), "k").unwrap().new, Vec::new());
    }

    #[test]
    fn a_damaged_memory_is_none_and_a_damaged_list_supersedes_nothing() {
        let home = tempfile::tempdir().unwrap();
        write_now(home.path(), "k", &seen(&["a@1", "b@1"])).unwrap();
        settle(home.path(), "k").unwrap();
        write_now(home.path(), "k", &seen(&["a@1"])).unwrap();
        let whole = fs::read(path(home.path(), "k", "now")).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            *damaged.get_mut(place).unwrap() ^= 1;
            fs::write(path(home.path(), "k", "now"), &damaged).unwrap();
            compare(home.path(), "k").unwrap_err();
            fs::write(path(home.path(), "k", "now"), &whole[..place]).unwrap();
            compare(home.path(), "k").unwrap_err();
        }
        fs::write(path(home.path(), "k", "now"), &whole).unwrap();
        fs::write(path(home.path(), "k", "seen"), "nonsense").unwrap();
        let changed = compare(home.path(), "k").unwrap();
        assert_eq!((changed.new.len(), changed.superseded.len()), (1, 0));
    }
}
