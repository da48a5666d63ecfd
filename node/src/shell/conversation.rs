//! What the signer, the builder and commands say to the node, and what it answers.

use reattest_rebuilder::{Cas, Fetch, Progress};
use serde_bytes::ByteBuf;

use super::control::{Answer, Ask, Call};
use super::node::{Node, signer_ended};
use super::own_log::OwnLog;
use super::report::Report;
use crate::builder::messages::{End, FromBuilder, ToBuilder};
use crate::builder::workshop;
use crate::clock;
use crate::fault::Fault;
use crate::limits::DOCUMENT_BYTES;
use crate::protocol::{BuildEnd, Event};
use crate::query;
use crate::setup;
use crate::signer::messages::{FromSigner, ToSigner};
use crate::store::index::Selector;

impl Node {
    pub(super) fn signer_said(&mut self, message: FromSigner) -> Result<(), Fault> {
        match message {
            FromSigner::Hello { .. } => {
                self.own = Some(OwnLog::greeted(message, &mut self.store)?);
            }
            FromSigner::Entry { index, envelope, links } => {
                let Some(own) = &self.own else {
                    return Err(signer_ended());
                };
                let links = links.as_deref().map(Vec::as_slice);
                let (stored, links) = own.store(&mut self.store, index, &envelope, links)?;
                if let Some(links) = links {
                    self.core.holds_document(links);
                }
                if let Some(roles) = &self.roles {
                    roles.tell_signer(&stored)?;
                }
            }
            FromSigner::Head { checkpoint } => {
                let Some(own) = &mut self.own else {
                    return Err(signer_ended());
                };
                let event =
                    own.publish(&mut self.store, &self.identity, checkpoint, clock::now())?;
                self.feed(event);
            }
            FromSigner::Cosigned { origin, cosigned } => self.cosigned(&origin, cosigned),
            FromSigner::Ready => self.feed(Event::SignerReady),
            // A witness introduces itself once, and has.
            FromSigner::Witness { .. } => {}
            FromSigner::Failed(why) => return Err(Fault::text(why)),
            FromSigner::Announced(result) => {
                if let Some(reply) = self.announcing.pop_front() {
                    let answer = result.map_or_else(Answer::Failed, Answer::Announced);
                    // Whoever asked may have gone; the announcement is logged all the same.
                    let _gone = reply.send(answer);
                }
            }
        }
        Ok(())
    }

    pub(super) fn builder_said(&mut self, message: FromBuilder) -> Result<(), Fault> {
        match message {
            FromBuilder::Fetch { job, wants } => {
                let (workshop, done) = (workshop(&self.config)?, self.fetch_done.clone());
                let archive = self.config.archive.clone();
                tokio::task::spawn_blocking(move || {
                    let fetched = match setup::mirror(&workshop, &archive) {
                        Ok(mut mirror) => mirror.fetch(&wants),
                        Err(problem) => wants.iter().map(|_| Err(problem.clone())).collect(),
                    };
                    let fetched = ToBuilder::Fetched { job, results: fetched };
                    let _stopping = done.blocking_send(fetched);
                });
            }
            FromBuilder::Progress { job, progress } => {
                let building = matches!(progress, Progress::Building { .. });
                self.report(&Report::Progress { job, progress });
                self.feed(Event::BuildAlive { job, building });
            }
            FromBuilder::Alive { job } => self.feed(Event::BuildAlive { job, building: false }),
            FromBuilder::Looked { feed, found } => self.looked(feed, found),
            FromBuilder::Document(digest) => {
                let cas = Cas::below(&workshop(&self.config)?.cache)
                    .map_err(|error| Fault::text(error.to_string()))?;
                match cas.read(&digest, DOCUMENT_BYTES as u64) {
                    Ok(document) => {
                        self.store.put_document(&document)?;
                        self.core.holds_document(digest);
                    }
                    Err(error) => tracing::warn!(%error, "the builder's document was not kept"),
                }
            }
            FromBuilder::Failed(why) => return Err(Fault::text(why)),
            FromBuilder::Ended { job, end } => {
                let (end, why) = match end {
                    End::Attested { index } => {
                        self.report(&Report::Attested { job, index });
                        (BuildEnd::Attested, String::new())
                    }
                    End::TooLarge(why) => (BuildEnd::TooLarge, why),
                    End::Busy(why) => (BuildEnd::Busy, why),
                    End::Absent(why) => (BuildEnd::Absent, why),
                    End::Fault(why) => (BuildEnd::Fault, why),
                    End::Hopeless(why) => (BuildEnd::Hopeless, why),
                };
                if end != BuildEnd::Attested {
                    self.report(&Report::Fault { job, why: why.clone() });
                }
                self.feed(Event::BuildEnded { job, end, why });
            }
        }
        Ok(())
    }

    pub(super) fn fetched(&mut self, fetched: Option<ToBuilder>) -> Result<(), Fault> {
        match (&self.roles, fetched) {
            (Some(roles), Some(fetched)) => roles.tell_builder(&fetched),
            _ => Ok(()),
        }
    }

    pub(super) fn answer(&mut self, (ask, reply): Call) {
        let answer = match ask {
            Ask::Status => Answer::Status(Box::new(self.status())),
            Ask::Peers => Answer::Peers(self.peers()),
            Ask::Announce { purl, again } => {
                // Wanted first: when the announcement comes back by the log, it is known whose it is.
                self.feed(Event::Wanted { purl: purl.clone(), again });
                match &self.roles {
                    None => Answer::Failed(
                        "this node has no key to announce with; give it the role \"rebuild\""
                            .to_owned(),
                    ),
                    Some(roles) => match roles.tell_signer(&ToSigner::Announce(purl)) {
                        Ok(()) => return self.announcing.push_back(reply),
                        Err(fault) => Answer::Failed(fault.to_string()),
                    },
                }
            }
            Ask::Queue => Answer::Queue(self.queue_status()),
            Ask::Evidence(selector) => self.evidence(&selector).unwrap_or_else(Answer::Failed),
        };
        // A command that gave up needs no answer.
        let _gone = reply.send(answer);
    }
    fn evidence(&self, selector: &Selector) -> Result<Answer, String> {
        let found = query::evidence(&self.store, &self.index, selector);
        let (bundle, complete) = found.map_err(|error| error.to_string())?;
        let bytes = bundle.to_bytes().map_err(|error| error.to_string())?;
        Ok(Answer::Evidence { bundle: ByteBuf::from(bytes), complete })
    }
}
