//! An index in the store (step 1): unpacked as it is read, one stanza at a time.

use std::fs::File;
use std::io::{BufReader, Read};

use liblzma::read::XzDecoder;

use super::stanza::Stanzas;
use super::{IndexEntry, IndexError};
use crate::cas::{Cas, CasError};
use crate::limits;

/// The unpacked text of an index in the store, stanza by stanza.
pub(crate) struct Index<'a> {
    entry: &'a IndexEntry,
    stanzas: Stanzas<BufReader<std::io::Take<XzDecoder<File>>>>,
}

impl<'a> Index<'a> {
    /// Opens an index whose digest is checked once more.
    pub(crate) fn open(cas: &Cas, entry: &'a IndexEntry) -> Result<Self, CasError> {
        let unpacked = XzDecoder::new_multi_decoder(cas.open(&entry.sha256)?);
        let reader = BufReader::with_capacity(1 << 16, unpacked.take(limits::INDEX_UNPACKED_BYTES));
        Ok(Self { entry, stanzas: Stanzas::new(reader) })
    }

    /// Calls back with every raw stanza.
    pub(crate) fn each(
        mut self,
        mut call: impl FnMut(&str) -> Result<(), String>,
    ) -> Result<(), IndexError> {
        let entry = self.entry;
        let mut step = || -> Result<bool, String> {
            let Some(raw) = self.stanzas.next_raw()? else {
                return Ok(false);
            };
            call(raw).map(|()| true)
        };
        while step().map_err(|why| malformed(&entry.location, why))? {}
        Ok(())
    }
}

/// An index that has not the form of the format.
pub(super) fn malformed(location: &str, why: impl Into<String>) -> IndexError {
    IndexError::Malformed { location: location.to_owned(), why: why.into() }
}
