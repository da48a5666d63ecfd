//! Where the Python index is (step 2): what pip's environment, its configuration, or pip itself says.
//!
//! The order is pip's own: `PIP_INDEX_URL`, then `PIP_CONFIG_FILE`, the user's file, the machine's.
//! Without any, the client is asked for its default, so that no host name stands in this program.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;

use configparser::ini::Ini;

use crate::limits;

/// What the client answered this process.
static KNOWN: OnceLock<String> = OnceLock::new();

/// The roots that are said without asking the client; empty when nobody said any.
pub(super) fn configured() -> Vec<String> {
    let variable = env::var("PIP_INDEX_URL").ok().and_then(|text| root(&text));
    let said = variable.or_else(|| {
        files().iter().find_map(|path| {
            let text = std::fs::read(path).ok()?;
            in_file(&String::from_utf8_lossy(&text))
        })
    });
    said.into_iter().collect()
}

/// Asks the installed client; takes a second, so it is done only when a Python location is wanted.
pub(super) fn ask_client() -> Vec<String> {
    let clients: [(&str, &[&str]); 3] = [("pip", &[]), ("pip3", &[]), ("python3", &["-m", "pip"])];
    let answer = |(program, before): (&str, &[&str])| {
        let mut command = Command::new(program);
        command.args(before).args(["install", "--help"]).env("COLUMNS", "200");
        in_help(&said(command)?)
    };
    // A client that is missing today may be there tomorrow, so only an answer is remembered.
    if let Some(known) = KNOWN.get() {
        return vec![known.clone()];
    }
    let found = clients.into_iter().find_map(answer);
    found.map(|root| KNOWN.get_or_init(|| root).clone()).into_iter().collect()
}

/// pip's configuration files, the strongest first; see pip's "Configuration" page.
fn files() -> Vec<PathBuf> {
    let variable =
        |name| env::var_os(name).map(PathBuf::from).filter(|p| !p.as_os_str().is_empty());
    let home = variable("HOME");
    let user = variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|h| h.join(".config")));
    let named = variable("PIP_CONFIG_FILE");
    // pip reads no other file then.
    if named.as_deref() == Some(Path::new("/dev/null")) {
        return Vec::new();
    }
    let files = [
        named,
        user.map(|directory| directory.join("pip/pip.conf")),
        home.map(|home| home.join(".pip/pip.conf")),
        Some(PathBuf::from("/etc/xdg/pip/pip.conf")),
        Some(PathBuf::from("/etc/pip.conf")),
    ];
    files.into_iter().flatten().collect()
}

/// `index-url` of `[install]`, else of `[global]`; pip takes `index_url` for the same.
fn in_file(text: &str) -> Option<String> {
    let mut ini = Ini::new();
    ini.read(text.to_owned()).ok()?;
    let keys = ["index-url", "index_url"];
    let value = |section: &str| keys.iter().find_map(|key| ini.get(section, key));
    root(&value("install").or_else(|| value("global"))?)
}

/// `--index-url <url>  … (default https://…)`, over several lines.
fn in_help(text: &str) -> Option<String> {
    let (_, after) = text.split_once("--index-url <url>")?;
    let words: Vec<&str> = after.split_whitespace().take(40).collect();
    let at = words.iter().position(|word| *word == "(default")?;
    root(words.get(at + 1)?.trim_end_matches(['.', ')']))
}

/// Without a trailing slash; nothing but HTTP is spoken here.
fn root(text: &str) -> Option<String> {
    let root = text.trim().trim_end_matches('/');
    let speaks_http = root.starts_with("http://") || root.starts_with("https://");
    speaks_http.then(|| root.to_owned())
}

/// What a command prints; a client that hangs or floods has said nothing.
fn said(mut command: Command) -> Option<String> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child: Child = quiet.spawn().ok()?;
    let mut output = child.stdout.take()?.take(limits::CLIENT_ANSWER_BYTES);
    let (sender, answer) = mpsc::channel();
    let text = thread::scope(|scope| {
        scope.spawn(move || {
            let mut bytes = Vec::new();
            let read = output.read_to_end(&mut bytes).map(|_| bytes);
            // Nobody listens any more when the time was over.
            let _ = sender.send(read);
        });
        let text = answer.recv_timeout(limits::CLIENT_ANSWER_WALL);
        // One that has ended already cannot be killed; one that hangs closes its pipe so.
        let _ = child.kill();
        text
    });
    let _ = child.wait();
    Some(String::from_utf8_lossy(&text.ok()?.ok()?).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_configuration_is_read_as_pip_reads_it() {
        let table = [
            ("[global]\nindex-url = https://a.example/simple/\n", Some("https://a.example/simple")),
            ("[global]\nindex_url: https://a.example/simple\n", Some("https://a.example/simple")),
            (
                "[global]\nindex-url=https://a.example\n[install]\nindex-url=https://b.example\n",
                Some("https://b.example"),
            ),
            ("# index-url = https://c.example\n[global]\ncert = /x\n", None),
            ("[global]\nindex-url = file:///srv/wheels\n", None),
            ("not an ini [", None),
        ];
        for (text, expected) in table {
            assert_eq!(in_file(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_clients_default_is_read_from_its_help() {
        let help = "  -i, --index-url <url>       Base URL of the Python Package Index (default\n\
            \x20                             https://index.example/simple). This should point to\n\
            \x20 --extra-index-url <url>     Extra URLs (default https://other.example)\n";
        assert_eq!(in_help(help).as_deref(), Some("https://index.example/simple"));
        assert_eq!(in_help("--index-url <url> none"), None);
        assert_eq!(in_help(""), None);
    }

    #[test]
    fn a_client_that_floods_is_cut_off_and_one_that_is_missing_says_nothing() {
        let mut flood = Command::new("yes");
        flood.arg("x");
        assert_eq!(said(flood).unwrap().len() as u64, limits::CLIENT_ANSWER_BYTES);
        assert_eq!(said(Command::new("/nonexistent/pip")), None);
    }
}
