//! What reaches the signer's process, in one order: one result of the builder at a time, the rest waits in
//! the sockets.
#![expect(clippy::disallowed_methods, reason = "two links need a thread each")]

use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;

use super::messages::{Attest, ToSigner};
use crate::fault::Fault;
use crate::link::{Link, LinkError};

/// One message, as it came over a link.
pub(super) enum Letter {
    Node(ToSigner),
    Builder(Box<Attest>, Vec<OwnedFd>),
}

/// What the threads bring: a message, how a link ended, or that the node is gone.
enum Brought {
    Letter(Letter),
    Broken(LinkError),
    NodeEnded,
}

/// Both links, behind one door.
pub(super) struct Mailbox {
    brought: mpsc::Receiver<Brought>,
    /// Lets the builder hand over its next result.
    answered: mpsc::SyncSender<()>,
}

impl Mailbox {
    /// Reads both links, in a thread each.
    pub(super) fn open(node: Link, builder: Link) -> Self {
        let (post, brought) = mpsc::sync_channel(1);
        let (answered, next_result) = mpsc::sync_channel(1);
        let post_results = post.clone();
        thread::spawn(move || {
            loop {
                let (news, last) = match node.receive() {
                    Ok(message) => (Brought::Letter(Letter::Node(message)), false),
                    Err(LinkError::Ended { .. }) => (Brought::NodeEnded, true),
                    Err(error) => (Brought::Broken(error), true),
                };
                if post.send(news).is_err() || last {
                    return;
                }
            }
        });
        thread::spawn(move || {
            loop {
                let (news, last) = match builder.receive_with() {
                    Ok((message, files)) => {
                        (Brought::Letter(Letter::Builder(Box::new(message), files)), false)
                    }
                    // The node starts another, or ends.
                    Err(LinkError::Ended { .. }) => return,
                    Err(error) => (Brought::Broken(error), true),
                };
                // The next result and its files wait in the socket until this one is answered.
                if post_results.send(news).is_err() || last || next_result.recv().is_err() {
                    return;
                }
            }
        });
        Self { brought, answered }
    }

    /// The next message, or nothing when the node ended: without it there is nobody to log for.
    pub(super) fn next(&self) -> Result<Option<Letter>, Fault> {
        match self.brought.recv() {
            Ok(Brought::Letter(letter)) => Ok(Some(letter)),
            Ok(Brought::Broken(error)) => Err(error.into()),
            Ok(Brought::NodeEnded) | Err(_) => Ok(None),
        }
    }

    /// The builder has its receipt, and may hand over the next result.
    pub(super) fn answered(&self) {
        // Nobody reads from a builder that ended.
        let _gone = self.answered.try_send(());
    }
}
