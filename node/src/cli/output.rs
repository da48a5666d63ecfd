//! What goes to the terminal: results to standard output, everything else to standard error.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use indicatif::ProgressDrawTarget;
use serde::Serialize;

use crate::fault::Fault;
use crate::log_format::LogFormat;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// One line of a result. A closed pipe ends nothing.
pub fn line(text: &str) {
    let _closed = writeln!(anstream::stdout().lock(), "{text}");
}

/// One line beside the results.
pub fn note(text: &str) {
    match LogFormat::chosen() {
        LogFormat::Human => {
            let _closed = writeln!(anstream::stderr().lock(), "{text}");
        }
        LogFormat::Json => tracing::info!("{}", anstream::adapter::strip_str(text.trim())),
    }
}

/// An operational fault.
pub(super) fn error(fault: &Fault) {
    match LogFormat::chosen() {
        LogFormat::Human => note(&format!("{BAD}error{BAD:#}: {fault}")),
        LogFormat::Json => tracing::error!(event = "fault", "{fault}"),
    }
}

/// Where bars are drawn: on a terminal, between lines for people.
pub(super) fn bars() -> ProgressDrawTarget {
    match LogFormat::chosen() {
        LogFormat::Human => ProgressDrawTarget::stderr(),
        LogFormat::Json => ProgressDrawTarget::hidden(),
    }
}

/// A document as a result.
pub fn json<T: Serialize>(document: &T) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Fault::new("the result cannot be written as JSON", error))?;
    line(&text);
    Ok(())
}

/// Colours a word.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
