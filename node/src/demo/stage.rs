//! How the demonstration tells what happens: acts, lines, and who says them.

use std::path::Path;

use anstyle::{AnsiColor, Style};
use reattest_attestation::{Purl, Verdict};

use crate::cli::output;
use crate::cli::verdict_lines;

const ACT: Style = Style::new().bold();
const NAME: Style = AnsiColor::Cyan.on_default();

/// Where the demonstration is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    quiet: bool,
}

impl Stage {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    fn tell(self, text: &str) {
        if self.quiet {
            output::note(text);
        } else {
            output::line(text);
        }
    }

    /// A new act begins.
    pub(super) fn act(self, title: &str) {
        self.tell(&format!("\n{ACT}{title}{ACT:#}"));
    }

    /// One thing happened.
    pub(super) fn line(self, text: &str) {
        self.tell(&format!("  {text}"));
    }

    /// One thing happened at an operator's node.
    pub(super) fn says(self, operator: &str, text: &str) {
        self.tell(&format!("  {NAME}{operator:<8}{NAME:#}{text}"));
    }

    /// The command that is run for a question.
    pub(super) fn question(self, title: &str, file: &Path, purl: &Purl) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.tell(&format!("\n  {title}\n  $ reattest verify {name} --as '{purl}'"));
    }

    /// What the policy concluded.
    pub(super) fn verdict(self, verdict: &Verdict) {
        for line in verdict_lines(verdict) {
            self.line(&line);
        }
    }

    /// How it went.
    pub(super) fn end(self, held: bool, kept: Option<&Path>) {
        let text = if held {
            "All of it held: what independent machines agree on is accepted, nothing else is."
        } else {
            "Something did not come out as it must; see above."
        };
        self.act(text);
        if let Some(kept) = kept {
            self.line(&format!("kept in {}", kept.display()));
        }
    }
}
