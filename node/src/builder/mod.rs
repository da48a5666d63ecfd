//! Steps 1 to 4 in a process of its own: the builder role, which has no key and asks the node for
//! every byte from the network.
//!
//! It checks the authority, derives the recipe, checks every blob's digest, runs the worker, and
//! hands what came out to the signer in sealed memory files. What the node told it is a hint. Each
//! job is a thread; one thread reads what the node says and hands it to the job that it is for.

pub mod messages;
mod fetch;
mod follow;
mod job;
mod seal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;

use reattest_attestation::Digest;
use reattest_rebuilder::retention::Keep;
use reattest_rebuilder::{Cancel, FetchProblem, Workshop};

use crate::config::{Config, Directories};
use crate::confine;
use crate::fault::Fault;
use crate::link::{Link, LinkError};
use crate::signals::cancel_on_stop;
use fetch::ThroughNode;
use job::Job;
use messages::{FromBuilder, ToBuilder, look_job};

/// Runs the role: the node's link is at standard input, the signer's at standard output.
pub fn run(config: &Config) -> Result<(), Fault> {
    let link = |error| Fault::new("the builder was not started by a node", error);
    let node = Link::at_stdin("node").map_err(link)?;
    let signer = Link::at_stdout("signer").map_err(link)?;
    let last_word = node.try_clone().map_err(link)?;
    if let Err(fault) = serve(config, node, signer) {
        last_word.send(&FromBuilder::Failed(fault.to_string()))?;
    }
    Ok(())
}

/// What all jobs share.
struct Builder {
    node: Link,
    /// One question at a time: its answer has no name.
    signer: Mutex<Link>,
    workshop: Workshop,
    keep: Keep,
    lies: bool,
    /// The sources that are built now, each by one file that it publishes.
    sources: Mutex<BTreeSet<String>>,
}

/// What the reader of the node's link knows of a job.
struct Running {
    cancel: Cancel,
    fetched: mpsc::Sender<Vec<Result<Digest, FetchProblem>>>,
    thread: Weak<()>,
}

/// Serves one node until it ends; jobs that still run end with it.
fn serve(config: &Config, node: Link, signer: Link) -> Result<(), Fault> {
    confine::builder()?;
    let cancel = Cancel::new();
    cancel_on_stop(cancel.clone())?;
    let builder = Builder {
        node,
        signer: Mutex::new(signer),
        workshop: workshop(config)?,
        keep: config.cache.keep(),
        lies: config.lies,
        sources: Mutex::default(),
    };
    thread::scope(|scope| {
        let mut running: BTreeMap<u64, Running> = BTreeMap::new();
        let ended = loop {
            match builder.node.receive() {
                Ok(ToBuilder::Rebuild { job, purl, memory }) => {
                    running.retain(|_, one| one.thread.strong_count() > 0);
                    let (fetched, answers) = mpsc::channel();
                    let (cancel, alive) = (cancel.child(), Arc::new(()));
                    let thread = Arc::downgrade(&alive);
                    running.insert(job, Running { cancel: cancel.clone(), fetched, thread });
                    let builder = &builder;
                    scope.spawn(move || {
                        let fetch = ThroughNode { job, node: &builder.node, answers };
                        Job { name: job, builder, cancel }.run(&purl, memory, fetch);
                        drop(alive);
                    });
                }
                Ok(ToBuilder::Look { feed }) => {
                    let job = look_job(feed);
                    let (fetched, answers) = mpsc::channel();
                    let (cancel, alive) = (cancel.child(), Arc::new(()));
                    let thread = Arc::downgrade(&alive);
                    running.insert(job, Running { cancel: cancel.clone(), fetched, thread });
                    let builder = &builder;
                    scope.spawn(move || {
                        let fetch = ThroughNode { job, node: &builder.node, answers };
                        builder.look(config, feed, fetch, &cancel);
                        drop(alive);
                    });
                }
                Ok(ToBuilder::Cancel { job }) => {
                    if let Some(job) = running.get(&job) {
                        job.cancel.cancel();
                    }
                }
                Ok(ToBuilder::Fetched { job, results }) => {
                    // An answer to a question that was given up goes nowhere.
                    let _ended = running.get(&job).map(|job| job.fetched.send(results));
                }
                Err(LinkError::Ended { .. }) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        // Those that wait for the node hear that nobody answers, and the others stop their sandbox.
        cancel.cancel();
        running.clear();
        ended
    })
}

impl Builder {
    fn look(&self, config: &Config, feed: u64, fetch: ThroughNode<'_>, cancel: &Cancel) {
        let follow = usize::try_from(feed).ok().and_then(|feed| config.follow.get(feed));
        let found = match follow {
            Some(follow) => follow::look(follow, &config.data, &self.workshop, fetch, cancel)
                .map_err(|fault| fault.to_string()),
            None => Err("the configuration has no such [[follow]]".to_owned()),
        };
        // A node that is gone asks nothing any more.
        let _gone = self.node.send(&FromBuilder::Looked { feed, found });
    }
}

/// Where this node rebuilds: the user's cache, and scratch space of its own.
pub fn workshop(config: &Config) -> Result<Workshop, Fault> {
    let mut workshop = Workshop::new(&Directories::of_user()?.cache);
    workshop.scratch = config.data.join("scratch");
    workshop.program = std::env::current_exe().ok();
    if let Some(keyring) = &config.archive.keyring {
        workshop.keyring.clone_from(keyring);
    }
    Ok(workshop)
}
