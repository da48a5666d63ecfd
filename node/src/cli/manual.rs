//! `reattest help`, `completions` and `man`: what the program says of itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::output;
use super::{Arguments, Exit};
use crate::fault::Fault;

/// What is explained beside the commands, by name.
const TOPICS: [(&str, &str); 7] = [
    ("verdicts", include_str!("topics/verdicts.txt")),
    ("exit-codes", include_str!("topics/exit-codes.txt")),
    ("purls", include_str!("topics/purls.txt")),
    ("policy-files", include_str!("topics/policy.txt")),
    ("files", include_str!("topics/files.txt")),
    ("service", include_str!("topics/service.txt")),
    ("apt-door", include_str!("topics/apt.txt")),
];

/// Help on a command or a topic.
#[derive(Debug, Args)]
pub(super) struct Help {
    /// A command, such as `policy check`, or a topic.
    #[arg(value_name = "COMMAND|TOPIC")]
    about: Vec<String>,
}

impl Help {
    pub(super) fn run(&self) -> Result<Exit, Fault> {
        if let [one] = self.about.as_slice()
            && let Some((_, text)) = TOPICS.iter().find(|(name, _)| name == one)
        {
            output::line(text.trim_end());
            return Ok(Exit::Fine);
        }
        let mut command = Arguments::command();
        command.build();
        let mut found = &mut command;
        for name in &self.about {
            found = found.find_subcommand_mut(name).ok_or_else(|| unknown(&self.about))?;
        }
        output::line(&found.render_long_help().ansi().to_string());
        if self.about.is_empty() {
            output::line(&format!("Topics: {}", names().join(", ")));
        }
        Ok(Exit::Fine)
    }
}

fn names() -> Vec<&'static str> {
    TOPICS.iter().map(|(name, _)| *name).collect()
}

fn unknown(about: &[String]) -> Fault {
    Fault::text(format!(
        "found {:?}, needed a command (`reattest --help` lists them) or one of the topics {}",
        about.join(" "),
        names().join(", ")
    ))
}

/// Completions for a shell, on standard output.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    reattest completions bash > ~/.local/share/bash-completion/completions/reattest\n  \
    reattest completions zsh > ~/.zfunc/_reattest\n  \
    reattest completions fish > ~/.config/fish/completions/reattest.fish")]
pub(super) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Exit {
        // Rendered first: a closed pipe must not end in a panic.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "reattest", &mut text);
        output::line(String::from_utf8_lossy(&text).trim_end());
        Exit::Fine
    }
}

/// Writes a man page for each command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  reattest man ~/.local/share/man/man1")]
pub(super) struct Man {
    /// Where to; it is made where it does not exist.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> Result<Exit, Fault> {
        let fail = |path: &Path, error: io::Error| Fault::new(path.display().to_string(), error);
        fs::create_dir_all(&self.directory).map_err(|error| fail(&self.directory, error))?;
        let command = Arguments::command().disable_help_subcommand(true);
        clap_mangen::generate_to(command, &self.directory)
            .map_err(|error| fail(&self.directory, error))?;
        let written =
            fs::read_dir(&self.directory).map_err(|error| fail(&self.directory, error))?;
        let pages = written.flatten().filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name == "reattest.1" || (name.starts_with("reattest-") && name.ends_with(".1"))
        });
        output::line(&format!("{} pages in {}", pages.count(), self.directory.display()));
        Ok(Exit::Fine)
    }
}
