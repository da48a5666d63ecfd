//! `make bench`: how fast it is, as ratios against others on the same work, each pair measured side by side in one run.
//!
//! ```text
//! make bench                      one table
//! make bench BENCH=--json         the same as one JSON document
//! make bench BENCH=store          the rows about a store and catching up with one alone
//! make bench BENCH=latency        the rows about the time from a head to a verdict alone
//! make bench BENCH=gossip         the rows about the model of gossip beside real nodes alone
//! make bench BENCH=events         the row about events of the state machine alone
//! ```
//!
//! Nothing here fails for being slow: a goal that does not hold is shown as such. `REATTEST_PROGRAM`
//! names another program than the release build; what is not installed is left out, and said.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench stops at the first surprise, reads the clock and prints a table"
)]

mod author;
mod environments;
mod events;
mod gossip;
mod latency;
mod nodes;
mod rebuilds;
mod replication;
mod store;
mod files;
mod inside;
mod metablock;
mod pairs;
mod programs;
mod table;
mod votes;

#[allow(
    dead_code,
    unused_imports,
    reason = "the worlds of the tests, of which a bench needs a few"
)]
#[path = "../../worlds.rs"]
mod worlds;

/// Rows that can be had alone.
type Rows = fn(&mut table::Table);

fn main() {
    if store::opened() {
        return;
    }
    // `cargo test --all-targets` starts benches without this: then there is nothing to show.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut table = table::Table::default();
    let only = |name: &str| std::env::args().any(|argument| argument == name);
    let alone: [(&str, Rows); 4] = [
        ("store", store::rows),
        ("latency", latency::rows),
        ("gossip", gossip::rows),
        ("events", events::rows),
    ];
    if let Some((_, rows)) = alone.iter().find(|(name, _)| only(name)) {
        rows(&mut table);
        return table.lines().iter().for_each(|line| println!("{line}"));
    }
    inside::rows(&mut table);
    events::rows(&mut table);
    files::rows(&mut table);
    environments::rows(&mut table);
    rebuilds::rows(&mut table);
    store::rows(&mut table);
    latency::rows(&mut table);
    gossip::rows(&mut table);
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", table.json());
    } else {
        table.lines().iter().for_each(|line| println!("{line}"));
    }
}
