//! A real environment and the sandbox around it, with bounds that are passed at once (step 3).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reattest_rebuilder::Cancel;
use reattest_rebuilder::environment::{Layer, Layers};
use reattest_rebuilder::sandbox::{
    Access, Bind, Ended, Filter, Identity, Limits, Overlay, Root, Sandbox, SandboxError, Spec,
    probe,
};

use super::attempt::Attempt;

/// Where a build finds its inputs.
pub(crate) const INPUTS: &str = "/build/inputs";
const PLACE: &str = "/build/reproducible-path";

/// A real environment and the sandbox around it.
pub(crate) struct Room {
    sandbox: Sandbox,
    layer: Layer,
}

/// What came of a script inside.
pub(crate) struct Tried {
    pub(crate) ended: Result<Ended, SandboxError>,
    /// The beginning of what it said.
    pub(crate) said: String,
}

/// Enough for a compiler, and little enough to be passed in a moment.
fn small() -> Limits {
    Limits {
        wall: Duration::from_mins(1),
        cpu: Duration::from_mins(1),
        memory_bytes: 128 << 20,
        processes: 64,
        open_files: 256,
        log_bytes: 1 << 20,
        disk_bytes: 48 << 20,
        file_bytes: 20 << 20,
        tmpfs_bytes: 16 << 20,
    }
}

/// A room in a layer that is there or can be made; `None` when no mirror answers for long.
pub(crate) fn room() -> Option<Room> {
    let layer = layer()
        .or_else(|| reattest_tests::at_hand("the sandbox's escapes").then(|| layer().unwrap()))?;
    Some(Room { sandbox: probe(None).unwrap(), layer })
}

/// One with a compiler and Debian's tools: every build's base.
fn layer() -> Option<Layer> {
    let layers = Layers::below(&reattest_tests::cache());
    let held = layers.all().unwrap().into_iter();
    let mut held = held.filter_map(|digest| layers.hold(&digest, &Cancel::new()).unwrap());
    held.find(|layer| {
        ["gcc", "perl", "dpkg-source"]
            .iter()
            .all(|name| layer.path().join("usr/bin").join(name).exists())
    })
}

impl Room {
    /// A script under the small limits, or less.
    pub(crate) fn attempt(&self, attempt: &Attempt, script: &str) -> Tried {
        let mut limits = small();
        limits.wall = attempt.wall.map_or(limits.wall, Duration::from_secs);
        limits.cpu = attempt.cpu.map_or(limits.cpu, Duration::from_secs);
        self.run(script, limits)
    }

    /// A script under the small limits.
    pub(crate) fn inside(&self, script: &str) -> Tried {
        self.run(script, small())
    }

    fn run(&self, script: &str, limits: Limits) -> Tried {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        std::fs::create_dir(path("place")).unwrap();
        std::fs::create_dir(path("inputs")).unwrap();
        std::fs::write(path("inputs/input"), "pinned").unwrap();
        let spec = self.spec(scratch.path(), script, limits);
        let ended = self.sandbox.run(&spec, &path("log"), &Cancel::new());
        let said = std::fs::read(path("log")).unwrap_or_default();
        let said = String::from_utf8_lossy(said.get(..said.len().min(4000)).unwrap()).into_owned();
        let input = std::fs::read_to_string(path("inputs/input")).unwrap();
        assert_eq!(input, "pinned", "an input was changed by {script}");
        // A tree may be too deep, or closed, for an ordinary removal.
        let _ =
            std::process::Command::new("chmod").arg("-R").arg("u+rwX").arg(path("place")).status();
        let _ = std::process::Command::new("rm").arg("-rf").arg(path("place")).status();
        Tried { ended, said }
    }

    fn spec(&self, scratch: &Path, script: &str, limits: Limits) -> Spec {
        let bind = |source: &str, target: &str, access| Bind {
            source: scratch.join(source),
            target: target.to_owned(),
            access,
        };
        let overlay = scratch.join("overlay");
        let path = "/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        Spec {
            root: Root::Layers(Overlay {
                layers: vec![self.layer.path().to_owned()],
                place: overlay,
            }),
            root_access: Access::ReadOnly,
            binds: vec![
                bind("place", PLACE, Access::Writable),
                bind("inputs", INPUTS, Access::ReadOnly),
            ],
            identity: Identity::Builder,
            hostname: "reattest".to_owned(),
            environment: BTreeMap::from([("PATH".to_owned(), path)]),
            directory: PLACE.to_owned(),
            command: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            filter: Filter::Build,
            limits,
        }
    }
}
