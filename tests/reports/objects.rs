//! Pairs of object files, and how they are made here: nothing but sections.

use reattest_rebuilder::report::Cause;

use super::pairs::{Pair, pair};

/// An ELF file of 64 bits with nothing but sections; elf(5).
pub(crate) fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let mut content = vec![0; 64];
    let mut headers = vec![[0_u64; 8]];
    let own: Vec<(&str, Vec<u8>)> = sections.iter().map(|(n, c)| (*n, c.to_vec())).collect();
    for (index, (name, data)) in own.iter().chain([&(".shstrtab", Vec::new())]).enumerate() {
        let at = names.len() as u64;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        let last = index == own.len();
        let data = if last { names.clone() } else { data.clone() };
        let kind = if last { 3 } else { 1 };
        headers.push([at, kind, 0, 0, content.len() as u64, data.len() as u64, 0, 1]);
        content.extend_from_slice(&data);
    }
    let table = content.len() as u64;
    for [name, kind, flags, address, offset, size, link, align] in &headers {
        content.extend_from_slice(&u32::try_from(*name).unwrap().to_le_bytes());
        content.extend_from_slice(&u32::try_from(*kind).unwrap().to_le_bytes());
        for word in [flags, address, offset, size, link, align, &0] {
            content.extend_from_slice(&word.to_le_bytes());
        }
    }
    let count = u16::try_from(headers.len()).unwrap();
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    head.extend_from_slice(&[0; 16]);
    head.extend_from_slice(&table.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0]);
    head.extend_from_slice(&count.to_le_bytes());
    head.extend_from_slice(&(count - 1).to_le_bytes());
    content[..64].copy_from_slice(&head);
    content
}

/// One for each way in which objects differ.
pub(crate) fn pairs() -> Vec<Pair> {
    use Cause::{Content, Randomness, Toolchain};
    let id = |id: &[u8]| {
        elf(&[
            (".text", b"code"),
            (".note.gnu.build-id", &[b"\x04\0\0\0\x08\0\0\0\x03\0\0\0GNU\0", id].concat()),
        ])
    };
    let linked = |page: u8| {
        elf(&[
            (".got", &[0x58, page, 0, 0x65, 0, 0, 0, 0]),
            (".data", &[0x08, page, 0, 0, 0, 0, 0, 0]),
            (".eh_frame", &[0, 0, 0, 0, 0x14, page, 0x25, 0x60]),
        ])
    };
    vec![
        pair(
            "places-of-sections",
            "tool.o",
            (elf(&[(".text", b"code")]), {
                let mut moved = elf(&[(".text", b"code")]);
                // The type of the file: no section.
                moved[16] = 1;
                moved
            }),
            &[Toolchain],
        ),
        // Addresses and code are full of numbers that would be times elsewhere.
        pair("addresses", "libtool.so", (linked(0x6f), linked(0x5f)), &[Content]),
        pair("build-id-alone", "libtool.so", (id(b"12345678"), id(b"87654321")), &[Randomness]),
    ]
}
