//! `reattest node --reindex`: every entry is checked, hashes are mended, and what cannot be mended is named.

use std::fs;

use reattest::store::Store;
use reattest_tests::network::Member;
use reattest_tests::{directory, document, said};

use super::logs::{origin, publish, statement};

#[test]
fn reindex_checks_every_entry_mends_hashes_and_names_the_first_bad_entry() {
    let home = directory();
    let member = Member::init(home.path(), "ash");
    let data = home.path().join("data");
    member.configure(&[("data", format!("{data:?}"))]);
    let mut store = Store::open(&data).unwrap();
    let log = store.log_mut(&origin()).unwrap();
    log.extend(0, &(0..700).map(statement).collect::<Vec<_>>()).unwrap();
    publish(log);
    drop(store);
    let reindex = || member.command(&["node", "--reindex", "--json"]).output().unwrap();
    let tiles = data.join("logs").join(origin().to_string()).join("tile");

    let output = reindex();
    assert!(output.status.success(), "{}", said(&output));
    let counts = |mended: u64| serde_json::json!({"logs": 1, "entries": 700, "mended": mended});
    assert_eq!(document(&output), counts(0));
    assert!(data.join("index/manifest").exists());

    fs::write(tiles.join("0/000"), "short").unwrap();
    assert_eq!(document(&reindex()), counts(1));
    assert_eq!(document(&reindex()), counts(0), "it was mended");

    let path = tiles.join("entries/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[2000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = reindex();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("tile/entries/001 is damaged: entry 25"), "{said}");
    assert!(said.contains("is not what its hash says"), "{said}");

    let _held = reattest::shell::lock(&data).unwrap();
    let output = reindex();
    assert_eq!(output.status.code(), Some(1));
    assert!(reattest_tests::said(&output).contains("another node uses"));
}
