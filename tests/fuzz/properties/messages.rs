//! Properties of what nodes say to each other.

use std::fmt::Debug;

use super::super::beside::{
    Gossip, REQUEST_BYTES, RESPONSE_BYTES, Request, Response, decode, encode,
};
use super::told;

/// Each kind of message: what is accepted encodes to the same bytes, and reads back the same.
pub fn codec(bytes: &[u8]) -> bool {
    let gossip = same(bytes, Gossip::decode);
    let request = same(bytes, decode::<REQUEST_BYTES, Request>);
    let response = same(bytes, decode::<RESPONSE_BYTES, Response>);
    gossip || request || response
}

fn same<T, E>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, E>) -> bool
where
    T: serde::Serialize + PartialEq + Debug,
    E: std::fmt::Display + Debug,
{
    let Some(message) = told(read(bytes)) else {
        return false;
    };
    let again = encode(&message).unwrap();
    assert_eq!(again, bytes);
    assert_eq!(read(&again).unwrap(), message);
    true
}
