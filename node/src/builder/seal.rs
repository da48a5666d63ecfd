//! Private, sealed copies of what came out: nobody can change them between hash and signature.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// Copies a file into sealed memory. `falsify` is for demonstrations of a lying node: the last byte
/// comes out flipped.
pub(super) fn copy(path: &Path, falsify: bool) -> io::Result<OwnedFd> {
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
