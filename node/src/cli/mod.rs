//! The command line: what each command takes, and which exit code it ends with.

mod announce;
mod apt;
mod audit;
mod breakglass;
mod bundle;
mod check;
mod deciding;
mod demo;
mod doctor;
mod export;
mod gc;
mod init;
mod inputs;
mod key;
mod log;
mod manual;
mod node;
mod operator;
mod own_rebuild;
mod peers;
mod pinned;
mod pinned_table;
pub mod output;
mod policy;
mod query;
mod queue;
mod rebuild;
mod recipe;
mod render;
mod role;
mod scan;
mod status;
mod verify;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Directories};
use crate::fault::Fault;
use crate::log_format::LogFormat;

pub use render::{Case, verdict_lines};

/// Published binaries, checked by a quorum of independent rebuilders.
#[derive(Debug, Parser)]
#[command(
    name = "reattest",
    version,
    about = "Published binaries, checked by a quorum of independent rebuilders",
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct Arguments {
    /// The node's configuration; without it, the one that `reattest init` wrote.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How standard error is written, by every process of a node.
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A network on this machine: rebuild a real package, agree, and refuse a tampered copy.
    Demo(demo::Demo),
    /// Makes keys, a configuration, and a first policy that trusts nobody yet.
    Init(init::Init),
    /// Runs a node.
    Node(node::Node),
    /// Tells the network that a release exists.
    Announce(announce::Announce),
    /// Rebuilds one package on this machine; needs no network of nodes.
    Rebuild(rebuild::Rebuild),
    /// Pins a recipe file's packages, and shows what is signed of it.
    Recipe(recipe::Recipe),
    /// Removes what the cache need not keep, least recently used first.
    Gc(gc::Gc),
    /// Carries every input of a recipe as one file.
    Inputs(inputs::Inputs),
    /// The verdict of your policy on files.
    Verify(verify::Verify),
    /// What the network says of a package or a file.
    Query(query::Query),
    /// The verdict of your policy on every pin of lockfiles and bills of materials.
    Check(check::Check),
    /// The verdict of your policy on everything that is installed.
    Scan(scan::Scan),
    /// The evidence on a file, to carry along with it.
    Bundle(bundle::Bundle),
    /// The evidence on a file in the formats of other tools.
    Export(export::Export),
    /// Lets apt install only what the policy allows.
    Apt(apt::Apt),
    /// Lets one artifact past the policy for a while: recorded, and with an alarm at once.
    Breakglass(breakglass::BreakglassCommand),
    /// Judges again what was let in, whenever policy, keys or evidence change.
    Watch(watch::Watch),
    /// What was decided here, and whether that can be shown.
    Audit(audit::Audit),
    /// Checks a policy before it judges anything.
    Policy(policy::Policy),
    /// Tells what this machine can enforce.
    Doctor(doctor::Doctor),
    /// Makes an operator's offline key, and certifies rebuilder keys with it.
    Operator(operator::Operator),
    /// Shows, rotates or revokes the rebuilder's key.
    Key(key::Key),
    /// Puts the own log's state right after a loss.
    Log(log::Log),
    /// How the running node is.
    Status(status::Status),
    /// Who is connected to the running node.
    Peers(peers::Peers),
    /// What the running node builds, what waits, and what was given up.
    Queue(queue::Queue),
    /// Help on a command or a topic.
    Help(manual::Help),
    /// Completions for a shell, on standard output.
    Completions(manual::Completions),
    /// Writes a man page for each command.
    Man(manual::Man),
    /// One process of a node; started by the node itself.
    #[command(hide = true)]
    Role(role::Role),
}

/// Exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Accepted, reproduced, or simply done.
    Fine = 0,
    /// An operational fault, which is never a verdict.
    Fault = 1,
    /// The policy refuses the file.
    Rejected = 3,
    /// Not enough is known.
    Inconclusive = 4,
    /// Equal only after normalizers.
    Equivalent = 10,
    /// The rebuild came out different.
    Differs = 11,
    /// The build made nothing.
    BuildFailed = 12,
}

/// Runs the command line of this process.
///
/// Where it was started by the name of one of apt's methods, it is that method.
pub fn run() -> ExitCode {
    if let Some(scheme) = crate::apt::method::scheme() {
        return ExitCode::from(match crate::apt::method::serve(scheme) {
            Ok(()) => Exit::Fine,
            Err(fault) => {
                output::error(&fault);
                Exit::Fault
            }
        } as u8);
    }
    let arguments = Arguments::parse();
    arguments.log_format.begin();
    let exit = match dispatch(&arguments) {
        Ok(exit) => exit,
        Err(fault) => {
            output::error(&fault);
            Exit::Fault
        }
    };
    ExitCode::from(exit as u8)
}

fn dispatch(arguments: &Arguments) -> Result<Exit, Fault> {
    let config = arguments.config.as_deref();
    match &arguments.command {
        Command::Demo(command) => command.run(),
        Command::Init(command) => command.run(config),
        Command::Node(command) => command.run(&config_file(config)?),
        Command::Announce(command) => command.run(&load(config)?),
        Command::Rebuild(command) => command.run(config),
        Command::Recipe(command) => command.run(config),
        Command::Gc(command) => command.run(config),
        Command::Inputs(command) => command.run(config),
        Command::Verify(command) => command.run(config),
        Command::Query(command) => command.run(config),
        Command::Check(command) => command.run(config),
        Command::Scan(command) => command.run(config),
        Command::Bundle(command) => command.run(config),
        Command::Export(command) => command.run(config),
        Command::Apt(command) => command.run(config),
        Command::Breakglass(command) => command.run(&load(config)?),
        Command::Watch(command) => command.run(config),
        Command::Audit(command) => command.run(config),
        Command::Policy(command) => command.run(config),
        Command::Doctor(command) => command.run(config),
        Command::Operator(command) => command.run(),
        Command::Key(command) => command.run(&load(config)?),
        Command::Log(command) => command.run(&load(config)?),
        Command::Status(command) => command.run(&load(config)?),
        Command::Peers(command) => command.run(&load(config)?),
        Command::Queue(command) => command.run(&load(config)?),
        Command::Help(command) => command.run(),
        Command::Completions(command) => Ok(command.run()),
        Command::Man(command) => command.run(),
        Command::Role(command) => command.run(config),
    }
}

fn config_file(named: Option<&Path>) -> Result<PathBuf, Fault> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => Ok(Directories::of_user()?.config_file()),
    }
}

fn load(named: Option<&Path>) -> Result<Config, Fault> {
    Config::load(&config_file(named)?)
}
