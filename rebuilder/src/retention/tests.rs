//! Collections on a real directory (step 2): units whole, users safe, leftovers gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;

use reattest_attestation::Digest;

use super::*;
use crate::cas::Cas;
use crate::scratch::Scratch;

const NOTHING: Keep = Keep { max_bytes: 0, max_age: Duration::MAX };
const AMPLE: Keep = Keep { max_bytes: u64::MAX, max_age: Duration::MAX };

fn date(path: &Path, hours_ago: u64) {
    let then = std::time::UNIX_EPOCH
        + Duration::from_secs(u64::try_from(crate::clock::now().as_unix()).unwrap())
        - Duration::from_secs(hours_ago * 3_600);
    File::open(path).unwrap().set_modified(then).unwrap();
}

/// A blob that was last used then.
fn blob(cache: &Path, bytes: &[u8], hours_ago: u64) -> PathBuf {
    let cas = Cas::below(cache).unwrap();
    let path = cas.path(&cas.put(bytes).unwrap());
    date(&path, hours_ago);
    path
}

fn environment(cache: &Path, name: &str, hours_ago: u64) -> PathBuf {
    let path = cache.join("environments").join(name);
    fs::create_dir_all(path.join("usr/bin")).unwrap();
    fs::write(path.join("usr/bin/cc"), vec![1; 9_000]).unwrap();
    fs::write(path.with_added_extension("lock"), "").unwrap();
    date(&path.with_added_extension("lock"), hours_ago);
    date(&path, hours_ago);
    path
}

fn names_of(collected: &Collected) -> Vec<&str> {
    collected.removed.iter().map(|removal| removal.name.as_str()).collect()
}

#[test]
fn a_dry_run_says_what_a_collection_then_does() {
    let cache = tempfile::tempdir().unwrap();
    let (old, new) = (blob(cache.path(), &[1; 9_000], 50), blob(cache.path(), &[2; 9_000], 1));
    let whole = environment(cache.path(), "env", 20);
    let keep = Keep { max_bytes: 30_000, max_age: Duration::from_hours(40) };
    let said = preview(cache.path(), &keep).unwrap();
    assert!(old.exists() && new.exists() && whole.exists());
    assert_eq!(collect(cache.path(), &keep).unwrap(), said);
    assert_eq!(said.removed.first().unwrap().why, Why::TooOld);
    assert!(!old.exists() && new.exists());
    assert_eq!(preview(cache.path(), &keep).unwrap().before, said.after);
}

#[test]
fn an_environment_goes_whole_and_what_was_used_last_stays() {
    let cache = tempfile::tempdir().unwrap();
    let (one, two) = (environment(cache.path(), "one", 50), environment(cache.path(), "two", 60));
    assert!(used(&two));
    let size = preview(cache.path(), &AMPLE).unwrap().before;
    let keep = Keep { max_bytes: size - 1, ..AMPLE };
    assert_eq!(names_of(&collect(cache.path(), &keep).unwrap()), ["environments/one"]);
    assert!(!one.exists() && two.join("usr/bin/cc").exists());
    assert_eq!(names_of(&collect(cache.path(), &NOTHING).unwrap()), ["environments/two"]);
    assert!(!used(&two));
}

#[test]
fn what_a_running_process_used_stays_whatever_the_limits_say() {
    let cache = tempfile::tempdir().unwrap();
    let (idle, relied) = (blob(cache.path(), b"idle", 50), blob(cache.path(), b"relied", 50));
    let running = Cas::below(cache.path()).unwrap();
    assert!(running.has(&Digest::of(b"relied")));
    let fresh = running.put(b"fresh").unwrap();
    let collected = collect(cache.path(), &NOTHING).unwrap();
    assert_eq!((collected.removed.len(), collected.in_use), (1, 2));
    assert!(!idle.exists() && relied.exists() && running.has(&fresh));
    drop(running);
    assert_eq!(collect(cache.path(), &NOTHING).unwrap().removed.len(), 2);
}

#[test]
fn leftovers_go_and_what_is_being_made_stays() {
    let cache = tempfile::tempdir().unwrap();
    let path = |name: &str| cache.path().join(name);
    Cas::below(cache.path()).unwrap();
    fs::write(path("blobs/sha256/.tmpAbC"), "half").unwrap();
    fs::create_dir_all(path("layers/made.tmp/usr")).unwrap();
    fs::create_dir_all(path("layers/left.tmp/usr")).unwrap();
    fs::create_dir_all(path("scratch/run-left")).unwrap();
    fs::write(path("scratch/run-left/.in-use"), "").unwrap();
    let maker = File::create(path("layers/made.lock")).unwrap();
    flock(&maker, FlockOperation::NonBlockingLockExclusive).unwrap();
    let build = Scratch::fresh(&path("scratch")).unwrap();
    let collected = collect(cache.path(), &AMPLE).unwrap();
    assert!(collected.removed.iter().all(|removal| removal.why == Why::Leftover));
    assert!(!path("blobs/sha256/.tmpAbC").exists() && !path("layers/left.tmp").exists());
    assert!(!path("scratch/run-left").exists());
    assert!(path("layers/made.tmp").exists() && build.path().exists());
    drop(maker);
    assert_eq!(names_of(&collect(cache.path(), &AMPLE).unwrap()), ["layers/made.tmp"]);
}

#[test]
fn a_layer_goes_with_its_lock_free_and_memories_are_units_of_their_own() {
    let cache = tempfile::tempdir().unwrap();
    let path = |name: &str| cache.path().join("layers").join(name);
    let layer = Digest::of(b"layer").to_string();
    for directory in [layer.as_str(), "pins", "making/left.tmp"] {
        fs::create_dir_all(path(directory)).unwrap();
    }
    fs::write(path(&layer).join("file"), vec![1; 9_000]).unwrap();
    fs::write(path("pins/one"), "memory").unwrap();
    fs::write(path(&format!("{layer}.lock")), "").unwrap();
    let user = File::open(path(&format!("{layer}.lock"))).unwrap();
    flock(&user, FlockOperation::NonBlockingLockShared).unwrap();
    let first = collect(cache.path(), &NOTHING).unwrap();
    assert_eq!((first.removed.len(), first.in_use), (2, 1));
    assert!(path(&layer).exists() && path("pins").exists() && !path("pins/one").exists());
    drop(user);
    // A child that another test is just starting holds a copy of the lock until it runs its program.
    let removed = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(10));
        collect(cache.path(), &NOTHING).unwrap().removed.len() == 1
    });
    assert!(removed && !path(&layer).exists());
}

#[test]
fn a_link_and_a_nodes_data_are_never_touched() {
    let (cache, host) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(host.path().join("file"), "host").unwrap();
    std::os::unix::fs::symlink(host.path(), cache.path().join("environments")).unwrap();
    fs::create_dir_all(cache.path().join("layers")).unwrap();
    std::os::unix::fs::symlink(host.path(), cache.path().join("layers/link")).unwrap();
    for data in ["node/logs", "nodes/one/signer"] {
        fs::create_dir_all(cache.path().join(data)).unwrap();
        fs::write(cache.path().join(data).join("entry"), "log").unwrap();
    }
    assert_eq!(collect(cache.path(), &NOTHING).unwrap().removed, []);
    assert!(host.path().join("file").exists());
    assert!(cache.path().join("nodes/one/signer/entry").exists());
}

#[test]
fn two_collections_at_once_remove_everything_once() {
    let cache = tempfile::tempdir().unwrap();
    for number in 0..200_u32 {
        blob(cache.path(), &number.to_be_bytes(), 50);
    }
    let removed: usize = thread::scope(|scope| {
        let running: Vec<_> =
            (0..4).map(|_| scope.spawn(|| collect(cache.path(), &NOTHING).unwrap())).collect();
        running.into_iter().map(|r| r.join().unwrap().removed.len()).sum()
    });
    assert_eq!(removed, 200);
    assert_eq!(preview(cache.path(), &NOTHING).unwrap().units, 0);
}

#[test]
fn a_blob_that_was_said_to_be_there_can_be_opened_while_collections_run() {
    let cache = tempfile::tempdir().unwrap();
    let digests: Vec<Digest> =
        (0..64_u32).map(|number| Digest::of(&number.to_be_bytes())).collect();
    thread::scope(|scope| {
        let collecting = scope.spawn(|| {
            for _ in 0..40 {
                collect(cache.path(), &NOTHING).unwrap();
            }
        });
        while !collecting.is_finished() {
            for number in 0..64_u32 {
                blob(cache.path(), &number.to_be_bytes(), 50);
            }
            let cas = Cas::below(cache.path()).unwrap();
            for digest in &digests {
                assert!(!cas.has(digest) || cas.open(digest).is_ok());
            }
        }
    });
}

#[test]
fn a_node_cleans_after_a_build_only_when_it_must() {
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(after_build(&cache.path().join("none"), &NOTHING).unwrap(), None);
    blob(cache.path(), b"one", 50);
    assert_eq!(after_build(cache.path(), &AMPLE).unwrap(), None);
    assert_eq!(after_build(cache.path(), &NOTHING).unwrap().unwrap().removed.len(), 1);
}

#[test]
fn outputs_that_differed_are_found_by_their_recipe_and_go_after_older_inputs() {
    let cache = tempfile::tempdir().unwrap();
    let cas = Cas::below(cache.path()).unwrap();
    let output = cache.path().join("output.deb");
    fs::write(&output, "differs").unwrap();
    let recipe = Digest::of(b"recipe");
    let files = [("again-output.deb".to_owned(), output)];
    let kept = kept::keep_outputs(&cas, cache.path(), recipe, &files).unwrap();
    assert_eq!(kept::kept_outputs(cache.path(), &recipe), Some(kept));
    assert_eq!(kept::kept_outputs(cache.path(), &Digest::of(b"other")), None);
    date(&cas.path(&Digest::of(b"differs")), 60);
    date(&cache.path().join(format!("kept/{recipe}.json")), 1);
    drop(cas);
    let input = blob(cache.path(), b"input", 50);
    let size = preview(cache.path(), &AMPLE).unwrap().before;
    let removed = collect(cache.path(), &Keep { max_bytes: size - 1, ..AMPLE }).unwrap();
    assert_eq!(removed.removed.len(), 1);
    assert!(!input.exists());
}
