//! Versions of packages in the order of their own ecosystem, for floors below which nothing is deployed (step 10).

use std::cmp::Ordering;

use crate::artifact::Purl;

/// Types of packages whose versions can be compared.
pub const COMPARABLE: [&str; 4] = ["deb", "pypi", "cargo", "npm"];

/// The order of two versions of packages of one purl type; none where the type has no order here,
/// or where one of them is no version of that type.
pub fn order(kind: &str, left: &str, right: &str) -> Option<Ordering> {
    match kind {
        "deb" => debian(left, right),
        "pypi" => {
            let left: pep440_rs::Version = left.parse().ok()?;
            Some(left.cmp(&right.parse().ok()?))
        }
        "cargo" | "npm" => {
            // Build metadata has no place in the order of SemVer 2.0.0.
            Some(
                semver::Version::parse(left)
                    .ok()?
                    .cmp_precedence(&semver::Version::parse(right).ok()?),
            )
        }
        _ => None,
    }
}

/// Whether two purls name the same package, whatever their versions and qualifiers.
pub(crate) fn same_package(one: &Purl, other: &Purl) -> bool {
    one.kind() == other.kind() && one.namespace() == other.namespace() && one.name() == other.name()
}

/// The order of deb-version(7): epoch, upstream version, revision.
fn debian(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (Debian::parse(left)?, Debian::parse(right)?);
    let upstream = || part(left.upstream, right.upstream);
    let revision = || part(left.revision, right.revision);
    Some(left.epoch.cmp(&right.epoch).then_with(upstream).then_with(revision))
}

struct Debian<'a> {
    epoch: u32,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Debian<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            Some((digits, rest)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                (digits.parse().ok()?, rest)
            }
            Some(_) => return None,
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".+~-:".contains(&b);
        let formed = rest.bytes().all(allowed)
            && upstream.starts_with(|first: char| first.is_ascii_digit())
            && !revision.contains(':')
            && (rest.len() == upstream.len() || !revision.is_empty());
        formed.then_some(Self { epoch, upstream, revision })
    }
}

/// Compares by turns what is no digit and what is a number, as dpkg does.
fn part(mut left: &str, mut right: &str) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (words, rest) = (split(&mut left, false), split(&mut right, false));
        let by_words = lexical(words, rest);
        if by_words != Ordering::Equal {
            return by_words;
        }
        let (one, other) = (split(&mut left, true), split(&mut right, true));
        let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
        // Without leading zeros the longer number is the larger one, however long it is.
        let by_number = one.len().cmp(&other.len()).then_with(|| one.cmp(other));
        if by_number != Ordering::Equal {
            return by_number;
        }
    }
    Ordering::Equal
}

/// Takes the beginning that is all digits, or has none, off the text.
fn split<'a>(text: &mut &'a str, digits: bool) -> &'a str {
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (beginning, rest) = text.split_at(end);
    *text = rest;
    beginning
}

/// `~` sorts before the end, the end before letters, letters before everything else.
fn lexical(left: &str, right: &str) -> Ordering {
    let weight = |byte: Option<u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    };
    let longest = left.len().max(right.len());
    let at = |text: &str, place: usize| weight(text.as_bytes().get(place).copied());
    (0..longest)
        .map(|place| at(left, place).cmp(&at(right, place)))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_the_order_of_their_ecosystem() {
        for (kind, smaller, larger) in [
            ("deb", "1.0~rc1-1", "1.0-1"),
            ("deb", "1.0-1", "1.0-1+b1"),
            ("deb", "2:0.9-1", "3:0.1-1"),
            ("deb", "9.9-1", "1:0.1-1"),
            ("deb", "1.9-1", "1.10-1"),
            ("deb", "1.0-1~deb12u1", "1.0-1"),
            ("deb", "1.0a-1", "1.0+-1"),
            ("deb", "1.99999999999999999999998-1", "1.99999999999999999999999-1"),
            ("pypi", "24.0rc1", "24.0"),
            ("pypi", "24.0", "24.0.post1"),
            ("pypi", "9.0", "10.0"),
            ("cargo", "1.0.0-alpha.1", "1.0.0"),
            ("npm", "1.9.0", "1.10.0"),
        ] {
            assert_eq!(order(kind, smaller, larger), Some(Ordering::Less), "{smaller} {larger}");
            assert_eq!(order(kind, larger, smaller), Some(Ordering::Greater), "{smaller} {larger}");
        }
        for (kind, one, other) in
            [("deb", "0:1.0-0", "1.0"), ("deb", "1.00", "1.0"), ("npm", "1.0.0+a", "1.0.0+b")]
        {
            assert_eq!(order(kind, one, other), Some(Ordering::Equal), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_version_has_no_order() {
        for (kind, text) in [
            ("deb", ""),
            ("deb", "a:1.0"),
            ("deb", ":1.0"),
            ("deb", "1.0-"),
            ("deb", "a1"),
            ("deb", "1.0 "),
            ("deb", "1.0-1:2"),
            ("deb", "1.0\u{e9}"),
            ("pypi", "latest"),
            ("cargo", "1.0"),
            ("golang", "v1.0.0"),
        ] {
            assert_eq!(order(kind, text, "1.0.0"), None, "{kind} {text}");
        }
    }
}
