//! Tars: what differs in times, order and owners is equal; nothing else is.

use super::gzips::gzip;
use super::*;
use flate2::GzBuilder;

/// One entry as a writer may write it, field by field.
#[derive(Clone)]
pub(in super::super) struct Entry {
    kind: u8,
    name: Vec<u8>,
    mode: u32,
    ids: (u32, u32),
    owners: (&'static str, &'static str),
    time: u64,
    link: Vec<u8>,
    content: Vec<u8>,
    dialect: &'static [u8; 8],
    /// Bytes written over the header before its checksum is made.
    patch: Vec<(usize, Vec<u8>)>,
    padding: u8,
    wrong_sum: bool,
}

pub(in super::super) fn entry(kind: u8, name: &str, content: &[u8]) -> Entry {
    Entry {
        kind,
        name: name.as_bytes().to_vec(),
        mode: if kind == b'5' { 0o755 } else { 0o644 },
        ids: (0, 0),
        owners: ("root", "root"),
        time: 1_700_000_000,
        link: Vec::new(),
        content: content.to_vec(),
        dialect: b"ustar\x0000",
        patch: Vec::new(),
        padding: 0,
        wrong_sum: false,
    }
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        let mut block = vec![0_u8; 512];
        let mut put = |place: usize, bytes: &[u8]| {
            block[place..place + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &self.name);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, format!("{:07o}\0", self.ids.0).as_bytes());
        put(116, format!("{:07o}\0", self.ids.1).as_bytes());
        put(124, format!("{:011o}\0", self.content.len()).as_bytes());
        put(136, format!("{:011o}\0", self.time).as_bytes());
        put(156, &[self.kind]);
        put(157, &self.link);
        put(257, self.dialect);
        put(265, self.owners.0.as_bytes());
        put(297, self.owners.1.as_bytes());
        self.patch.iter().for_each(|(place, bytes)| put(*place, bytes));
        put(148, b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let sum = sum + u32::from(self.wrong_sum);
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block.extend(&self.content);
        block.resize(block.len().next_multiple_of(512), self.padding);
        block
    }
}

pub(in super::super) fn owned(entry: Entry, ids: (u32, u32), name: &'static str) -> Entry {
    Entry { ids, owners: (name, "root"), ..entry }
}

pub(in super::super) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut out: Vec<u8> = entries.iter().flat_map(Entry::bytes).collect();
    out.resize(out.len() + 1024, 0);
    out
}

/// A pax header with these records.
fn pax(records: &[(&str, &str)]) -> Entry {
    let record = |(key, value): &(&str, &str)| {
        let rest = key.len() + value.len() + 3;
        let length = rest + (rest + 2).to_string().len();
        format!("{length} {key}={value}\n")
    };
    let content: String = records.iter().map(record).collect();
    entry(b'x', "PaxHeaders.17/x", content.as_bytes())
}

fn global(content: &[u8]) -> Entry {
    entry(b'g', "pax_global_header", content)
}

fn entries() -> Vec<Entry> {
    let mut link = entry(b'2', "p/link", b"");
    link.link = b"a".to_vec();
    let mut hard = entry(b'1', "p/hard", b"");
    hard.link = b"p/a".to_vec();
    vec![entry(b'5', "p/", b""), entry(b'0', "p/a", b"content"), link, hard]
}

type Change = fn(&mut Vec<Entry>);

fn check(table: &[(&str, Change, Expected)]) {
    let before = tar(&entries());
    for (claim, change, expected) in table {
        let mut changed = entries();
        change(&mut changed);
        expect("p.tar", &before, claim, &tar(&changed), *expected);
    }
}

#[test]
fn tars_that_differ_in_times_order_and_owners_are_equal() {
    check(&[
        ("times", |e| e[1].time = 1, Same),
        ("a time in base 256", |e| e[1].patch = vec![(136, vec![0x80; 12])], Same),
        ("order", |e| e.swap(0, 2), Same),
        ("numbers of owners", |e| e[1].ids = (1000, 1000), Same),
        ("names of owners", |e| e[1].owners = ("me", "us"), Same),
        (
            "owners and times in pax",
            |e| {
                let records = [("mtime", "1.5"), ("atime", "-1"), ("uid", "9"), ("uname", "ä")];
                e.insert(1, pax(&records));
            },
            Same,
        ),
    ]);
    let before = tar(&entries());
    expect("p.tar", &before, "more zeros", &[before.clone(), vec![0; 8192]].concat(), Same);
    let packed = |level| gzip(GzBuilder::new(), level, &before);
    expect("p.tar.gz", &packed(6), "another level", &packed(1), Same);
    expect(
        "p.tgz",
        &packed(6),
        "bytes behind",
        &[packed(6), vec![0; 512]].concat(),
        Refused("behind"),
    );
}

#[test]
fn what_an_entry_is_keeps_tars_apart() {
    check(&[
        ("content", |e| e[1].content = b"Content".to_vec(), Other),
        ("name", |e| e[1].name = b"p/b".to_vec(), Refused("hard link")),
        ("another name", |e| e[2].name = b"p/other".to_vec(), Other),
        ("exec bits", |e| e[0].mode = 0o700, Other),
        ("set-user-id", |e| (e[1].mode, e[3].mode) = (0o4755, 0o4755), Other),
        ("a link's target", |e| e[2].link = b"b".to_vec(), Other),
        ("a file for a link", |e| e[2] = entry(b'0', "p/link", b"a"), Other),
        ("a file for a hard link", |e| e[3] = entry(b'0', "p/hard", b"content"), Other),
        ("a symbolic for a hard link", |e| e[3].kind = b'2', Other),
        ("a spelling of the same path", |e| e[2].name = b"./p/link".to_vec(), Other),
        ("another dialect", |e| e[2].dialect = b"ustar  \0", Other),
        ("an old type", |e| e[1].kind = 0, Other),
        ("a global comment", |e| e.insert(0, global(b"21 comment=012345678\n")), Other),
        ("an entry less", |e| drop(e.pop()), Other),
        ("a path in pax", |e| e.insert(2, pax(&[("path", "p/evil")])), Other),
        ("the same path in pax", |e| e.insert(2, pax(&[("path", "p/link")])), Other),
        ("a link path in pax", |e| e.insert(2, pax(&[("linkpath", "evil")])), Other),
        ("a long name of GNU's", |e| e.insert(2, entry(b'L', "././@LongLink", b"p/evil\0")), Other),
        ("a long target of GNU's", |e| e.insert(2, entry(b'K', "././@LongLink", b"evil\0")), Other),
    ]);
}

#[test]
fn owners_of_set_id_files_matter() {
    let set_id = |ids, name| {
        let mut file = owned(entry(b'0', "su", b""), ids, name);
        file.mode = 0o4755;
        tar(&[file])
    };
    let before = set_id((0, 0), "root");
    expect("a.tar", &before, "a number", &set_id((1000, 0), "root"), Other);
    expect("a.tar", &before, "a name", &set_id((0, 0), "daemon"), Other);
}

#[test]
fn entries_that_say_two_things_are_refused() {
    check(&[
        ("one name twice", |e| e.push(entry(b'0', "p/a", b"other")), Refused("twice")),
        ("one name twice, by ./", |e| e.push(entry(b'0', "./p/a", b"other")), Refused("twice")),
        ("one name twice, by case", |e| e.push(entry(b'0', "P/A", b"other")), Refused("twice")),
        ("a file and a directory", |e| e.push(entry(b'5', "p/a/", b"")), Refused("twice")),
        ("a file below a link", |e| e.push(entry(b'0', "p/link/x", b"")), Refused("below")),
        ("a name that climbs", |e| e[1].name = b"p/../a".to_vec(), Refused("plain")),
        ("an absolute name", |e| e[1].name = b"/a".to_vec(), Refused("plain")),
        ("bytes behind a name", |e| e[1].name = b"p/a\0evil".to_vec(), Refused("behind the end")),
        ("a file with a slash", |e| e[1].name = b"p/a/".to_vec(), Refused("type")),
        ("a hard link before its file", |e| e.swap(1, 3), Refused("hard link")),
        ("a hard link out", |e| e[3].link = b"../a".to_vec(), Refused("plain")),
        ("a hard link of another mode", |e| e[3].mode = 0o755, Refused("hard link")),
        ("a hard link with content", |e| e[3].content = b"x".to_vec(), Refused("targets")),
        ("a link without target", |e| e[2].link.clear(), Refused("targets")),
        ("a file with a target", |e| e[1].link = b"x".to_vec(), Refused("targets")),
        ("a directory with content", |e| e[0].content = b"x".to_vec(), Refused("content in files")),
        ("a character device", |e| e.push(entry(b'3', "p/d", b"")), Refused("type '3'")),
        ("a block device", |e| e.push(entry(b'4', "p/d", b"")), Refused("type '4'")),
        ("a pipe", |e| e.push(entry(b'6', "p/d", b"")), Refused("type '6'")),
        ("a sparse file", |e| e.push(entry(b'S', "p/d", b"")), Refused("type 'S'")),
        ("a contiguous file", |e| e.push(entry(b'7', "p/d", b"")), Refused("type '7'")),
        ("a device number", |e| e[1].patch = vec![(329, b"0000001\0".to_vec())], Refused("device")),
        (
            "hidden bytes in a header",
            |e| e[1].patch = vec![(505, b"x".to_vec())],
            Refused("nothing reads"),
        ),
        ("a wrong checksum", |e| e[1].wrong_sum = true, Refused("checksum")),
        (
            "hidden bytes in a prefix",
            |e| e[1].patch = vec![(346, b"x".to_vec())],
            Refused("behind the end"),
        ),
        ("another magic", |e| e[1].dialect = b"custar00", Refused("dialect")),
        ("bytes in the padding", |e| e[1].padding = b'x', Refused("padding")),
    ]);
}

#[test]
fn extended_headers_have_one_reading() {
    check(&[
        ("a size in pax", |e| e.insert(1, pax(&[("size", "1")])), Refused("size")),
        ("a sparse map", |e| e.insert(1, pax(&[("GNU.sparse.major", "1")])), Refused("sparse")),
        (
            "an extended attribute",
            |e| e.insert(1, pax(&[("SCHILY.xattr.security.capability", "x")])),
            Refused("xattr"),
        ),
        ("a charset", |e| e.insert(1, pax(&[("hdrcharset", "BINARY")])), Refused("hdrcharset")),
        (
            "one key twice",
            |e| e.insert(1, pax(&[("path", "p/a"), ("path", "p/b")])),
            Refused("once"),
        ),
        ("an empty path", |e| e.insert(1, pax(&[("path", "")])), Refused("zero bytes")),
        ("a time that is none", |e| e.insert(1, pax(&[("mtime", "evil")])), Refused("mtime")),
        (
            "two pax headers",
            |e| (0..2).for_each(|_| e.insert(1, pax(&[("uid", "1")]))),
            Refused("of a kind"),
        ),
        (
            "pax and GNU's",
            |e| {
                e.insert(1, entry(b'L', "././@LongLink", b"p/b\0"));
                e.insert(1, pax(&[("path", "p/c")]));
            },
            Refused("of a kind"),
        ),
        ("a wrong length", |e| e.insert(1, entry(b'x', "x", b"9 uid=10\n\n")), Refused("lengths")),
        ("a padded length", |e| e.insert(1, entry(b'x', "x", b"008 a=b\n")), Refused("lengths")),
        (
            "a long name without end",
            |e| e.insert(1, entry(b'L', "x", b"p/b")),
            Refused("zero byte"),
        ),
        (
            "a long name with two ends",
            |e| e.insert(1, entry(b'L', "x", b"p/b\0c\0")),
            Refused("zero byte"),
        ),
        ("a header of nothing", |e| e.push(pax(&[("uid", "1")])), Refused("of nothing")),
        ("a global path", |e| e.insert(0, global(b"12 path=p/b\n")), Refused("global header")),
        ("a late global header", |e| e.insert(1, global(b"13 comment=x\n")), Refused("type 'g'")),
        (
            "an endless header",
            |e| e.insert(1, entry(b'x', "x", &vec![0; 65_537])),
            Refused("64 KiB"),
        ),
    ]);
}

#[test]
fn sizes_are_octal_and_content_is_there() {
    let size = |field: &[u8]| {
        let mut file = entry(b'0', "a", b"12345678");
        file.patch = vec![(124, field.to_vec())];
        tar(&[file])
    };
    let before = size(b"00000000010\0");
    let table: [(&str, &[u8], Expected); 8] = [
        ("blanks", b"         10 ", Same),
        ("negative", b"-0000000010\0", Refused("octal")),
        ("base 256", &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8], Refused("octal")),
        ("negative in base 256", &[0xff; 12], Refused("octal")),
        ("a digit that is none", b"00000000018\0", Refused("octal")),
        ("bytes behind", b"10\0\0\0\0\0\0\0\0\0x", Refused("octal")),
        ("nothing", &[0; 12], Refused("octal")),
        ("huge", b"777777777777", Refused("ends early")),
    ];
    for (claim, field, expected) in table {
        expect("a.tar", &before, claim, &size(field), expected);
    }
}

#[test]
fn the_end_is_zeros_and_nothing_else() {
    let before = tar(&entries());
    let length = before.len();
    let mut hidden = [before.clone(), vec![0; 1024]].concat();
    hidden[length + 1000] = b'x';
    let second = [before.clone(), before.clone()].concat();
    let table = [
        ("an archive behind the end", second, Refused("after the end")),
        ("a byte behind the end", hidden, Refused("after the end")),
        ("half an end mark", before[..length - 512].to_vec(), Refused("unpacked")),
        ("no end mark", before[..length - 1024].to_vec(), Refused("unpacked")),
        ("a cut content", before[..1100].to_vec(), Refused("unpacked")),
    ];
    for (claim, changed, expected) in table {
        expect("p.tar", &before, claim, &changed, expected);
    }
}

#[test]
fn archives_of_another_writer_are_read() {
    let build = |time: u64, long: &str| {
        let mut builder = ::tar::Builder::new(Vec::new());
        for name in ["p/a", long] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o644);
            header.set_mtime(time);
            builder.append_data(&mut header, name, &b"x"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let long = |end: &str| format!("p/{}{end}", "directory/".repeat(12));
    let before = build(1, &long("b"));
    expect("p.tar", &before, "times", &build(2, &long("b")), Same);
    expect("p.tar", &before, "the end of a long name", &build(1, &long("c")), Other);
}
