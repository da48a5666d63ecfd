//! Real nodes: keys by `reattest init`, one process each, on loopback.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::processes::{naming, wait_until};
use crate::{document, printed, reattest, run, said};

/// How long anything in a network may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(4);

/// One operator's node.
pub struct Member {
    /// The operator's name.
    pub name: String,
    /// Its directory.
    pub home: PathBuf,
    /// The `[[operator]]` table for policies, as `init` prints it.
    table: String,
    /// Its own cache, where it does not share the user's.
    pub cache: Option<PathBuf>,
    process: Option<Child>,
}

impl Member {
    /// Keys and configuration, by `reattest init`.
    pub fn init(parent: &Path, name: &str) -> Self {
        let home = parent.join(name);
        std::fs::create_dir(&home).unwrap();
        let config = home.join("config.toml");
        let output = run(&[
            "--config",
            config.to_str().unwrap(),
            "init",
            "--name",
            name,
            "--network",
            "test",
        ]);
        assert!(output.status.success(), "{}", said(&output));
        let text = printed(&output);
        let table = text.get(text.find("[[operator]]").unwrap()..).unwrap().to_owned();
        Self { name: name.to_owned(), home, table, cache: None, process: None }
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.home.join("config.toml")
    }

    /// Rewrites lines of the configuration: each key gets a new value.
    pub fn configure(&self, values: &[(&str, String)]) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let lines = text.lines().map(|line| {
            let new = values.iter().find(|(key, _)| line.starts_with(&format!("{key} =")));
            new.map_or_else(|| line.to_owned(), |(key, value)| format!("{key} = {value}"))
        });
        std::fs::write(self.config(), lines.collect::<Vec<_>>().join("\n")).unwrap();
    }

    /// A command with this member's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = reattest(&["--config"]);
        command.arg(self.config()).args(arguments);
        command.envs(self.cache.iter().map(|cache| ("XDG_CACHE_HOME", cache)));
        command
    }

    /// Starts the node on loopback and waits until it answers; its address for others.
    pub fn start(&mut self, peers: &[String]) -> String {
        self.start_in(&[], "/ip4/127.0.0.1/tcp/0", peers)
    }

    /// Starts the node by a command that runs it elsewhere, such as in a namespace of its own.
    pub fn start_in(&mut self, elsewhere: &[String], listen: &str, peers: &[String]) -> String {
        self.launch(elsewhere, listen, peers);
        let mut address = None;
        wait_until(&format!("{} listens", self.name), PATIENCE, || {
            if self.has_ended() {
                return true;
            }
            let output = self.command(&["status", "--json"]).output().unwrap();
            if output.status.success() {
                let status = document(&output);
                address = status["listening"][0].as_str().map(str::to_owned);
            }
            address.is_some()
        });
        address.unwrap_or_else(|| panic!("{} ended: {}", self.name, self.log()))
    }

    /// Starts the node and waits for nothing.
    pub fn launch(&mut self, elsewhere: &[String], listen: &str, peers: &[String]) {
        self.configure(&[("listen", format!("[{listen:?}]")), ("peers", format!("{peers:?}"))]);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.join("node.log"))
            .unwrap();
        let node = self.command(&["node"]);
        let mut command = match elsewhere {
            [] => node,
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(node.get_program()).args(node.get_args());
                command.env("NO_COLOR", "1").env_remove("RUST_LOG");
                command
            }
        };
        let process = command.stdin(Stdio::null()).stderr(Stdio::from(log)).spawn().unwrap();
        self.process = Some(process);
    }

    /// Whether the node ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some())
    }

    /// The id of the node's process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// The `[[operator]]` table for policies.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The same operator and the same key on a second machine, where nothing ran yet.
    #[must_use]
    pub fn twin(&self, name: &str) -> Self {
        let home = self.home.with_file_name(name);
        let copied =
            Command::new("cp").args(["-r", "--"]).args([&self.home, &home]).status().unwrap();
        assert!(copied.success());
        let config = std::fs::read_to_string(self.config()).unwrap();
        let here = self.home.to_str().unwrap();
        let config = config.replace(&format!("{here}/"), &format!("{}/", home.display()));
        std::fs::write(home.join("config.toml"), config).unwrap();
        Self { name: name.to_owned(), home, table: self.table.clone(), cache: None, process: None }
    }

    /// What `reattest status` says.
    pub fn status(&self) -> serde_json::Value {
        let output = self.command(&["status", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        document(&output)
    }

    /// The size of an operator's log as this node holds it.
    pub fn log_size(&self, operator: &str) -> u64 {
        let status = self.status();
        let logs = status["logs"].as_array().unwrap();
        let log = logs.iter().find(|log| log["operator"] == operator);
        log.map_or(0, |log| log["size"].as_u64().unwrap())
    }

    /// `kill -9`, and nothing else: what it leaves must end by itself.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        wait_until("a killed node leaves no process", Duration::from_secs(20), || {
            naming(&self.home).is_empty()
        });
    }

    /// What the node wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("node.log")).unwrap_or_default()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        if let Some(mut process) = self.process.take() {
            let _ended = Command::new("kill").arg(process.id().to_string()).status();
            let _status = process.wait();
        }
    }
}

/// The policy that names these members; the archive's keys are those of the machine's keyring.
pub fn trust_each_other(members: &[Member], need: usize, archive_keys: &[String]) {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let tables: Vec<&str> = members.iter().map(|member| member.table.as_str()).collect();
    let policy = format!(
        "version = 1\nnetwork = \"test\"\nexpires = 2100-01-01T00:00:00Z\n\n{}\n\
         [[authority]]\npurl = \"pkg:deb/debian/*\"\nopenpgp = {archive_keys:?}\n\n\
         [quorum]\nneed = {need}\nof = {names:?}\n",
        tables.join("\n"),
    );
    for member in members {
        std::fs::write(member.home.join("policy.toml"), &policy).unwrap();
    }
}
