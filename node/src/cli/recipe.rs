//! `reattest recipe`: pins the packages of a recipe file, and shows what is signed of it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reattest_rebuilder::recipe_file::RecipeFile;
use reattest_rebuilder::{Cancel, Cas, Lock, lock_recipe};
use serde::Serialize;

use super::rebuild::{Bar, workshop};
use super::{Exit, output};
use crate::fault::Fault;
use crate::setup;
use crate::signals::cancel_on_stop;

/// Pins the packages of a recipe file, and shows what is signed of it.
#[derive(Debug, Args)]
pub(super) struct Recipe {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Resolves the packages against the suite's signed index and writes the lock beside the recipe.
    Lock(LockRecipe),
    /// Prints the canonical document whose digest everyone signs.
    Show(Show),
}

#[derive(Debug, Args)]
struct LockRecipe {
    /// The recipe, e.g. `recipe.toml`; the lock becomes `recipe.lock`.
    recipe: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    /// The recipe; its lock must be beside it.
    recipe: PathBuf,
}

#[derive(Serialize)]
struct Locked {
    file: String,
    lock: String,
    packages: usize,
    bytes: u64,
}

impl Recipe {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        match &self.what {
            What::Lock(lock) => lock.run(config),
            What::Show(show) => show.run(config),
        }
    }
}

impl LockRecipe {
    fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let file = read_recipe(&self.recipe)?;
        let (workshop, archive) = workshop(config)?;
        let cancel = Cancel::new();
        cancel_on_stop(cancel.clone())?;
        let bar = Bar::new();
        let transfers = bar.clone();
        let mut mirror = setup::mirror(&workshop, &archive)
            .map_err(|problem| Fault::text(problem.to_string()))?
            .with_cancel(&cancel)
            .with_progress(Box::new(move |transferred| transfers.transfer(transferred)));
        let mut show = |progress| bar.show(&progress);
        let locked = lock_recipe(&file, &workshop, &mut mirror, &mut show, &cancel);
        bar.finish();
        let (lock, document) = locked?;
        let place = lock_file(&self.recipe);
        std::fs::write(&place, document.bytes())
            .map_err(|error| Fault::new(place.display().to_string(), error))?;
        let locked = Locked {
            file: place.display().to_string(),
            lock: format!("sha256:{}", document.digest()),
            packages: lock.packages.len(),
            bytes: lock.packages.iter().map(|package| package.size).sum(),
        };
        if self.json {
            output::json(&locked)?;
            return Ok(Exit::Fine);
        }
        output::line(&format!("{}  {} packages of {}", locked.file, locked.packages, file.suite));
        output::line(&format!("  {}", locked.lock));
        Ok(Exit::Fine)
    }
}

impl Show {
    fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        let file = read_recipe(&self.recipe)?;
        let (workshop, _) = workshop(config)?;
        let cas = Cas::below(&workshop.cache).map_err(|error| Fault::text(error.to_string()))?;
        let lock = read_lock(&self.recipe)?;
        let inputs = file
            .inputs(beside(&self.recipe), &cas)
            .map_err(|error| Fault::new(self.recipe.display().to_string(), error))?;
        let digest = lock.document().map_err(|error| Fault::text(error.to_string()))?.digest();
        let recipe = file
            .recipe(inputs, digest)
            .document()
            .map_err(|error| Fault::new(self.recipe.display().to_string(), error))?;
        output::note(&format!("recipe sha256:{}", recipe.digest()));
        output::line(&String::from_utf8_lossy(recipe.bytes()));
        Ok(Exit::Fine)
    }
}

/// Reads a recipe file that a person wrote.
pub(super) fn read_recipe(path: &Path) -> Result<RecipeFile, Fault> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Fault::new(name.clone(), error))?;
    RecipeFile::parse(&text).map_err(|error| Fault::new(name, error))
}

/// Reads the lock beside a recipe.
pub(super) fn read_lock(recipe: &Path) -> Result<Lock, Fault> {
    let path = lock_file(recipe);
    let bytes = std::fs::read(&path).map_err(|error| {
        let recipe = recipe.display();
        Fault::new(
            format!("{} cannot be read; `reattest recipe lock {recipe}` writes it", path.display()),
            error,
        )
    })?;
    Lock::parse(&bytes).map_err(|error| Fault::new(path.display().to_string(), error))
}

/// Where the files that a recipe names are looked for.
pub(super) fn beside(recipe: &Path) -> &Path {
    recipe.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock_file(recipe: &Path) -> PathBuf {
    recipe.with_extension("lock")
}
