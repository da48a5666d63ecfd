//! Small pairs of files, made here: one for each cause and format, and hostile ones.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use rawzip::time::UtcDateTime;
use reattest_rebuilder::report::Cause;

use super::objects::{self, elf};

/// A published file, a produced one, and what their report must find.
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) published: Vec<u8>,
    pub(crate) produced: Vec<u8>,
    pub(crate) causes: Vec<Cause>,
}

pub(crate) fn pair(
    name: &'static str,
    file: &'static str,
    sides: (Vec<u8>, Vec<u8>),
    causes: &[Cause],
) -> Pair {
    let (published, produced) = sides;
    Pair { name, file, published, produced, causes: causes.to_vec() }
}

fn texts(a: &str, b: &str) -> (Vec<u8>, Vec<u8>) {
    (a.as_bytes().to_vec(), b.as_bytes().to_vec())
}

/// One member of a tar archive.
struct Entry<'a> {
    name: &'a [u8],
    content: &'a [u8],
    mode: u32,
    user: &'a str,
    time: u64,
}

const PLAIN: Entry<'static> =
    Entry { name: b"./file", content: b"same\n", mode: 0o644, user: "root", time: 1_714_557_600 };

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let name = header.as_old_mut().name.iter_mut();
        name.zip(entry.name).for_each(|(to, from)| *to = *from);
        header.set_mode(entry.mode);
        header.set_uid(if entry.user == "root" { 0 } else { 1000 });
        header.set_gid(0);
        header.set_username(entry.user).unwrap();
        header.set_mtime(entry.time);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        builder.append(&header, entry.content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8], level: Compression, time: u32) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(time).operating_system(3).write(Vec::new(), level);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn xz(content: &[u8]) -> Vec<u8> {
    liblzma::encode_all(content, 6).unwrap()
}

fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), content.len() as u64);
        header.set_mode(0o100_644);
        builder.append(&header, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip(members: &[(&str, &str)], time: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in members {
        let time = UtcDateTime::from_unix(time);
        let entry = archive.new_file(name).last_modified(time).unix_permissions(0o644);
        let (mut entry, config) =
            entry.compression_method(rawzip::CompressionMethod::STORE).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content.as_bytes()).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

fn package(compiler: &str, code: &[u8], sum: &str) -> Vec<u8> {
    let comment = format!("GCC: (Debian {compiler}) 14.2.0\0");
    let id = [b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0".as_slice(), sum.as_bytes()].concat();
    let program =
        elf(&[(".note.gnu.build-id", &id), (".text", code), (".comment", comment.as_bytes())]);
    let sums = format!("{sum}{sum}  usr/bin/tool\n");
    let control = tar(&[Entry { name: b"./md5sums", content: sums.as_bytes(), ..PLAIN }]);
    let data = tar(&[
        Entry { name: b"./usr/bin/tool", content: &program, mode: 0o755, ..PLAIN },
        Entry { name: b"./usr/share/doc/tool/copyright", ..PLAIN },
    ]);
    ar(&[
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.xz", xz(&control)),
        ("data.tar.xz", xz(&data)),
    ])
}

fn wheel(generator: &str, sum: &str, time: i64) -> Vec<u8> {
    let wheel = format!("Wheel-Version: 1.0\nGenerator: {generator}\nTag: py3-none-any\n");
    let record = format!("a.py,sha256=x,4\na-1.dist-info/WHEEL,sha256={sum},60\n");
    let members = [
        ("a.py", "x=1\n"),
        ("a-1.dist-info/WHEEL", wheel.as_str()),
        ("a-1.dist-info/RECORD", record.as_str()),
    ];
    zip(&members, time)
}

fn pyc(time: u32) -> Vec<u8> {
    [b"\xcb\x0d\r\n\0\0\0\0".as_slice(), &time.to_le_bytes(), &9_u32.to_le_bytes(), b"code"]
        .concat()
}

const NOTES: &str = "# Tool\n\nIt does things.\n\n";

/// The same text from a later run.
pub(crate) fn later(text: &[u8]) -> Vec<u8> {
    String::from_utf8(text.to_vec()).unwrap().replace("2026-11-22", "2027-01-01").into_bytes()
}

/// One for each cause and format.
pub(crate) fn all() -> Vec<Pair> {
    let mut all = of_texts();
    all.extend(of_containers());
    all.extend(objects::pairs());
    all
}

fn of_texts() -> Vec<Pair> {
    use Cause::{
        BuildPath, Content, HostName, Locale, Order, Parallelism, Randomness, Time, Toolchain,
    };
    let dated = |date: &str| format!("{NOTES}Built at {date}T10:00:00Z.\nEnd.\n");
    let binary = |path: &str| format!("\0\u{1}\0\0{path}/src/main.c\0\0\u{2}\0");
    let host = |name: &str| format!("{NOTES}Build-Host: {name}\n");
    let image = |byte: u8| [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[byte; 12]].concat();
    vec![
        pair(
            "time-in-text",
            "notes.md",
            texts(&dated("2024-05-01"), &dated("2026-11-22")),
            &[Time],
        ),
        pair(
            "path-in-binary",
            "main.bin",
            texts(&binary("/build/tool-1"), &binary("/home/me/tool")),
            &[BuildPath],
        ),
        pair("host-name-in-text", "notes.md", texts(&host("alpha"), &host("beta")), &[HostName]),
        pair("order-of-lines", "list", texts("b\nc\na\nd\n", "d\nb\na\nc\n"), &[Order]),
        pair("locale-of-lines", "list", texts("B\nC\na\nd\n", "a\nB\nC\nd\n"), &[Locale]),
        pair(
            "parallel-build",
            "flags",
            texts("MAKEFLAGS = -j4\n", "MAKEFLAGS = -j16\n"),
            &[Parallelism],
        ),
        pair(
            "random-identifier",
            "id",
            texts(
                "id = 1b4e28ba-2fa1-11d2-883f-0016d3cca427\n",
                "id = 6fa459ea-ee8a-3ca4-894e-db77e160355e\n",
            ),
            &[Randomness],
        ),
        pair("other-content", "logo.png", (image(1), image(2)), &[Content]),
        pair(
            "other-libraries",
            "control",
            texts(
                "Package: tool\nInstalled-Size: 60\nDepends: libc6 (>= 2.7), make\n",
                "Package: tool\nInstalled-Size: 61\nDepends: libc6 (>= 2.34), make\n",
            ),
            &[Toolchain],
        ),
        pair(
            "other-generator",
            "tool.1",
            texts(
                ".\\\" Automatically generated by Pod::Man 4.14 (Pod::Simple 3.42)\n.nf\na\n",
                ".\\\" -*- mode: troff -*-\n.\\\" Automatically generated by Pod::Man 5.01 (Pod::Simple 3.45)\n.fi\nb\n",
            ),
            &[Toolchain],
        ),
        pair(
            "cut-changelog",
            "changelog.Debian",
            texts(
                "tool (2) unstable\n\n  * New.\n\ntool (1) unstable\n\n  * First.\n",
                "tool (2) unstable\n\n  * New.\n",
            ),
            &[Toolchain],
        ),
        pair(
            "compiled-module",
            "a.cpython-311.pyc",
            (pyc(1_714_557_600), pyc(1_795_366_800)),
            &[Time],
        ),
    ]
}

fn of_containers() -> Vec<Pair> {
    use Cause::{Consequence, Content, Order, Time, Toolchain, User};
    let names = (0..30).map(|i| format!("./member-{i:02}")).collect::<Vec<_>>();
    let many = |time| {
        let entries = names.iter().map(|name| Entry { name: name.as_bytes(), time, ..PLAIN });
        tar(&entries.collect::<Vec<_>>())
    };
    let [a, b, c] = [b"./a", b"./b", b"./c"].map(|name| Entry { name, ..PLAIN });
    let ordered = tar(&[a, b, c]);
    let [a, b, c] = [b"./a", b"./b", b"./c"].map(|name| Entry { name, ..PLAIN });
    let text = NOTES.repeat(40);
    let owned = |mode, user| tar(&[Entry { mode, user, ..PLAIN }]);
    let zstd = |text: &str| {
        let content = tar(&[Entry { content: text.as_bytes(), ..PLAIN }]);
        ruzstd::encoding::compress_to_vec(
            content.as_slice(),
            ruzstd::encoding::CompressionLevel::Fastest,
        )
    };
    vec![
        pair(
            "package",
            "tool_1_amd64.deb",
            (
                package("14.2.0-16", b"\x90\x90\xc3", "0123456789abcdef"),
                package("14.2.0-19", b"\x90\x91\xc3", "fedcba9876543210"),
            ),
            &[Toolchain, Consequence],
        ),
        pair(
            "wheel",
            "a-1-py3-none-any.whl",
            (
                wheel("flit 3.9.0", &"A".repeat(43), 1_714_557_600),
                wheel("flit 3.10.1", &"B".repeat(43), 1_795_366_800),
            ),
            &[Toolchain, Time, Consequence],
        ),
        pair(
            "times-of-many-members",
            "many.tar",
            (many(1_714_557_600), many(1_795_366_800)),
            &[Time],
        ),
        pair("owner-and-mode", "data.tar", (owned(0o644, "root"), owned(0o664, "anna")), &[User]),
        pair("order-of-members", "data.tar", (ordered, tar(&[c, a, b])), &[Order]),
        pair(
            "members-of-one-side",
            "data.tar.xz",
            (
                xz(&tar(&[
                    Entry { name: b"./old", ..PLAIN },
                    Entry { name: b"./gone", content: b"x", ..PLAIN },
                ])),
                xz(&tar(&[Entry { name: b"./new", ..PLAIN }])),
            ),
            &[Content],
        ),
        pair(
            "level-of-gzip",
            "text.gz",
            (
                gzip(text.as_bytes(), Compression::best(), 0),
                gzip(text.as_bytes(), Compression::fast(), 0),
            ),
            &[Toolchain],
        ),
        pair(
            "time-of-gzip",
            "text.gz",
            (
                gzip(b"x", Compression::best(), 1_714_557_600),
                gzip(b"x", Compression::best(), 1_795_366_800),
            ),
            &[Time],
        ),
        pair("text-in-zstd", "data.tar.zst", (zstd("one\n"), zstd("two\n")), &[Content]),
    ]
}

/// What nobody who means well would make.
pub(crate) fn hostile() -> Vec<Pair> {
    let script = b"./<script>alert(1)</script>\x1b[2J\xe2\x80\xaegnp.exe\xff";
    let lines = |word: &str| format!("<img src=x onerror={word}>\u{202e}\u{7}\n&amp; \u{200b}\n");
    let named =
        |word: &str| tar(&[Entry { name: script, content: lines(word).as_bytes(), ..PLAIN }]);
    let cut = |byte: u8| {
        let mut packed = xz(NOTES.as_bytes());
        packed.truncate(40);
        packed.push(byte);
        packed
    };
    let bomb = |byte: u8| gzip(&vec![byte; 32 << 20], Compression::best(), 0);
    let deep = |word: &str| {
        (0..12).fold(word.as_bytes().to_vec(), |content, _| {
            tar(&[Entry { content: &content, ..PLAIN }])
        })
    };
    let zip = |byte: u8| [b"PK\x03\x04".as_slice(), &[byte; 60]].concat();
    let huge = |byte: u8| {
        let mut member = format!("!<arch>\n{:<48}{:<10}`\n", "a/", "9999999999").into_bytes();
        member.push(byte);
        member
    };
    let elf = |byte: u8| [b"\x7fELF\x02\x01\x01\0".as_slice(), &[byte; 80]].concat();
    let pairs = [
        ("names", "<b>x</b>.tar", named("a"), named("b")),
        ("broken-xz", "a.xz", cut(1), cut(2)),
        ("broken-bomb", "a.gz", bomb(0), bomb(1)),
        ("broken-deep", "a.tar", deep("a"), deep("b")),
        ("broken-zip", "a.zip", zip(1), zip(2)),
        ("broken-ar", "a.deb", huge(1), huge(2)),
        ("broken-elf", "a.so", elf(1), elf(2)),
    ];
    pairs.into_iter().map(|(name, file, a, b)| pair(name, file, (a, b), &[])).collect()
}
