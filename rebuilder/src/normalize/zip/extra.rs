//! Extra fields of a zip's headers (step 4): those that say when and whose, each in its exact shape.
//!
//! | id | what | shape |
//! |---|---|---|
//! | 0x5455 | extended timestamp | flags, then 4 bytes a time |
//! | 0x000a | times of Windows | 4 reserved bytes, tag 1 of 24 bytes |
//! | 0x5855 | Info-ZIP Unix, old | two times, and user and group id in the local header |
//! | 0x7855 | Info-ZIP Unix | user and group id in the local header |
//! | 0x7875 | Info-ZIP Unix, new | version 1, then user and group id with their lengths |
//!
//! They are normalized away. Every other field is refused: a Unicode path (0x7075) gives an entry
//! a second name, zip64 (0x0001) a second size, and `ASi` Unix (0x756e) a second mode. See PKWARE's
//! application note, 4.5, and Info-ZIP's `proginfo/extrafld.txt`.

use super::super::Refusal;
use super::directory::Fields;

/// Where an extra field stands: the two places have shapes of their own.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(super) enum Header {
    Local,
    Central,
}

/// Whether these fields name an owner; an error where they say anything but times and owners.
pub(super) fn name_owner(extra: &[u8], header: Header) -> Result<bool, Refusal> {
    let mut fields = Fields::new(extra);
    let (mut owner, mut seen) = (false, Vec::new());
    while !fields.is_empty() {
        let id = fields.u16()?;
        let length = fields.u16()?;
        let data = fields.take(u64::from(length))?;
        if !is_known(id, data, header) || seen.contains(&id) {
            let found = format!("the extra field {id:#06x} of {length} bytes");
            return Err(Refusal::new(found, "timestamps and owners alone, in their exact shape"));
        }
        seen.push(id);
        owner |= matches!(id, 0x5855 | 0x7855 | 0x7875);
    }
    Ok(owner)
}

fn is_known(id: u16, data: &[u8], header: Header) -> bool {
    let local = header == Header::Local;
    match (id, data) {
        (0x5455, [flags, times @ ..]) if flags & !7 == 0 => {
            // The central directory has the modification time alone, whatever the flags say.
            let told = if local { flags.count_ones() } else { u32::from(flags & 1) };
            times.len() == told as usize * 4
        }
        (0x000a, [_, _, _, _, 1, 0, 24, 0, times @ ..]) => times.len() == 24,
        (0x5855, data) => data.len() == 8 || (local && data.len() == 12),
        (0x7855, data) => data.len() == if local { 4 } else { 0 },
        (0x7875, [1, user, rest @ ..]) => {
            let group = rest.get(usize::from(*user)..).unwrap_or_default();
            matches!(group, [length, group @ ..] if group.len() == usize::from(*length))
                && *user <= 8
                && group.len() <= 9
        }
        _ => false,
    }
}
