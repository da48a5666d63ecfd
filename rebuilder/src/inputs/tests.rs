//! Archives of inputs (step 2): one spelling, and nothing of a hostile one stands for a recipe.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::recipe::{FORMAT, Input, SourceInput};

/// A recipe with two inputs, which are in the store.
fn netbase(cas: &Cas) -> Pinned {
    let (source, package) = (cas.put(b"the source").unwrap(), cas.put(b"a package").unwrap());
    let input = Input {
        name: "a".to_owned(),
        architecture: "all".to_owned(),
        version: "1".to_owned(),
        sha256: package,
        size: 9,
        location: "debian:pool/a.deb".to_owned(),
    };
    let lock = Lock::new("trixie", "amd64", vec![input]).document().unwrap();
    let file = SourceInput {
        name: "a.dsc".to_owned(),
        sha256: source,
        size: 10,
        location: "debian:pool/a.dsc".to_owned(),
    };
    let recipe = Recipe {
        format: FORMAT,
        source: "pkg:deb/debian/a@1?arch=source&distro=trixie".parse().unwrap(),
        files: vec![file],
        wheels: Vec::new(),
        lock: lock.digest(),
        place: "/build".to_owned(),
        steps: Vec::new(),
        environment: BTreeMap::new(),
        hostname: "rebuild".to_owned(),
        user: 1000,
        outputs: Vec::new(),
        learned: BTreeMap::new(),
    };
    let recipe = recipe.document().unwrap();
    Pinned::of(recipe.bytes().to_vec(), lock.bytes().to_vec()).unwrap()
}

fn fresh() -> (tempfile::TempDir, Cas) {
    let cache = tempfile::tempdir().unwrap();
    let cas = Cas::below(cache.path()).unwrap();
    (cache, cas)
}

fn exported() -> (Pinned, Vec<u8>) {
    let (_cache, cas) = fresh();
    let pinned = netbase(&cas);
    let mut bytes = Vec::new();
    export(&cas, &pinned, &mut bytes).unwrap();
    (pinned, bytes)
}

type Member = (String, EntryType, Vec<u8>);

fn members(archive: &[u8]) -> Vec<Member> {
    let mut archive = Archive::new(archive);
    let read = |entry: io::Result<Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (shown_bytes(&entry.path_bytes()), entry.header().entry_type(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

fn shown_bytes(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn packed(members: &[Member]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, kind, bytes) in members {
        let mut header = Header::new_ustar();
        header.as_old_mut().name.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn an_archive_has_one_spelling_and_brings_every_input() {
    let (pinned, bytes) = exported();
    assert_eq!(exported().1, bytes);
    let (_cache, cas) = fresh();
    let carried = import(&cas, &mut bytes.as_slice(), Some(pinned.digest)).unwrap();
    assert_eq!(carried, Carried { recipe: pinned.digest, inputs: 2, bytes: 19 });
    let again = Pinned::in_store(&cas, &pinned.digest).unwrap();
    let mut second = Vec::new();
    export(&cas, &again, &mut second).unwrap();
    assert_eq!(second, bytes);
}

#[test]
fn an_archive_is_not_made_of_a_part() {
    let (_cache, cas) = fresh();
    let pinned = netbase(&cas);
    std::fs::remove_file(cas.path(&Digest::of(b"a package"))).unwrap();
    let error = export(&cas, &pinned, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, InputsError::Incomplete { missing: 1, total: 2, .. }), "{error}");
}

#[test]
fn a_hostile_archive_is_refused_and_its_recipe_is_not_there() {
    use EntryType::{Fifo, GNUSparse, Link, Regular, Symlink, XHeader};
    let (pinned, bytes) = exported();
    let good = members(&bytes);
    assert_eq!(packed(&good).len(), bytes.len());
    let changed = |change: &dyn Fn(&mut Vec<Member>)| {
        let mut members = good.clone();
        change(&mut members);
        packed(&members)
    };
    let kind =
        |at: usize, kind: EntryType| changed(&|members| members.get_mut(at).unwrap().1 = kind);
    let name = |at: usize, name: &str| {
        changed(&|members| members.get_mut(at).unwrap().0 = name.to_owned())
    };
    let table = [
        ("empty", Vec::new()),
        ("no recipe", changed(&|m| drop(m.remove(0)))),
        ("no lock", changed(&|m| drop(m.remove(1)))),
        ("a missing input", changed(&|m| drop(m.pop()))),
        ("an input twice", changed(&|m| m.push(m.last().unwrap().clone()))),
        ("another order", changed(&|m| m.swap(2, 3))),
        ("an extra member", changed(&|m| m.push(("extra".to_owned(), Regular, vec![1])))),
        ("other bytes", changed(&|m| m.get_mut(2).unwrap().2.reverse())),
        ("fewer bytes", changed(&|m| m.get_mut(2).unwrap().2.truncate(8))),
        ("a longer lock", changed(&|m| m.get_mut(1).unwrap().2.push(b' '))),
        ("a huge recipe", changed(&|m| m.get_mut(0).unwrap().2 = vec![b' '; DOCUMENT_BYTES + 1])),
        ("a link", kind(2, Symlink)),
        ("a hard link", kind(2, Link)),
        ("a fifo", kind(2, Fifo)),
        ("a sparse file", kind(2, GNUSparse)),
        ("an extended header", kind(0, XHeader)),
        ("a name that leaves", name(2, "../../etc/passwd")),
        ("an absolute name", name(2, "/etc/passwd")),
        ("cut off", bytes.get(..bytes.len() / 2).unwrap().to_vec()),
        ("more behind the end", [bytes.as_slice(), b"more"].concat()),
        ("endless padding", [bytes.as_slice(), vec![0; 30_000].as_slice()].concat()),
    ];
    for (what, archive) in table {
        let (_cache, cas) = fresh();
        let answer = import(&cas, &mut archive.as_slice(), None);
        assert!(answer.is_err(), "{what}");
        assert!(!cas.has(&pinned.digest), "{what}");
    }
    let (_cache, cas) = fresh();
    let other = import(&cas, &mut bytes.as_slice(), Some(Digest::of(b"other")));
    assert!(matches!(other, Err(InputsError::Refused(_))));
}

#[test]
fn a_recipe_and_another_lock_do_not_go_together() {
    let (_cache, cas) = fresh();
    let [recipe, _] = netbase(&cas).documents;
    let other = Lock::new("trixie", "amd64", Vec::new()).document().unwrap();
    assert!(matches!(Pinned::of(recipe, other.bytes().to_vec()), Err(InputsError::Document(_))));
}
