//! Starts the signer and the builder: separate processes whose links the node never holds whole.
#![expect(clippy::disallowed_methods, reason = "the shell has threads and patience")]

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use crate::builder::messages::{FromBuilder, ToBuilder};
use crate::fault::Fault;
use crate::link::Link;
use crate::log_format::LogFormat;
use crate::signer::messages::{FromSigner, ToSigner};

/// How long a process may take to end in order.
const PATIENCE: Duration = Duration::from_secs(5);

/// The children of a node: a signer where it signs or cosigns, a builder where it rebuilds.
///
/// The pair between builder and signer is made here and given away at once: the node's process
/// keeps no end of it, so it can hand the signer no result.
#[derive(Debug)]
pub struct Roles {
    signer: Child,
    to_signer: Link,
    builder: Option<(Child, Link)>,
}

impl Roles {
    /// Starts them, and threads that bring what they say. Without `builder_said` there is no builder.
    pub fn start(
        config: &Path,
        signer_said: mpsc::Sender<FromSigner>,
        builder_said: Option<mpsc::Sender<FromBuilder>>,
    ) -> Result<Self, Fault> {
        let fail = |error| Fault::new("the node's processes cannot be started", error);
        let (to_signer, signer_to_node) = Link::pair(("signer", "node")).map_err(fail)?;
        let (builder_to_signer, signer_to_builder) =
            Link::pair(("signer", "builder")).map_err(fail)?;
        let signer = process(&[], "signer", config).map_err(fail)?;
        let signer = start(signer, signer_to_node, signer_to_builder).map_err(fail)?;
        let from_signer = to_signer.try_clone().map_err(fail)?;
        thread::spawn(move || forward(&from_signer, &signer_said));
        let builder = match builder_said {
            Some(said) => Some(Self::start_builder(config, builder_to_signer, said).map_err(fail)?),
            None => None,
        };
        Ok(Self { signer, to_signer, builder })
    }

    fn start_builder(
        config: &Path,
        builder_to_signer: Link,
        said: mpsc::Sender<FromBuilder>,
    ) -> std::io::Result<(Child, Link)> {
        let (to_builder, builder_to_node) = Link::pair(("builder", "node"))?;
        let builder = process(&alone(), "builder", config)?;
        let builder = start(builder, builder_to_node, builder_to_signer)?;
        let from_builder = to_builder.try_clone()?;
        thread::spawn(move || forward(&from_builder, &said));
        Ok((builder, to_builder))
    }

    /// Tells the signer.
    pub fn tell_signer(&self, message: &ToSigner) -> Result<(), Fault> {
        Ok(self.to_signer.send(message)?)
    }

    /// Tells the builder.
    pub fn tell_builder(&self, message: &ToBuilder) -> Result<(), Fault> {
        match &self.builder {
            Some((_, to_builder)) => Ok(to_builder.send(message)?),
            None => Err(Fault::text("this node has no builder; give it the role \"rebuild\"")),
        }
    }

    /// Ends both: the builder ends its sandbox first, the signer finishes what it writes.
    pub fn stop(mut self) {
        // The threads that read from them hold handles too; closing ends those as well.
        self.to_signer.close();
        if let Some((mut builder, to_builder)) = self.builder.take() {
            to_builder.close();
            let pid = i32::try_from(builder.id()).ok().and_then(Pid::from_raw);
            let _already_ended = pid.map(|pid| kill_process(pid, Signal::TERM));
            end(&mut builder);
        }
        end(&mut self.signer);
    }
}

/// Waits for a process that was asked to end, and kills it when it does not.
fn end(process: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    while matches!(process.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _already_ended = process.kill();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What gives a program a network of its own, with nothing in it: unshare(1).
fn alone() -> Vec<&'static str> {
    let mut alone = vec!["unshare", "--net"];
    if !rustix::process::geteuid().is_root() {
        alone.extend(["--user", "--map-current-user"]);
    }
    alone.push("--");
    alone
}

fn process(before: &[&str], name: &str, config: &Path) -> std::io::Result<Command> {
    let own = std::env::current_exe()?;
    let mut command = match before.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(own);
            command
        }
        None => Command::new(own),
    };
    command.args(LogFormat::chosen().arguments());
    command.args(["role", name, "--config"]).arg(config);
    Ok(command)
}

fn start(mut command: Command, stdin: Link, stdout: Link) -> std::io::Result<Child> {
    command.stdin(stdin.into_socket()).stdout(stdout.into_socket()).spawn()
}

fn forward<T>(link: &Link, to: &mpsc::Sender<T>)
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    // The receiver sees the end of the channel and stops the node: without its roles it is none.
    while let Ok(message) = link.receive() {
        if to.blocking_send(message).is_err() {
            return;
        }
    }
}
