//! What goes to the terminal: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::fault::Fault;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// Structured logs on standard error; `RUST_LOG` chooses how much.
pub(super) fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(std::io::stderr)
        .init();
}

/// One line of a result. A closed pipe ends nothing.
pub fn line(text: &str) {
    let _closed = writeln!(anstream::stdout().lock(), "{text}");
}

/// One line beside the results.
pub fn note(text: &str) {
    let _closed = writeln!(anstream::stderr().lock(), "{text}");
}

/// An operational fault.
pub(super) fn error(fault: &Fault) {
    note(&format!("{BAD}error{BAD:#}: {fault}"));
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
