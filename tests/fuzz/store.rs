//! Of the node's store what is fuzzed: the queue's file, and how files are written to last.

#[path = "../../node/src/store/durable.rs"]
pub(crate) mod durable;
#[path = "../../node/src/store/queue.rs"]
pub(crate) mod queue;
