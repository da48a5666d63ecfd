//! From packages to a configured layer (step 3): parallel unpack, then dpkg in the sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::database::{self, Unpacked};
use super::layer::Layer;
use super::packages::{self, Packages, failure};
use super::tree;
use super::unpack::Root as Unpacking;
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::plan;
use crate::progress::Cancel;
use crate::rebuild::Workshop;
use crate::recipe::Input;
use crate::sandbox::{Access, Bind, Ended, Filter, Identity, Limits, Overlay, Root, Sandbox, Spec};
use crate::scratch::Scratch;

/// Where packages that dpkg unpacks itself are inside the sandbox.
const PACKAGES: &str = "/tmp/packages";

/// Runs inside, so that a link in a package cannot lead any of it to the host. Its arguments are the
/// file triggers that dpkg did not see, and what it removes differs from machine to machine or day to
/// day: caches and their dates, logs, copies of older states, locks, the identity of a machine.
const SCRIPT: &str = r#"set -e
if ls "$PACKAGES"/*.deb >/dev/null 2>&1; then
  dpkg --force-unsafe-io --force-depends --force-overwrite --unpack "$PACKAGES"/*.deb
fi
dpkg --force-unsafe-io --configure -a
if [ $# -gt 0 ]; then
  for trigger; do dpkg-trigger --no-await --by-package=dpkg "$trigger"; done
  dpkg --force-unsafe-io --triggers-only -a
fi
grep -q ^builder: /etc/passwd || echo "builder:x:$BUILDER:$BUILDER::/nonexistent:/bin/sh" >>/etc/passwd
grep -q ^builder: /etc/group || echo "builder:x:$BUILDER:" >>/etc/group
echo "127.0.0.1 localhost $HOST" | cmp -s - /etc/hosts || echo "127.0.0.1 localhost $HOST" >/etc/hosts
find /var/log /var/cache/man /var/cache/ldconfig /var/cache/fontconfig ! -type d -delete 2>/dev/null || :
find /var/cache/debconf -name '*-old' -delete 2>/dev/null || :
cd /var/lib/dpkg
rm -f *-old lock lock-frontend triggers/Lock
cd /etc
rm -f passwd- group- shadow- gshadow- subuid- subgid- machine-id .pwd.lock
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
if [ -e shadow ]; then
  sed -i -E "s/^([^:]*:[^:]*:)[0-9]+:/\1$((SOURCE_DATE_EPOCH / 86400)):/" shadow
fi
"#;

/// What making any layer needs.
#[derive(Clone, Copy)]
pub(super) struct Making<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) cas: &'a Cas,
    pub(super) sandbox: &'a Sandbox,
    pub(super) cancel: &'a Cancel,
}

impl Making<'_> {
    /// Leaves a configured layer in `upper` of a fresh directory.
    pub(super) fn layer(
        &self,
        place: &Path,
        below: Option<&Layer>,
        packages: Packages<'_>,
    ) -> Result<(), RebuildError> {
        let io = |e| RebuildError::io("cannot make a layer in", place, e);
        let upper = place.join("upper");
        fs::create_dir(&upper).map_err(io)?;
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).map_err(io)?;
        let below = below.map(Layer::path);
        let root = match below {
            None => Root::Directory(upper.clone()),
            Some(layer) => {
                self.sandbox.check_overlay(place)?;
                Root::Layers(Overlay { layers: vec![layer.to_owned()], place: place.to_owned() })
            }
        };
        let (unpacking, unpacked) = packages::unpack_all(&upper, below, packages, self.cancel)?;
        let built = unpacked.iter().map(|package| package.built).max().unwrap_or_default();
        let newest = built.max(below.map_or(Ok(0), time).map_err(io)?);
        self.configure((&unpacking, root), &unpacked, newest)?;
        tree::settle(&upper, i64::try_from(newest).unwrap_or(i64::MAX)).map_err(io)
    }

    fn configure(
        &self,
        (unpacking, root): (&Unpacking, Root),
        unpacked: &[Unpacked],
        newest: u64,
    ) -> Result<(), RebuildError> {
        let path = unpacking.path();
        let io = |e| RebuildError::io("cannot configure", path, e);
        let inside = |name: &str| path.join(name.trim_start_matches('/'));
        let overlapping = database::overlapping(unpacked, |name| inside(name).is_dir());
        let by_dpkg =
            |package: &&Unpacked| package.by_dpkg || overlapping.contains(&package.input.name);
        let (by_dpkg, native): (Vec<_>, Vec<_>) = unpacked.iter().partition(by_dpkg);
        database::write(unpacking, &native).map_err(io)?;
        let triggers = match unpacking.lower() {
            None => Vec::new(),
            Some(lower) => {
                let known = lower.read("var/lib/dpkg/triggers/File").map_err(io)?;
                database::file_triggers(&known, unpacked).into_iter().collect()
            }
        };
        let scratch = Scratch::fresh(&self.workshop.scratch).map_err(io)?;
        let packages = scratch.part("packages").map_err(io)?;
        for package in by_dpkg {
            let target = packages.join(file_name(&package.input));
            self.cas.copy_to(&package.input.sha256, &target)?;
        }
        let log = scratch.path().join("configure.log");
        match self.sandbox.run(&dpkg(root, &packages, triggers, newest), &log, self.cancel)? {
            Ended::Success => Ok(()),
            Ended::Failure(_) => Err(failure("configure the packages", tail(&log))),
        }
    }
}

/// The newest time in a layer: every directory has it, the layer's own, too.
fn time(layer: &Path) -> std::io::Result<u64> {
    let modified = fs::metadata(layer)?.modified()?;
    Ok(modified.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

fn tail(log: &Path) -> String {
    let said = fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("; ")
}

fn file_name(input: &Input) -> String {
    input.location.rsplit('/').next().unwrap_or(&input.name).to_owned()
}

/// dpkg unpacks the few packages that only it can, configures all, and the build's user is added.
fn dpkg(root: Root, packages: &Path, triggers: Vec<String>, newest: u64) -> Spec {
    let environment = BTreeMap::from([
        ("PATH".to_owned(), plan::PATH.to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
        ("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned()),
        ("DEBCONF_NONINTERACTIVE_SEEN".to_owned(), "true".to_owned()),
        // What scripts write with a date or in the order of a hash must not differ between machines.
        ("SOURCE_DATE_EPOCH".to_owned(), newest.to_string()),
        ("PERL_HASH_SEED".to_owned(), "0".to_owned()),
        ("PYTHONHASHSEED".to_owned(), "0".to_owned()),
        ("TZ".to_owned(), "UTC".to_owned()),
        ("PACKAGES".to_owned(), PACKAGES.to_owned()),
        ("BUILDER".to_owned(), Identity::Builder.id().to_string()),
        ("HOST".to_owned(), plan::HOSTNAME.to_owned()),
    ]);
    let script = ["sh", "-c", SCRIPT, "configure"].map(str::to_owned);
    Spec {
        root,
        root_access: Access::Writable,
        binds: vec![Bind {
            source: packages.to_owned(),
            target: PACKAGES.to_owned(),
            access: Access::ReadOnly,
        }],
        identity: Identity::Administrator,
        hostname: plan::HOSTNAME.to_owned(),
        environment,
        directory: "/".to_owned(),
        command: script.into_iter().chain(triggers).collect(),
        filter: Filter::Install,
        limits: Limits::step(),
    }
}
