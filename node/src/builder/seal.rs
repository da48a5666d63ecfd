//! Private, sealed copies of what came out: nobody can change them between hash and signature.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use reattest_rebuilder::Output;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::fault::Fault;

/// The files of one result, in the order in which the message names them.
#[derive(Debug)]
pub(super) struct Sealed {
    files: Vec<OwnedFd>,
    falsify: bool,
}

impl Sealed {
    pub(super) fn new(falsify: bool) -> Self {
        Self { files: Vec::new(), falsify }
    }

    /// Seals a copy of an output; its place among the files.
    pub(super) fn add(&mut self, output: Option<&Output>) -> Result<Option<u16>, Fault> {
        let Some(output) = output else { return Ok(None) };
        let place = u16::try_from(self.files.len())
            .map_err(|error| Fault::new("more outputs than a result may have", error))?;
        let sealed = copy(&output.path, self.falsify)
            .map_err(|error| Fault::new(output.path.display().to_string(), error))?;
        self.files.push(sealed);
        Ok(Some(place))
    }

    pub(super) fn files(&self) -> Vec<BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd).collect()
    }
}

/// Copies a file into sealed memory. `falsify` is for demonstrations of a lying node: the last byte
/// comes out flipped.
fn copy(path: &Path, falsify: bool) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut memory = File::from(memfd_create("reattest-output", flags)?);
    io::copy(&mut File::open(path)?, &mut memory)?;
    if falsify {
        crate::demo::forgery::flip_last_byte(&mut memory)?;
    }
    memory.flush()?;
    memory.rewind()?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&memory, seals)?;
    Ok(memory.into())
}
