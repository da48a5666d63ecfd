//! What dpkg has installed, joined with apt's signed lists, which say by which bytes each version is published.
//!
//! dpkg keeps no digest of the file that it unpacked: the question is whether what is published
//! under the installed version is proven, and not whether anybody changed files afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use super::debs::of_names;
use crate::apt::{Lists, Names, Published};
use crate::fault::Fault;
use crate::limits::PINS;
use crate::lockfiles::{Format, Obstacle, Pin, Pins, PinsError, conflict};

const QUERY: &str = "dpkg-query";

impl Pins {
    /// Reads dpkg's database below a root, and the lists of apt there.
    pub fn installed(root: &Path) -> Result<Self, Fault> {
        let installed = installed(&root.join("var/lib/dpkg"))?;
        let lists = Lists::in_directory(root.join("var/lib/apt/lists"));
        let wanted: BTreeSet<Names> = installed.iter().cloned().collect();
        let published = lists.publishing(&wanted).map_err(|error| {
            Fault::new("apt's lists cannot be read; run `apt-get update`", error)
        })?;
        let pins = installed.iter().map(|names| pin(names, &published)).collect();
        Ok(Self { format: Format::Installed, pins, notes: Vec::new() })
    }
}

/// The packages whose state is installed.
fn installed(database: &Path) -> Result<Vec<Names>, Fault> {
    const FORM: &str = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n";
    let failed = |error: &dyn std::fmt::Display| {
        Fault::text(format!(
            "what is installed cannot be read by {QUERY} from {}: {error}; needed a Debian system",
            database.display()
        ))
    };
    let output = Command::new(QUERY)
        .arg(format!("--admindir={}", database.display()))
        .args(["--show", "--showformat", FORM])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(&said.lines().next().unwrap_or("it says nothing")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<Names> = text.lines().filter_map(names).collect();
    if names.is_empty() {
        return Err(failed(&"nothing is installed there"));
    }
    if names.len() > PINS {
        return Err(failed(&PinsError::Many { what: "packages", most: PINS }));
    }
    Ok(names)
}

fn names(line: &str) -> Option<Names> {
    let mut fields = line.split('\t');
    let status = fields.next()?;
    let mut next = || fields.next().map(str::to_owned);
    let (package, version, architecture) = (next()?, next()?, next()?);
    (status == "installed").then_some(Names { package, version, architecture })
}

fn pin(names: &Names, published: &BTreeMap<Names, Published>) -> Pin {
    let Names { package, version, .. } = names;
    match published.get(names) {
        None => Pin::barred(package, version, None, unlisted()),
        Some(Published::Contradicted) => Pin::barred(package, version, None, conflict()),
        Some(Published::As(sha256, releases)) => match releases.as_slice() {
            [one] => of_names(names, Some(one), *sha256),
            // Several archives publish the same bytes: evidence tells of which it speaks.
            _ => of_names(names, None, *sha256),
        },
    }
}

fn unlisted() -> Obstacle {
    Obstacle::new(
        "a version that no list of apt has",
        "the digest under which it is published",
        "run `apt-get update`, then upgrade, or verify its .deb file with `reattest verify`",
    )
}
