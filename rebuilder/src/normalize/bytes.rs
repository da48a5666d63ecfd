//! A file as normalizers read it (step 4): by place, in bounded memory, and with its own faults kept apart.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read};

use super::Refusal;
use super::limits;

/// Bytes that are read at a time.
const BUFFER: usize = 64 * 1024;

/// Where a file's bytes come from: an open file, or memory.
pub trait Source {
    /// Bytes in it.
    fn size(&self) -> io::Result<u64>;
    /// Reads at a place, counted from 0; moves nothing, so that one file can be read twice at once.
    fn read_at(&self, place: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, place: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, place)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, place: u64, mut buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(place).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        io::Write::write(&mut buffer, rest.get(..length).unwrap_or_default())
    }
}

/// A source under accounting: what went wrong with the disk is remembered and told from what is
/// wrong with the bytes, and what is unpacked from it is counted.
pub(super) struct Bytes<'a> {
    source: &'a dyn Source,
    size: u64,
    fault: RefCell<Option<io::Error>>,
    unpacked: Cell<u64>,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(source: &'a dyn Source) -> io::Result<Self> {
        let size = source.size()?;
        Ok(Self { source, size, fault: RefCell::new(None), unpacked: Cell::new(0) })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The first fault of the disk, whatever a decoder made of it.
    pub(super) fn into_fault(self) -> Option<io::Error> {
        self.fault.into_inner()
    }

    /// The bytes from a place on, exactly so many; for headers, which are small.
    pub(super) fn exact(&self, place: u64, length: u64) -> Result<Vec<u8>, Refusal> {
        self.span(place, place.saturating_add(length))?.all()
    }

    /// Everything between two places, which must lie in the file.
    pub(super) fn span(&self, from: u64, until: u64) -> Result<Span<'_>, Refusal> {
        if from > until || until > self.size {
            let found = format!("bytes {from} to {until} of a file of {} bytes", self.size);
            return Err(Refusal::new(found, "every part inside the file"));
        }
        let (buffer, taken, filled) = (Vec::new(), 0, 0);
        Ok(Span { bytes: self, place: from, until, buffer, taken, filled })
    }

    /// Counts unpacked bytes; too many of them are a decompression bomb.
    pub(super) fn unpack(&self, length: usize) -> Result<(), Refusal> {
        self.unpacked.set(self.unpacked.get().saturating_add(length as u64));
        if self.unpacked.get() > limits::PACKAGE_UNPACKED_BYTES {
            let found = format!("more than {} bytes unpacked", limits::PACKAGE_UNPACKED_BYTES);
            return Err(Refusal::new(found, "at most so many: beyond, it is a decompression bomb"));
        }
        Ok(())
    }

    fn read_at(&self, place: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.source.read_at(place, buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let told = io::Error::new(error.kind(), error.to_string());
                    self.fault.borrow_mut().get_or_insert(error);
                    return Err(told);
                }
                read => return read,
            }
        }
    }
}

/// A part of a file, read from its beginning to its end.
pub(super) struct Span<'a> {
    bytes: &'a Bytes<'a>,
    place: u64,
    until: u64,
    buffer: Vec<u8>,
    /// Of the buffer: what was taken, and what is there.
    taken: usize,
    filled: usize,
}

impl Span<'_> {
    /// Bytes that were not taken yet.
    pub(super) fn left(&self) -> u64 {
        self.until - self.place + (self.filled - self.taken) as u64
    }

    fn all(mut self) -> Result<Vec<u8>, Refusal> {
        let length = self.left();
        let mut all = Vec::new();
        self.read_to_end(&mut all)?;
        if all.len() as u64 != length {
            return Err(Refusal::new("a file that ends early".to_owned(), "all of its bytes"));
        }
        Ok(all)
    }
}

impl Read for Span<'_> {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let length = io::Write::write(&mut buffer, self.fill_buf()?)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Span<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.filled {
            let wanted = usize::try_from(self.until - self.place).unwrap_or(BUFFER).min(BUFFER);
            self.buffer.resize(wanted, 0);
            self.filled = self.bytes.read_at(self.place, &mut self.buffer)?;
            self.taken = 0;
            self.place += self.filled as u64;
        }
        Ok(self.buffer.get(self.taken..self.filled).unwrap_or_default())
    }

    fn consume(&mut self, length: usize) {
        self.taken = self.taken.saturating_add(length).min(self.filled);
    }
}
