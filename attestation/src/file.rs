//! A file as it was hashed here: what a verdict is about is never taken on anyone's word (step 9).

use std::io::{self, Read};

use crate::digest::{Digest, Digester};

/// Bytes that are read at a time: large enough that reading costs nothing beside hashing, small
/// beside the memory of any process.
const BUFFER: usize = 128 * 1024;

/// A file's name and the SHA-256 of its bytes.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct HashedFile {
    name: String,
    sha256: Digest,
}

impl HashedFile {
    /// Hashes a file while it is read, in bounded memory. The name is that of the file, without
    /// directories; it decides only where nobody says what the file is meant to be.
    pub fn read(name: &str, mut bytes: impl Read) -> io::Result<Self> {
        let mut digester = Digester::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => digester.update(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { name: name.to_owned(), sha256: digester.finish() })
    }

    /// A file that is not at hand, for asking what is known of this digest. The verdict is about
    /// whatever bytes have it.
    pub fn elsewhere(name: &str, sha256: Digest) -> Self {
        Self { name: name.to_owned(), sha256 }
    }

    /// The name, without directories.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }
}
