//! The varied run (step 4, pure): the same build under other conditions, to name what it depends on.
//!
//! It decides no outcome. Everything that a build could read and its recipe does not pin is changed
//! at once; where its outputs change with it, the report says which members did.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sandbox::{Access, Bind, Identity, Spec};

/// One condition that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Varied {
    /// The network name that the build sees.
    HostName,
    /// The time of day and the date.
    Clock,
    /// The number of processors, also as the build is told it.
    CpuCount,
    /// Language, character set and time zone.
    Locale,
    /// Which rights a new file has.
    Umask,
    /// The number of user and group.
    UserId,
}

impl Varied {
    /// As it stands in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostName => "the host name",
            Self::Clock => "the clock",
            Self::CpuCount => "the number of processors",
            Self::Locale => "the locale",
            Self::Umask => "the umask",
            Self::UserId => "the user",
        }
    }
}

/// What this machine can vary beside the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Varying {
    /// The directory of an unpacked `libfaketime`, and the library's path in it.
    pub(crate) clock: Option<(PathBuf, PathBuf)>,
    /// One processor that this process may use, where it may use several.
    pub(crate) processor: Option<usize>,
    /// The time that each step may take: some builds never end under another clock.
    pub(crate) wall: Duration,
}

/// One processor where there were several, and a library that is asked for each look at the clock.
const SLOWER: u32 = 3;
const AT_LEAST: Duration = Duration::from_secs(30);

/// What a varied run may take where an unvaried one took so long.
pub(crate) fn wall(unvaried: Duration) -> Duration {
    unvaried.saturating_mul(SLOWER).saturating_add(AT_LEAST)
}

/// A name that no recipe uses.
const HOSTNAME: &str = "elsewhere";
/// A time zone with an hour and a half, so that a local time shows.
const TIME_ZONE: &str = "<+1030>-10:30";
/// Past the end of the year, in another month and on another day of the week.
const CLOCK: &str = "+397d";
/// Where the library is inside; the place is on a temporary file system.
const CLOCK_PLACE: &str = "/tmp/clock";

impl Varying {
    /// What will be changed.
    pub(crate) fn changed(&self) -> Vec<Varied> {
        let mut changed = vec![Varied::HostName, Varied::Locale, Varied::Umask, Varied::UserId];
        changed.extend(self.clock.as_ref().map(|_| Varied::Clock));
        changed.extend(self.processor.map(|_| Varied::CpuCount));
        changed.sort();
        changed
    }

    /// The same command under other conditions.
    pub(crate) fn vary(&self, mut spec: Spec) -> Spec {
        HOSTNAME.clone_into(&mut spec.hostname);
        spec.limits.wall = spec.limits.wall.min(self.wall);
        spec.identity = Identity::Stranger;
        let mut set = |name: &str, value: &str| {
            spec.environment.insert(name.to_owned(), value.to_owned());
        };
        // No other locale is installed, but this one is not UTF-8, and programs see its name.
        for (name, value) in [("LC_ALL", "C"), ("LANGUAGE", "fr_CH"), ("TZ", TIME_ZONE)] {
            set(name, value);
        }
        if let Some((directory, library)) = &self.clock {
            set("FAKETIME", CLOCK);
            // Files have their own times: make would run for ever where they seem to be of tomorrow.
            set("NO_FAKE_STAT", "1");
            set("LD_PRELOAD", &format!("{CLOCK_PLACE}/{}", library.display()));
            let (source, target) = (directory.clone(), CLOCK_PLACE.to_owned());
            spec.binds.push(Bind { source, target, access: Access::ReadOnly });
        }
        let mut prefix = vec!["sh".to_owned(), "-c".to_owned()];
        prefix.push("umask 0002 && exec \"$@\"".to_owned());
        prefix.push("sh".to_owned());
        if let Some(processor) = self.processor {
            prefix.extend(["taskset", "--cpu-list"].map(str::to_owned));
            prefix.push(processor.to_string());
            one_job(&mut spec);
        }
        spec.command.splice(0..0, prefix);
        spec
    }
}

/// `parallel=N` of `DEB_BUILD_OPTIONS`; see Debian policy 4.9.1.
fn one_job(spec: &mut Spec) {
    let Some(options) = spec.environment.get_mut("DEB_BUILD_OPTIONS") else {
        return;
    };
    let one =
        |word: &str| if word.starts_with("parallel=") { "parallel=1" } else { word }.to_owned();
    *options = options.split(' ').map(one).collect::<Vec<_>>().join(" ");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::sandbox::{Filter, Limits, Root};
    use std::collections::BTreeMap;

    fn spec() -> Spec {
        let options = ("DEB_BUILD_OPTIONS".to_owned(), "nocheck parallel=4".to_owned());
        Spec {
            root: Root::Directory(PathBuf::from("/env")),
            root_access: Access::ReadOnly,
            binds: Vec::new(),
            identity: Identity::Builder,
            hostname: crate::plan::HOSTNAME.to_owned(),
            environment: BTreeMap::from([options]),
            directory: "/build".to_owned(),
            command: vec!["make".to_owned()],
            filter: Filter::Build,
            limits: Limits::build(),
        }
    }

    #[test]
    fn everything_that_is_said_to_vary_does() {
        let clock = Some((PathBuf::from("/c"), PathBuf::from("usr/lib/l.so")));
        let wall = wall(Duration::from_secs(2));
        let varying = Varying { clock, processor: Some(3), wall };
        assert_eq!(varying.changed().len(), 6);
        let (plain, varied) = (spec(), varying.vary(spec()));
        assert_ne!(plain.hostname, varied.hostname);
        assert_ne!(plain.identity.id(), varied.identity.id());
        let variable = |name: &str| varied.environment.get(name).map(String::as_str);
        assert_eq!(variable("DEB_BUILD_OPTIONS"), Some("nocheck parallel=1"));
        assert_eq!(variable("LD_PRELOAD"), Some("/tmp/clock/usr/lib/l.so"));
        assert_eq!(variable("LC_ALL"), Some("C"));
        assert_eq!(varied.limits.wall, Duration::from_secs(36), "a build that never ends");
        let command = varied.command.join(" ");
        assert!(command.contains("umask 0002") && command.ends_with("--cpu-list 3 make"));
    }

    #[test]
    fn what_this_machine_cannot_vary_is_not_claimed() {
        let varying = Varying::default();
        assert!(!varying.changed().contains(&Varied::Clock));
        assert!(!varying.changed().contains(&Varied::CpuCount));
        let varied = varying.vary(spec());
        assert!(!varied.environment.contains_key("LD_PRELOAD"));
        assert_eq!(
            varied.environment.get("DEB_BUILD_OPTIONS"),
            spec().environment.get("DEB_BUILD_OPTIONS")
        );
    }
}
