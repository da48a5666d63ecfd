//! The link between two processes of a node: a socket pair with typed, bounded messages and files.
//!
//! A child finds its links at standard input and output, so that no descriptor number and no unsafe
//! code is needed to hand one over. `SOCK_SEQPACKET` keeps messages whole and ends when either side
//! does.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};
use crate::limits::{LINK_FILES, LINK_MESSAGE_BYTES};

/// Why a link did not carry a message.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The kernel refused.
    #[error("the link to the {peer} process broke: {source}")]
    Broken {
        /// The role at the other end.
        peer: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The other end sent something that is no message.
    #[error("the {peer} process sent something else than its messages: {source}")]
    Message {
        /// The role at the other end.
        peer: &'static str,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The other process is gone.
    #[error("the {peer} process ended")]
    Ended {
        /// The role at the other end.
        peer: &'static str,
    },
}

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
    peer: &'static str,
}

impl Link {
    /// Two ends that speak to each other; `peers` names the roles behind the first and second end
    /// as the holder of that end sees them.
    pub fn pair(peers: (&'static str, &'static str)) -> io::Result<(Self, Self)> {
        let (one, other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self { socket: one, peer: peers.0 }, Self { socket: other, peer: peers.1 }))
    }

    /// The link that a parent left at standard input.
    pub fn at_stdin(peer: &'static str) -> io::Result<Self> {
        Ok(Self { socket: io::stdin().as_fd().try_clone_to_owned()?, peer })
    }

    /// The link that a parent left at standard output.
    pub fn at_stdout(peer: &'static str) -> io::Result<Self> {
        Ok(Self { socket: io::stdout().as_fd().try_clone_to_owned()?, peer })
    }

    /// Another handle on the same end.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, peer: self.peer })
    }

    /// Gives the end away, to become a child's standard input or output.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Ends the link for both sides, whoever else holds a handle on it.
    pub fn close(&self) {
        // An end that is gone already is closed.
        let _gone = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Sends one message.
    pub fn send<T: Serialize>(&self, message: &T) -> Result<(), LinkError> {
        self.send_with(message, &[])
    }

    /// Sends one message and copies of open files.
    pub fn send_with<T: Serialize>(
        &self,
        message: &T,
        files: &[BorrowedFd<'_>],
    ) -> Result<(), LinkError> {
        let bytes = codec::encode(message).map_err(|source| self.malformed(source))?;
        if bytes.len() > LINK_MESSAGE_BYTES || files.len() > LINK_FILES {
            return Err(self.malformed(CodecError::TooLong {
                found: bytes.len().max(files.len()),
                limit: LINK_MESSAGE_BYTES,
            }));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LINK_FILES))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(files));
        }
        let packet = [IoSlice::new(&bytes)];
        rustix::net::sendmsg(&self.socket, &packet, &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(|error| self.broken(error))?;
        Ok(())
    }

    /// Waits for one message that carries no file.
    pub fn receive<T: Serialize + DeserializeOwned>(&self) -> Result<T, LinkError> {
        Ok(self.receive_with()?.0)
    }

    /// Waits for one message and the files that came with it.
    pub fn receive_with<T>(&self) -> Result<(T, Vec<OwnedFd>), LinkError>
    where
        T: Serialize + DeserializeOwned,
    {
        let mut bytes = vec![0; LINK_MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LINK_FILES))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
        })
        .map_err(|error| self.broken(error))?;
        let files = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(files) => Some(files),
                _ => None,
            })
            .flatten()
            .collect();
        if received.bytes == 0 {
            return Err(LinkError::Ended { peer: self.peer });
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            let found = LINK_MESSAGE_BYTES.saturating_add(1);
            let source = CodecError::TooLong { found, limit: LINK_MESSAGE_BYTES };
            return Err(self.malformed(source));
        }
        bytes.truncate(received.bytes);
        let message = codec::decode::<LINK_MESSAGE_BYTES, T>(&bytes)
            .map_err(|source| self.malformed(source))?;
        Ok((message, files))
    }

    fn broken(&self, error: rustix::io::Errno) -> LinkError {
        if matches!(error, rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) {
            return LinkError::Ended { peer: self.peer };
        }
        LinkError::Broken { peer: self.peer, source: error.into() }
    }

    fn malformed(&self, source: CodecError) -> LinkError {
        LinkError::Message { peer: self.peer, source }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    use super::{Link, LinkError};

    #[test]
    fn a_message_and_its_file_arrive_whole() -> Result<(), Box<dyn std::error::Error>> {
        let (left, right) = Link::pair(("right", "left"))?;
        let mut file = tempfile::tempfile()?;
        file.write_all(b"bytes")?;
        file.rewind()?;
        left.send_with(&"hello".to_owned(), &[file.as_fd()])?;
        let (message, mut files): (String, _) = right.receive_with()?;
        let mut text = String::new();
        std::fs::File::from(files.remove(0)).read_to_string(&mut text)?;
        assert_eq!((message.as_str(), text.as_str()), ("hello", "bytes"));
        Ok(())
    }

    #[test]
    fn an_ended_process_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let (left, right) = Link::pair(("signer", "node"))?;
        drop(right);
        assert!(matches!(left.receive::<u8>(), Err(LinkError::Ended { peer: "signer" })));
        Ok(())
    }

    #[test]
    fn a_closed_link_ends_for_the_other_side_although_a_handle_is_left()
    -> Result<(), Box<dyn std::error::Error>> {
        let (left, right) = Link::pair(("signer", "node"))?;
        let _handle = left.try_clone()?;
        left.close();
        assert!(matches!(right.receive::<u8>(), Err(LinkError::Ended { peer: "node" })));
        Ok(())
    }

    #[test]
    fn a_message_of_another_type_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let (left, right) = Link::pair(("right", "left"))?;
        left.send(&(1_u8, 2_u8))?;
        assert!(matches!(right.receive::<u8>(), Err(LinkError::Message { .. })));
        Ok(())
    }
}
