//! What a policy accepts, in plain words.

use reattest_attestation::Policy;
use reattest_attestation::deployment::duration;
use reattest_attestation::policy::{Accept, Environment, Mode, Rules, WhenUnavailable};

use super::in_words;

/// The policy as lines for a person.
pub(super) fn lines(policy: &Policy) -> Vec<String> {
    let mut lines = vec![
        format!(
            "This policy believes statements of the network {:?}, until {}.",
            policy.network().to_string(),
            policy.expires()
        ),
        String::new(),
    ];
    if policy.of() == 0 {
        lines.push(
            "It names no operator in a quorum: it trusts nobody, and accepts nothing.".to_owned(),
        );
    } else {
        quorum(policy, &mut lines);
        authorities(policy, &mut lines);
    }
    lines.push(String::new());
    if policy.environments().is_empty() {
        lines.push(
            "It has no [[environment]]: it answers questions, and no door may deploy by it."
                .to_owned(),
        );
    }
    for environment in policy.environments() {
        lines.extend(of_environment(environment));
    }
    lines
}

fn quorum(policy: &Policy, lines: &mut Vec<String>) {
    let names: Vec<&str> = policy.voters().map(|operator| operator.name.as_str()).collect();
    let demands = policy.demands();
    lines.push("A file is accepted as a package when all of this holds:".to_owned());
    let how = match &demands.accept {
        Accept::Bitwise => "bit for bit".to_owned(),
        Accept::Equivalent(normalizers) => {
            let after: Vec<&str> = normalizers.iter().map(String::as_str).collect();
            format!("bit for bit, or equal after {}", after.join(", "))
        }
    };
    lines.push(format!(
        "- {} rebuilt it from the same sources, {how};",
        in_words(policy.formula(), &names)
    ));
    lines.push(format!(
        "- at most {} of {} operators say that it does not come from its sources;",
        demands.max_dissent,
        policy.of()
    ));
    if demands.checked_dissent {
        lines.push(
            "- such dissent was looked for in whole logs, so that a bundle alone is not enough;"
                .to_owned(),
        );
    }
    if let Some(age) = demands.max_age {
        lines.push(format!("- those rebuilds are at most {} old;", duration(age)));
    }
    if demands.witnesses > 0 {
        lines.push(format!(
            "- {} of {} witnesses have cosigned each of them;",
            demands.witnesses,
            policy.witnesses().len()
        ));
    }
    if let Some(age) = demands.max_head_age {
        lines.push(format!("- and have seen the operators' logs within {};", duration(age)));
    }
    for diversity in &demands.diversity {
        lines.push(format!(
            "- the operators behind it show {} values of {:?};",
            diversity.distinct, diversity.tag
        ));
    }
    lines.push("- an authority below binds the package to this file and those sources.".to_owned());
}

fn authorities(policy: &Policy, lines: &mut Vec<String>) {
    lines.push(String::new());
    lines.push("Who may bind packages to files and sources:".to_owned());
    let mut none = true;
    for (pattern, signers, expires) in policy.authority_patterns() {
        none = false;
        let until = expires.map_or_else(String::new, |expires| format!(", until {expires}"));
        let named: Vec<&str> = signers.iter().map(String::as_str).collect();
        lines.push(format!("- {pattern}: {}{until}", named.join(" or ")));
    }
    if none {
        lines.push("- nobody: nothing is accepted".to_owned());
    }
}

fn of_environment(environment: &Environment) -> Vec<String> {
    let Environment { name, scope, mode, when_unavailable, expires, rules } = environment;
    let mut asked = Vec::new();
    if !scope.purls.is_empty() {
        let purls: Vec<&str> = scope.purls.iter().map(String::as_str).collect();
        asked.push(format!("of {}", purls.join(" or ")));
    }
    if !scope.doors.is_empty() {
        let doors: Vec<&str> = scope.doors.iter().map(|door| door.as_str()).collect();
        asked.push(format!("by {}", doors.join(" or ")));
    }
    let labels: Vec<String> = scope.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    if !labels.is_empty() {
        asked.push(format!("with {}", labels.join(" and ")));
    }
    let what = match mode {
        Mode::Enforce => "only what is accepted and keeps its rules is deployed",
        Mode::DryRun => "everything is deployed, and what would have been refused is recorded",
        Mode::Off => "everything is deployed, and nothing is asked",
    };
    let unavailable = match when_unavailable {
        WhenUnavailable::Refuse => "nothing is deployed",
        WhenUnavailable::Allow => "it is deployed, recorded, and asked about again",
    };
    let mut lines = vec![
        format!("Environment {name:?}: deployments {}, until {expires}:", asked.join(", ")),
        format!("- {what};"),
        format!("- where nobody can be asked, {unavailable}."),
    ];
    lines.extend(of_rules(rules));
    lines.push(String::new());
    lines
}

fn of_rules(rules: &Rules) -> Vec<String> {
    let mut lines = Vec::new();
    let list = |texts: &mut dyn Iterator<Item = String>| texts.collect::<Vec<_>>().join(" or ");
    if let Some(patterns) = &rules.approved_sources {
        lines.push(format!("- Its sources come from {}.", list(&mut patterns.iter().cloned())));
    }
    if let Some(commands) = &rules.commands {
        let told = &mut commands.iter().map(|command| {
            let flags: Vec<&str> = command.flags.iter().map(String::as_str).collect();
            format!("{} with only [{}]", command.run, flags.join(" "))
        });
        lines.push(format!("- It was built by {}.", list(told)));
    }
    for floor in &rules.minimum_versions {
        let version = floor.version().unwrap_or_default();
        lines.push(format!("- {} is deployed from version {version} on.", floor.name()));
    }
    if let Some(age) = rules.max_age {
        lines.push(format!("- Its rebuilds are at most {} old.", duration(age)));
    }
    if let Some(scan) = &rules.scan {
        let from = scan.refuse_from.map_or_else(
            || "whatever it found".to_owned(),
            |from| format!("without findings of severity {} or worse", from.as_str()),
        );
        let by = list(&mut scan.by.iter().cloned());
        lines.push(format!("- {by} scanned it within {}, {from}.", duration(scan.within)));
    }
    for witness in &rules.witnesses {
        lines.push(format!("- {} cosigned its rebuilds.", witness.name()));
    }
    lines
}
