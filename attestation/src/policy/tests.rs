//! Policies: what is read, and each mistake where it stands.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
use super::*;
use crate::key::{SecretKey, Sign as _};

const FINGERPRINT: &str = "B8B8 0B5B 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8";

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public_key()
}

fn policy() -> String {
    format!(
        "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n\n\
         [[operator]]\nname = \"alder\"\nkey = \"{} alder@host\"\ntags = {{ country = \"de\" }}\n\n\
         [[operator]]\nname = \"birch\"\nkey = \"{}\"\n\n\
         [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = [\"{FINGERPRINT}\"]\n\n\
         [quorum]\nneed = 1\nof = [\"alder\", \"birch\"]\n",
        key(1),
        key(2)
    )
}

/// With everything that a policy can say, one mistake away from being refused.
fn full() -> String {
    let witness = WitnessKey::new("example.org/w", key(9)).unwrap();
    let tail = format!(
        "[[group]]\nname = \"pair\"\nneed = \"any\"\nof = [\"alder\", \"birch\"]\n\n\
         [[operator]]\nname = \"cedar\"\nkey = \"{}\"\ntags = {{ country = \"fr\" }}\n\
         expires = 2026-12-01T00:00:00Z\n\n\
         [[witness]]\nkey = \"{witness}\"\n\n\
         [[authority]]\npurl = \"pkg:pypi/*\"\nregistry = [\"example.org/simple\"]\n\
         maintainer = [\"{}\"]\nlock = [\"{FINGERPRINT}\"]\nexpires = 2026-07-01T00:00:00Z\n\n\
         [quorum]\nneed = \"all\"\nof = [\"pair\", \"cedar\"]\nmax_dissent = 1\n\
         unchecked_dissent = \"refuse\"\naccept = \"equivalent\"\nnormalizers = [\"zip@1\"]\n\
         max_age = \"400d\"\nwitnesses = 1\nmax_head_age = \"24h\"\n\n\
         [[quorum.diversity]]\ntag = \"country\"\ndistinct = 2\n",
        key(3),
        key(4),
    );
    let start = policy();
    let (head, _) = start.split_once("[quorum]").unwrap();
    format!("{head}{tail}")
}

#[test]
fn a_policy_that_says_everything_is_read() {
    let policy = Policy::parse(&full()).unwrap();
    let names: Vec<&str> = policy.voters().map(|operator| operator.name.as_str()).collect();
    assert_eq!(names, ["alder", "birch", "cedar"]);
    assert_eq!((policy.formula().need(), policy.formula().fewest()), (2, 2));
    let demands = policy.demands();
    assert_eq!(demands.accept, Accept::Equivalent(BTreeSet::from(["zip@1".to_owned()])));
    assert_eq!((demands.max_age, demands.max_head_age), (Some(34_560_000), Some(86_400)));
    assert!(demands.checked_dissent && demands.witnesses == 1 && demands.max_dissent == 1);
    let attrs = "pkg:pypi/attrs@24.3.0".parse().unwrap();
    let found = policy.authorities_of(&attrs, now());
    let maintainer = format!("maintainer:{}", key(4).fingerprint());
    assert_eq!(found.releases, BTreeSet::from(["registry:example.org/simple", &maintainer]));
    assert_eq!(found.locks.len(), 1);
    let later = "2026-07-01T00:00:01Z".parse().unwrap();
    assert_eq!(policy.authorities_of(&attrs, later), Authorities::default());
}

#[test]
fn an_expired_policy_is_refused_where_it_says_so() {
    let expired = Policy::parse(&full()).unwrap();
    assert!(expired.clone().in_force("2027-01-01T00:00:00Z".parse().unwrap()).is_ok());
    let error = expired.in_force("2027-01-01T00:00:01Z".parse().unwrap()).unwrap_err();
    assert_eq!((error.line, error.column), (3, 11));
    assert!(error.to_string().contains("expired at 2027-01-01T00:00:00Z"), "{error}");
}

#[test]
fn demands_that_nothing_can_meet_are_refused_where_they_stand() {
    for (from, to, line, part) in [
        ("of = [\"pair\", \"cedar\"]", "of = [\"pair\", \"cedar\", \"alder\"]", 41, "votes once"),
        ("of = [\"pair\", \"cedar\"]", "of = [\"cedar\"]", 19, "nothing names"),
        ("of = [\"pair\", \"cedar\"]", "of = [\"pair\", \"ceder\"]", 41, "\"cedar\" is near"),
        (
            "need = \"any\"\nof = [\"alder\", \"birch\"]",
            "need = \"any\"\nof = [\"alder\", \"pair\"]",
            21,
            "in one place",
        ),
        ("need = \"any\"", "need = \"some\"", 20, "1 to 2"),
        ("need = \"all\"", "need = 3", 40, "1 to 2"),
        ("name = \"pair\"", "name = \"alder\"", 19, "twice"),
        ("max_dissent = 1", "max_dissent = 2", 42, "0 to 1"),
        ("normalizers = [\"zip@1\"]\n", "", 44, "must be named"),
        ("normalizers = [\"zip@1\"]", "normalizers = [\"zip\"]", 45, "NAME@VERSION"),
        ("accept = \"equivalent\"\n", "", 44, "only equal bytes"),
        ("witnesses = 1", "witnesses = 2", 47, "0 to 1"),
        ("witnesses = 1\n", "", 47, "how old a head is"),
        ("\"24h\"", "\"24\"", 48, "such as 24h"),
        ("\"400d\"", "\"0d\"", 46, "such as 24h"),
        ("distinct = 2", "distinct = 3", 52, "1 to 2"),
        ("registry = [\"example.org/simple\"]", "registry = [\"Example\"]", 34, "a-z"),
        ("maintainer = [\"ssh", "maintainer = [\"rsa", 35, "ssh-ed25519"),
    ] {
        assert!(full().contains(from), "{from}");
        let error = Policy::parse(&full().replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(part), "{from} -> {to}: {error}");
        assert_eq!(error.line, line, "{from} -> {to}: {error}");
    }
}

#[test]
fn a_policy_is_read() {
    let policy = Policy::parse(&policy()).unwrap();
    assert_eq!((policy.formula().need(), policy.of(), policy.demands().max_dissent), (1, 2, 1));
    assert_eq!(policy.expires().to_string(), "2027-01-01T00:00:00Z");
    let netbase = "pkg:deb/debian/netbase@6.5?arch=all".parse().unwrap();
    let archive = BTreeSet::from(["openpgp:B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"]);
    let both = Authorities { releases: archive.clone(), locks: archive };
    assert_eq!(policy.authorities_of(&netbase, now()), both);
    let ubuntu = "pkg:deb/ubuntu/netbase@6.5".parse().unwrap();
    assert_eq!(policy.authorities_of(&ubuntu, now()), Authorities::default());
}

#[test]
fn a_first_policy_trusts_nobody() {
    let text = "version = 1\nnetwork = \"test\"\nexpires = 2027-01-01T00:00:00Z\n";
    let policy = Policy::parse(text).unwrap();
    assert_eq!((policy.formula().need(), policy.of()), (0, 0));
}

#[test]
fn mistakes_are_refused_where_they_stand() {
    let second = key(2).to_string();
    for (from, to, place, part) in [
        ("version = 1", "version = 2", (1, 11), "version = 1"),
        ("expires = 2027-01-01T00:00:00Z\n", "", (1, 1), "expires"),
        ("expires = 2027-01-01T00:00:00Z", "expires = 2027-01-01", (3, 11), "2026-01-31"),
        ("\"test\"", "\"Test\"", (2, 11), "a-z"),
        ("tags =", "tag =", (8, 1), "tag"),
        (second.as_str(), &key(1).to_string(), (12, 7), "twice"),
        ("name = \"birch\"", "name = \"alder\"", (11, 8), "twice"),
        ("\"birch\"]", "\"cedar\"]", (20, 16), "no [[operator]]"),
        ("\"birch\"]", "\"alder\"]", (20, 16), "votes once"),
        ("need = 1", "need = 3", (19, 8), "1 to 2"),
        ("need = 1", "need = 0", (19, 8), "1 to 2"),
        ("need = 1", "need = 1\nmax_dissent = 2", (20, 15), "0 to 1"),
        ("[quorum]\nneed = 1\nof = [\"alder\", \"birch\"]\n", "", (18, 1), "[quorum]"),
        ("debian/*", "debian*", (15, 8), "pkg:deb/debian/*"),
        (FINGERPRINT, "B8B80B5B", (16, 12), "40 or 64"),
        ("[quorum]", "mode = \"enforce\"\n[quorum]", (18, 1), "mode"),
    ] {
        let text = policy().replace(from, to);
        let error = Policy::parse(&text).unwrap_err();
        assert_eq!((error.line, error.column), place, "{from} -> {to}: {error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

const ENVIRONMENTS: &str = "\n[[environment]]\nname = \"prod\"\nmode = \"enforce\"\n\
     when_unavailable = \"refuse\"\nexpires = 2026-12-01T00:00:00Z\n\
     purls = [\"pkg:deb/debian/*\"]\ndoors = [\"apt\", \"kubernetes\"]\n\
     labels = { stage = \"prod\" }\n\n\
     [[environment]]\nname = \"laptops\"\nmode = \"dry-run\"\n\
     when_unavailable = \"allow\"\nexpires = 2026-12-01T00:00:00Z\n\
     labels = { stage = \"laptop\" }\n\n\
     [[environment]]\nname = \"checks\"\nmode = \"off\"\n\
     when_unavailable = \"refuse\"\nexpires = 2026-06-15T00:00:00Z\n\
     purls = [\"pkg:*\"]\ndoors = [\"check\"]\n";

fn with_environments() -> String {
    format!("{}{ENVIRONMENTS}", policy())
}

fn request(purl: &str, door: Door, labels: &[(&str, &str)]) -> DeploymentRequest {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    DeploymentRequest::new(purl.parse().unwrap(), door, labels).unwrap()
}

#[test]
fn exactly_one_environment_covers_a_deployment() {
    let policy = Policy::parse(&with_environments()).unwrap();
    let netbase = "pkg:deb/debian/netbase@6.5?arch=all";
    let attrs = "pkg:pypi/attrs@24.3.0";
    let (prod, laptop) = (("stage", "prod"), ("stage", "laptop"));
    for (purl, door, labels, name) in [
        (netbase, Door::Apt, vec![prod], "prod"),
        (netbase, Door::Kubernetes, vec![prod, ("region", "eu")], "prod"),
        (attrs, Door::Pip, vec![laptop], "laptops"),
        (attrs, Door::Check, vec![], "checks"),
        (netbase, Door::Check, vec![prod], "checks"),
    ] {
        let request = request(purl, door, &labels);
        assert_eq!(policy.environment_for(&request, now()).unwrap().name, name, "{request}");
    }
    let modes: Vec<_> =
        policy.environments().iter().map(|e| (e.mode, e.when_unavailable)).collect();
    assert_eq!(
        modes,
        [
            (Mode::Enforce, WhenUnavailable::Refuse),
            (Mode::DryRun, WhenUnavailable::Allow),
            (Mode::Off, WhenUnavailable::Refuse)
        ]
    );
}

#[test]
fn no_environment_two_or_an_expired_one_are_errors_that_name_them() {
    let policy = Policy::parse(&with_environments()).unwrap();
    let netbase = "pkg:deb/debian/netbase@6.5?arch=all";
    let refused = |door, labels: &[_], at: Timestamp| {
        policy.environment_for(&request(netbase, door, labels), at).unwrap_err().to_string()
    };
    assert_eq!(
        refused(Door::Apt, &[("stage", "test")], now()),
        "found no environment that covers pkg:deb/debian/netbase@6.5?arch=all by apt with \
         stage=test, needed exactly one; there are \"prod\", \"laptops\", \"checks\": widen the \
         scope of one, or add an [[environment]]"
    );
    assert_eq!(
        refused(Door::Check, &[("stage", "laptop")], now()),
        "found environments \"laptops\", \"checks\" that all cover \
         pkg:deb/debian/netbase@6.5?arch=all by check with stage=laptop, needed exactly one; \
         narrow their purls, doors or labels until one of them remains"
    );
    let later: Timestamp = "2026-06-15T00:00:01Z".parse().unwrap();
    assert_eq!(
        refused(Door::Check, &[], later),
        "found environment \"checks\" that expired at 2026-06-15T00:00:00Z, and it is \
         2026-06-15T00:00:01Z; review it and set a later \"expires\", or check this machine's \
         clock"
    );
    // One that lapsed does not hand its deployments to the other.
    assert!(refused(Door::Check, &[("stage", "laptop")], later).contains("all cover"));
    let next_year: Timestamp = "2027-01-01T00:00:01Z".parse().unwrap();
    assert!(refused(Door::Apt, &[("stage", "prod")], next_year).contains("found a policy that"));
    let without = Policy::parse(&self::policy()).unwrap();
    let error = without.environment_for(&request(netbase, Door::Apt, &[]), now()).unwrap_err();
    assert!(error.to_string().contains("without [[environment]]"), "{error}");
}

#[test]
fn mistakes_of_environments_are_refused_where_they_stand() {
    for (from, to, line, part) in [
        ("mode = \"enforce\"\n", "", 22, "missing field `mode`"),
        ("when_unavailable = \"refuse\"\n", "", 22, "missing field `when_unavailable`"),
        ("expires = 2026-12-01T00:00:00Z\n", "", 22, "missing field `expires`"),
        ("\"dry-run\"", "\"dry\"", 33, "unknown variant"),
        ("\"allow\"", "\"open\"", 34, "unknown variant"),
        ("\"kubernetes\"", "\"kube\"", 28, "unknown variant"),
        ("\"pkg:deb/debian/*\"", "\"*\"", 27, "pkg:deb/debian/*"),
        ("\"laptops\"", "\"prod\"", 32, "twice"),
        ("labels = { stage = \"laptop\" }\n", "", 31, "no scope"),
        ("\"laptop\"", "\"a b\"", 36, "stage=a b"),
        ("\"laptop\"", &format!("\"{}\"", "x".repeat(129)), 36, "at most 32 labels"),
        (
            "labels = { stage = \"laptop\" }",
            "purls = [\"pkg:*\"]\ndoors = [\"check\"]",
            40,
            "one scope",
        ),
        ("doors = [\"check\"]", "door = [\"check\"]", 44, "unknown field"),
        ("version = 1", "version = 1\nmode = \"off\"", 2, "in an [[environment]]"),
    ] {
        let (head, tail) = if from == "version = 1" {
            (policy().replace(from, to), ENVIRONMENTS.to_owned())
        } else {
            assert!(ENVIRONMENTS.contains(from), "{from}");
            (policy(), ENVIRONMENTS.replacen(from, to, 1))
        };
        let error = Policy::parse(&format!("{head}{tail}")).unwrap_err();
        assert!(error.to_string().contains(part), "{from} -> {to}: {error}");
        assert_eq!(error.line, line, "{from} -> {to}: {error}");
    }
    assert!(
        Policy::parse(&policy().replace("version = 1", "version = 1\nmode = \"enforce\"")).is_ok()
    );
}

#[test]
fn a_deployment_request_is_read_back_as_it_was_and_hostile_labels_are_not() {
    let one = request("pkg:pypi/attrs@24.3.0", Door::Pip, &[("stage", "prod")]);
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(json, r#"{"purl":"pkg:pypi/attrs@24.3.0","door":"pip","labels":{"stage":"prod"}}"#);
    assert_eq!(serde_json::from_str::<DeploymentRequest>(&json).unwrap(), one);
    let hostile = json.replace("\"prod\"", "\"a\\nb\"");
    assert!(serde_json::from_str::<DeploymentRequest>(&hostile).is_err());
}

/// One environment with every rule.
fn with_rules() -> String {
    let witness = WitnessKey::new("example.org/w", key(9)).unwrap();
    let first = "[[witness]]\nkey = \"W\"\n[[scanner]]\nname = \"sieve\"\nkey = \"K\"\n\
         expires = 2026-12-01T00:00:00Z\n[[environment]]\nname = \"prod\"\nmode = \"enforce\"\n\
         when_unavailable = \"refuse\"\nexpires = 2026-12-01T00:00:00Z\npurls = [\"pkg:*\"]\n\
         [environment.rules]\n\
         approved_sources = [\"pkg:deb/debian/*\", \"https://example.org/releases/*\"]\n\
         commands = [{ run = \"make\", flags = [\"-B\", \"--jobs=*\"] }]\n\
         minimum_versions = [\"pkg:deb/debian/openssl@3.0.15-1\", \"pkg:pypi/attrs@24.0\"]\n\
         max_age = \"90d\"\n\
         scan = { by = [\"sieve\"], within = \"7d\", refuse_from = \"high\" }\n\
         witnesses = [\"example.org/w\"]\n";
    let tables = first.replace("\"W\"", &format!("\"{witness}\""));
    format!("{}\n{}", policy(), tables.replace("\"K\"", &format!("\"{}\"", key(8))))
}

#[test]
fn every_rule_of_the_closed_list_is_read() {
    let policy = Policy::parse(&with_rules()).unwrap();
    let rules = &policy.environments().first().unwrap().rules;
    let names =
        ["approved_sources", "commands", "minimum_versions", "max_age", "scan", "witnesses"];
    assert_eq!(rules.names(), names);
    assert_eq!(rules.max_age, Some(7_776_000));
    let command = rules.commands.as_ref().unwrap().first().unwrap();
    let asked =
        |words: &[&str]| command.allows(&words.iter().map(|w| (*w).into()).collect::<Vec<_>>());
    assert!(asked(&["make"]) && asked(&["make", "--jobs=4", "-B"]));
    assert!(
        !asked(&["make", "--jobs"])
            && !asked(&["make", "all"])
            && !asked(&["gmake"])
            && !asked(&[])
    );
}

#[test]
fn mistakes_of_rules_are_refused_where_they_stand() {
    for (from, to, line, part) in [
        ("max_age =", "maximum_age =", 38, "unknown field `maximum_age`, expected one of"),
        ("\"pkg:deb/debian/*\", ", "\"pkg:deb/debian*\", ", 35, "pkg:deb/debian/*"),
        ("\"https://example.org/releases/*\"", "\"https://*\"", 35, "debian:pool/main/*"),
        ("\"https://example.org/releases/*\"", "\"https://a@b/*\"", 35, "debian:pool/main/*"),
        ("\"https://example.org/releases/*\"", "\"https://example.org*\"", 35, "debian:pool"),
        (
            "commands = [{ run = \"make\", flags = [\"-B\", \"--jobs=*\"] }]",
            "commands = []",
            36,
            "empty list",
        ),
        ("--jobs=*", "--jobs*", 36, "up to = and one *"),
        ("\"make\"", "\"\"", 36, "up to = and one *"),
        ("openssl@3.0.15-1", "openssl", 37, "a version and no qualifiers"),
        ("openssl@3.0.15-1", "openssl@3.0.15-1?arch=amd64", 37, "a version and no qualifiers"),
        ("pkg:pypi/attrs@24.0", "pkg:golang/attrs@v1.0", 37, "of type deb, pypi, cargo, npm"),
        ("pkg:pypi/attrs@24.0", "pkg:deb/debian/openssl@4", 37, "twice"),
        ("\"90d\"", "\"90\"", 38, "such as 24h"),
        ("by = [\"sieve\"]", "by = [\"sifter\"]", 39, "add a [[scanner]]"),
        ("by = [\"sieve\"]", "by = []", 39, "empty list"),
        ("refuse_from = \"high\"", "refuse_from = \"bad\"", 39, "unknown variant"),
        (", refuse_from = \"high\"", "", 39, "missing field `refuse_from`"),
        ("[\"example.org/w\"]", "[\"example.org/v\"]", 40, "add a [[witness]]"),
    ] {
        assert!(with_rules().contains(from), "{from}");
        let error = Policy::parse(&with_rules().replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains(part), "{from} -> {to}: {error}");
        assert_eq!(error.line, line, "{from} -> {to}: {error}");
    }
}
