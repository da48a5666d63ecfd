//! Whole rebuilds with everything at hand, beside the bare build of the same steps in a plain chroot.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use reattest_rebuilder::environment;
use reattest_rebuilder::{Cas, Lock, Recipe, Workshop};

use crate::environments::NoNetwork;
use crate::pairs::side_by_side;
use crate::programs::{quiet, reattest, run};
use crate::table::Table;

/// A build of two seconds and one of half a minute.
const PACKAGES: [(&str, usize); 2] = [("deb:netbase", 7), ("deb:gzip", 2)];
const GOAL: f64 = 1.1;
/// What a build daemon's chroot has mounted; in a mount namespace, so that nothing stays.
const CHROOT: &str = "mount -t proc proc \"$1/proc\" && mount --rbind /dev \"$1/dev\" && \
                      exec chroot --userspec=1000:1000 \"$1\" sh -c \"$2\"";

/// One row for each package.
pub(crate) fn rows(table: &mut Table) {
    for (package, rounds) in PACKAGES {
        let name = format!("rebuild {package}, everything at hand");
        let Some(scene) = Scene::new(package) else {
            table.leave_out(&name, "no reattest beside this bench, or no mirror at hand");
            continue;
        };
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            table.leave_out(&name, "only root may chroot");
            continue;
        }
        let ours = || run(quiet(&scene.program).args(["rebuild", package]), 0);
        let theirs = || run(&mut scene.bare(), 0);
        let pair = side_by_side(rounds, ours, theirs);
        table.times(&name, "its steps in a plain chroot", pair, Some(GOAL));
    }
}

struct Scene {
    program: PathBuf,
    root: tempfile::TempDir,
    script: String,
}

impl Scene {
    /// Rebuilds the package once, and lays its environment and inputs out as a plain directory.
    fn new(package: &str) -> Option<Self> {
        let program = reattest()?;
        let output = Command::new(&program).args(["rebuild", package, "--json"]).output().ok()?;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let cache = reattest_tests::cache();
        let cas = Cas::below(&cache).ok()?;
        let read = |field: &str| {
            let digest = said[field].as_str()?.trim_start_matches("sha256:").parse().ok()?;
            cas.read(&digest, 1 << 20).ok()
        };
        let recipe = Recipe::parse(&read("recipe")?).ok()?;
        let lock = Lock::parse(&read("lock")?).ok()?;
        let environment =
            environment::of_lock(&lock, &Workshop::new(&cache), &mut NoNetwork).ok()?;
        let root = tempfile::tempdir().ok()?;
        for layer in environment.layers().iter().rev() {
            run(Command::new("cp").arg("-a").arg(layer.path().join(".")).arg(root.path()), 0);
        }
        let inputs = root.path().join("build/inputs");
        fs::create_dir_all(&inputs).ok()?;
        for file in &recipe.files {
            cas.copy_to(&file.sha256, &inputs.join(&file.name)).ok()?;
        }
        make_place(root.path(), &recipe.place);
        let script = script(&recipe);
        Some(Self { program, root, script })
    }

    fn bare(&self) -> Command {
        let mut command = quiet(Path::new("unshare"));
        command.args(["--net", "--mount", "--pid", "--fork", "sh", "-c", CHROOT, "sh"]);
        command.arg(self.root.path()).arg(&self.script).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

/// The directory that the build user writes to, and places that every system has.
fn make_place(root: &Path, place: &str) {
    let place = root.join(place.trim_start_matches('/'));
    fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(1000), Some(1000)).unwrap();
    for part in ["proc", "dev", "tmp"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    run(Command::new("chmod").arg("1777").arg(root.join("tmp")), 0);
}

/// The recipe's steps as one shell script, with its variables and no others.
fn script(recipe: &Recipe) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', "'\\''"));
    let mut script = format!("cd {0} && rm -rf ./* && umask 022", quoted(&recipe.place));
    let variables =
        recipe.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let variables: Vec<String> = variables.collect();
    for step in &recipe.steps {
        let command: Vec<String> = step.command.iter().map(|word| quoted(word)).collect();
        let (directory, variables) = (quoted(&step.directory), variables.join(" "));
        script += &format!(" && cd {directory} && env -i {variables} {}", command.join(" "));
    }
    script
}
