//! What a liar does: one flipped byte, the last, so that the file still looks like what it was.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::fault::Fault;

/// Flips the last byte of a file.
pub fn flip_last_byte(file: &mut File) -> io::Result<()> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::End(-1))?;
    file.write_all(&[!byte[0]])
}

/// A forged copy, of the same file name, in a directory beside the real one.
pub(super) fn forge(file: &Path) -> Result<PathBuf, Fault> {
    let fail = |error: io::Error| Fault::new(file.display().to_string(), error);
    let directory = file.parent().unwrap_or(Path::new(".")).join("forged");
    std::fs::create_dir_all(&directory).map_err(fail)?;
    let forged = directory.join(file.file_name().unwrap_or_default());
    std::fs::copy(file, &forged).map_err(fail)?;
    let mut options = File::options();
    let mut opened = options.read(true).write(true).open(&forged).map_err(fail)?;
    flip_last_byte(&mut opened).map_err(fail)?;
    Ok(forged)
}
