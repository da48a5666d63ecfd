//! A key that an SSH agent holds: two messages of the agent protocol (draft-ietf-sshm-ssh-agent).
//!
//! An Ed25519 signature of an agent is over the bytes that it is sent and nothing besides, so it is
//! the same signature that a key file gives. The socket is connected once: behind the signer's walls
//! no other can be opened.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use reattest_attestation::key::SignError;
use reattest_attestation::{PublicKey, Sign};

use super::place::WantedKey;
use super::verified;
use crate::fault::Fault;
use crate::limits::{AGENT_MESSAGE_BYTES, AGENT_WAIT};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The one algorithm, as SSH names it.
const ED25519: &[u8] = b"ssh-ed25519";

/// A connection to an agent that holds the key.
#[derive(Debug)]
pub(super) struct Agent {
    /// Plain reads and writes are among the signer's system calls; those of sockets are not.
    socket: File,
    key: PublicKey,
}

impl Agent {
    /// Connects to the agent of `$SSH_AUTH_SOCK`, and finds the key there.
    pub(super) fn connect(wanted: &WantedKey) -> Result<Self, Fault> {
        let path = std::env::var_os("SSH_AUTH_SOCK").ok_or_else(|| {
            Fault::text(format!(
                "no SSH agent, needed one that holds {wanted}; start one, and set SSH_AUTH_SOCK to \
                 its socket where the node is started"
            ))
        })?;
        let name = std::path::Path::new(&path).display().to_string();
        let fail = |error: io::Error| Fault::new(format!("the SSH agent at {name}"), error);
        let stream = UnixStream::connect(&path).map_err(fail)?;
        stream.set_read_timeout(Some(AGENT_WAIT)).map_err(fail)?;
        stream.set_write_timeout(Some(AGENT_WAIT)).map_err(fail)?;
        let socket = File::from(OwnedFd::from(stream));
        let keys = identities(&mut &socket).map_err(fail)?;
        let found = keys.iter().find(|key| wanted.is(key)).copied();
        let key = found.ok_or_else(|| {
            let held: Vec<String> = keys.iter().map(PublicKey::fingerprint).collect();
            let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
            Fault::text(format!(
                "the SSH agent at {name} holds of Ed25519 keys: {held}; needed {wanted}: ssh-add it there"
            ))
        })?;
        Ok(Self { socket, key })
    }
}

impl Sign for Agent {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let refuse = |why: String| SignError { key: self.key.fingerprint(), why };
        let answer = ask(&mut &self.socket, &sign_request(&self.key, message))
            .map_err(|error| refuse(format!("its SSH agent does not answer: {error}")))?;
        let signature = signature(&answer).ok_or_else(|| {
            refuse("its SSH agent refuses; unlock it, or confirm what it asks".to_owned())
        })?;
        verified(&self.key, message, signature)
    }
}

/// The Ed25519 keys that an agent offers; others are passed over.
fn identities(socket: &mut (impl Read + Write)) -> io::Result<Vec<PublicKey>> {
    let answer = ask(socket, &[REQUEST_IDENTITIES])?;
    read_identities(&answer).ok_or_else(|| io::Error::other("it did not list its keys"))
}

fn read_identities(answer: &[u8]) -> Option<Vec<PublicKey>> {
    let (kind, rest) = answer.split_first()?;
    let (count, mut rest) = number(rest)?;
    if *kind != IDENTITIES_ANSWER {
        return None;
    }
    let mut keys = Vec::new();
    // The length of what is left bounds the loop, whatever the count says.
    for _ in 0..count {
        let (blob, after) = string(rest)?;
        let (_comment, after) = string(after)?;
        keys.extend(public_key(blob));
        rest = after;
    }
    Some(keys)
}

fn public_key(blob: &[u8]) -> Option<PublicKey> {
    let (algorithm, rest) = string(blob)?;
    let (point, rest) = string(rest)?;
    if algorithm != ED25519 || !rest.is_empty() {
        return None;
    }
    PublicKey::from_bytes(point.try_into().ok()?).ok()
}

fn sign_request(key: &PublicKey, message: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, ED25519);
    put(&mut blob, &key.to_bytes());
    let mut request = vec![SIGN_REQUEST];
    put(&mut request, &blob);
    put(&mut request, message);
    // No flags: they choose among the hashes of RSA.
    request.extend(0_u32.to_be_bytes());
    request
}

/// The raw signature in an answer; nothing where the agent refused.
fn signature(answer: &[u8]) -> Option<&[u8]> {
    let (kind, rest) = answer.split_first()?;
    let (blob, rest) = string(rest)?;
    let (algorithm, inner) = string(blob)?;
    let (signature, inner) = string(inner)?;
    let whole = *kind == SIGN_RESPONSE && algorithm == ED25519;
    (whole && rest.is_empty() && inner.is_empty()).then_some(signature)
}

/// One question and its answer, each behind its length.
fn ask(socket: &mut (impl Read + Write), question: &[u8]) -> io::Result<Vec<u8>> {
    let mut packet = Vec::new();
    put(&mut packet, question);
    socket.write_all(&packet)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > AGENT_MESSAGE_BYTES {
        return Err(io::Error::other(format!(
            "an answer of {length} bytes, needed at most {AGENT_MESSAGE_BYTES}"
        )));
    }
    let mut answer = vec![0; usize::try_from(length).unwrap_or_default()];
    socket.read_exact(&mut answer)?;
    Ok(answer)
}

/// RFC 4251's `string`: a length of four bytes, and that many.
fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*length), rest))
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::disallowed_methods,
        reason = "a test fails by panicking"
    )]
    use super::*;
    use reattest_attestation::SecretKey;

    /// An agent that answers each question with the next of these.
    fn played(answers: Vec<Vec<u8>>, key: PublicKey) -> Agent {
        let (own, other) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut other = other;
            for answer in answers {
                let mut length = [0; 4];
                other.read_exact(&mut length).unwrap();
                let mut question = vec![0; u32::from_be_bytes(length) as usize];
                other.read_exact(&mut question).unwrap();
                other.write_all(&answer).unwrap();
            }
        });
        Agent { socket: File::from(OwnedFd::from(own)), key }
    }

    fn answer(signature: &[u8]) -> Vec<u8> {
        let (mut blob, mut body, mut packet) = (Vec::new(), vec![SIGN_RESPONSE], Vec::new());
        put(&mut blob, ED25519);
        put(&mut blob, signature);
        put(&mut body, &blob);
        put(&mut packet, &body);
        packet
    }

    #[test]
    fn what_an_agent_answers_is_verified_and_never_believed() {
        let key = SecretKey::from_seed(&[3; 32]);
        let right = key.sign(b"hello").unwrap();
        let other = key.sign(b"hullo").unwrap();
        let short = answer(&right[..63]);
        let (mut longer, refused) = (answer(&right), vec![0, 0, 0, 1, 5]);
        longer.extend([0; 4]);
        longer[3] += 4;
        let huge = vec![255, 255, 255, 255];
        let public = key.public_key();
        assert_eq!(played(vec![answer(&right)], public).sign(b"hello").unwrap(), right);
        let cases = [
            (answer(&other), "not by"),
            (short, "63 bytes"),
            (longer, "refuses"),
            (refused, "refuses"),
            (huge, "4294967295 bytes"),
            (Vec::new(), "does not answer"),
        ];
        for (bytes, word) in cases {
            let error = played(vec![bytes], public).sign(b"hello").unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(&public.fingerprint()), "{error}");
        }
    }

    #[test]
    fn only_whole_lists_are_read_and_other_algorithms_passed_over() {
        let key = SecretKey::from_seed(&[4; 32]).public_key();
        let (mut blob, mut other) = (Vec::new(), Vec::new());
        put(&mut blob, ED25519);
        put(&mut blob, &key.to_bytes());
        put(&mut other, b"ssh-rsa");
        put(&mut other, b"numbers");
        let mut list = vec![IDENTITIES_ANSWER, 0, 0, 0, 2];
        for key in [other, blob] {
            put(&mut list, &key);
            put(&mut list, b"comment");
        }
        assert_eq!(read_identities(&list), Some(vec![key]));
        for end in 0..list.len() {
            assert_eq!(read_identities(&list[..end]), None);
        }
        list[1] = 255;
        assert_eq!(read_identities(&list), None, "more keys are promised than there are");
    }
}
