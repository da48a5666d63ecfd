//! A report as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a change.

use reattest_attestation::Conclusion;
use serde_json::{Value, json};

use super::report::{Checked, Pass, Report, Row};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The rules, each with its identifier, level and meaning. Their places in this list are SARIF's
/// `ruleIndex`.
const RULES: [(&str, &str, &str); 2] = [
    ("rejected", "error", "Evidence speaks against this file, or against its name."),
    ("inconclusive", "error", "Not enough independent rebuilders stand behind this file."),
];

/// One run, with a result for each pin that is not accepted; exempt ones are suppressed.
pub fn sarif(report: &Report) -> Value {
    let results: Vec<Value> = report
        .files
        .iter()
        .flat_map(|file| file.pins.iter().filter_map(move |row| result(file, row)))
        .collect();
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(id, level, meaning)| {
            json!({
                "id": id,
                "shortDescription": { "text": meaning },
                "defaultConfiguration": { "level": level },
            })
        })
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "reattest",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    })
}

fn result(file: &Checked, row: &Row) -> Option<Value> {
    let index = match row.verdict? {
        Conclusion::Accepted => return None,
        Conclusion::Rejected => 0,
        Conclusion::Inconclusive => 1,
    };
    let (rule, level, _) = RULES.get(index)?;
    let level = if row.exempt.is_some() || row.is_let_in() { "note" } else { level };
    let mut text = format!("{} {} is {rule}", row.name, row.version);
    for words in row.words() {
        text.push_str(": ");
        text.push_str(&words);
    }
    let mut place = json!({ "artifactLocation": { "uri": address(&file.file) } });
    if let (Some(line), Some(place)) = (row.line, place.as_object_mut()) {
        place.insert("region".to_owned(), json!({ "startLine": line }));
    }
    let suppressions: Vec<Value> = row.exempt.iter().map(suppression).collect();
    Some(json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
        // The same pin in another change is the same finding.
        "partialFingerprints": { "pin/v1": format!("{}@{}", row.name, row.version) },
        "suppressions": suppressions,
    }))
}

fn suppression(pass: &Pass) -> Value {
    let why = format!("{} (until {})", pass.reason, pass.expires);
    json!({ "kind": "external", "status": "accepted", "justification": why })
}

/// A path as a relative reference: everything that a URI gives a meaning of its own is escaped.
fn address(path: &str) -> String {
    use std::fmt::Write as _;
    let mut address = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _infallible = write!(address, "%{byte:02X}");
        }
    }
    address
}
