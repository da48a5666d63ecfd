//! The apt method: starts the method that downloads, passes messages on, and answers for packages itself.
#![expect(clippy::disallowed_methods, reason = "apt and its method are read at the same time")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;

use reattest_attestation::Digest;

use super::door::{Answer, Door, config_item, hashed};
use super::enable::SCHEMES;
use super::message::{Message, MessageError};
use super::relay::{self, Effect, Relay, Wanted};
use super::withhold::{Complete, Withheld};
use crate::fault::Fault;
use crate::limits::APT_LOOK;

/// Where apt keeps the methods that download.
pub(super) const METHODS: &str = "/usr/lib/apt/methods";

/// What comes to this process.
enum Event {
    Apt(Result<Option<Message>, MessageError>),
    Method(Result<Option<Message>, MessageError>),
}

/// The scheme whose method this process is, by the name that it was started under.
pub fn scheme() -> Option<&'static str> {
    let name = std::env::args_os().next()?;
    let name = Path::new(&name).file_name()?.to_str()?;
    SCHEMES.into_iter().find(|scheme| *scheme == name)
}

/// Serves one apt, until it closes its end; `scheme` is `http`, `https`, `file` and so on.
pub fn serve(scheme: &str) -> Result<(), Fault> {
    let program = Path::new(METHODS).join(scheme);
    let mut child = start(&program)?;
    let (events, told) = channel();
    let apt = events.clone();
    thread::spawn(move || read_all(io::stdin(), &apt, Event::Apt));
    let output = child.stdout.take();
    thread::spawn(move || output.map(|output| read_all(output, &events, Event::Method)));
    let served = Method::new(child).serve(&told);
    served.map_err(|error| Fault::new(format!("the apt method for {scheme}"), error))
}

fn start(program: &Path) -> Result<Child, Fault> {
    Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Fault::new(format!("apt's own method {}", program.display()), error))
}

fn read_all(
    from: impl Read,
    to: &Sender<Event>,
    event: impl Fn(Result<Option<Message>, MessageError>) -> Event,
) {
    let mut from = BufReader::new(from);
    loop {
        let message = Message::read(&mut from);
        let more = matches!(message, Ok(Some(_)));
        if to.send(event(message)).is_err() || !more {
            return;
        }
    }
}

struct Method {
    child: Child,
    relay: Relay,
    door: Door,
    arriving: BTreeMap<String, Withheld>,
}

impl Method {
    fn new(child: Child) -> Self {
        Self { child, relay: Relay::default(), door: Door::default(), arriving: BTreeMap::new() }
    }

    fn serve(mut self, told: &Receiver<Event>) -> Result<(), MessageError> {
        loop {
            match told.recv_timeout(APT_LOOK) {
                Ok(Event::Apt(message)) => match message? {
                    Some(message) => self.apt_says(message)?,
                    // No more is asked for; the method ends when it has answered.
                    None => drop(self.child.stdin.take()),
                },
                Ok(Event::Method(message)) => match message? {
                    Some(message) => self.perform(|relay| relay.method_says(message))?,
                    None => break,
                },
                Err(RecvTimeoutError::Timeout) => {
                    self.arriving.values_mut().for_each(Withheld::follow);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }

    fn apt_says(&mut self, message: Message) -> Result<(), MessageError> {
        if message.code == 601 {
            let items: Vec<(String, String)> =
                message.all("Config-Item").filter_map(config_item).collect();
            let config = items.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            self.door.configure(config);
        }
        self.perform(|relay| relay.apt_says(message))
    }

    fn perform(
        &mut self,
        decide: impl FnOnce(&mut Relay) -> Vec<Effect>,
    ) -> Result<(), MessageError> {
        for effect in decide(&mut self.relay) {
            match effect {
                Effect::ToApt(message) => tell_apt(&message)?,
                Effect::ToMethod(message) => self.tell_method(&message)?,
                Effect::Begin(wanted) => {
                    let withheld = Withheld::new(&wanted.withheld, &wanted.file);
                    self.arriving.insert(wanted.uri, withheld);
                }
                Effect::Judge(wanted, message) => tell_apt(&self.judge(&wanted, message))?,
                Effect::End(wanted) => drop(self.arriving.remove(&wanted.uri)),
            }
        }
        Ok(())
    }

    fn tell_method(&mut self, message: &Message) -> io::Result<()> {
        match &mut self.child.stdin {
            Some(stdin) => stdin.write_all(message.to_string().as_bytes()),
            None => Err(io::Error::other("apt asks after its end")),
        }
    }

    /// What apt is told of a package that is there whole: its name and digest, or why it gets nothing.
    fn judge(&mut self, wanted: &Wanted, done: Message) -> Message {
        let answer = self.arrive(wanted, &done);
        let kept_in_place =
            done.field("Filename").map(PathBuf::from) != Some(wanted.withheld.clone());
        if !kept_in_place {
            let _gone = fs::remove_file(&wanted.withheld);
        }
        match answer {
            Ok(sha256) if kept_in_place => done.with("SHA256-Hash", &sha256.to_string()),
            Ok(sha256) => done
                .with("Filename", &wanted.file.to_string_lossy())
                .with("SHA256-Hash", &sha256.to_string()),
            Err(why) => {
                if !kept_in_place {
                    let _gone = fs::remove_file(&wanted.file);
                }
                relay::failure(&wanted.uri, &why)
            }
        }
    }

    fn arrive(&mut self, wanted: &Wanted, done: &Message) -> Result<Digest, String> {
        let named = done.field("Filename").map(PathBuf::from).unwrap_or_default();
        let arriving = self.arriving.remove(&wanted.uri);
        let fail = |error: io::Error| format!("{}: {error}", wanted.withheld.display());
        if named != wanted.withheld {
            // A medium that is at hand already (`file:`): it stays where it is.
            let file = hashed(&named).map_err(|fault| fault.to_string())?;
            return self.ask(wanted, file.sha256());
        }
        let told = done.field("SHA256-Hash").and_then(|text| text.parse().ok());
        let withheld = arriving.unwrap_or_else(|| Withheld::new(&wanted.withheld, &wanted.file));
        let complete: Complete = withheld.finish(told).map_err(fail)?;
        let sha256 = self.ask(wanted, complete.sha256)?;
        complete.release().map_err(fail)?;
        Ok(sha256)
    }

    fn ask(&mut self, wanted: &Wanted, sha256: Digest) -> Result<Digest, String> {
        match self.door.package(wanted, sha256) {
            Answer::Allowed(note) => {
                // apt shows no word of a method on a package that it gets; the hook says it again.
                if let Some(note) = note {
                    tracing::warn!("{}: {note}", wanted.uri);
                }
                Ok(sha256)
            }
            Answer::Refused(why) => Err(why),
        }
    }
}

fn tell_apt(message: &Message) -> io::Result<()> {
    let mut apt = io::stdout().lock();
    apt.write_all(message.to_string().as_bytes())?;
    apt.flush()
}
