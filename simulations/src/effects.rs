//! What a node's shell does for its core, over the production store and signer, with messages in memory.

use std::collections::VecDeque;

use reattest::protocol::{Effect, Event, Notice, Request, RequestId, Response, Ticket};
use reattest::shell::cosigning::Cosigned;
use reattest::shell::logs::Kept;
use reattest::signer::messages::{FromSigner, ToSigner};
use reattest::signer::{Mail, Reply};
use reattest_attestation::log::Origin;
use reattest_attestation::{Digest, Envelope, Timestamp};
use serde_bytes::ByteBuf;

use crate::checkers::{Broken, Invariant};
use crate::member::{Halt, Life, Member, Out};
use crate::network::{Name, Packet};

impl Life {
    fn kept(&mut self) -> Kept<'_> {
        Kept { store: &mut self.store, index: &mut self.index }
    }
}

impl Member {
    /// Something for the signer, and all that follows from what it says.
    pub(crate) fn mail(
        &mut self,
        mail: Mail,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<(), Halt> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let replies = life.signer.handle(mail, now);
        let replies = replies.map_err(|fault| self.halt(Invariant::SignerWorks, &fault))?;
        self.hear(replies, now, out)
    }

    /// What the signer said, one after the other.
    pub(crate) fn hear(
        &mut self,
        replies: Vec<Reply>,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<(), Halt> {
        let mut replies = VecDeque::from(replies);
        while let Some(reply) = replies.pop_front() {
            self.powered()?;
            let Some(life) = &mut self.life else { return Ok(()) };
            match reply {
                Reply::Node(FromSigner::Entry { index, envelope, links }) => {
                    self.signer.wrote(index, &envelope)?;
                    let links = links.as_deref().map(Vec::as_slice);
                    let stored = life.own.store(&mut life.store, index, &envelope, links);
                    let (stored, links) = match stored {
                        Ok(stored) => stored,
                        Err(fault) => return Err(self.halt(Invariant::SignerWorks, &fault)),
                    };
                    if let Some(links) = links {
                        life.core.holds_document(links);
                    }
                    let said = life.signer.handle(Mail::Node(stored), now);
                    replies
                        .extend(said.map_err(|fault| self.halt(Invariant::SignerWorks, &fault))?);
                }
                Reply::Node(FromSigner::Head { checkpoint }) => {
                    let head = life.own.publish(&mut life.store, &self.identity, checkpoint, now);
                    let event = head.map_err(|fault| self.halt(Invariant::SignerWorks, &fault))?;
                    self.take(event, now, out)?;
                }
                Reply::Builder(receipt) => life.receipt = Some(receipt),
                Reply::Node(FromSigner::Ready) => self.take(Event::SignerReady, now, out)?,
                Reply::Node(FromSigner::Cosigned { origin, cosigned }) => {
                    let Ok(origin) = origin.parse::<Origin>() else { continue };
                    let checkpoint = match life.cosigning.answered(&origin, cosigned) {
                        Cosigned::Note(note) => Some(note),
                        Cosigned::AskAgain if self.ask_to_cosign(&origin, now, out)? => continue,
                        Cosigned::AskAgain | Cosigned::Nothing => None,
                    };
                    self.take(Event::Cosigned { origin, checkpoint }, now, out)?;
                }
                // Runs are shorter than a year, and nobody waits for an answer.
                Reply::Node(_) => {}
            }
        }
        self.powered()
    }

    /// Performs an effect; the event that follows from it at once, if any.
    pub(crate) fn perform(
        &mut self,
        effect: Effect,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<Option<Event>, Halt> {
        let own = self.signer.public_key();
        let Some(life) = &mut self.life else { return Ok(None) };
        match effect {
            Effect::Publish(bytes) => self.gossip(&bytes, out)?,
            Effect::Judge { id, from, judgement } => {
                let judged =
                    Name::of(&from).and_then(|from| life.transport.judge(&id, from, judgement));
                let (bytes, peers) = judged.unwrap_or_default();
                out.extend(
                    peers.into_iter().map(|to| Out::Send(to, Packet::Gossip(bytes.clone()))),
                );
            }
            Effect::Ask { peer, request, question } => {
                self.ask(Name::of(&peer), request, &question, out)?;
            }
            Effect::Reply { ticket, response } => self.reply(ticket, None, response, out)?,
            Effect::Serve { ticket, origin, from, until, head } => {
                let entries = life.kept().serve(&origin, from, until, head);
                self.reply(ticket, Some((&origin, from)), entries, out)?;
            }
            Effect::ServeConsistency { ticket, origin, old, new } => {
                let response = match life.kept().way(&origin, old, new) {
                    Some((root, proof)) => Response::Consistency { root, proof: proof.hashes },
                    None => Response::Nothing,
                };
                self.reply(ticket, None, response, out)?;
            }
            Effect::ServeDocument { ticket, digest } => {
                let document = life.store.document(digest).map(ByteBuf::from);
                self.reply(ticket, None, Response::Document(document), out)?;
            }
            Effect::Extend(range) => return Ok(Some(life.kept().extend(&range))),
            Effect::Rewind { origin, size } => life.kept().rewind(&origin, size),
            Effect::KeepFork { origin, proof } => {
                return Ok(life.kept().keep_fork(origin, &proof));
            }
            Effect::StoreHead { head } => return Ok(Some(life.kept().store_head(&head))),
            Effect::Compare { head, with } => {
                let held = life.kept().way(head.origin(), head.size(), with);
                return Ok(Some(Event::Compared { head, with, held }));
            }
            Effect::FindDocument(digest) => {
                return Ok((!life.store.has_document(digest)).then_some(Event::NoDocument(digest)));
            }
            Effect::StoreDocument(document) => {
                if life.store.put_document(&document).is_err() {
                    return Ok(Some(Event::DocumentNotKept(Digest::of(&document))));
                }
            }
            Effect::Record(changes) => {
                let written = life.queue_file.append(&changes);
                written.map_err(|error| self.halt(Invariant::SignerWorks, &error))?;
            }
            Effect::Recall(purls) => {
                return Ok(Some(life.kept().recall(Some(&own), purls)));
            }
            Effect::Build { job, purl, .. } => {
                life.jobs.insert(job, purl.clone());
                out.push(Out::Build(job, purl));
            }
            Effect::CancelBuild { job } => out.push(Out::Cancel(job)),
            Effect::EndBuilder => out.push(Out::EndBuilder),
            // Whoever signs two histories has a signer that does not listen.
            Effect::ShowSigner { .. } if self.liar.is_some() => {}
            Effect::ShowSigner { checkpoint } => {
                let checkpoint = ByteBuf::from(checkpoint);
                self.mail(Mail::Node(ToSigner::Seen { checkpoint }), now, out)?;
            }
            Effect::StoreWord(word) => {
                let Ok(word) = Envelope::parse(&word) else { return Ok(None) };
                if life.words.put(&word).is_err() {
                    return Ok(Some(Event::WordNotKept(word.digest())));
                }
            }
            Effect::Cosign { head } => {
                let origin = head.origin().clone();
                if !self.ask_to_cosign(&origin, now, out)? {
                    return Ok(Some(Event::Cosigned { origin, checkpoint: None }));
                }
            }
            // Nobody here follows a registry, or dials by itself.
            Effect::Announce(_) | Effect::Dial { .. } => {}
            Effect::Drop(peer) => out.extend(Name::of(&peer).map(Out::Drop)),
            Effect::Notice(notice) => self.notice(notice, out),
        }
        Ok(None)
    }

    /// Whether the signer was asked to cosign the head of a log.
    fn ask_to_cosign(
        &mut self,
        origin: &Origin,
        now: Timestamp,
        out: &mut Vec<Out>,
    ) -> Result<bool, Halt> {
        let Some(life) = &self.life else { return Ok(false) };
        // What cannot be read now is cosigned later.
        let Ok(Some(question)) = life.cosigning.question(&life.store, origin) else {
            return Ok(false);
        };
        self.mail(Mail::Node(question), now, out)?;
        Ok(true)
    }

    fn gossip(&mut self, bytes: &[u8], out: &mut Vec<Out>) -> Result<(), Broken> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let peers = life.transport.publish(bytes)?;
        out.extend(peers.into_iter().map(|to| Out::Send(to, Packet::Gossip(bytes.to_vec()))));
        Ok(())
    }

    fn ask(
        &mut self,
        peer: Option<Name>,
        request: RequestId,
        question: &Request,
        out: &mut Vec<Out>,
    ) -> Result<(), Broken> {
        let Some((life, peer)) = self.life.as_mut().zip(peer) else { return Ok(()) };
        let (number, packet) = life.transport.ask(peer, request, question)?;
        out.extend([Out::Send(peer, packet), Out::Wait(number)]);
        Ok(())
    }

    fn reply(
        &mut self,
        ticket: Ticket,
        asked: Option<(&Origin, u64)>,
        response: Response,
        out: &mut Vec<Out>,
    ) -> Result<(), Broken> {
        let response = match &mut self.liar {
            Some(liar) => liar.twist(&self.signer.origin, asked, response),
            None => response,
        };
        let Some(life) = &mut self.life else { return Ok(()) };
        let (peer, packet) = life.transport.reply(ticket, &response)?;
        out.push(Out::Send(peer, packet));
        Ok(())
    }

    fn notice(&mut self, notice: Notice, out: &mut Vec<Out>) {
        let Some(life) = &mut self.life else { return };
        if let Notice::Grew { .. } = &notice {
            let _caught_up = life.index.catch_up(&life.store);
        }
        out.push(Out::Said(notice));
    }
}
