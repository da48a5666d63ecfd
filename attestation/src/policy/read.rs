//! From a policy's TOML to a policy, each mistake with its place (step 9).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{AuthorityRule, Mistake, Mode, Operator, Policy};
use crate::artifact::Purl;
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{OPERATORS_MAX, POLICY_LIST_MAX, POLICY_MAX, TEXT_MAX};
use crate::quoted::{quoted, said};
use crate::time::Timestamp;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<i64>,
    network: Spanned<String>,
    expires: Spanned<toml::value::Datetime>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    operator: Vec<Spanned<OperatorTable>>,
    #[serde(default)]
    authority: Vec<Spanned<AuthorityTable>>,
    quorum: Option<Spanned<QuorumTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorTable {
    name: Spanned<String>,
    key: Spanned<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityTable {
    purl: Spanned<String>,
    openpgp: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuorumTable {
    need: Spanned<i64>,
    of: Vec<Spanned<String>>,
    max_dissent: Option<Spanned<i64>>,
}

/// A mistake at a byte range of the text; the line is counted once, at the end.
pub(super) type At<T> = Result<T, (Range<usize>, Mistake)>;

/// Reads the whole text; see [`Policy::parse`].
pub(super) fn policy(text: &str) -> At<Policy> {
    bounded("a policy in bytes", text.len(), POLICY_MAX, 0..0)?;
    let file: File = toml::from_str(text).map_err(|error| {
        let why = said(error.message());
        (error.span().unwrap_or(0..0), Mistake::Syntax { why })
    })?;
    let version = *file.version.get_ref();
    if version != 1 {
        return Err((file.version.span(), Mistake::Version { found: version }));
    }
    let operators = read_operators(&file.operator)?;
    let quorum = read_quorum(file.quorum.as_ref(), &operators, text)?;
    Ok(Policy {
        digest: Digest::of(text.as_bytes()),
        network: parsed("network", &file.network)?,
        expires: read_expiry(&file.expires)?,
        mode: file.mode,
        operators,
        voters: quorum.voters,
        need: quorum.need,
        max_dissent: quorum.max_dissent,
        authorities: read_authorities(&file.authority)?,
    })
}

struct Quorum {
    voters: Vec<usize>,
    need: usize,
    max_dissent: usize,
}

fn bounded(what: &'static str, found: usize, limit: usize, span: Range<usize>) -> At<()> {
    if found > limit { Err((span, Mistake::TooLong { what, found, limit })) } else { Ok(()) }
}

fn parsed<T>(field: &'static str, text: &Spanned<String>) -> At<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.get_ref()
        .parse()
        .map_err(|error: T::Err| (text.span(), Mistake::Value { field, why: said(error) }))
}

fn read_expiry(text: &Spanned<toml::value::Datetime>) -> At<Timestamp> {
    let written = text.get_ref().to_string();
    written.parse().map_err(|error: crate::time::TimestampError| {
        (text.span(), Mistake::Value { field: "expires", why: said(error) })
    })
}

fn read_operators(tables: &[Spanned<OperatorTable>]) -> At<Vec<Operator>> {
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut operators = Vec::new();
    for table in tables {
        bounded("operators", operators.len() + 1, OPERATORS_MAX, table.span())?;
        let OperatorTable { name, key, tags } = table.get_ref();
        let read: PublicKey = parsed("key", key)?;
        bounded("an operator's name in bytes", name.get_ref().len(), TEXT_MAX, name.span())?;
        bounded("tags", tags.len(), POLICY_LIST_MAX, table.span())?;
        if name.get_ref().is_empty() {
            let why = "found an empty name, needed one to show beside its votes".to_owned();
            return Err((name.span(), Mistake::Value { field: "name", why }));
        }
        if !names.insert(name.get_ref()) {
            let found = name.get_ref().clone();
            return Err((name.span(), Mistake::Duplicate { what: "name", found }));
        }
        if !keys.insert(read) {
            let found = read.fingerprint();
            return Err((key.span(), Mistake::Duplicate { what: "key", found }));
        }
        let name = name.get_ref().clone();
        operators.push(Operator { name, key: read, tags: tags.clone() });
    }
    Ok(operators)
}

fn read_quorum(
    table: Option<&Spanned<QuorumTable>>,
    operators: &[Operator],
    text: &str,
) -> At<Quorum> {
    let Some(table) = table else {
        let nobody = Quorum { voters: Vec::new(), need: 0, max_dissent: 0 };
        let end = text.len()..text.len();
        return if operators.is_empty() { Ok(nobody) } else { Err((end, Mistake::NoQuorum)) };
    };
    let QuorumTable { need, of, max_dissent } = table.get_ref();
    let voters = read_voters(of, operators)?;
    let n = voters.len();
    let wrong = Mistake::Need { need: *need.get_ref(), of: n };
    let k = usize::try_from(*need.get_ref()).ok().filter(|k| (1..=n).contains(k));
    let k = k.ok_or((need.span(), wrong))?;
    let mut limit = n - k;
    if let Some(said) = max_dissent {
        let found = *said.get_ref();
        let allowed = usize::try_from(found).ok().filter(|d| *d <= limit);
        let wrong = Mistake::MaxDissent { found, limit, of: n, need: k };
        limit = allowed.ok_or((said.span(), wrong))?;
    }
    Ok(Quorum { voters, need: k, max_dissent: limit })
}

fn read_voters(of: &[Spanned<String>], operators: &[Operator]) -> At<Vec<usize>> {
    let places: BTreeMap<&str, usize> =
        operators.iter().enumerate().map(|(at, operator)| (operator.name.as_str(), at)).collect();
    let (mut voters, mut seen) = (Vec::new(), BTreeSet::new());
    for name in of {
        let found = name.get_ref().clone();
        let Some(place) = places.get(found.as_str()) else {
            return Err((name.span(), Mistake::UnknownOperator { found }));
        };
        if !seen.insert(*place) {
            return Err((name.span(), Mistake::Duplicate { what: "in the quorum", found }));
        }
        voters.push(*place);
    }
    Ok(voters)
}

fn read_authorities(tables: &[Spanned<AuthorityTable>]) -> At<Vec<AuthorityRule>> {
    let mut rules = Vec::new();
    for table in tables {
        bounded("authorities", rules.len() + 1, POLICY_LIST_MAX, table.span())?;
        let AuthorityTable { purl, openpgp } = table.get_ref();
        bounded("fingerprints", openpgp.len(), POLICY_LIST_MAX, table.span())?;
        read_pattern(purl)?;
        if openpgp.is_empty() {
            let why = "found no fingerprint, needed at least one; gpg --show-keys prints them";
            let mistake = Mistake::Value { field: "openpgp", why: why.to_owned() };
            return Err((table.span(), mistake));
        }
        let openpgp = openpgp.iter().map(read_fingerprint).collect::<At<_>>()?;
        rules.push(AuthorityRule { purl: purl.get_ref().clone(), openpgp });
    }
    Ok(rules)
}

/// A `*` may stand only behind a separator: `pkg:deb/debian*` would cover `pkg:deb/debian-evil`.
fn read_pattern(pattern: &Spanned<String>) -> At<()> {
    let text = pattern.get_ref();
    let beginning = text.strip_suffix('*');
    let right = match beginning {
        Some(beginning) => beginning.ends_with(['/', '@', '?', '&']),
        None => text.parse::<Purl>().is_ok_and(|purl| purl.as_str() == text),
    };
    let body = beginning.unwrap_or(text);
    if right && body.starts_with("pkg:") && !body.contains('*') {
        return Ok(());
    }
    let why = format!(
        "found pattern {:?}, needed a canonical purl, or its beginning up to a / @ ? or & and one final *, such as pkg:deb/debian/*",
        quoted(text)
    );
    Err((pattern.span(), Mistake::Value { field: "purl", why }))
}

/// Spaces and lowercase are allowed, as `gpg` prints fingerprints both ways.
fn read_fingerprint(text: &Spanned<String>) -> At<String> {
    let digits: String = text.get_ref().chars().filter(|c| *c != ' ').collect();
    let digits = digits.to_ascii_uppercase();
    if matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(format!("openpgp:{digits}"));
    }
    let why = format!(
        "found {:?}, needed a primary key's whole fingerprint, 40 or 64 hexadecimal digits; gpg --show-keys prints it",
        text.get_ref()
    );
    Err((text.span(), Mistake::Value { field: "openpgp", why }))
}
