//! Hostile bytes: every accepted vector cut, flipped, stuffed, doubled and shuffled, through every decoder of the attestation crate.
//!
//! What a mutation does follows from its position alone, so a failure names all there is to know.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures how long a refusal takes"
)]

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use reattest_attestation::log::{Origin, SignedCheckpoint, tiles};
use reattest_attestation::{
    Bundle, Certificate, Completeness, Digest, Envelope, Evidence, LoggedAt, NetworkId, Policy,
    PublicKey, Purl, SecretKey, Sign as _, Timestamp, Verdict, canonical, limits,
};

use crate::worlds::{NOW, P, at, network, operator, rebuilder, world};

/// Positions of one document that are flipped, stuffed or cut out: enough to meet every field.
const PLACES: usize = 96;

/// Documents below this are cut at every length, longer ones at [`PLACES`] lengths.
const SHORT: usize = 1_024;

/// What is stuffed in, by position: syntax of every format, control characters, broken UTF-8.
const STUFFING: [&[u8]; 12] = [
    b"\0",
    b"\"",
    b"\n",
    b"\x1b[2J",
    b"{",
    b"[",
    b"\xff",
    b"\xe2\x80",
    b"9",
    b" ",
    b"\\u0000",
    b"=",
];

/// The longest refusal that is still one a person reads.
const MESSAGE_MAX: usize = 1_000;

/// One original: its name and its bytes.
type Original = (String, Vec<u8>);

/// The accepted vectors, a file of entries, and each short text that has a decoder of its own.
fn originals() -> Vec<Original> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/accepted");
    let mut originals: Vec<Original> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    // A head is authentic whatever became of a witness's line below it; see log_attacks.
    originals.retain(|(name, _)| !name.contains("cosigned"));
    let mut entries = Vec::new();
    for envelope in world("a1+F b1-F c1!F").envelopes {
        tiles::encode_entry(envelope.as_bytes(), &mut entries).unwrap();
    }
    originals.push(("entries".to_owned(), entries));
    let key = rebuilder('a', '1').public_key();
    for (name, text) in [
        ("a purl", P.to_owned()),
        ("a purl with a file name", "pkg:pypi/x@1%2B2?file_name=x-1%2B2.tar.gz#a/b".to_owned()),
        ("an origin", Origin::new(&network(), &key, 2026).to_string()),
        ("a digest", Digest::of(b"F").to_string()),
        ("a time", at(NOW).to_string()),
        ("a network id", network().to_string()),
    ] {
        originals.push((name.to_owned(), text.into_bytes()));
    }
    originals.sort();
    originals
}

fn kind(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, kind)| kind)
}

/// Up to [`PLACES`] positions, evenly over the document.
fn places(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let length = bytes.len();
    (0..length).step_by(length.div_ceil(PLACES).max(1))
}

/// Every mutation of one document, each with the words that tell how it was made.
fn mutations(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut made = Vec::new();
    let step = if bytes.len() < SHORT { 1 } else { bytes.len().div_ceil(PLACES) };
    for length in (0..bytes.len()).step_by(step) {
        made.push((format!("cut to {length}"), bytes[..length].to_vec()));
    }
    for place in places(bytes) {
        // All bits of short texts: bit 5 is the case of a letter.
        for bit in (0..8).filter(|bit| bytes.len() <= PLACES || place % 8 == *bit) {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1 << bit;
            made.push((format!("bit {bit} of byte {place} flipped"), flipped));
        }
        let stuffing = STUFFING[place % STUFFING.len()];
        let stuffed = [&bytes[..place], stuffing, &bytes[place..]].concat();
        made.push((format!("{stuffing:?} stuffed in at {place}"), stuffed));
        let without = [&bytes[..place], &bytes[place + 1..]].concat();
        made.push((format!("byte {place} cut out"), without));
    }
    made.extend(of_lines(bytes));
    for (how, before, after) in [
        ("doubled", bytes, b"".as_slice()),
        ("a byte order mark before", b"\xef\xbb\xbf", b""),
        ("a space before", b" ", b""),
        ("a newline after", b"", b"\n"),
        ("a zero after", b"", b"\0"),
    ] {
        made.push((how.to_owned(), [before, bytes, after].concat()));
    }
    made.retain(|(_, mutated)| mutated != bytes);
    made
}

/// Lines twice, gone, and changed with the next.
fn of_lines(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut made = Vec::new();
    for at in 0..lines.len() {
        let (before, line, after) = (&lines[..at], &lines[at..=at], &lines[at + 1..]);
        made.push((format!("line {at} twice"), [before, line, line, after].concat().concat()));
        made.push((format!("line {at} gone"), [before, after].concat().concat()));
        if let Some((next, after)) = after.split_first() {
            let swapped = [before, &[next], line, after].concat().concat();
            made.push((format!("lines {at} and {} swapped", at + 1), swapped));
        }
    }
    made
}

/// Refusals are clear: one line, no longer than a reader bears.
fn told<T, E: Display>(how: &str, result: Result<T, E>) -> Option<T> {
    let error = match result {
        Ok(read) => return Some(read),
        Err(error) => error.to_string(),
    };
    assert!(!error.is_empty() && error.len() <= MESSAGE_MAX, "{how}: {} bytes", error.len());
    assert!(!error.chars().any(char::is_control), "{how}: {error:?}");
    None
}

/// What is read as this text is written as a text that reads back as the same.
fn reads_back<T>(how: &str, text: &str) -> Option<T>
where
    T: FromStr + Display + PartialEq,
    T::Err: Display,
{
    let read: T = told(how, text.parse::<T>())?;
    assert!(read.to_string().parse::<T>().is_ok_and(|again| again == read), "{how}: {text:?}");
    Some(read)
}

/// The same for texts that have one spelling.
fn one_spelling<T>(how: &str, text: &str)
where
    T: FromStr + Display + PartialEq,
    T::Err: Display,
{
    if let Some(read) = reads_back::<T>(how, text) {
        assert_eq!(read.to_string(), text, "{how}");
    }
}

/// Every decoder whose input nobody signed. A key file cannot be made another key's.
fn unsigned(how: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(entries) = told(how, tiles::decode_entries(bytes)) {
        let mut again = Vec::new();
        for entry in entries {
            tiles::encode_entry(entry, &mut again).unwrap();
        }
        assert!(again == bytes, "{how}: entries with two spellings");
    }
    if let Some(value) = told(how, canonical::value_from_bytes(bytes, "a test", usize::MAX)) {
        assert!(canonical::to_bytes(&value).unwrap() == bytes, "{how}: JSON with two spellings");
    }
    if let Some(secret) = told(how, SecretKey::from_openssh(&text)) {
        let key = rebuilder('a', '1').public_key();
        assert_eq!(secret.public_key(), key, "{how}: another key's file");
    }
    told(how, Policy::parse(&text));
    drop(serde_json::from_slice::<Verdict>(bytes));
    reads_back::<Purl>(how, &text);
    reads_back::<PublicKey>(how, &text);
    one_spelling::<Origin>(how, &text);
    one_spelling::<Digest>(how, &text);
    one_spelling::<Timestamp>(how, &text);
    one_spelling::<NetworkId>(how, &text);
}

/// Whether anyone's signature is accepted on these bytes, read as an envelope or as a head.
fn authentic(how: &str, bytes: &[u8]) -> bool {
    let keys = ['a', 'b', 'c'].map(|letter| rebuilder(letter, '1').public_key());
    let mut accepted = false;
    if let Some(envelope) = told(how, Envelope::parse(bytes)) {
        assert!(envelope.as_bytes() == bytes, "{how}: an envelope with two spellings");
        accepted |= told(how, Certificate::verify(&envelope)).is_some();
        for key in keys.into_iter().chain([operator('a').public_key()]) {
            if let Some(authentic) = told(how, envelope.verify(&key)) {
                accepted = true;
                told(how, authentic.claim());
            }
        }
    }
    if let Some(head) = told(how, SignedCheckpoint::parse(bytes)) {
        assert!(head.as_bytes() == bytes, "{how}: a head with two spellings");
        accepted |= keys.iter().any(|key| told(how, head.verify(key)).is_some());
    }
    accepted
}

/// Whatever a bundle is made into, it holds nothing that the whole one does not. True where it
/// still holds a statement.
fn bundle(how: &str, bytes: &[u8], whole: &Evidence) -> bool {
    let Some(bundle) = told(how, Bundle::parse(bytes)) else {
        return false;
    };
    let evidence = Evidence::verify(&bundle, &network(), Completeness::Complete);
    let logged = evidence.rebuilds();
    assert!(logged.iter().all(|one| whole.rebuilds().contains(one)), "{how}: a statement not made");
    let mut certified = evidence.certificates().iter();
    assert!(certified.all(|one| whole.certificates().contains(one)), "{how}: a key not certified");
    assert!(evidence.forked().is_empty(), "{how}: a fork that nobody signed");
    !logged.is_empty()
}

fn whole(originals: &[Original]) -> Evidence {
    let (_, bytes) = originals.iter().find(|(name, _)| kind(name) == "jsonl").unwrap();
    let bundle = Bundle::parse(bytes).unwrap();
    let evidence = Evidence::verify(&bundle, &network(), Completeness::Complete);
    assert_eq!((evidence.rebuilds().len(), evidence.certificates().len()), (3, 3));
    evidence
}

#[test]
fn no_mutation_of_a_vector_panics_or_passes_for_signed() {
    let originals = originals();
    let whole = whole(&originals);
    let (mut tried, mut damaged) = (0, 0);
    for (name, bytes) in &originals {
        let signed = name != "verdict.json" && ["json", "txt"].contains(&kind(name));
        assert_eq!(authentic(name, bytes), signed, "{name}");
        for (how, mutated) in mutations(bytes) {
            let how = format!("{name}, {how}");
            unsigned(&how, &mutated);
            assert!(!authentic(&how, &mutated), "{how}: accepted as authentic");
            damaged += usize::from(bundle(&how, &mutated, &whole));
            tried += 1;
        }
    }
    // Most damage to a bundle leaves some of its statements: those were compared.
    assert!(originals.len() >= 23 && tried >= 10_000 && damaged >= 200, "{tried}, {damaged}");
}

/// A mutation is refused for its signature, not only because it cannot be read: every byte of the
/// payload and of the signature is changed behind the base64.
#[test]
fn no_byte_behind_the_base64_can_be_changed() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let envelope = &world("a1+F").envelopes[0];
    let key = rebuilder('a', '1').public_key();
    assert!(envelope.verify(&key).is_ok());
    let mut tried = 0;
    for field in ["/payload", "/signatures/0/sig"] {
        let mut wire: serde_json::Value = serde_json::from_slice(envelope.as_bytes()).unwrap();
        let raw = BASE64_STANDARD.decode(wire.pointer(field).unwrap().as_str().unwrap()).unwrap();
        for place in 0..raw.len() {
            let mut changed = raw.clone();
            changed[place] ^= 1 << (place % 8);
            *wire.pointer_mut(field).unwrap() = BASE64_STANDARD.encode(&changed).into();
            let mutated = Envelope::parse(&canonical::to_bytes(&wire).unwrap()).unwrap();
            assert!(mutated.verify(&key).is_err(), "{field}, byte {place} flipped");
            tried += 1;
        }
    }
    assert!(tried >= 2_000, "{tried}");
}

/// Three entries in one log, each proof changed in every byte of every hash, in index and in size.
#[test]
fn no_changed_proof_places_a_statement() {
    let whole = world("a1+F a1-F a1+G");
    let logged = |bundle: &Bundle| {
        Evidence::verify(bundle, &network(), Completeness::Complete).rebuilds().len()
    };
    assert_eq!(logged(&whole), 3);
    let mut tried = 0;
    for at in 0..3 {
        let mut refused = |how: &str, change: &dyn Fn(&mut LoggedAt)| {
            let mut bundle = whole.clone();
            change(&mut bundle.proofs[at]);
            assert_eq!(logged(&bundle), 2, "proof {at}, {how}");
            tried += 1;
        };
        refused("index", &|proof| proof.proof.index = (proof.proof.index + 1) % 3);
        refused("size", &|proof| proof.size += 1);
        refused("no hash", &|proof| proof.proof.hashes.clear());
        refused("a hash more", &|proof| proof.proof.hashes.push(Digest::of(b"")));
        for (hash, place) in (0..whole.proofs[at].proof.hashes.len() * 32).map(|i| (i / 32, i % 32))
        {
            refused(&format!("hash {hash}, byte {place}"), &|proof| {
                let mut raw = *proof.proof.hashes[hash].as_bytes();
                raw[place] ^= 1 << (place % 8);
                proof.proof.hashes[hash] = Digest::from_bytes(raw);
            });
        }
    }
    assert_eq!(tried, 3 * 4 + (2 + 2 + 1) * 32);
}

/// Bytes that are made to cost: each refused by every decoder, in one line, within a moment.
#[test]
fn bombs_are_refused_quickly() {
    let many = 100_000;
    let nested = |open: &str, close: &str| [open.repeat(many), close.repeat(many)].concat();
    let in_a_line = |inside: &str| {
        format!(
            "{{\"document\":{inside},\"for\":\"sha256:{}\",\"reattest\":\"lock\"}}",
            "0".repeat(64)
        )
    };
    for (name, bomb) in [
        ("open brackets", "[".repeat(many).into_bytes()),
        ("nested arrays", nested("[", "]").into_bytes()),
        ("nested objects", nested("{\"a\":", "}").into_bytes()),
        ("nested arrays in a lock", in_a_line(&nested("[", "]")).into_bytes()),
        ("nested arrays in TOML", format!("a = {}", nested("[", "]")).into_bytes()),
        ("nested tables in TOML", format!("a = {}", "{a=".repeat(many)).into_bytes()),
        ("a dotted key in TOML", format!("a{} = 1", ".a".repeat(many)).into_bytes()),
        ("dotted tables in TOML", format!("[a{}]", ".a".repeat(many)).into_bytes()),
        ("a long purl", format!("pkg:deb/{}x@1", "a/".repeat(many)).into_bytes()),
        ("a long origin", format!("reattest{}", "/a".repeat(many)).into_bytes()),
        ("a long number", "9".repeat(many).into_bytes()),
        ("a long key", format!("ssh-ed25519 {}", "A".repeat(many)).into_bytes()),
        ("20 MB of a bundle", "{}\n".repeat(20_000_000 / 3).into_bytes()),
        ("20 MB of one line", in_a_line(&format!("\"{}\"", "x".repeat(20_000_000))).into_bytes()),
        ("a bundle of 10^5 lines", "{}\n".repeat(many).into_bytes()),
        ("not UTF-8", vec![0xff; 1_000]),
        ("not UTF-8 in a line", [b"{\"a\":\"".as_slice(), b"\xc3\x28", b"\"}\n"].concat()),
    ] {
        let begun = Instant::now();
        unsigned(name, &bomb);
        assert!(!authentic(name, &bomb), "{name}");
        let read = told(name, Bundle::parse(&bomb)).unwrap_or_default();
        let nothing = Bundle { ignored: read.ignored.clone(), ..Bundle::default() };
        assert!(read == nothing && read.ignored.len() < 2, "{name}: read as a bundle");
        assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
    }
}

/// The bounds are told in numbers, and one line or byte less is read.
#[test]
fn a_document_at_its_bounds_is_read_and_one_beyond_is_refused() {
    let policy = "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n#";
    let padded = |length: usize| [policy, &"x".repeat(length - policy.len())].concat();
    assert!(Policy::parse(&padded(limits::POLICY_MAX)).is_ok());
    let error = Policy::parse(&padded(limits::POLICY_MAX + 1)).unwrap_err().to_string();
    assert!(error.contains("1048577, needed at most 1048576"), "{error}");
    let lines = "{}\n".repeat(limits::BUNDLE_LINES_MAX);
    assert_eq!(Bundle::parse(lines.as_bytes()).unwrap().ignored.len(), limits::BUNDLE_LINES_MAX);
    let error = Bundle::parse(format!("{lines}{{}}").as_bytes()).unwrap_err().to_string();
    assert!(error.contains("4097 lines, needed at most 4096"), "{error}");
    let full = vec![b'\n'; limits::BUNDLE_MAX];
    assert_eq!(Bundle::parse(&full), Ok(Bundle::default()));
    let error = Bundle::parse(&[full, vec![b'\n']].concat()).unwrap_err().to_string();
    assert!(error.contains("16777217 bytes, needed at most 16777216"), "{error}");
}
