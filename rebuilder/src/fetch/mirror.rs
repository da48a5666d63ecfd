//! The archive over HTTP (step 2): a batch of files, four at a time.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use reattest_attestation::Digest;

use super::client::Client;
use super::progress::{Speed, Tick, Transferred};
use super::{Endpoints, Fetch, FetchProblem, Want};
use crate::cas::CasError;
use crate::clock::Stopwatch;
use crate::limits;
use crate::progress::Cancel;

/// Fetches from the first of several archive roots that has a file.
pub struct Mirror {
    client: Client,
    on_progress: Option<Box<dyn FnMut(Transferred) + Send>>,
}

impl Mirror {
    /// A mirror for these roots that fills the store below this cache directory.
    pub fn new(endpoints: &Endpoints, cache: &Path) -> Result<Self, CasError> {
        Ok(Self { client: Client::new(endpoints, cache)?, on_progress: None })
    }

    /// Ends downloads soon after the flag is raised.
    #[must_use]
    pub fn with_cancel(mut self, cancel: &Cancel) -> Self {
        self.client.cancel = cancel.clone();
        self
    }

    /// Calls back while bytes come.
    #[must_use]
    pub fn with_progress(mut self, on_progress: Box<dyn FnMut(Transferred) + Send>) -> Self {
        self.on_progress = Some(on_progress);
        self
    }

    /// Bytes that came over the network so far; an unchanged index counts as none.
    pub fn downloaded(&self) -> u64 {
        self.client.downloaded()
    }
}

impl Fetch for Mirror {
    fn fetch(&mut self, wants: &[Want]) -> Vec<Result<Digest, FetchProblem>> {
        let mut on_progress = self.on_progress.take();
        let answers: Vec<Slot> = wants.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let (ticks, ticked) = mpsc::channel();
        let this = &self.client;
        thread::scope(|scope| {
            for _ in 0..limits::PARALLEL_FETCHES.min(wants.len()) {
                let (ticks, next, done, answers) = (ticks.clone(), &next, &done, &answers);
                scope.spawn(move || {
                    while let Some((want, slot)) = pick(next, wants, answers) {
                        let answer = this.fetch_one(want, &ticks);
                        done.fetch_add(usize::from(answer.is_ok()), Ordering::SeqCst);
                        if let Ok(mut slot) = slot.lock() {
                            *slot = Some(answer);
                        }
                    }
                });
            }
            drop(ticks);
            report(&ticked, wants, &done, on_progress.as_deref_mut());
        });
        self.on_progress = on_progress;
        let unanswered =
            |want: &Want| Err(FetchProblem::Cancelled { location: want.location.clone() });
        let answer = |(slot, want): (Slot, &Want)| {
            slot.into_inner().ok().flatten().unwrap_or_else(|| unanswered(want))
        };
        answers.into_iter().zip(wants).map(answer).collect()
    }
}

type Slot = Mutex<Option<Result<Digest, FetchProblem>>>;

fn pick<'a>(
    next: &AtomicUsize,
    wants: &'a [Want],
    slots: &'a [Slot],
) -> Option<(&'a Want, &'a Slot)> {
    let index = next.fetch_add(1, Ordering::SeqCst);
    wants.get(index).zip(slots.get(index))
}

fn report(
    ticked: &mpsc::Receiver<Tick>,
    wants: &[Want],
    done: &AtomicUsize,
    mut on_progress: Option<&mut (dyn FnMut(Transferred) + Send + 'static)>,
) {
    let total_bytes = wants.iter().filter_map(|want| want.expected).map(|(_, size)| size).sum();
    let mut batch = Transferred { total: wants.len(), total_bytes, ..Transferred::default() };
    let (started, mut speed) = (Stopwatch::start(), Speed::default());
    for tick in ticked {
        batch.note(tick);
        batch.done = done.load(Ordering::SeqCst);
        batch.bytes_per_second = speed.at(started.elapsed(), batch.received);
        if let Some(call) = &mut on_progress {
            call(batch);
        }
    }
}
