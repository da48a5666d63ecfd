//! Compressed streams (step 4): read to their end, which must be the end of the part that holds them.
//!
//! The one way in which several compressions of the same bytes become equal. Bytes behind the
//! stream, a second stream, or a checksum that is wrong leave no normalized form.

use std::io::{self, BufRead as _, Read};

use flate2::{Decompress, FlushDecompress, Status};
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use ruzstd::decoding::StreamingDecoder;

use super::bytes::{Bytes, Span};
use super::gzip;
use super::{Refusal, limits};

/// How a part is compressed.
#[derive(Copy, Clone)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

/// Bytes that are inflated at a time.
const BUFFER: usize = 64 * 1024;

/// Hands the unpacked stream to `take`, then reads what `take` left and checks the end.
pub(super) fn unpack<T>(
    bytes: &Bytes<'_>,
    packing: Packing,
    (from, until): (u64, u64),
    take: impl FnOnce(&mut dyn Read) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut span = bytes.span(from, until)?;
    let (taken, left) = match packing {
        Packing::Plain => (metered(bytes, &mut span, take)?, span.left()),
        Packing::Gzip => {
            gzip::check_header(bytes, from, until)?;
            let mut decoder = flate2::bufread::GzDecoder::new(span);
            (metered(bytes, &mut decoder, take)?, decoder.into_inner().left())
        }
        Packing::Xz => {
            let stream = Stream::new_stream_decoder(limits::XZ_MEMORY, 0)
                .map_err(|error| Refusal::new(format!("xz: {error}"), "a decoder for it"))?;
            let mut decoder = XzDecoder::new_stream(span, stream);
            (metered(bytes, &mut decoder, take)?, decoder.into_inner().left())
        }
        Packing::Zstd => {
            let mut decoder = StreamingDecoder::new(span).map_err(|error| {
                Refusal::new(format!("zstd: {error}"), "one frame from the beginning on")
            })?;
            let taken = metered(bytes, &mut decoder, take)?;
            let (span, frame) = decoder.into_parts();
            // The library leaves this to its caller.
            let told = frame.get_checksum_from_data();
            if told.is_some() && told != frame.get_calculated_checksum() {
                return Err(Refusal::new("zstd: a wrong checksum".to_owned(), "the right one"));
            }
            (taken, span.left())
        }
    };
    if left > 0 {
        let found = format!("{left} bytes behind a compressed stream");
        return Err(Refusal::new(found, "one stream and nothing behind it"));
    }
    Ok(taken)
}

fn metered<T>(
    bytes: &Bytes<'_>,
    reader: &mut dyn Read,
    take: impl FnOnce(&mut dyn Read) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut metered = Metered { bytes, reader };
    let taken = take(&mut metered)?;
    // Checksums are looked at where the end is seen.
    if metered.read(&mut [0])? > 0 {
        return Err(Refusal::new("bytes that nothing reads".to_owned(), "an end"));
    }
    Ok(taken)
}

struct Metered<'a> {
    bytes: &'a Bytes<'a>,
    reader: &'a mut dyn Read,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.bytes.unpack(length).map_err(io::Error::other)?;
        Ok(length)
    }
}

/// Inflates a raw deflate stream that fills the span to its last byte, and whose last block says
/// that it is the last: `flate2`'s own reader takes a stream that is cut off for one that ends.
pub(super) fn inflate(
    mut span: Span<'_>,
    mut sink: impl FnMut(&[u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let refused = |found: String| Refusal::new(found, "one whole deflate stream, exactly so long");
    let mut inflater = Decompress::new(false);
    let mut buffer = vec![0; BUFFER];
    loop {
        let input = span.fill_buf()?;
        let flush = if input.is_empty() { FlushDecompress::Finish } else { FlushDecompress::None };
        let (before, made) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(input, &mut buffer, flush);
        let status = status.map_err(|error| refused(format!("deflate: {error}")))?;
        let used = usize::try_from(inflater.total_in() - before).unwrap_or(0);
        let length = usize::try_from(inflater.total_out() - made).unwrap_or(0);
        let stuck = input.is_empty() && length == 0;
        span.consume(used);
        sink(buffer.get(..length).unwrap_or_default())?;
        match status {
            Status::StreamEnd if span.left() == 0 => return Ok(()),
            Status::StreamEnd => {
                return Err(refused(format!("{} bytes behind a deflate stream", span.left())));
            }
            _ if stuck => return Err(refused("a deflate stream that does not end".to_owned())),
            _ => {}
        }
    }
}
