//! From a policy's TOML to a policy, each mistake with its place (step 9).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::read_environment::{self, EnvironmentTable};
use super::read_quorum::{self, GroupTable, QuorumTable};
use super::read_rules::{self, Named, ScannerTable};
use super::{AuthorityRule, Mistake, Mode, Operator, Policy, Witness, line_and_column};
use crate::artifact::Purl;
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits::{OPERATORS_MAX, POLICY_LIST_MAX, POLICY_MAX, TEXT_MAX};
use crate::log::WitnessKey;
use crate::quoted::{quoted, said};
use crate::statement::signer_form;
use crate::time::Timestamp;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<i64>,
    network: Spanned<String>,
    expires: Spanned<Datetime>,
    mode: Option<Spanned<Mode>>,
    #[serde(default)]
    operator: Vec<Spanned<OperatorTable>>,
    #[serde(default)]
    witness: Vec<Spanned<WitnessTable>>,
    #[serde(default)]
    authority: Vec<Spanned<AuthorityTable>>,
    #[serde(default)]
    group: Vec<Spanned<GroupTable>>,
    quorum: Option<Spanned<QuorumTable>>,
    #[serde(default)]
    scanner: Vec<Spanned<ScannerTable>>,
    #[serde(default)]
    environment: Vec<Spanned<EnvironmentTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorTable {
    name: Spanned<String>,
    key: Spanned<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    expires: Option<Spanned<Datetime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessTable {
    key: Spanned<String>,
    operator: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityTable {
    purl: Spanned<String>,
    #[serde(default)]
    openpgp: Vec<Spanned<String>>,
    #[serde(default)]
    registry: Vec<Spanned<String>>,
    #[serde(default)]
    maintainer: Vec<Spanned<String>>,
    #[serde(default)]
    lock: Vec<Spanned<String>>,
    expires: Option<Spanned<Datetime>>,
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
    let witnesses = read_witnesses(&file.witness, &operators)?;
    let scanners = read_rules::scanners(&file.scanner)?;
    let named = Named { scanners: &scanners, witnesses: &witnesses };
    let environments = read_environment::environments(&file.environment, &named)?;
    let tables = (file.quorum.as_ref(), file.group.as_slice());
    let quorum = read_quorum::quorum(tables, &operators, &witnesses, text)?;
    Ok(Policy {
        digest: Digest::of(text.as_bytes()),
        network: parsed("network", &file.network)?,
        expires: read_time(&file.expires)?,
        expires_at: line_and_column(text, &file.expires.span()),
        mode: read_mode(file.mode.as_ref())?,
        operators,
        voters: quorum.voters,
        formula: quorum.formula,
        demands: quorum.demands,
        witnesses,
        authorities: read_authorities(&file.authority)?,
        scanners,
        environments,
    })
}

pub(super) fn bounded(
    what: &'static str,
    found: usize,
    limit: usize,
    span: Range<usize>,
) -> At<()> {
    if found > limit { Err((span, Mistake::TooLong { what, found, limit })) } else { Ok(()) }
}

pub(super) fn parsed<T>(field: &'static str, text: &Spanned<String>) -> At<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.get_ref().parse().map_err(|error: T::Err| value(text.span(), field, said(error)))
}

pub(super) fn value(
    span: Range<usize>,
    field: &'static str,
    why: String,
) -> (Range<usize>, Mistake) {
    (span, Mistake::Value { field, why })
}

/// Only an environment can be lenient: what is not inside one is enforced.
fn read_mode(mode: Option<&Spanned<Mode>>) -> At<Mode> {
    match mode {
        Some(mode) if *mode.get_ref() != Mode::Enforce => {
            let why = "found a mode other than \"enforce\" for the whole policy, needed it in an [[environment]]; move it there".to_owned();
            Err(value(mode.span(), "mode", why))
        }
        _ => Ok(Mode::Enforce),
    }
}

pub(super) fn read_time(text: &Spanned<Datetime>) -> At<Timestamp> {
    let written = text.get_ref().to_string();
    written
        .parse()
        .map_err(|error: crate::time::TimestampError| value(text.span(), "expires", said(error)))
}

/// A name of an operator or a group.
pub(super) fn read_name(name: &Spanned<String>) -> At<String> {
    bounded("a name in bytes", name.get_ref().len(), TEXT_MAX, name.span())?;
    if name.get_ref().is_empty() {
        let why = "found an empty name, needed one to show beside its votes".to_owned();
        return Err(value(name.span(), "name", why));
    }
    Ok(name.get_ref().clone())
}

fn read_operators(tables: &[Spanned<OperatorTable>]) -> At<Vec<Operator>> {
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut operators = Vec::new();
    for table in tables {
        bounded("operators", operators.len() + 1, OPERATORS_MAX, table.span())?;
        let OperatorTable { name, key, tags, expires } = table.get_ref();
        let read: PublicKey = parsed("key", key)?;
        bounded("tags", tags.len(), POLICY_LIST_MAX, table.span())?;
        if !names.insert(read_name(name)?) {
            let found = quoted(name.get_ref());
            return Err((name.span(), Mistake::Duplicate { what: "operator name", found }));
        }
        if !keys.insert(read) {
            let found = read.fingerprint();
            return Err((key.span(), Mistake::Duplicate { what: "operator key", found }));
        }
        let (name, tags) = (name.get_ref().clone(), tags.clone());
        let expires = expires.as_ref().map(read_time).transpose()?;
        operators.push(Operator { name, key: read, tags, expires });
    }
    Ok(operators)
}

fn read_witnesses(tables: &[Spanned<WitnessTable>], operators: &[Operator]) -> At<Vec<Witness>> {
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut witnesses = Vec::new();
    for table in tables {
        bounded("witnesses", witnesses.len() + 1, POLICY_LIST_MAX, table.span())?;
        let WitnessTable { key, operator } = table.get_ref();
        let read: WitnessKey = parsed("key", key)?;
        if !names.insert(read.name().to_owned()) || !keys.insert(read.key()) {
            let found = quoted(key.get_ref());
            return Err((key.span(), Mistake::Duplicate { what: "witness", found }));
        }
        if let Some(name) = operator
            && !operators.iter().any(|known| known.name == *name.get_ref())
        {
            let found = quoted(name.get_ref());
            let fix = "name the operator that runs the witness, or leave it out".to_owned();
            let place = "[[witness]]".to_owned();
            return Err((name.span(), Mistake::Unknown { found, place, fix }));
        }
        let run_by = operator.as_ref().map(|name| name.get_ref().clone());
        witnesses.push(Witness { key: read, run_by });
    }
    Ok(witnesses)
}

fn read_authorities(tables: &[Spanned<AuthorityTable>]) -> At<Vec<AuthorityRule>> {
    let mut rules = Vec::new();
    for table in tables {
        bounded("authorities", rules.len() + 1, POLICY_LIST_MAX, table.span())?;
        let AuthorityTable { purl, openpgp, registry, maintainer, lock, expires } = table.get_ref();
        let listed = openpgp.len() + registry.len() + maintainer.len() + lock.len();
        bounded("signers of an authority", listed, POLICY_LIST_MAX, table.span())?;
        read_pattern(purl)?;
        let mut releases = BTreeSet::new();
        for (kind, texts) in
            [("openpgp", openpgp), ("registry", registry), ("maintainer", maintainer)]
        {
            for text in texts {
                releases.insert(read_signer(kind, text)?);
            }
        }
        if releases.is_empty() && lock.is_empty() {
            let why = "found nobody, needed openpgp, registry or maintainer; gpg --show-keys prints the fingerprints of an archive's keys".to_owned();
            return Err(value(table.span(), "authority", why));
        }
        // Who may name the release may name the packages that it is built with, unless others are
        // named for that.
        let mut locks = lock.iter().map(read_lock_signer).collect::<At<BTreeSet<String>>>()?;
        if lock.is_empty() {
            locks.clone_from(&releases);
        }
        let expires = expires.as_ref().map(read_time).transpose()?;
        rules.push(AuthorityRule { purl: purl.get_ref().clone(), releases, locks, expires });
    }
    Ok(rules)
}

/// A `*` may stand only behind a separator: `pkg:deb/debian*` would cover `pkg:deb/debian-evil`.
pub(super) fn read_pattern(pattern: &Spanned<String>) -> At<()> {
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
    Err(value(pattern.span(), "purl", why))
}

/// A signer as statements spell it. Fingerprints may have spaces and lowercase digits, as `gpg`
/// prints them both ways; maintainers are named by their public keys.
fn read_signer(kind: &'static str, text: &Spanned<String>) -> At<String> {
    let written = text.get_ref();
    let (signer, needed) = match kind {
        "openpgp" => {
            let digits: String = written.chars().filter(|c| *c != ' ').collect();
            let needed = "a primary key's whole fingerprint, 40 or 64 hexadecimal digits; gpg --show-keys prints it";
            (format!("openpgp:{}", digits.to_ascii_uppercase()), needed)
        }
        "registry" => (format!("registry:{written}"), "1 to 128 of a-z 0-9 . - _ / :"),
        _ => {
            let key: PublicKey = parsed(kind, text)?;
            return Ok(format!("maintainer:{}", key.fingerprint()));
        }
    };
    if signer_form(&signer) {
        return Ok(signer);
    }
    Err(value(text.span(), kind, format!("found {:?}, needed {needed}", quoted(written))))
}

/// Environments are made of signed packages, or of a maintainer's pins.
fn read_lock_signer(text: &Spanned<String>) -> At<String> {
    let is_key = text.get_ref().starts_with("ssh-");
    read_signer(if is_key { "maintainer" } else { "openpgp" }, text)
}
