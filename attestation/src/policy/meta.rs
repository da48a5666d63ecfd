//! An organisation's policy about policies: what each of its policies must ask (step 9).

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::read::{At, bounded, read_name, read_time, value};
use super::read_quorum::read_duration;
use super::{Environment, Mistake, Mode, Policy, PolicyError, WhenUnavailable, line_and_column};
use crate::deployment::duration;
use crate::digest::Digest;
use crate::limits::{ENVIRONMENTS_MAX, POLICY_MAX};
use crate::quoted::{quoted, said};
use crate::time::Timestamp;
use crate::verdict::Reason;

/// Rules about policies.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct MetaPolicy {
    digest: Digest,
    expires: Timestamp,
    expires_at: (usize, usize),
    minimum_need: Option<usize>,
    maximum_dissent: Option<usize>,
    checked_dissent: bool,
    witnesses: Option<usize>,
    max_validity: Option<u64>,
    environments: Vec<Demanded>,
}

/// What environments of a name must be like.
#[derive(Clone, Eq, PartialEq, Debug)]
struct Demanded {
    /// A name, or its beginning and one final `*`.
    name: String,
    required: bool,
    modes: Option<BTreeSet<Mode>>,
    when_unavailable: Option<BTreeSet<WhenUnavailable>>,
    max_validity: Option<u64>,
    required_rules: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<i64>,
    expires: Spanned<Datetime>,
    minimum_need: Option<usize>,
    maximum_dissent: Option<usize>,
    #[serde(default)]
    checked_dissent: bool,
    witnesses: Option<usize>,
    max_validity: Option<Spanned<String>>,
    #[serde(default)]
    environment: Vec<Spanned<Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Spanned<String>,
    #[serde(default)]
    required: bool,
    modes: Option<BTreeSet<Mode>>,
    when_unavailable: Option<BTreeSet<WhenUnavailable>>,
    max_validity: Option<Spanned<String>>,
    #[serde(default)]
    required_rules: Vec<Spanned<String>>,
}

impl MetaPolicy {
    /// Reads a meta-policy; mistakes are told as those of a policy are.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        read(text).map_err(|(span, mistake)| {
            let (line, column) = line_and_column(text, &span);
            PolicyError { line, column, mistake }
        })
    }

    /// SHA-256 of its text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Refuses a meta-policy that has expired at `now`.
    pub fn in_force(self, now: Timestamp) -> Result<Self, PolicyError> {
        if now <= self.expires {
            return Ok(self);
        }
        let (line, column) = self.expires_at;
        Err(PolicyError { line, column, mistake: Mistake::Expired { expires: self.expires, now } })
    }

    /// What of a policy breaks it, all at once; nothing where the policy keeps it.
    pub fn broken_by(&self, policy: &Policy, now: Timestamp) -> Vec<Reason> {
        let mut reasons = self.of_quorum(policy);
        reasons.extend(validity("the policy", policy.expires(), self.max_validity, now));
        for demanded in &self.environments {
            let named: Vec<&Environment> =
                policy.environments().iter().filter(|each| demanded.names(&each.name)).collect();
            if named.is_empty() && demanded.required {
                reasons.push(Reason::new(
                    "required-environment",
                    "no environment of that name",
                    format!("an environment {:?}", quoted(&demanded.name)),
                    format!("add an [[environment]] named {:?}", quoted(&demanded.name)),
                ));
            }
            reasons.extend(named.into_iter().flat_map(|each| demanded.broken_by(each, now)));
        }
        reasons
    }

    fn of_quorum(&self, policy: &Policy) -> Vec<Reason> {
        let (demands, fewest) = (policy.demands(), policy.formula().fewest());
        let mut reasons = Vec::new();
        if let Some(least) = self.minimum_need.filter(|least| fewest < *least) {
            reasons.push(Reason::new(
                "minimum-need",
                format!("a quorum that {fewest} operators can meet"),
                format!("{least} operators or more"),
                "raise need in [quorum], or in the groups that it names",
            ));
        }
        if let Some(most) = self.maximum_dissent.filter(|most| demands.max_dissent > *most) {
            reasons.push(Reason::new(
                "maximum-dissent",
                format!("{} operators that may dissent", demands.max_dissent),
                format!("at most {most}"),
                format!("set max_dissent = {most} in [quorum]"),
            ));
        }
        if self.checked_dissent && !demands.checked_dissent {
            reasons.push(Reason::new(
                "checked-dissent",
                "evidence allowed that cannot show dissent",
                "dissent that was looked for",
                "set unchecked_dissent = \"refuse\" in [quorum]",
            ));
        }
        if let Some(least) = self.witnesses.filter(|least| demands.witnesses < *least) {
            reasons.push(Reason::new(
                "minimum-witnesses",
                format!("witnesses = {}", demands.witnesses),
                format!("{least} or more"),
                format!("name [[witness]] tables, and set witnesses = {least} in [quorum]"),
            ));
        }
        reasons
    }
}

impl Demanded {
    fn names(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.name,
        }
    }

    fn broken_by(&self, environment: &Environment, now: Timestamp) -> Vec<Reason> {
        let name = format!("environment {:?}", quoted(&environment.name));
        let mut reasons = Vec::new();
        let mut word = |rule: &str, key: &str, found: &str, allowed: Vec<&str>| {
            let (found, allowed) = (format!("{key} = {found:?} in {name}"), allowed.join(" or "));
            let fix = format!("set {key} to {allowed} there");
            reasons.push(Reason::new(rule, found, allowed, fix));
        };
        let (mode, unavailable) = (environment.mode, environment.when_unavailable);
        if let Some(allowed) = self.modes.as_ref().filter(|allowed| !allowed.contains(&mode)) {
            let allowed = allowed.iter().map(|mode| mode.as_str()).collect();
            word("allowed-mode", "mode", mode.as_str(), allowed);
        }
        let allowed = self.when_unavailable.as_ref();
        if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(&unavailable)) {
            let allowed = allowed.iter().map(|each| each.as_str()).collect();
            word("allowed-when-unavailable", "when_unavailable", unavailable.as_str(), allowed);
        }
        reasons.extend(validity(&name, environment.expires, self.max_validity, now));
        let rules = environment.rules.names();
        for rule in self.required_rules.iter().filter(|rule| !rules.contains(&rule.as_str())) {
            reasons.push(Reason::new(
                "required-rule",
                format!("{name} without the rule {rule}"),
                format!(
                    "the rules {}",
                    self.required_rules.iter().cloned().collect::<Vec<_>>().join(", ")
                ),
                format!("add {rule} to its [environment.rules]"),
            ));
        }
        reasons
    }
}

/// A policy that holds for ever is never looked at again.
fn validity(what: &str, expires: Timestamp, most: Option<u64>, now: Timestamp) -> Option<Reason> {
    let most = most?;
    let ahead = expires.as_unix().saturating_sub(now.as_unix());
    let latest = Timestamp::from_unix(now.as_unix().saturating_add_unsigned(most));
    (ahead > i64::try_from(most).unwrap_or(i64::MAX)).then(|| {
        Reason::new(
            "max-validity",
            format!("{what} that expires at {expires}; it is {now}"),
            format!("at most {} ahead", duration(most)),
            format!("set its \"expires\" to {latest} or earlier, and review it until then"),
        )
    })
}

fn read(text: &str) -> At<MetaPolicy> {
    bounded("a meta-policy in bytes", text.len(), POLICY_MAX, 0..0)?;
    let file: File = toml::from_str(text).map_err(|error| {
        let span: Range<usize> = error.span().unwrap_or(0..0);
        (span, Mistake::Syntax { why: said(error.message()) })
    })?;
    let found = *file.version.get_ref();
    if found != 1 {
        return Err((file.version.span(), Mistake::Version { found }));
    }
    bounded("environments", file.environment.len(), ENVIRONMENTS_MAX, 0..0)?;
    Ok(MetaPolicy {
        digest: Digest::of(text.as_bytes()),
        expires: read_time(&file.expires)?,
        expires_at: line_and_column(text, &file.expires.span()),
        minimum_need: file.minimum_need,
        maximum_dissent: file.maximum_dissent,
        checked_dissent: file.checked_dissent,
        witnesses: file.witnesses,
        max_validity: file.max_validity.as_ref().map(read_duration).transpose()?,
        environments: file.environment.iter().map(demanded).collect::<At<_>>()?,
    })
}

fn demanded(table: &Spanned<Table>) -> At<Demanded> {
    let Table { name, required, modes, when_unavailable, max_validity, required_rules } =
        table.get_ref();
    let pattern = read_name(name)?;
    let stars = pattern.matches('*').count();
    if stars > 1 || (stars == 1 && !pattern.ends_with('*')) {
        let why = format!(
            "found {:?}, needed a name, or its beginning and one final *",
            quoted(&pattern)
        );
        return Err(value(name.span(), "name", why));
    }
    let empty = modes.as_ref().is_some_and(BTreeSet::is_empty)
        || when_unavailable.as_ref().is_some_and(BTreeSet::is_empty);
    if empty {
        let why = "found an empty list that nothing can be in, needed one word or more; leave it out to allow all".to_owned();
        return Err(value(table.span(), "environment", why));
    }
    let mut rules = BTreeSet::new();
    for rule in required_rules {
        if !super::deployment_rules::RULES.contains(&rule.get_ref().as_str()) {
            let why = format!(
                "found {:?}, needed one of {}",
                quoted(rule.get_ref()),
                super::deployment_rules::RULES.join(", ")
            );
            return Err(value(rule.span(), "required_rules", why));
        }
        rules.insert(rule.get_ref().clone());
    }
    Ok(Demanded {
        name: pattern,
        required: *required,
        modes: modes.clone(),
        when_unavailable: when_unavailable.clone(),
        max_validity: max_validity.as_ref().map(read_duration).transpose()?,
        required_rules: rules,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use crate::key::{SecretKey, Sign as _};

    const META: &str = "version = 1\nexpires = 2027-01-01T00:00:00Z\nminimum_need = 2\n\
        maximum_dissent = 0\nchecked_dissent = true\nwitnesses = 1\nmax_validity = \"90d\"\n\n\
        [[environment]]\nname = \"prod*\"\nrequired = true\nmodes = [\"enforce\"]\n\
        when_unavailable = [\"refuse\"]\nmax_validity = \"30d\"\n\
        required_rules = [\"scan\", \"max_age\"]\n\n\
        [[environment]]\nname = \"stage\"\nmodes = [\"enforce\", \"dry-run\"]\n";

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn policy(environments: &str) -> Policy {
        let key = |seed| SecretKey::from_seed(&[seed; 32]).public_key();
        let text = format!(
            "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n\
             [[operator]]\nname = \"alder\"\nkey = \"{}\"\n[[operator]]\nname = \"birch\"\nkey = \"{}\"\n\
             [quorum]\nneed = 1\nof = [\"alder\", \"birch\"]\n{environments}",
            key(1),
            key(2)
        );
        Policy::parse(&text).unwrap()
    }

    fn environment(name: &str, mode: &str) -> String {
        format!(
            "[[environment]]\nname = \"{name}\"\nmode = \"{mode}\"\nwhen_unavailable = \"allow\"\n\
             expires = 2026-12-01T00:00:00Z\nlabels = {{ stage = \"{name}\" }}\n\
             [environment.rules]\nmax_age = \"1d\"\n"
        )
    }

    #[test]
    fn all_that_breaks_it_is_told_at_once() {
        let meta = MetaPolicy::parse(META).unwrap().in_force(now()).unwrap();
        let policy = policy(&(environment("prod-eu", "off") + &environment("stage", "off")));
        let told: Vec<String> = meta
            .broken_by(&policy, now())
            .iter()
            .map(|r| format!("{}: found {}; needed {}; {}", r.rule, r.found, r.expected, r.fix))
            .collect();
        assert_eq!(
            told,
            [
                "minimum-need: found a quorum that 1 operators can meet; needed 2 operators or more; raise need in [quorum], or in the groups that it names",
                "maximum-dissent: found 1 operators that may dissent; needed at most 0; set max_dissent = 0 in [quorum]",
                "checked-dissent: found evidence allowed that cannot show dissent; needed dissent that was looked for; set unchecked_dissent = \"refuse\" in [quorum]",
                "minimum-witnesses: found witnesses = 0; needed 1 or more; name [[witness]] tables, and set witnesses = 1 in [quorum]",
                "max-validity: found the policy that expires at 2027-01-01T00:00:00Z; it is 2026-06-01T00:00:00Z; needed at most 90d ahead; set its \"expires\" to 2026-08-30T00:00:00Z or earlier, and review it until then",
                "allowed-mode: found mode = \"off\" in environment \"prod-eu\"; needed enforce; set mode to enforce there",
                "allowed-when-unavailable: found when_unavailable = \"allow\" in environment \"prod-eu\"; needed refuse; set when_unavailable to refuse there",
                "max-validity: found environment \"prod-eu\" that expires at 2026-12-01T00:00:00Z; it is 2026-06-01T00:00:00Z; needed at most 30d ahead; set its \"expires\" to 2026-07-01T00:00:00Z or earlier, and review it until then",
                "required-rule: found environment \"prod-eu\" without the rule scan; needed the rules max_age, scan; add scan to its [environment.rules]",
                "allowed-mode: found mode = \"off\" in environment \"stage\"; needed enforce or dry-run; set mode to enforce or dry-run there",
            ]
        );
    }

    #[test]
    fn a_required_environment_must_be_there_and_what_is_not_asked_is_not_checked() {
        let meta = MetaPolicy::parse(META).unwrap();
        let rules = |found: Vec<Reason>| found.into_iter().map(|r| r.rule).collect::<Vec<_>>();
        let found = rules(meta.broken_by(&policy(&environment("stage", "dry-run")), now()));
        assert_eq!(found.last().map(String::as_str), Some("required-environment"));
        let nothing = "version = 1\nexpires = 2027-01-01T00:00:00Z\n";
        let meta = MetaPolicy::parse(nothing).unwrap();
        assert_eq!(meta.broken_by(&policy(&environment("prod", "off")), now()), []);
    }

    #[test]
    fn its_own_mistakes_and_expiry_are_refused_where_they_stand() {
        for (from, to, line, part) in [
            ("version = 1", "version = 2", 1, "version = 1"),
            ("minimum_need", "minimum_k", 3, "unknown field"),
            ("\"90d\"", "\"90\"", 7, "such as 24h"),
            ("prod*", "*prod", 10, "one final *"),
            ("[\"enforce\"]", "[\"inforce\"]", 12, "unknown variant"),
            ("[\"refuse\"]", "[]", 9, "leave it out"),
            ("\"scan\"", "\"scans\"", 15, "needed one of approved_sources"),
        ] {
            assert!(META.contains(from), "{from}");
            let error = MetaPolicy::parse(&META.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(part), "{from} -> {to}: {error}");
            assert_eq!(error.line, line, "{from} -> {to}: {error}");
        }
        let later = "2027-01-01T00:00:01Z".parse().unwrap();
        let error = MetaPolicy::parse(META).unwrap().in_force(later).unwrap_err();
        assert_eq!((error.line, error.column), (2, 11));
    }
}
