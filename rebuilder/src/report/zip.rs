//! Zip archives, wheels and jars (step 4, pure): the central directory as it is, duplicates and flags too; APPNOTE 6.3.

use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord};

use super::archive::{Archive, Facts, Member, unix_time};
use super::budget::Budget;
use super::shown::shown;

pub(super) fn read<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Archive<'a>, String> {
    let said = |error: rawzip::Error| error.to_string();
    let zip = ZipArchive::from_slice(bytes).map_err(said)?;
    let mut members = Vec::new();
    let mut first = zip.directory_offset();
    let mut entries = zip.entries();
    while let Some(entry) = entries.next_entry().map_err(said)? {
        budget.member()?;
        first = first.min(entry.local_header_offset());
        members.push(member(bytes, &zip, &entry).map_err(said)?);
    }
    let after = (bytes.len() as u64).saturating_sub(zip.end_offset());
    let facts = vec![
        ("zip comment", shown(zip.comment().as_bytes(), 200)),
        ("bytes before the first member", format!("{first} bytes")),
        ("bytes after the directory", format!("{after} bytes")),
    ];
    Ok(Archive { facts, members })
}

fn member<'a>(
    bytes: &'a [u8],
    zip: &rawzip::ZipSliceArchive<&'a [u8]>,
    entry: &ZipFileHeaderRecord<'_>,
) -> Result<Member<'a>, rawzip::Error> {
    let local = zip.get_entry(entry.wayfinder())?;
    let (start, end) = local.compressed_data_range();
    let packed = super::archive::slice(bytes, start, end.saturating_sub(start));
    let mut facts = facts(entry);
    let header = local.local_header();
    let agrees = header.file_path().as_bytes() == entry.file_path().as_bytes()
        && header.last_modified_dos() == entry.last_modified_dos()
        && header.compression_method() == entry.compression_method();
    facts.push((
        "local header",
        if agrees { "as the directory" } else { "unlike the directory" }.to_owned(),
    ));
    facts.extend(extra(header.extra_fields(), "local extra field"));
    Ok(Member {
        name: entry.file_path().as_bytes().to_vec(),
        facts,
        packed: packed.unwrap_or_default(),
        method: entry.compression_method().as_u16(),
    })
}

fn facts(entry: &ZipFileHeaderRecord<'_>) -> Facts {
    let time = entry.last_modified_dos();
    let time = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let made_by = entry.version_made_by();
    let system = made_by.creator_system();
    let system = system.name().map_or_else(|| system.as_u8().to_string(), str::to_owned);
    let mut facts = vec![
        ("mtime", time),
        ("mode", format!("{:o}", entry.external_attributes() >> 16)),
        ("attributes", format!("{:#06x}", entry.external_attributes() & 0xffff)),
        ("method", method(entry.compression_method())),
        ("made by", format!("{system}, version {}", made_by.zip_version())),
        ("flags", format!("{:#06x}", entry.flags().bits())),
        ("comment", shown(entry.comment().as_bytes(), 200)),
    ];
    facts.extend(extra(entry.extra_fields(), "extra field"));
    facts
}

fn method(method: CompressionMethod) -> String {
    method.name().map_or_else(|| method.as_u16().to_string(), str::to_owned)
}

/// 0x5455 is a time, 0x7875 an owner (Info-ZIP's `extrafld.txt`); the rest is shown as it is.
fn extra(fields: rawzip::extra_fields::ExtraFields<'_>, other: &'static str) -> Facts {
    // More than a few are somebody's game; the bytes themselves are compared as well.
    fields
        .take(8)
        .map(|(id, data)| match (id.as_u16(), data) {
            (0x5455, [_, a, b, c, d, ..]) => {
                ("extra time", unix_time(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))))
            }
            (0x7875, data) => ("extra owner", super::bytes::hex(data, 24)),
            (id, data) => (other, format!("{id:#06x} {}", super::bytes::hex(data, 24))),
        })
        .collect()
}
