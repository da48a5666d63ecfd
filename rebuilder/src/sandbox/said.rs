//! What a sandboxed command says (step 3): kept up to a bound, and read again when it failed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The tail of a log that is searched for the system's words for an exhausted resource.
const TAIL_BYTES: u64 = 64 << 10;
/// Bubblewrap's own complaint comes first.
const HEAD_BYTES: u64 = 4096;

pub(super) fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Past the limit it reads on and drops, so that the writer does not block before it is ended. With
/// `live`, whoever watches sees the same at once.
pub(super) fn copy_bounded(
    mut from: PipeReader,
    to: &mut File,
    limit: u64,
    overflow: &AtomicBool,
    live: bool,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut left = limit;
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            return;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        left = left.saturating_sub(count as u64);
        if live && left > 0 {
            // A terminal that is gone costs the view and not the build.
            let _ = io::stderr().write_all(bytes);
        }
        if left == 0 || to.write_all(bytes).is_err() {
            overflow.store(true, Ordering::SeqCst);
            left = 0;
        }
    }
}

/// The beginning and the end of what was said since `start`.
pub(super) fn ends(log: &Path, start: u64) -> (String, String) {
    let read = |from: u64, limit: u64| -> io::Result<String> {
        let mut file = File::open(log)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let length = fs::metadata(log).map_or(0, |m| m.len());
    let tail = length.saturating_sub(TAIL_BYTES).max(start);
    (read(start, HEAD_BYTES).unwrap_or_default(), read(tail, TAIL_BYTES).unwrap_or_default())
}
