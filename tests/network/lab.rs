//! Networks of namespaces on this machine: two bridges with a cable between them, and hosts on either.
//!
//! A namespace lives as long as a process in it. Each is held by a `cat` that reads from a pipe of the
//! test: when the test ends, however it ends, the pipe closes, and interfaces, addresses and rules are
//! gone with the last process. Nothing is named in the file system, and nothing outside the namespaces
//! is touched. An ordinary user gets them in a user namespace.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use reattest_tests::skip;

/// A network namespace, and the process that holds it.
pub(crate) struct Room {
    holder: Child,
}

impl Room {
    /// A namespace made by a command, which is told what to run in it.
    fn held_by(command: &[String]) -> Result<Self, String> {
        Self::held(&[command, &words(&[&["sh", "-c", "echo; exec cat"]])].concat())
    }

    /// Held by a process that says a line when it is ready, and ends with its input.
    fn held(command: &[String]) -> Result<Self, String> {
        let (program, arguments) = command.split_first().unwrap();
        let mut holder = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut line = [0; 1];
        if holder.stdout.as_mut().unwrap().read_exact(&mut line).is_ok() {
            return Ok(Self { holder });
        }
        let mut why = String::new();
        let _read = holder.stderr.take().unwrap().read_to_string(&mut why);
        holder.wait().unwrap();
        Err(why.trim().to_owned())
    }

    /// The first one, with a user namespace where this user may not do without.
    fn first() -> Result<Self, String> {
        let root = rustix::process::geteuid().is_root();
        let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
        Self::held_by(&words(&[&["unshare", "--net"], user, &["--"]]))
    }

    /// One beside this.
    fn another(&self) -> Self {
        let make = words(&[&["unshare", "--net", "--"]]);
        Self::held_by(&[self.enter(), make].concat()).unwrap()
    }

    /// The command that runs another one in it.
    pub(crate) fn enter(&self) -> Vec<String> {
        let root = rustix::process::geteuid().is_root();
        let user: &[&str] = if root { &[] } else { &["--user", "--preserve-credentials"] };
        let id = self.holder.id().to_string();
        words(&[&["nsenter", "--target", &id, "--net"], user, &["--"]])
    }

    /// Runs a command in it, written as in a shell but without its quoting.
    pub(crate) fn try_run(&self, line: &str) -> Result<(), String> {
        self.try_words(&line.split(' ').collect::<Vec<_>>())
    }

    fn try_words(&self, line: &[&str]) -> Result<(), String> {
        let all = [self.enter(), words(&[line])].concat();
        let (program, arguments) = all.split_first().unwrap();
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{}: {}", line.join(" "), said.trim()))
        }
    }

    pub(crate) fn run(&self, line: &str) {
        self.try_run(line).unwrap();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _already_ended = self.holder.kill();
        let _status = self.holder.wait();
    }
}

fn words(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

/// One of the two bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A host at a bridge.
pub(crate) struct Host {
    pub(crate) room: Room,
    /// Its address.
    pub(crate) ip: String,
}

impl Host {
    /// Where a node on it listens.
    pub(crate) fn address(&self) -> String {
        format!("/ip4/{}/tcp/4101", self.ip)
    }
}

/// The network.
pub(crate) struct Lab {
    switch: Room,
    hosts: usize,
    /// What carries frames instead of the cable.
    carrier: Option<Room>,
}

impl Lab {
    /// Makes one; where this user may not, or a tool is missing, `what` is skipped with the reason.
    pub(crate) fn new(what: &str) -> Option<Self> {
        let made = Room::first().and_then(|switch| {
            for line in [
                "ip link add left type bridge",
                "ip link add right type bridge",
                "ip link add cable type veth peer name elbac",
                "ip link set cable master left up",
                "ip link set elbac master right up",
                "ip link set left up",
                "ip link set right up",
            ] {
                switch.try_run(line)?;
            }
            Ok(Self { switch, hosts: 0, carrier: None })
        });
        made.map_err(|why| skip(what, &why)).ok()
    }

    /// Adds a host; every address of 10.0.0.0/8 is on its link.
    pub(crate) fn host(&mut self, side: Side, ip: &str) -> Host {
        let room = self.room(&format!("{side:?}").to_lowercase());
        room.run(&format!("ip address add {ip}/8 dev eth0"));
        Host { room, ip: ip.to_owned() }
    }

    /// A namespace with an interface `eth0` that ends at a bridge.
    fn room(&mut self, bridge: &str) -> Room {
        let room = self.switch.another();
        self.hosts += 1;
        let (port, holder) = (format!("port{}", self.hosts), room.holder.id());
        self.switch.run(&format!("ip link add {port} type veth peer name eth0 netns {holder}"));
        self.switch.run(&format!("ip link set {port} master {bridge} up"));
        room.run("ip link set lo up");
        room.run("ip link set eth0 up");
        room
    }

    /// Pulls the cable between the bridges, or puts it back.
    pub(crate) fn connect(&self, connected: bool) {
        let state = if connected { "up" } else { "down" };
        self.switch.run(&format!("ip link set cable {state}"));
    }

    /// On the cable, every fifth packet is lost and the others come 200 ms late, either way: by the
    /// kernel, or where that cannot, by a process that carries the frames.
    pub(crate) fn lose_and_delay(&mut self, hosts: &[Host]) -> Result<(), String> {
        let by_kernel = ["cable", "elbac"].into_iter().try_for_each(|end| {
            self.switch.try_run(&format!("tc qdisc add dev {end} root netem delay 200ms loss 20%"))
        });
        let Err(why) = by_kernel else { return Ok(()) };
        self.wire(hosts).map_err(|other| format!("{why}; {other}"))
    }

    fn wire(&mut self, hosts: &[Host]) -> Result<(), String> {
        let wire = concat!(env!("CARGO_MANIFEST_DIR"), "/network/wire.py");
        for host in hosts {
            host.room.try_words(&["python3", wire, "plain", "eth0"])?;
        }
        self.switch.run("ip link del cable");
        for (bridge, near, far) in [("left", "cable", "one"), ("right", "elbac", "other")] {
            self.switch.run(&format!("ip link add {near} type veth peer name {far}"));
            self.switch.run(&format!("ip link set {near} master {bridge} up"));
            self.switch.run(&format!("ip link set {far} up"));
        }
        let carry = words(&[&["python3", wire, "one", "other", "0.2", "0.2"]]);
        self.carrier = Some(Room::held(&[self.switch.enter(), carry].concat())?);
        Ok(())
    }

    /// A host in a private network behind a router, whose one public address hides it; the router
    /// comes first.
    pub(crate) fn behind_a_router(
        &mut self,
        public: &str,
        private: &str,
    ) -> Result<(Room, Host), String> {
        let router = self.room("left");
        router.run(&format!("ip address add {public}/8 dev eth0"));
        let inside = router.another();
        let holder = inside.holder.id();
        router.run(&format!("ip link add inside type veth peer name eth0 netns {holder}"));
        router.run("ip address add 192.168.7.1/24 dev inside");
        router.run("ip link set inside up");
        inside.run("ip link set lo up");
        inside.run("ip link set eth0 up");
        inside.run(&format!("ip address add {private}/24 dev eth0"));
        inside.run("ip route add default via 192.168.7.1");
        router.try_words(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
        let hidden = router
            .try_run("nft add table ip nat")
            .and_then(|()| {
                let hook = "type nat hook postrouting priority 100 ;";
                router.try_run(&format!("nft add chain ip nat out {{ {hook} }}"))
            })
            .and_then(|()| router.try_run("nft add rule ip nat out oifname eth0 masquerade"));
        let hide = "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE";
        hidden.or_else(|why| router.try_run(hide).map_err(|other| format!("{why}; {other}")))?;
        Ok((router, Host { room: inside, ip: private.to_owned() }))
    }
}
