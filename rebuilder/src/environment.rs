//! The environment of a build (step 3): resolved by apt, unpacked natively, configured in the sandbox.
//!
//! Nothing here needs root, subordinate ids or a Debian host. What comes out is one layer, or two: the
//! base that most builds share, and what this one needs besides. Each is named by the digest of what
//! is in it, which the lock alone decides, and never changes again.

mod closure;
mod wish;
mod solve;
mod deb;
mod lower;
mod unpack;
mod packages;
mod database;
mod configure;
mod freeze;
mod tree;
mod layer;
mod clock;

use std::path::PathBuf;

pub(crate) use clock::clock;
pub use deb::DebError;
pub(crate) use deb::read as read_deb;
pub use layer::{Checked, Layer, Layers};
pub use solve::{Missing, Resolved};
pub(crate) use solve::{lock, resolve};
pub use wish::{Archive, Wish};

use crate::cas::Cas;
use crate::clock::Stopwatch;
use crate::error::RebuildError;
use crate::fetch::Fetch;
use crate::means::Means;
use crate::progress::{Cancel, Progress};
use crate::rebuild::Workshop;
use crate::recipe::{Document, Lock};
use crate::sandbox::{self, Overlay, Root, Sandbox};
use configure::Making;
use packages::Packages;

/// The layers of a lock, which stay as long as this is held.
#[derive(Debug)]
pub struct Environment {
    layers: Vec<Layer>,
}

impl Environment {
    /// The topmost first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The root of one run. `place` is a directory of that run alone, which may not be there yet.
    pub fn root(&self, place: PathBuf) -> Root {
        let layers = self.layers.iter().map(|layer| layer.path().to_owned()).collect();
        Root::Layers(Overlay { layers, place })
    }
}

/// The environment of a lock, without a build: for who only checks or measures it.
pub fn of_lock(
    lock: &Lock,
    workshop: &Workshop,
    fetch: &mut dyn Fetch,
) -> Result<Environment, RebuildError> {
    let sandbox = sandbox::probe(workshop.bwrap.as_deref())?;
    let cas = &Cas::below(&workshop.cache)?;
    let (now, cancel) = (crate::clock::now().as_unix(), &Cancel::new());
    let progress: &mut dyn FnMut(Progress) = &mut |_| ();
    let mut means = Means { workshop, cas, fetch, progress, cancel, now };
    environment((lock, &solve::document(lock)?), &sandbox, &mut means)
}

/// The environment of a lock: from earlier runs, or new.
pub(crate) fn environment(
    (lock, document): (&Lock, &Document),
    sandbox: &Sandbox,
    means: &mut Means<'_>,
) -> Result<Environment, RebuildError> {
    let Means { workshop, cas, cancel, fetch, progress, .. } = means;
    let started = Stopwatch::start();
    let store = Layers::below(&workshop.cache);
    let making = Making { workshop, cas, sandbox, cancel };
    let digest = document.digest();
    let mut all_cached = true;
    let mut layer = |pins, inputs: &[_], below: Option<&Layer>| {
        let (layer, cached) = store.made(&pins, cancel, |place| {
            packages::fetch(inputs, cas, *fetch, *progress)?;
            progress(Progress::EnvironmentBuilding { packages: inputs.len() });
            making.layer(place, below, Packages { cas, inputs })
        })?;
        all_cached &= cached;
        Ok::<_, RebuildError>(layer)
    };
    let layers = match lock.lower() {
        None => vec![layer(digest, &lock.packages, None)?],
        Some(lower) => {
            let pins = solve::document(&lower)?.digest();
            let below = layer(pins, &lower.packages, None)?;
            vec![layer(digest, &lock.upper(), Some(&below))?, below]
        }
    };
    let seconds = started.seconds();
    progress(Progress::EnvironmentReady { digest, cached: all_cached, seconds });
    Ok(Environment { layers })
}
