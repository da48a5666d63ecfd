//! Extended headers of a tar (step 4): pax records and GNU's long names, each in one spelling; pax(1).

use super::super::{Refusal, limits, quoted};

/// What the entries before an entry say about it.
#[derive(Default)]
pub(super) struct Overrides {
    /// `x` for pax, `L` and `K` for GNU's; in the order in which they stand.
    pub(super) kinds: Vec<u8>,
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) user_id: Option<u64>,
    pub(super) group_id: Option<u64>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) group: Option<Vec<u8>>,
}

impl Overrides {
    /// Whether any stands before the entry.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Takes a pax header. Records of times and owners are dropped or told apart by the caller;
    /// sizes, sparse maps, extended attributes and everything unknown are refused.
    pub(super) fn pax(&mut self, content: &[u8]) -> Result<(), Refusal> {
        self.take_kind(b'x')?;
        let mut seen = Vec::new();
        for (key, value) in records(content)? {
            if seen.contains(&key) {
                return Err(refused(&key, "each pax record once"));
            }
            match key.as_slice() {
                b"path" => self.path = Some(named(value)?),
                b"linkpath" => self.link = Some(named(value)?),
                b"uid" => self.user_id = Some(id(&value)?),
                b"gid" => self.group_id = Some(id(&value)?),
                b"uname" => self.user = Some(value),
                b"gname" => self.group = Some(value),
                b"mtime" | b"atime" | b"ctime" if is_time(&value) => {}
                _ => return Err(refused(&key, "path, linkpath, owners and times alone")),
            }
            seen.push(key);
        }
        Ok(())
    }

    /// Takes a long name or link target of GNU's.
    pub(super) fn gnu(&mut self, kind: u8, content: &[u8]) -> Result<(), Refusal> {
        self.take_kind(kind)?;
        let name = content.strip_suffix(b"\0").filter(|name| !name.is_empty());
        let name = name.filter(|name| !name.contains(&0)).map(<[u8]>::to_vec);
        let name =
            name.ok_or_else(|| refused(content, "a long name that ends in one zero byte"))?;
        if kind == b'L' {
            self.path = Some(name);
        } else {
            self.link = Some(name);
        }
        Ok(())
    }

    /// Two of one kind, or pax beside GNU's, would leave open which counts.
    fn take_kind(&mut self, kind: u8) -> Result<(), Refusal> {
        let mixed = !self.is_empty() && (kind == b'x' || self.kinds.contains(&b'x'));
        if mixed || self.kinds.contains(&kind) {
            return Err(refused(&[kind], "one extended header of a kind, and one kind alone"));
        }
        self.kinds.push(kind);
        Ok(())
    }
}

/// The comment of a global header, as `git archive` writes the commit; no other global record.
pub(super) fn global_comment(content: &[u8]) -> Result<Vec<u8>, Refusal> {
    match records(content)?.as_slice() {
        [(key, value)] if key == b"comment" => Ok(value.clone()),
        _ => Err(refused(content, "no global header but one comment")),
    }
}

fn refused(found: &[u8], needed: &'static str) -> Refusal {
    Refusal::new(format!("the extended header {}", quoted(found)), needed)
}

type PaxRecord = (Vec<u8>, Vec<u8>);

/// `LENGTH KEY=VALUE\n`, one behind the other; the length counts the whole record.
fn records(mut content: &[u8]) -> Result<Vec<PaxRecord>, Refusal> {
    let mut records = Vec::new();
    let whole = content;
    while !content.is_empty() {
        let (record, rest) =
            record(content).ok_or_else(|| refused(whole, "pax records with the right lengths"))?;
        records.push(record);
        if records.len() > limits::PAX_RECORDS {
            return Err(refused(whole, "at most 64 pax records"));
        }
        content = rest;
    }
    Ok(records)
}

fn record(content: &[u8]) -> Option<(PaxRecord, &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(content.get(..space)?).ok()?;
    let length: usize = digits.parse().ok()?;
    // `007` and `+7` are other spellings of a length that readers may not share.
    let is_plain = length.to_string() == digits;
    let (record, rest) = content.split_at_checked(length)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n").filter(|_| is_plain)?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = text.split_at_checked(equals)?;
    Some(((key.to_vec(), value.get(1..)?.to_vec()), rest))
}

fn named(value: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    if value.is_empty() || value.contains(&0) {
        return Err(refused(&value, "a name without zero bytes"));
    }
    Ok(value)
}

fn id(value: &[u8]) -> Result<u64, Refusal> {
    let digits = std::str::from_utf8(value).ok();
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| refused(value, "a plain number"))
}

/// Seconds, perhaps negative, perhaps with a fraction.
fn is_time(value: &[u8]) -> bool {
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let value = value.strip_prefix(b"-").unwrap_or(value);
    match value.iter().position(|byte| *byte == b'.') {
        None => digits(value),
        Some(point) => {
            let (seconds, fraction) = value.split_at(point);
            digits(seconds) && digits(fraction.get(1..).unwrap_or_default())
        }
    }
}
