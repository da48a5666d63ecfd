//! `reattest check`: every pin of lockfiles, bills of materials and directories of packages before your policy.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use super::pinned::{Judging, Named, hashing};
use crate::apt::Lists;
use crate::fault::Fault;
use crate::limits::PINS_FILE_BYTES;
use crate::lockfiles::{Format, Pins};

/// The verdict of your policy on every pin of lockfiles and bills of materials.
#[derive(Debug, Args)]
#[command(
    after_help = "Known: Cargo.lock, package-lock.json (2 and 3), requirements.txt with hashes, \
    uv.lock, poetry.lock, pylock.toml,\nCycloneDX and SPDX in JSON, and directories of .deb files.\n\
    Examples:\n  reattest check Cargo.lock\n  reattest check uv.lock bom.cdx.json --sarif found.sarif\n  \
    reattest check --init Cargo.lock      # what is unverified today passes for 90 days\n  \
    reattest check /var/cache/apt/archives"
)]
pub(super) struct Check {
    /// Lockfiles, bills of materials, and directories of .deb files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Which form they have, where neither their names nor their beginnings tell it.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    judging: Judging,
}

impl Check {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Exit, Fault> {
        // All files are read before any is judged: a mistake in the last is told at once.
        let read: Vec<Named> =
            self.files.iter().map(|path| self.read(path)).collect::<Result<_, _>>()?;
        self.judging.run(config, read)
    }

    fn read(&self, path: &Path) -> Result<Named, Fault> {
        let shown = path.display().to_string();
        let fail = |error| Fault::new(shown.clone(), error);
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if metadata.is_dir() {
            let (bar, mut tell) = hashing();
            let pins = Pins::debs(path, &Lists::default(), &mut tell)?;
            bar.finish_and_clear();
            return Ok(Named { file: shown, pins });
        }
        if !metadata.is_file() {
            return Err(Fault::text(format!("{shown} is not a file; name a lockfile")));
        }
        let mut bytes = Vec::new();
        // One byte more than allowed, so that the reader names the limit.
        let limit = (PINS_FILE_BYTES as u64).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(fail)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match Pins::read(&name, &bytes, self.format) {
            Ok(pins) => Ok(Named { file: shown, pins }),
            Err(error) => Err(Fault::text(format!("{shown}: {error}"))),
        }
    }
}
