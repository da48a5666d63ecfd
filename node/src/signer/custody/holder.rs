//! A process that holds a token's session for the signer, and nothing else.
//!
//! The library of a token needs files, devices or sockets that only its vendor knows, for as long as
//! it signs. Behind the signer's walls it could not work, and without them the signer would read what
//! strangers made beside code that nobody here has seen. So it has a process of its own; nobody but
//! the signer holds the other end of its link.

use std::process::{Command, Stdio};

use reattest_attestation::key::SignError;
use reattest_attestation::{PublicKey, Sign};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::place::Slot;
use super::{token, verified};
use crate::fault::Fault;
use crate::link::{Link, LinkError};
use crate::log_format::LogFormat;

/// From the signer.
#[derive(Debug, Serialize, Deserialize)]
enum ToHolder {
    /// Open this key; the first message, and never again.
    Open(Slot),
    /// Sign this.
    Sign(ByteBuf),
}

/// To the signer.
#[derive(Debug, Serialize, Deserialize)]
enum FromHolder {
    /// The key is open.
    Ready(PublicKey),
    /// The signature.
    Signed(ByteBuf),
    /// Why there is none.
    Failed(String),
}

/// The signer's end of a holder.
#[derive(Debug)]
pub(super) struct Holder {
    link: Link,
    key: PublicKey,
}

impl Holder {
    /// Starts the process, and has it open the key. It ends when the signer does.
    pub(super) fn start(slot: &Slot) -> Result<Self, Fault> {
        let fail = |error| Fault::new("the process that holds the token cannot be started", error);
        let (link, other) = Link::pair(("token", "signer")).map_err(fail)?;
        let program = std::env::current_exe().map_err(fail)?;
        let mut command = Command::new(program);
        command.args(LogFormat::chosen().arguments()).args(["role", "token"]);
        command.stdin(other.into_socket()).stdout(Stdio::null());
        // Nobody waits for it: behind the walls there is no call to do so with.
        drop(command.spawn().map_err(fail)?);
        link.send(&ToHolder::Open(slot.clone()))?;
        match link.receive()? {
            FromHolder::Ready(key) => Ok(Self { link, key }),
            FromHolder::Failed(why) => Err(Fault::text(why)),
            FromHolder::Signed(_) => Err(Fault::text("the token's process did not open the key")),
        }
    }

    fn ask(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let said = |error: LinkError| error.to_string();
        self.link.send(&ToHolder::Sign(ByteBuf::from(message))).map_err(said)?;
        match self.link.receive().map_err(said)? {
            FromHolder::Signed(signature) => Ok(signature.into_vec()),
            FromHolder::Failed(why) => Err(why),
            FromHolder::Ready(_) => Err("the token's process answered another question".to_owned()),
        }
    }
}

impl Sign for Holder {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let refuse = |why| SignError { key: self.key.fingerprint(), why };
        verified(&self.key, message, &self.ask(message).map_err(refuse)?)
    }
}

/// Runs the holder: the signer's link is at standard input.
pub(crate) fn run() -> Result<(), Fault> {
    let link = Link::at_stdin("signer")
        .map_err(|error| Fault::new("the token's process was not started by a signer", error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Fault::new("the memory of the token's process cannot be hidden", error))?;
    let ToHolder::Open(slot) = link.receive()? else {
        return Err(Fault::text("the token's process was not told which key to open"));
    };
    let token = match token::Token::open(&slot) {
        Ok(token) => token,
        Err(fault) => return Ok(link.send(&FromHolder::Failed(fault.to_string()))?),
    };
    link.send(&FromHolder::Ready(token.public_key()))?;
    loop {
        let message = match link.receive() {
            Ok(ToHolder::Sign(message)) => message,
            Ok(ToHolder::Open(_)) => return Err(Fault::text("a token's process opens one key")),
            Err(LinkError::Ended { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        link.send(&match token.sign(&message) {
            Ok(signature) => FromHolder::Signed(ByteBuf::from(signature)),
            Err(error) => FromHolder::Failed(error.why),
        })?;
    }
}
