//! From a recipe file and its lock to a build of which everything is named by digest (steps 1 to 3).
//!
//! Its author says what belongs together, so nobody else has to be asked; whose word that is in a
//! network, the key that signs its announcement decides.

use std::path::Path;

use reattest_attestation::{Authority, Purl};

use super::{OutputFile, RecipeFile};
use crate::environment::{self, Archive, Wish};
use crate::error::RebuildError;
use crate::means::Means;
use crate::pin::{Pinned, Wanted};
use crate::recipe::{Document, Lock, SourceInput};
use crate::release::{Published, Release, SourceFile, Suite};
use crate::sandbox::Sandbox;

/// A recipe as its author left it.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// The recipe.
    pub file: &'a RecipeFile,
    /// The directory of the files that it names.
    pub beside: &'a Path,
    /// The lock of its packages.
    pub lock: &'a Lock,
}

impl RecipeFile {
    /// Resolves the packages against the suite's signed index, in the sandbox.
    pub(crate) fn lock(
        &self,
        sandbox: &Sandbox,
        means: &mut Means<'_>,
    ) -> Result<(Lock, Document), RebuildError> {
        let suite = Suite::find(&self.suite, means)?;
        let wish = Wish::Packages(self.packages.clone());
        environment::lock(&Archive::of(&suite), &wish, sandbox, means)
    }
}

impl Pinned {
    /// A recipe file's build. The lock's packages are those that its author pinned.
    pub(crate) fn written(
        written: &Written<'_>,
        means: &mut Means<'_>,
    ) -> Result<Self, RebuildError> {
        let Written { file, beside, lock } = written;
        let unfit = |why: String| RebuildError::Recipe { why };
        if lock.suite != file.suite {
            let why = format!(
                "found a lock of {}, needed one of {}; run `reattest recipe lock`",
                lock.suite, file.suite
            );
            return Err(unfit(why));
        }
        let suite = Suite::find(&file.suite, means)?;
        let inputs = file.inputs(beside, means.cas).map_err(|e| unfit(e.to_string()))?;
        let lock_document = lock.document().map_err(|e| unfit(e.to_string()))?;
        let recipe = file.recipe(inputs.clone(), lock_document.digest());
        let release = release(file, &inputs, &suite).map_err(unfit)?;
        let lock = ((*lock).clone(), lock_document);
        let mut pinned = Self::new(release, suite, recipe, lock, means)?;
        pinned.outputs = file.output.iter().map(|o| wanted(file, o)).collect::<Result<_, _>>()?;
        Ok(pinned)
    }
}

fn release(file: &RecipeFile, inputs: &[SourceInput], suite: &Suite) -> Result<Release, String> {
    let published = |output: &OutputFile| -> Option<Result<Published, String>> {
        let (sha256, size) = (output.sha256?, output.size.unwrap_or(0));
        Some(purl(file, output).map(|purl| Published {
            purl,
            file_name: output.path.display().to_string(),
            sha256,
            size,
            location: output.url.clone().unwrap_or_else(|| format!("sha256:{sha256}")),
        }))
    };
    let source = |input: &SourceInput| SourceFile {
        name: input.name.clone(),
        sha256: input.sha256,
        size: input.size,
        location: input.location.clone(),
    };
    Ok(Release {
        source: file.source.clone(),
        published: file.output.iter().filter_map(published).collect::<Result<_, _>>()?,
        sources: inputs.iter().map(source).collect(),
        authority: Authority {
            uri: "recipe".to_owned(),
            digest: suite.authority().digest,
            signers: Vec::new(),
        },
        lock_authorities: vec![suite.authority().clone()],
        index: "the recipe's author, whose word nothing signs here".to_owned(),
    })
}

fn wanted(file: &RecipeFile, output: &OutputFile) -> Result<Wanted, RebuildError> {
    let purl = purl(file, output).map_err(|why| RebuildError::Recipe { why })?;
    Ok(Wanted { purl, path: output.path.clone(), published: output.sha256 })
}

/// The stated purl, or the source's with the file's name.
fn purl(file: &RecipeFile, output: &OutputFile) -> Result<Purl, String> {
    if let Some(purl) = &output.purl {
        return Ok(purl.clone());
    }
    let (source, name) = (&file.source, output.file_name().map_err(|e| e.to_string())?);
    let namespace = source.namespace();
    let version = source.version();
    let qualifiers = [("file_name", name.as_str())];
    Purl::new(source.kind(), namespace.as_deref(), &source.name(), version.as_deref(), &qualifiers)
        .map_err(|e| e.to_string())
}
