//! What reaches the signer, in one order and within bounds: one result of the builder at a time, and
//! of the node as much as may wait while an entry goes to disk.
#![expect(clippy::disallowed_methods, reason = "two links need a thread each")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;

use super::messages::{Attest, ToSigner};
use crate::fault::Fault;
use crate::limits::SIGNER_DEFERRED;
use crate::link::{Link, LinkError};

/// One message.
pub(super) enum Mail {
    Node(ToSigner),
    Builder(Box<Attest>, Vec<OwnedFd>),
}

/// What the threads bring: a message, how a link ended, or that the node is gone.
enum Brought {
    Mail(Mail),
    Broken(LinkError),
    NodeEnded,
}

/// Both links, behind one door.
pub(super) struct Mailbox {
    brought: mpsc::Receiver<Brought>,
    /// What came while an entry was waited for.
    deferred: RefCell<VecDeque<Mail>>,
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
                    Ok(message) => (Brought::Mail(Mail::Node(message)), false),
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
                        (Brought::Mail(Mail::Builder(Box::new(message), files)), false)
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
        Self { brought, deferred: RefCell::default(), answered }
    }

    /// The next message, or nothing when the node ended: without it there is nobody to log for.
    pub(super) fn next(&self) -> Result<Option<Mail>, Fault> {
        if let Some(mail) = self.deferred.borrow_mut().pop_front() {
            return Ok(Some(mail));
        }
        match self.brought.recv() {
            Ok(Brought::Mail(mail)) => Ok(Some(mail)),
            Ok(Brought::Broken(error)) => Err(error.into()),
            Ok(Brought::NodeEnded) | Err(_) => Ok(None),
        }
    }

    /// The builder has its receipt, and may hand over the next result.
    pub(super) fn answered(&self) {
        // Nobody reads from a builder that ended.
        let _gone = self.answered.try_send(());
    }

    /// Everything else that comes meanwhile waits its turn; but a head that somebody showed does not,
    /// because the next one must not be signed over it.
    pub(super) fn wait_until_stored(
        &self,
        wanted: u64,
        seen: impl Fn(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            match self.brought.recv() {
                Ok(Brought::Mail(Mail::Node(ToSigner::Stored { size }))) if size == wanted => {
                    return Ok(());
                }
                // Of a size that was never asked for, or repeated: it says nothing.
                Ok(Brought::Mail(Mail::Node(ToSigner::Stored { .. }))) => {}
                Ok(Brought::Mail(Mail::Node(ToSigner::Seen { checkpoint }))) => seen(&checkpoint)?,
                Ok(Brought::Mail(mail)) => self.defer(mail)?,
                Ok(Brought::Broken(error)) => return Err(error.into()),
                Ok(Brought::NodeEnded) | Err(_) => {
                    return Err(Fault::text(
                        "the node ended before the entry was on its disk; it is logged at the next start",
                    ));
                }
            }
        }
    }

    fn defer(&self, mail: Mail) -> Result<(), Fault> {
        let mut deferred = self.deferred.borrow_mut();
        if deferred.len() >= SIGNER_DEFERRED {
            return Err(Fault::text(format!(
                "the node sent {SIGNER_DEFERRED} messages while one entry waits to be stored, needed that \
                 it stores the entry; the signer ends, and finishes the entry at the next start"
            )));
        }
        deferred.push_back(mail);
        Ok(())
    }
}
