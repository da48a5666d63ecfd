//! `reattest inputs`: every input of a recipe as one file, for rebuilders that come late.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reattest_attestation::Digest;
use reattest_rebuilder::inputs::{self, Carried, Pinned};
use reattest_rebuilder::recipe::DOCUMENT_BYTES;
use reattest_rebuilder::{Cancel, Cas, Fetch, Want};
use serde::Serialize;

use super::gc::size;
use super::{Exit, output};
use crate::config::{Archive, Config, Directories};
use crate::fault::Fault;
use crate::setup;
use crate::signals::cancel_on_stop;

/// Carries every input of a recipe as one file.
#[derive(Debug, Args)]
pub(super) struct Inputs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes recipe, lock, sources and packages into one tar; fetches what the cache lacks.
    #[command(after_help = "Examples:\n  \
        reattest rebuild deb:netbase --out out && reattest inputs export out -o netbase.tar\n  \
        reattest inputs export sha256:9216a2e3… -o netbase.tar")]
    Export {
        /// The recipe's digest, or the directory of `reattest rebuild --out`.
        #[arg(value_name = "RECIPE_DIGEST|DIR")]
        recipe: String,
        /// Where to write it; without it, inputs-DIGEST.tar here. Never over another file.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Reads such a file into the cache; every member is checked against recipe and lock.
    #[command(after_help = "Examples:\n  reattest inputs import netbase.tar\n  \
        reattest inputs import netbase.tar --recipe sha256:9216a2e3…")]
    Import {
        /// The archive; `-` is standard input.
        file: PathBuf,
        /// Refuses the archive of any other recipe.
        #[arg(long, value_name = "DIGEST", value_parser = digest)]
        recipe: Option<Digest>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Document {
    recipe: String,
    inputs: usize,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl Inputs {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let cache = Directories::of_user()?.cache;
        let cas = Cas::below(&cache)?;
        match &self.command {
            Command::Export { recipe, output, json } => {
                let pinned = pinned(&cas, recipe)?;
                fetch_missing(&cas, &cache, config, &pinned)?;
                let path = output.clone().unwrap_or_else(|| named(&pinned.digest));
                let carried = write(&cas, &pinned, &path)?;
                show(carried, Some(&path), *json)
            }
            Command::Import { file, recipe, json } => {
                let carried = if file == Path::new("-") {
                    inputs::import(&cas, &mut io::stdin().lock(), *recipe)?
                } else {
                    let mut archive = open(file)?;
                    inputs::import(&cas, &mut archive as &mut dyn Read, *recipe)?
                };
                show(carried, None, *json)
            }
        }
    }
}

fn open(path: &Path) -> Result<File, Fault> {
    File::open(path).map_err(|error| Fault::new(path.display().to_string(), error))
}

fn digest(text: &str) -> Result<Digest, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.parse().map_err(|_| "needed sha256: and 64 hexadecimal digits".to_owned())
}

/// A digest of a recipe in the cache, or a directory that has recipe and lock.
fn pinned(cas: &Cas, recipe: &str) -> Result<Pinned, Fault> {
    if let Ok(digest) = digest(recipe) {
        return Ok(Pinned::in_store(cas, &digest)?);
    }
    let directory = Path::new(recipe);
    if !directory.is_dir() {
        return Err(Fault::text(format!(
            "found {recipe:?}; needed a recipe's digest (sha256:…), or the directory that `reattest rebuild --out DIR` filled"
        )));
    }
    let read = |name: &str| -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let limit = DOCUMENT_BYTES as u64 + 1;
        let path = directory.join(name);
        let read = open(&path)?.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| Fault::new(path.display().to_string(), error))?;
        Ok(bytes)
    };
    Ok(Pinned::of(read("recipe.json")?, read("lock.json")?)?)
}

fn fetch_missing(
    cas: &Cas,
    cache: &Path,
    config: Option<&Path>,
    pinned: &Pinned,
) -> Result<(), Fault> {
    let is_here = |want: &Want| want.expected.is_some_and(|(digest, _)| cas.has(&digest));
    let missing: Vec<Want> = pinned.wants().into_iter().filter(|want| !is_here(want)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    output::note(&format!("  fetching {} inputs that the cache lacks", missing.len()));
    let default = Directories::of_user()?.config_file();
    let path = config.or_else(|| default.exists().then_some(default.as_path()));
    let archive = match path {
        Some(path) => Config::load(path)?.archive,
        None => Archive::default(),
    };
    let cancel = Cancel::new();
    cancel_on_stop(cancel.clone())?;
    let workshop = reattest_rebuilder::Workshop::new(cache);
    let mut mirror = setup::mirror(&workshop, &archive)?.with_cancel(&cancel);
    for answer in mirror.fetch(&missing) {
        answer?;
    }
    Ok(())
}

fn named(recipe: &Digest) -> PathBuf {
    let start: String = recipe.to_string().chars().take(12).collect();
    PathBuf::from(format!("inputs-{start}.tar"))
}

/// Complete under its name, or not there.
fn write(cas: &Cas, pinned: &Pinned, path: &Path) -> Result<Carried, Fault> {
    let fail = |error: io::Error| Fault::new(path.display().to_string(), error);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new("."))).map_err(fail)?;
    let mut buffered = BufWriter::new(file);
    let carried = inputs::export(cas, pinned, &mut buffered)?;
    buffered.flush().map_err(fail)?;
    let file = buffered.into_inner().map_err(|error| fail(error.into_error()))?;
    // A temporary file is its owner's alone; this one is meant to be handed on.
    file.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(fail)?;
    file.persist_noclobber(path).map_err(|error| fail(error.error))?;
    Ok(carried)
}

fn show(carried: Carried, file: Option<&PathBuf>, json: bool) -> Result<Exit, Fault> {
    let file = file.map(|path| path.display().to_string());
    if json {
        let recipe = format!("sha256:{}", carried.recipe);
        let Carried { inputs, bytes, .. } = carried;
        output::json(&Document { recipe, inputs, bytes, file })?;
        return Ok(Exit::Fine);
    }
    output::line(&format!("recipe  sha256:{}", carried.recipe));
    output::line(&format!("inputs  {}, {}", carried.inputs, size(carried.bytes)));
    if let Some(file) = file {
        output::line(&format!("file    {file}"));
    }
    Ok(Exit::Fine)
}
