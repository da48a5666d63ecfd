//! One operator of the demonstration: keys, a certificate, a configuration, a node process.
#![expect(clippy::disallowed_methods, reason = "a task reads what the node reports")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use reattest_attestation::{SecretKey, Sign};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::config::{Archive, Build, Cache, Config, Role, StoreLimits};
use crate::fault::Fault;
use crate::setup;
use crate::shell::control::{self, Answer, Ask};
use crate::shell::report::Report;
use crate::signer::custody::Place;

/// One operator.
pub(super) struct Operator {
    pub(super) name: &'static str,
    pub(super) key: SecretKey,
    pub(super) config: Config,
    pub(super) config_file: PathBuf,
    pub(super) process: Option<Child>,
}

impl Operator {
    /// Its keys and its certificate.
    pub(super) fn set_up(
        name: &'static str,
        home: &Path,
        policy: &Path,
        lies: bool,
    ) -> Result<Self, Fault> {
        let directory = home.join(name);
        let (key, rebuilder) = (setup::new_key()?, setup::new_key()?);
        let certificate = setup::certify(&key, rebuilder.public_key())?;
        let key_file = directory.join("keys/rebuilder.key");
        let certificate_file = directory.join("keys/certificate.json");
        setup::write_key(&key_file, &rebuilder, "rebuilder")?;
        setup::write_new(&certificate_file, certificate.as_bytes(), 0o644)?;
        let network = "demo".parse().map_err(|error| Fault::text(format!("{error}")))?;
        let config = Config {
            file: PathBuf::new(),
            network,
            roles: vec![Role::Rebuild, Role::Consume],
            data: directory.clone(),
            policy: policy.to_owned(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            peers: Vec::new(),
            key: Some(Place::File(key_file)),
            certificate: Some(certificate_file),
            archive: Archive::default(),
            cache: Cache::default(),
            store: StoreLimits::default(),
            consumer_key: None,
            scans: None,
            service: None,
            build: Build::default(),
            follow: Vec::new(),
            labels: std::collections::BTreeMap::new(),
            alarms: crate::config::Alarms::default(),
            lies,
            find: crate::config::Find::default(),
            allowed_peers: None,
            witness: None,
            await_witnesses: None,
            http: None,
            mirrors: Vec::new(),
        };
        let config_file = directory.join("config.toml");
        Ok(Self { name, key, config, config_file, process: None })
    }

    /// Where its node's standard error goes.
    pub(super) fn log(&self) -> PathBuf {
        self.config.data.join("node.log")
    }

    /// Starts its node, whose reports go to `reporter`; `None` when it ends.
    pub(super) fn start(
        &mut self,
        reporter: mpsc::Sender<(&'static str, Option<Report>)>,
    ) -> Result<(), Fault> {
        let fail = |error: std::io::Error| {
            Fault::new(format!("the node of {} did not start", self.name), error)
        };
        let text = toml::to_string(&self.config)
            .map_err(|error| Fault::new(self.config_file.display().to_string(), error))?;
        setup::write_new(&self.config_file, text.as_bytes(), 0o644)?;
        let log = std::fs::File::create(self.log()).map_err(fail)?;
        let mut process = reattest()?
            .arg("--config")
            .arg(&self.config_file)
            .args(["node", "--json", "--die-with-parent"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .kill_on_drop(true)
            .spawn()
            .map_err(fail)?;
        let name = self.name;
        if let Some(stdout) = process.stdout.take() {
            tokio::spawn(async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let Ok(report) = serde_json::from_str(&line) else {
                        continue;
                    };
                    if reporter.send((name, Some(report))).await.is_err() {
                        return;
                    }
                }
                // Nobody waits for the end of a demonstration that is over.
                let _over = reporter.send((name, None)).await;
            });
        }
        self.process = Some(process);
        Ok(())
    }

    /// Asks its node.
    pub(super) fn ask(&self, question: &Ask) -> Result<Answer, Fault> {
        control::ask(&self.config.socket(), question)?
            .ok_or_else(|| Fault::text(format!("the node of {} does not answer", self.name)))
    }

    /// Asks its node to stop.
    pub(super) fn terminate(&self) {
        let id = self.process.as_ref().and_then(Child::id);
        let pid = id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _already_ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

/// This very program, for processes of the demonstration.
pub(super) fn reattest() -> Result<Command, Fault> {
    let program = std::env::current_exe()
        .map_err(|error| Fault::new("this program does not find itself", error))?;
    Ok(Command::new(program))
}
