//! A report as JUnit XML, which build servers show as tests: a suite for each file, a case for each pin.

use quick_junit::{NonSuccessKind, Report as Suites, TestCase, TestCaseStatus, TestSuite};
use reattest_attestation::Conclusion;

use super::report::{Checked, Report, Row};
use crate::fault::Fault;

/// The document.
pub fn junit(report: &Report) -> Result<String, Fault> {
    let mut suites = Suites::new("reattest check");
    suites.add_test_suites(report.files.iter().map(suite));
    suites.to_string().map_err(|error| Fault::new("the JUnit report cannot be written", error))
}

fn suite(file: &Checked) -> TestSuite {
    let mut suite = TestSuite::new(file.file.clone());
    suite.add_test_cases(file.pins.iter().map(case));
    suite
}

fn case(row: &Row) -> TestCase {
    let skipped = |why: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(why);
        status
    };
    let status = match (&row.exempt, row.verdict) {
        (_, None) => skipped("your own source; nobody publishes it"),
        (_, Some(Conclusion::Accepted)) => TestCaseStatus::success(),
        (Some(pass), _) => skipped(&format!("{} (until {})", pass.reason, pass.expires)),
        (None, _) if row.is_let_in() => {
            skipped(row.decisions.first().map_or("", |told| told.words.as_str()))
        }
        (None, Some(conclusion)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let words = row.words();
            status.set_type(conclusion.to_string());
            status.set_message(words.first().cloned().unwrap_or_default());
            status.set_description(words.join("\n"));
            status
        }
    };
    TestCase::new(format!("{} {}", row.name, row.version), status)
}
