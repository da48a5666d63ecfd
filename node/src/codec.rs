//! bincode behind one door: what nodes and processes say to each other, in exactly one spelling.
//!
//! bincode 2 takes trailing bytes and long integers; so every value is encoded again and compared.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// More bytes than the message may have.
    #[error("a message of {found} bytes, where at most {limit} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not a value of the expected type.
    #[error("not a message of this version: {0}")]
    Malformed(String),
    /// A second spelling of a value.
    #[error("a message in another spelling than its own")]
    NotCanonical,
}

/// Encodes a value.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| CodecError::Malformed(error.to_string()))
}

/// Decodes a value of at most `LIMIT` bytes, written in the only spelling that [`encode`] makes.
pub fn decode<const LIMIT: usize, T>(bytes: &[u8]) -> Result<T, CodecError>
where
    T: Serialize + DeserializeOwned,
{
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLong { found: bytes.len(), limit: LIMIT });
    }
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, _) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    if encode(&value)? == bytes { Ok(value) } else { Err(CodecError::NotCanonical) }
}

#[cfg(test)]
mod tests {
    use super::{CodecError, decode, encode};

    #[test]
    fn golden_bytes_do_not_move() {
        let bytes = encode(&(300_u64, "log".to_owned(), vec![1_u8, 2])).unwrap_or_default();
        assert_eq!(bytes, [251, 44, 1, 3, b'l', b'o', b'g', 2, 1, 2]);
    }

    #[test]
    fn a_trailing_byte_is_refused() {
        let mut bytes = encode(&7_u64).unwrap_or_default();
        bytes.push(0);
        assert!(matches!(decode::<16, u64>(&bytes), Err(CodecError::NotCanonical)));
    }

    #[test]
    fn a_long_spelling_of_a_small_number_is_refused() {
        assert!(matches!(decode::<16, u64>(&[251, 7, 0]), Err(CodecError::NotCanonical)));
    }

    #[test]
    fn more_bytes_than_allowed_are_refused_before_decoding() {
        assert!(matches!(decode::<4, Vec<u8>>(&[9; 5]), Err(CodecError::TooLong { .. })));
    }
}
