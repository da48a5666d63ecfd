//! The glass broken by a real command: who, why, how long; alarms that are retried; the review (C6). What was let in, watched (C8).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and listens beside real processes"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Output;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reattest::decisions::watch::{Kind, look_again};
use reattest::decisions::{Answered, Decided, Desk, Event, PolicyRead, Request};
use reattest_attestation::policy::Door;
use reattest_attestation::{Completeness, HashedFile, SecretKey, Sign as _};
use reattest_tests::network::Member;
use reattest_tests::{directory, document, printed, said};
use serde_json::Value;

use crate::worlds::{NOW, P, at, file, policy_text, world};

/// A member with alarms: its webhook answers these codes in turn, its system's log is a socket.
struct Alarmed {
    member: Member,
    posted: Receiver<Value>,
    syslog: UnixDatagram,
    home: tempfile::TempDir,
}

impl Alarmed {
    fn new(codes: &[u16]) -> Self {
        let home = directory();
        let member = Member::init(home.path(), "ash");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/alarm", listener.local_addr().unwrap());
        let (sender, posted) = channel();
        let codes = codes.to_vec();
        // Ends with its last answer.
        std::thread::spawn(move || {
            for code in codes {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    lines.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                lines.read_exact(&mut body).unwrap();
                let answer =
                    format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let path = home.path().join("log");
        let syslog = UnixDatagram::bind(&path).unwrap();
        syslog.set_nonblocking(true).unwrap();
        let text = fs::read_to_string(member.config()).unwrap();
        let table = format!("\n[alarms]\nwebhook = \"{url}\"\nsyslog = \"{}\"\n", path.display());
        fs::write(member.config(), text + &table).unwrap();
        Self { member, posted, syslog, home }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.member.command(arguments).output().unwrap()
    }

    fn break_glass(&self, expires: &str) -> Output {
        let reason = "the resolver is down";
        self.run(&["breakglass", "--artifact", P, "--reason", reason, "--expires", expires])
    }

    fn open(&self) -> Value {
        document(&self.run(&["breakglass", "list", "--json"]))
    }

    /// What the system's log got.
    fn logged(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = self.syslog.recv(&mut buffer) {
            found.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        found
    }

    fn decisions(&self) -> PathBuf {
        self.member.home.join("data/decisions")
    }
}

#[test]
fn a_broken_glass_is_recorded_alarms_until_it_is_heard_and_stays_open_until_the_review() {
    let here = Alarmed::new(&[500, 204]);
    let output = here.break_glass("4h");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("answered 500"), "{}", said(&output));
    let alarm = here.posted.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!((&alarm["alarm"], &alarm["record"]), (&"breakglass".into(), &1.into()), "{alarm}");
    assert_eq!((&alarm["artifact"], &alarm["reason"]), (&P.into(), &"the resolver is down".into()));
    let logged = here.logged();
    assert!(logged.len() == 1 && logged[0].starts_with("<81>reattest["), "{logged:?}");

    let list = here.open();
    let one = &list["open"][0];
    assert_eq!((&one["record"], &one["overdue"]), (&1.into(), &false.into()), "{list}");
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(one["by"]["uid"], uid);
    assert!(one["by"]["host"].as_str().is_some_and(|host| !host.is_empty()), "{one}");
    assert_eq!(list["untaken"].as_array().unwrap().len(), 0, "taken at the second try: {list}");
    here.posted.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(here.logged().len(), 0, "the system's log took it the first time");

    let wrong = here.run(&["breakglass", "review", "2", "--remark", "looked"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(said(&wrong).contains("no open breakglass 2"), "{}", said(&wrong));
    let review = here.run(&["breakglass", "review", "1", "--remark", "rebuilt since"]);
    assert!(review.status.success(), "{}", said(&review));
    assert_eq!(here.open()["open"].as_array().unwrap().len(), 0);
    let audit = printed(&here.run(&["audit", "list"]));
    assert!(audit.contains("the resolver is down") && audit.contains("rebuilt since"), "{audit}");
    assert_eq!(here.run(&["audit", "verify"]).status.code(), Some(0));
}

#[test]
fn whoever_has_the_record_can_check_its_signature_and_without_the_key_nobody_signs() {
    let here = Alarmed::new(&[204, 204]);
    let path = here.member.home.join("data/keys/consumer.key");
    let key = SecretKey::from_openssh(&fs::read_to_string(&path).unwrap()).unwrap().public_key();
    assert!(printed(&here.break_glass("1h")).contains(&key.fingerprint()));
    let alarm = here.posted.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(alarm["signed_by"], key.fingerprint());

    // The message is drawn up here from the line alone, as docs/FORMAT.md says.
    let log = here.decisions().join("000000000001.jsonl");
    let mut record: Value = serde_json::from_str(&fs::read_to_string(log).unwrap()).unwrap();
    let signature = record.as_object_mut().unwrap().remove("signature").unwrap();
    assert_eq!(signature["key"], key.to_string());
    let payload = record.to_string();
    let message =
        format!("DSSEv1 38 application/vnd.reattest.decision+json {} {payload}", payload.len());
    let sig = STANDARD.decode(signature["sig"].as_str().unwrap()).unwrap();
    key.verify(message.as_bytes(), &sig.try_into().unwrap()).unwrap();

    let other = SecretKey::from_seed(&[9; 32]).public_key().to_string();
    let stranger = here.run(&["audit", "verify", "--signer", &other]);
    assert_eq!(stranger.status.code(), Some(11), "{}", said(&stranger));
    assert!(printed(&stranger).contains(&key.fingerprint()), "{}", printed(&stranger));
    assert_eq!(here.run(&["audit", "verify"]).status.code(), Some(0));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let unsigned = here.break_glass("1h");
    assert_eq!(
        unsigned.status.code(),
        Some(0),
        "an emergency waits for no key: {}",
        said(&unsigned)
    );
    assert!(said(&unsigned).contains("the record is not signed"), "{}", said(&unsigned));
    let alarm = here.posted.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(alarm["signed_by"], Value::Null, "whoever hears the alarm learns it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let found = here.run(&["audit", "verify"]);
    assert_eq!(found.status.code(), Some(11));
    assert!(printed(&found).contains("record 2: nobody signed it"), "{}", printed(&found));
    assert!(printed(&here.run(&["audit", "show", "2"])).contains("signed    by nobody"));
}

#[test]
fn a_glass_is_not_broken_without_a_reason_or_for_good_and_an_overdue_one_is_shown() {
    let here = Alarmed::new(&[]);
    for (arguments, word) in [
        (["--reason", " ", "--expires", "4h"], "needed 1 to 2000"),
        (["--reason", "why", "--expires", "8 days"], "604800 s"),
        (["--reason", "why", "--expires", "0 s"], "1 s to"),
    ] {
        let output = here.run(&[&["breakglass", "--artifact", P], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(word), "{}", said(&output));
    }
    let missing = here.run(&["breakglass", "--artifact", P]);
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(here.open()["open"].as_array().unwrap().len(), 0);
    assert_eq!(here.logged().len(), 0);

    assert!(here.break_glass("1 s").status.success());
    reattest_tests::processes::wait_until("it is overdue", Duration::from_secs(30), || {
        here.open()["open"][0]["overdue"] == true
    });
    let shown = printed(&here.run(&["breakglass", "list"]));
    assert!(shown.contains("OVERDUE for review since"), "{shown}");
}

#[test]
fn a_running_node_shows_what_is_overdue_counts_it_and_sends_alarms_again() {
    let mut here = Alarmed::new(&[500, 204]);
    let text = fs::read_to_string(here.member.config()).unwrap();
    // The key is quoted, so that the test's own rewriting of `listen` passes it by.
    fs::write(here.member.config(), text + "\n[http]\n\"listen\" = \"127.0.0.1:0\"\n").unwrap();
    assert!(here.break_glass("1 s").status.success());
    here.posted.recv_timeout(Duration::from_secs(30)).unwrap();
    here.member.start(&[]);
    let again = here.posted.recv_timeout(Duration::from_mins(2)).unwrap();
    assert_eq!(again["alarm"], "breakglass", "sent by the node alone: {again}");
    reattest_tests::processes::wait_until("it is overdue", Duration::from_secs(30), || {
        here.member.status()["breakglasses"][0]["overdue"] == true
    });
    let status = here.member.status();
    let shown = printed(&here.run(&["status"]));
    assert!(shown.contains("breakglass 1") && shown.contains("OVERDUE"), "{shown}");

    let url = status["http"].as_str().unwrap();
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let question = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(question.as_bytes()).unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    for line in ["reattest_breakglass_total 1", "reattest_breakglass_open 1", "decision_log_up 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

fn policy(formula: &str, more: &str) -> PolicyRead {
    PolicyRead::text(policy_bytes(formula, more))
}

fn policy_bytes(formula: &str, more: &str) -> Vec<u8> {
    format!(
        "{}\n[[environment]]\nname = \"here\"\nmode = \"enforce\"\nwhen_unavailable = \"allow\"\n\
         expires = 2026-12-31T00:00:00Z\ndoors = [\"apt\"]\n{more}",
        policy_text(formula)
    )
    .into_bytes()
}

fn request() -> Request {
    let asked = HashedFile::elsewhere("netbase_6.5_all.deb", file('F'));
    Request::new(Door::Apt, P.parse().unwrap(), &asked)
}

fn had(line: &str) -> Answered {
    let bundle = world(line).to_bytes().unwrap();
    Answered::Had { bundle, dissent: Completeness::Complete, scans: Vec::new() }
}

fn nobody() -> Answered {
    Answered::Unavailable("nobody answers".to_owned())
}

/// What is found about a file that was let in by `before`, where `after` is known today.
fn found(before: Answered, today: &PolicyRead, after: Answered) -> Vec<Kind> {
    let home = tempfile::tempdir().unwrap();
    let desk = Desk::at(&home.path().join("decisions")).with_clock(|| at(NOW));
    let decision = desk.decide(&policy("2/3", ""), request(), |_| before);
    assert!(decision.is_allowed(), "{decision:?}");
    let line = desk.chain().lines().unwrap().next().unwrap().unwrap();
    let Event::Decision(decided) = line.record.event else { return Vec::new() };
    let decided: Decided = *decided;
    let found = look_again(today, (1, &decided), after, &desk.chain().shelf(), at(NOW + 60));
    found.iter().map(|noticed| noticed.kind).collect()
}

#[test]
fn each_change_for_the_worse_is_a_finding_and_no_other_is() {
    let same = || policy("2/3", "");
    let good = "a1+F b1+F";
    let none: Vec<Kind> = Vec::new();
    assert_eq!(found(had(good), &same(), had(good)), none);
    assert_eq!(found(had(good), &same(), had("a1+F b1+F c1+F")), none);
    assert_eq!(found(nobody(), &same(), had(good)), none, "the allowance was right");
    assert_eq!(found(had(good), &policy("3/3", ""), had(good)), [Kind::AcceptedBefore]);
    assert_eq!(found(had(good), &same(), had("a1+G b1+G")), [Kind::AcceptedBefore]);
    assert_eq!(
        found(had(good), &same(), had("a1+F b1+F c1-F")),
        [Kind::NewDissent],
        "accepted yet"
    );
    let revoked = "a1+F b1+F c1+F a1^revoked@0";
    assert_eq!(found(had(good), &same(), had(revoked)), [Kind::RevokedKey], "accepted yet");
    assert_eq!(found(had(revoked), &same(), had(revoked)), none, "known when it was let in");
    assert_eq!(found(nobody(), &same(), had("a1+G b1+G")), [Kind::UnavailableThen]);
    assert_eq!(found(nobody(), &same(), had("a1+F")), [Kind::UnavailableThen]);
    assert_eq!(found(had(good), &same(), nobody()), [Kind::NoEvidence]);
    let elsewhere = policy("2/3", "labels = { stage = \"prod\" }\n");
    assert_eq!(found(had(good), &elsewhere, had(good)), [Kind::Configuration]);
    let rules = "[environment.rules]\nminimum_versions = [\"pkg:deb/debian/netbase@6.6\"]\n";
    assert_eq!(found(had(good), &policy("2/3", rules), had(good)), [Kind::AcceptedBefore]);
}

#[test]
fn a_finding_is_told_once_and_a_broken_policy_is_one() {
    let here = Alarmed::new(&[204]);
    let desk = Desk::at(&here.decisions());
    let lasting = String::from_utf8(policy_bytes("2/3", "")).unwrap();
    let lasting = lasting.replace("2026-12-31", "2099-12-31").replace("2027-01-01", "2100-01-01");
    let read = PolicyRead::text(lasting.clone().into_bytes());
    let decision = desk.decide(&read, request(), |_| nobody());
    assert!(decision.is_allowed(), "{decision:?}");
    fs::write(here.member.home.join("policy.toml"), "version = 1\nnetwork = ").unwrap();
    let metrics = here.home.path().join("watch.prom");
    let arguments =
        ["watch", "--once", "--offline", "--json", "--metrics", metrics.to_str().unwrap()];
    for round in 0..2 {
        let output = here.run(&arguments);
        assert_eq!(output.status.code(), Some(3), "{}{}", printed(&output), said(&output));
        let told = document(&output);
        assert_eq!(told["findings"][0]["kind"], "configuration", "{told}");
        assert_eq!(here.logged().len(), usize::from(round == 0));
    }
    let alarm = here.posted.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(alarm["finding"]["kind"], "configuration", "{alarm}");
    let text = fs::read_to_string(&metrics).unwrap();
    assert!(text.contains("reattest_watch_findings{kind=\"configuration\"} 1"), "{text}");
    assert!(text.contains("reattest_watch_deployments 1"), "{text}");

    // The policy is mended, and nobody has logs: that the evidence is not to be had is told, too.
    fs::write(here.member.home.join("policy.toml"), lasting).unwrap();
    let told = document(&here.run(&["watch", "--once", "--json"]));
    assert_eq!(told["findings"][0]["kind"], "no-evidence", "{told}");
}
