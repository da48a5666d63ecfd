//! The door to apt, tried with the real apt, dpkg and a signed archive that the test makes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use reattest_attestation::Digest;
use reattest_tests::{at_hand, printed, said};

use crate::consumer::Consumer;

/// An archive of packages, the apt that knows only it, and a root for dpkg.
struct Apt {
    home: tempfile::TempDir,
    base: String,
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    output
}

impl Apt {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let served = home.path().join("archive");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || serve(stream, &served));
            }
        });
        for directory in [
            "archive/pool",
            "archive/dists/trixie/main/binary-all",
            "etc/apt.conf.d",
            "etc/preferences.d",
            "state/lists/partial",
            "cache/archives/partial",
            "root/var/lib/dpkg/info",
            "root/var/lib/dpkg/updates",
            "gpg",
        ] {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        fs::write(home.path().join("root/var/lib/dpkg/status"), "").unwrap();
        let apt = Self { home, base };
        apt.make_key();
        apt.configure();
        apt
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.path("gpg")).args(["--batch", "--yes", "--quiet"]);
        gpg
    }

    fn make_key(&self) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(self.path("gpg"), mode).unwrap();
        let make = ["--passphrase", "", "--quick-gen-key", "archive@test.example", "ed25519"];
        run(self.gpg().args(make));
        run(self.gpg().arg("--output").arg(self.path("key.gpg")).arg("--export"));
    }

    fn configure(&self) {
        let home = self.home.path().display();
        let conf = format!(
            "Dir::Etc \"{home}/etc\"; Dir::State \"{home}/state\"; Dir::Cache \"{home}/cache\";\n\
             Dir::Log \"{home}\"; Dir::State::status \"{home}/root/var/lib/dpkg/status\";\n\
             APT::Sandbox::User \"root\"; Acquire::http::Proxy \"false\";\n\
             Acquire::Languages \"none\"; Dir::Etc::parts \"{home}/etc/apt.conf.d\";\n\
             DPkg::Options {{ \"--root={home}/root\"; \"--force-not-root\"; \"--log={home}/dpkg.log\"; }};\n\
             DPkg::Path \"/usr/sbin:/usr/bin:/sbin:/bin\"; APT::Install-Recommends \"false\";\n"
        );
        fs::write(self.path("apt.conf"), conf).unwrap();
        let source = format!("deb [signed-by={home}/key.gpg] {}/ trixie main\n", self.base);
        fs::write(self.path("etc/sources.list"), source).unwrap();
    }

    /// Builds a package of this text, and puts it into the pool; its file.
    fn package(&self, name: &str, version: &str, text: &str) -> PathBuf {
        let root = self.path("package");
        let _none = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        fs::create_dir_all(root.join("usr/share/test")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@test.example>\n\
             Description: a test\n"
        );
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        fs::write(root.join("usr/share/test").join(name), text).unwrap();
        let file = self.path("archive/pool").join(format!("{name}_{version}_all.deb"));
        let build = ["--build", "--root-owner-group", "-Znone"];
        run(Command::new("dpkg-deb").args(build).arg(&root).arg(&file));
        file
    }

    /// Writes and signs the indexes over what is in the pool, and has apt read them.
    fn publish(&self) {
        let mut list = String::new();
        for file in reattest_tests::files_below(&self.path("archive/pool")) {
            let bytes = fs::read(&file).unwrap();
            let fields = run(Command::new("dpkg-deb").arg("-f").arg(&file)).stdout;
            list.push_str(&String::from_utf8(fields).unwrap());
            let name = file.file_name().unwrap().to_str().unwrap();
            let (size, digest) = (bytes.len(), Digest::of(&bytes));
            list += &format!("Filename: pool/{name}\nSize: {size}\nSHA256: {digest}\n\n");
        }
        let dists = self.path("archive/dists/trixie");
        fs::write(dists.join("main/binary-all/Packages"), &list).unwrap();
        let release = format!(
            "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\n\
             Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: all amd64 arm64\n\
             Components: main\n\
             SHA256:\n {} {} main/binary-all/Packages\n",
            Digest::of(list.as_bytes()),
            list.len()
        );
        fs::write(dists.join("Release"), release).unwrap();
        let sign = ["--clearsign", "--output"];
        run(self.gpg().args(sign).arg(dists.join("InRelease")).arg(dists.join("Release")));
        let updated = self.get(&["update"]);
        assert!(updated.status.success(), "{}", said(&updated));
    }

    fn command(&self, program: &str) -> Command {
        // dpkg gives files to root, which only root may: of a namespace of users, if need be.
        let mut command = if rustix::process::getuid().is_root() {
            Command::new(program)
        } else {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", program]);
            command
        };
        command.env("APT_CONFIG", self.path("apt.conf")).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null());
        command
    }

    /// What `apt-get` says to these arguments.
    fn get(&self, arguments: &[&str]) -> Output {
        self.command("apt-get").args(["-y", "-q"]).args(arguments).output().unwrap()
    }

    fn install(&self, what: &str) -> Output {
        self.get(&["install", what])
    }

    fn has(&self, name: &str) -> bool {
        self.path("root/usr/share/test").join(name).exists()
    }

    /// `reattest apt …` over the files of this apt.
    fn door(&self, consumer: &Consumer, arguments: &[&str]) -> Output {
        let mut command = consumer.member.command(&["apt"]);
        command.args(arguments);
        if !arguments.contains(&"hook") {
            command.arg("--conf").arg(self.path("etc/apt.conf.d/99reattest"));
            command.arg("--methods").arg(self.path("methods"));
        }
        command.env("APT_CONFIG", self.path("apt.conf")).output().unwrap()
    }
}

fn serve(stream: TcpStream, root: &Path) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    if reader.read_line(&mut request).is_err() {
        return;
    }
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("").trim_start_matches('/');
    let body = fs::read(root.join(path)).ok();
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn purl(name: &str, version: &str) -> String {
    format!("pkg:deb/debian/{name}@{version}?arch=all&distro=trixie")
}

fn digest(file: &Path) -> Digest {
    Digest::of(&fs::read(file).unwrap())
}

/// The one environment of the policy.
fn environment(mode: &str, when_unavailable: &str) -> String {
    format!(
        "[[environment]]\nname = \"machines\"\nmode = \"{mode}\"\n\
         when_unavailable = \"{when_unavailable}\"\nexpires = 2100-01-01T00:00:00Z\ndoors = [\"apt\"]\n"
    )
}

/// An apt with the door in its way, and packages: `good` is proven, `evil` is another file than the
/// one that was rebuilt, `new` is nobody's.
fn guarded(parent: &Path) -> Option<(Apt, Consumer)> {
    if !["apt-get", "dpkg-deb", "gpg"].iter().all(|tool| at_hand(tool)) {
        return None;
    }
    let (apt, mut consumer) = (Apt::new(), Consumer::new(parent));
    let good = apt.package("good", "1.0-1", &"good\n".repeat(60_000));
    consumer.reproduced(&purl("good", "1.0-1"), digest(&good));
    apt.package("evil", "2.0", "evil");
    consumer.reproduced(&purl("evil", "2.0"), Digest::of(b"what the source makes"));
    apt.package("new", "3.0", "new");
    apt.publish();
    consumer.policy(&environment("enforce", "refuse"));
    consumer.member.start(&[]);
    let enabled = apt.door(&consumer, &["enable"]);
    assert!(enabled.status.success(), "{}", said(&enabled));
    Some((apt, consumer))
}

/// Every decision of the consumer: package, effect and why.
fn decided(consumer: &Consumer) -> Vec<String> {
    let listed = consumer.member.command(&["audit", "list", "--json"]).output().unwrap();
    assert!(listed.status.success(), "{}", said(&listed));
    printed(&listed).lines().filter(|line| line.contains("\"why\"")).map(str::to_owned).collect()
}

/// The log of decisions holds together, and each decision comes out again.
fn replays(consumer: &Consumer) {
    for command in [["audit", "verify"], ["audit", "replay"]] {
        let output = consumer.member.command(&command).output().unwrap();
        assert!(output.status.success(), "{}{}", printed(&output), said(&output));
    }
}

#[test]
fn apt_installs_what_is_proven_and_says_why_it_does_not_install_the_rest() {
    let parent = tempfile::tempdir().unwrap();
    let Some((apt, consumer)) = guarded(parent.path()) else { return };
    let installed = apt.install("good");
    assert!(installed.status.success(), "{}", said(&installed));
    assert!(apt.has("good"));
    for (name, reason) in [("evil", "rejected"), ("new", "inconclusive")] {
        let refused = apt.install(name);
        let text = said(&refused);
        assert!(!refused.status.success() && text.contains(reason), "{text}");
        assert!(text.contains(&format!("{name}_")), "it names the package: {text}");
        assert!(text.contains("found") && text.contains("needed"), "{text}");
        assert!(!apt.has(name));
        let left = reattest_tests::files_below(&apt.path("cache/archives"));
        let of_it = |path: &&PathBuf| path.to_string_lossy().contains(name);
        assert!(left.iter().filter(of_it).count() == 0, "nothing is left of it: {left:?}");
    }
    replays(&consumer);
    let status = apt.door(&consumer, &["status"]);
    let told = printed(&status);
    assert!(status.status.success() && told.contains("before dpkg"), "{told}{}", said(&status));
    let disabled = apt.door(&consumer, &["disable"]);
    assert!(disabled.status.success(), "{}", said(&disabled));
    assert!(apt.install("new").status.success() && apt.has("new"), "nobody is asked any more");
}

#[test]
fn what_apt_has_already_is_judged_before_dpkg_unpacks_it() {
    let parent = tempfile::tempdir().unwrap();
    let Some((apt, _consumer)) = guarded(parent.path()) else { return };
    let unguarded = ["-o", "Dir::Bin::Methods::http=/usr/lib/apt/methods/http"];
    let fetched =
        apt.get(&[&unguarded[..], &["install", "--download-only", "evil", "good"]].concat());
    assert!(fetched.status.success(), "{}", said(&fetched));
    let refused = apt.get(&["install", "evil", "good"]);
    let text = said(&refused);
    assert!(!refused.status.success() && text.contains("1 of 2 packages are refused"), "{text}");
    assert!(text.contains("evil 2.0") && text.contains("rejected"), "{text}");
    assert!(!apt.has("evil") && !apt.has("good"), "all or nothing");
    // A file that no archive lists.
    let file = apt.package("stray", "1", "stray");
    let refused = apt.install(file.to_str().unwrap());
    assert!(!refused.status.success() && !apt.has("stray"), "{}", said(&refused));
    let installed = apt.install("good");
    assert!(installed.status.success() && apt.has("good"), "{}", said(&installed));
}

#[test]
fn a_dry_run_installs_and_records_and_a_breakglass_opens_for_one_package() {
    let parent = tempfile::tempdir().unwrap();
    let Some((apt, consumer)) = guarded(parent.path()) else { return };
    assert!(!apt.install("new").status.success());
    let artifact = purl("new", "3.0");
    let arguments =
        ["breakglass", "--artifact", &artifact, "--reason", "a test", "--expires", "1h"];
    let broken = consumer.member.command(&arguments).output().unwrap();
    assert!(broken.status.success(), "{}", said(&broken));
    let installed = apt.install("new");
    assert!(installed.status.success() && apt.has("new"), "{}", said(&installed));
    assert!(said(&installed).contains("breakglass"), "it is told: {}", said(&installed));
    assert!(!apt.install("evil").status.success(), "it is for one package");
    consumer.policy(&environment("dry-run", "refuse"));
    let installed = apt.install("evil");
    assert!(installed.status.success() && apt.has("evil"), "{}", said(&installed));
    let told = said(&installed);
    assert!(told.contains("would be refused") && told.contains("rejected"), "{told}");
    let decisions = decided(&consumer).join("\n");
    for why in ["inconclusive", "breakglass", "rejected", "dry-run"] {
        assert!(decisions.contains(&format!("\"{why}\"")), "{why}: {decisions}");
    }
    replays(&consumer);
}

#[test]
fn a_node_that_is_down_does_what_the_policy_says_and_nobody_can_be_asked_without_a_log() {
    let parent = tempfile::tempdir().unwrap();
    let Some((apt, mut consumer)) = guarded(parent.path()) else { return };
    consumer.member.kill();
    let refused = apt.install("good");
    assert!(!refused.status.success() && !apt.has("good"), "{}", said(&refused));
    assert!(said(&refused).contains("reattest node"), "{}", said(&refused));
    consumer.policy(&environment("enforce", "allow"));
    let installed = apt.install("good");
    assert!(installed.status.success() && apt.has("good"), "{}", said(&installed));
    assert!(said(&installed).contains("looked at again"), "{}", said(&installed));
    replays(&consumer);
    // A log that cannot be written keeps an enforcing door shut, and a policy that is broken too.
    let decisions = consumer.member.home.join("data/decisions");
    fs::rename(&decisions, parent.path().join("away")).unwrap();
    fs::write(&decisions, "in the way").unwrap();
    let refused = apt.install("new");
    assert!(!refused.status.success() && !apt.has("new"), "{}", said(&refused));
    assert!(said(&refused).contains("cannot be recorded"), "{}", said(&refused));
    fs::remove_file(&decisions).unwrap();
    fs::rename(parent.path().join("away"), &decisions).unwrap();
    consumer.policy("mode = 7\n");
    let refused = apt.install("new");
    assert!(!refused.status.success() && !apt.has("new"), "{}", said(&refused));
}
