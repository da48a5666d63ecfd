//! The body of an HTTP answer: a text, or a file that is read piece by piece as it is sent.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::limits::HTTP_CHUNK_BYTES;

/// What is sent, and how much of it is left.
#[derive(Debug)]
pub(crate) enum Contents {
    Text(Bytes),
    File { file: File, left: u64 },
}

impl Contents {
    pub(super) fn of_text(text: String) -> Self {
        Self::Text(Bytes::from(text))
    }

    /// A file as it is now: files of the tree are replaced whole, never written again. Nothing where
    /// there is none.
    pub(super) fn of_file(path: &Path) -> io::Result<Option<Self>> {
        use io::ErrorKind::{NotADirectory, NotFound};
        let file = match File::open(path) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then(|| Self::File { file, left: metadata.len() }))
    }
}

impl Body for Contents {
    type Data = Bytes;
    type Error = io::Error;

    /// Reading from the page cache or a local disk does not wait for anybody else.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match &mut *self {
            Self::Text(text) => Ok(std::mem::take(text)),
            Self::File { file, left } => read(file, left),
        };
        Poll::Ready(match piece {
            Ok(piece) if piece.is_empty() => None,
            piece => Some(piece.map(Frame::data)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::File { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.len() as u64,
            Self::File { left, .. } => *left,
        })
    }
}

/// The next piece; none after the last one.
fn read(file: &mut File, left: &mut u64) -> io::Result<Bytes> {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(HTTP_CHUNK_BYTES);
    let mut piece = vec![0; wanted];
    file.read_exact(&mut piece)?;
    *left = left.saturating_sub(wanted as u64);
    Ok(Bytes::from(piece))
}
