//! The packages of one layer, fetched and unpacked (step 3): natively, several at a time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use super::database::{self, Unpacked};
use super::deb::{self, DebError};
use super::unpack::Root;
use crate::cas::Cas;
use crate::error::RebuildError;
use crate::fetch::{Fetch, Want};
use crate::limits;
use crate::progress::{Cancel, Progress};
use crate::recipe::Input;

/// Packages whose bytes are in the store.
#[derive(Clone, Copy)]
pub(super) struct Packages<'a> {
    pub(super) cas: &'a Cas,
    pub(super) inputs: &'a [Input],
}

/// Fetches what is not in the store yet.
pub(super) fn fetch(
    inputs: &[Input],
    cas: &Cas,
    fetch: &mut dyn Fetch,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), RebuildError> {
    let (here, missing): (Vec<_>, Vec<_>) = inputs.iter().partition(|i| cas.has(&i.sha256));
    let (total, total_bytes) = (inputs.len(), inputs.iter().map(|i| i.size).sum());
    let bytes = here.iter().map(|i| i.size).sum();
    progress(Progress::Fetching { done: here.len(), total, bytes, total_bytes });
    let wants: Vec<Want> = missing
        .iter()
        .map(|input| Want::pinned(&input.location, input.sha256, input.size))
        .collect();
    for answer in fetch.fetch(&wants) {
        answer?;
    }
    progress(Progress::Fetching { done: total, total, bytes: total_bytes, total_bytes });
    Ok(())
}

/// Unpacks every package below an empty root, or over a configured layer.
pub(super) fn unpack_all(
    path: &Path,
    layer: Option<&Path>,
    packages: Packages<'_>,
    cancel: &Cancel,
) -> Result<(Root, Vec<Unpacked>), RebuildError> {
    let io = |e| RebuildError::io("cannot unpack below", path, e);
    let root = match layer {
        None => Root::open(path),
        Some(layer) => Root::over(path, layer),
    };
    let root = root.map_err(io)?;
    database::prepare(&root).map_err(io)?;
    let mut done = Vec::new();
    let (first, mut left): (Vec<_>, Vec<_>) = packages.inputs.iter().partition(|i| is_first(i));
    for input in first {
        done.push(unpack(&root, input, packages.cas)?);
    }
    // The largest is taken first, so that no unpacker works alone at the end.
    left.sort_by_key(|input| input.size);
    let left = Mutex::new(left);
    let workers =
        thread::available_parallelism().map_or(1, usize::from).min(limits::PARALLEL_UNPACKS);
    let results: Vec<Result<Vec<Unpacked>, RebuildError>> = thread::scope(|scope| {
        let work = || worker(&root, &left, packages.cas, cancel);
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(ended()))).collect()
    });
    for result in results {
        done.extend(result?);
    }
    // As if unpacked in this order, whoever was first.
    done.sort_by(|one, other| {
        (!is_first(&one.input), &one.input).cmp(&(!is_first(&other.input), &other.input))
    });
    settle_modes(&root, &done).map_err(io)?;
    Ok((root, done))
}

/// It brings the links of the merged `/usr`, through which all others are placed.
fn is_first(input: &Input) -> bool {
    input.name == "base-files"
}

/// Where packages want other modes for one directory, the first one's counts, as with dpkg.
fn settle_modes(root: &Root, done: &[Unpacked]) -> std::io::Result<()> {
    let mut wanted: BTreeMap<&str, (u32, bool)> = BTreeMap::new();
    for (path, mode) in done.iter().flat_map(|package| &package.directories) {
        let known = wanted.entry(path).or_insert((*mode, false));
        known.1 |= known.0 != *mode;
    }
    for (path, (mode, _)) in wanted.into_iter().filter(|(_, (_, disputed))| *disputed) {
        root.set_mode(path, mode)?;
    }
    Ok(())
}

fn ended() -> RebuildError {
    failure("unpack", "an unpacker ended by itself".to_owned())
}

pub(super) fn failure(step: &str, why: String) -> RebuildError {
    RebuildError::Environment { step: step.to_owned(), why }
}

fn worker(
    root: &Root,
    left: &Mutex<Vec<&Input>>,
    cas: &Cas,
    cancel: &Cancel,
) -> Result<Vec<Unpacked>, RebuildError> {
    let mut done = Vec::new();
    loop {
        let next = left.lock().map_err(|_| ended())?.pop();
        let Some(input) = next else { return Ok(done) };
        if cancel.is_cancelled() {
            return Err(RebuildError::Cancelled);
        }
        done.push(unpack(root, input, cas)?);
    }
}

/// In an empty root everything is unpacked here, also what dpkg unpacks once more: dpkg itself needs
/// it to run. Over a layer, what needs dpkg is left to it.
fn unpack(root: &Root, input: &Input, cas: &Cas) -> Result<Unpacked, RebuildError> {
    let package = cas.open(&input.sha256)?;
    let over_a_layer = root.lower().is_some();
    let read = deb::read(package, |control, data| {
        if over_a_layer && database::needs_dpkg(control) { Ok(None) } else { root.unpack(data) }
    });
    let package = read.map_err(|e| match e {
        DebError::Io(source) => RebuildError::io("cannot unpack into", root.path(), source),
        refused => failure(&format!("unpack {}", input.location), refused.to_string()),
    })?;
    let by_dpkg = package.data.is_none() || database::needs_dpkg(&package.control);
    let listing = package.data.unwrap_or_default();
    Ok(Unpacked {
        input: input.clone(),
        control: package.control,
        built: package.built,
        by_dpkg,
        list: listing.paths,
        directories: listing.directories,
    })
}
