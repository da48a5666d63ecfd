//! How this process, and those that it starts, write what happens to standard error: for people, or as JSON.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The form of what goes to standard error. Results on standard output have their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line, with `timestamp`, `level`, `target`, and what is told below `fields`.
    Json,
}

/// What this process was told at its start.
static CHOSEN: OnceLock<LogFormat> = OnceLock::new();

/// The program's own news are worth a line of JSON; people read them as reports anyway.
const JSON_FILTER: &str = "warn,reattest=info";

impl LogFormat {
    /// Begins the log of this process; `RUST_LOG` chooses how much it tells.
    pub fn begin(self) {
        let format = *CHOSEN.get_or_init(|| self);
        let usual = if format == Self::Json { JSON_FILTER } else { "warn" };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        if format == Self::Json {
            log.json().with_current_span(false).with_span_list(false).init();
            std::panic::set_hook(Box::new(panicked));
        } else {
            let is_terminal = std::io::stderr().is_terminal();
            log.with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none()).init();
        }
    }

    /// What this process was told; for people, where nobody said anything.
    pub fn chosen() -> Self {
        CHOSEN.get().copied().unwrap_or_default()
    }

    /// What tells another process of this program the same.
    pub fn arguments(self) -> [&'static str; 2] {
        let name = match self {
            Self::Human => "human",
            Self::Json => "json",
        };
        ["--log-format", name]
    }
}

/// The standard library's own line would be no JSON.
fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let why = info.payload_as_str().unwrap_or("no words");
    tracing::error!(event = "panic", place, "{why}");
}
