//! Step 1, announce: followed registries are looked at now and then, and what is new is queued.

use std::time::Duration;

use tokio::time::Instant;

use super::node::Node;
use super::report::Report;
use crate::builder::messages::ToBuilder;
use crate::follow::Follow;
use crate::limits::{FOLLOW_JITTER, FOLLOWED_AT_ONCE};
use crate::protocol::Event;
use crate::store::feed::{self, Changed};

/// A registry that this node follows.
#[derive(Debug)]
pub(super) struct Feed {
    follow: Follow,
    /// When it is looked at next; none while it is.
    due: Option<Instant>,
    /// What is new and not queued yet.
    left: Option<Changed>,
}

impl Feed {
    pub(super) fn new(follow: &Follow) -> Self {
        // The first look comes at once: a node that was off has missed something.
        Self { follow: follow.clone(), due: Some(Instant::now()), left: None }
    }

    /// A time of its own for each node: an archive is not asked by all of them at once.
    fn wait(&self) -> Duration {
        let every = self.follow.every();
        let mut dice = [0; 1];
        // Without randomness all wait equally long.
        let _none = getrandom::fill(&mut dice);
        every + every.mul_f64(f64::from(dice[0]) / 255.0 * FOLLOW_JITTER)
    }
}

impl Node {
    /// Looks at what is due, and queues a part of what is new.
    pub(super) fn beat_feeds(&mut self) {
        for number in 0..self.feeds.len() {
            self.queue_some(number);
            let Some(roles) = &self.roles else { return };
            let Some(feed) = self.feeds.get_mut(number) else { return };
            let is_due = feed.due.is_some_and(|due| due <= Instant::now());
            if is_due && feed.left.is_none() {
                let feed_number = u64::try_from(number).unwrap_or(u64::MAX);
                match roles.tell_builder(&ToBuilder::Look { feed: feed_number }) {
                    Ok(()) => feed.due = None,
                    Err(error) => tracing::warn!(%error, "a registry was not looked at"),
                }
            }
        }
    }

    /// The builder looked at a registry.
    pub(super) fn looked(&mut self, number: u64, found: Result<String, String>) {
        let data = self.config.data.clone();
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(feed) = self.feeds.get_mut(index) else { return };
        feed.due = Some(Instant::now() + feed.wait());
        let name = feed.follow.name();
        let changed = found.and_then(|said| {
            let changed = feed::compare(&data, &feed.follow.key());
            changed.map(|changed| (said, changed)).map_err(|error| error.to_string())
        });
        let said = match changed {
            Ok((said, changed)) => {
                let (new, gone) = (changed.new.len(), changed.superseded.len());
                feed.left = Some(changed);
                format!("{said}; {new} new, {gone} superseded")
            }
            Err(why) => format!("nothing was taken from it: {why}"),
        };
        self.report(&Report::Followed { feed: name, said });
    }

    /// A whole suite is queued by and by, so that the node answers meanwhile.
    fn queue_some(&mut self, number: usize) {
        let Some(feed) = self.feeds.get_mut(number) else { return };
        let Some(left) = &mut feed.left else { return };
        let new = left.new.drain(..FOLLOWED_AT_ONCE.min(left.new.len())).collect();
        let gone = left.superseded.drain(..FOLLOWED_AT_ONCE.min(left.superseded.len())).collect();
        let is_done = left.new.is_empty() && left.superseded.is_empty();
        let key = feed.follow.key();
        if is_done {
            feed.left = None;
        }
        self.feed(Event::Followed { new, superseded: gone });
        if is_done
            && self.halted.is_none()
            && let Err(error) = feed::settle(&self.config.data, &key)
        {
            tracing::warn!(%error, "what a registry has was not remembered; it is compared again");
        }
    }
}
