//! What passes between apt and the method that downloads for it: a package is kept back until it is judged (pure).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::message::Message;
use crate::limits::APT_PACKAGES;

/// Ends the name of the file that the method writes, beside the one that apt asked for.
const KEPT_BACK: &str = ".withheld";

/// A package that apt asked for, and what apt's signed indexes say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it comes from, as apt spells it.
    pub uri: String,
    /// Where apt looks for it.
    pub file: PathBuf,
    /// Where the method writes it.
    pub withheld: PathBuf,
    /// The archive that lists it.
    pub archive: Archive,
}

/// The archive that a package is listed in, as apt names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// The beginning of all its addresses.
    pub repository: String,
    /// The directory below `dists/`.
    pub release: String,
    /// The code name that its signed index has.
    pub codename: String,
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// It goes on to apt.
    ToApt(Message),
    /// It goes on to the method.
    ToMethod(Message),
    /// A package begins to arrive.
    Begin(Wanted),
    /// A package is there whole, at the path that the message names: judge it, then answer apt.
    Judge(Wanted, Message),
    /// Nothing more comes of a package.
    End(Wanted),
}

/// Packages that apt asked for and has no answer on yet.
#[derive(Debug, Default)]
pub struct Relay {
    wanted: BTreeMap<String, Wanted>,
}

impl Relay {
    /// A message of apt's.
    pub fn apt_says(&mut self, message: Message) -> Vec<Effect> {
        let Some(wanted) = (message.code == 600).then(|| wanted(&message)).flatten() else {
            return vec![Effect::ToMethod(message)];
        };
        if self.wanted.len() == APT_PACKAGES {
            return vec![Effect::ToApt(failure(&wanted.uri, "too many packages were asked for"))];
        }
        let asked = message.with("Filename", &wanted.withheld.to_string_lossy());
        self.wanted.insert(wanted.uri.clone(), wanted);
        vec![Effect::ToMethod(asked)]
    }

    /// A message of the method's.
    pub fn method_says(&mut self, message: Message) -> Vec<Effect> {
        let uri = message.field("URI").unwrap_or_default();
        match (message.code, self.wanted.get(uri)) {
            (200, Some(wanted)) => vec![Effect::Begin(wanted.clone()), Effect::ToApt(message)],
            (201, Some(_)) => {
                let wanted = self.wanted.remove(uri);
                wanted.map(|wanted| Effect::Judge(wanted, message)).into_iter().collect()
            }
            // Failed, or to be had elsewhere: apt asks again.
            (400 | 103, Some(_)) => {
                let ended = self.wanted.remove(uri).map(Effect::End);
                ended.into_iter().chain([Effect::ToApt(message)]).collect()
            }
            _ => vec![Effect::ToApt(message)],
        }
    }
}

/// The package that a request is for; none where it is for an index.
fn wanted(message: &Message) -> Option<Wanted> {
    let (uri, file) = (message.field("URI")?, message.field("Filename")?);
    let package = match message.field("Target-Type") {
        Some(kind) => kind == "deb",
        None => [uri, file].iter().any(|name| is_package(name)),
    };
    if !package {
        return None;
    }
    let text = |field| message.field(field).unwrap_or_default().to_owned();
    Some(Wanted {
        uri: uri.to_owned(),
        file: PathBuf::from(file),
        withheld: PathBuf::from(format!("{file}{KEPT_BACK}")),
        archive: Archive {
            repository: text("Target-Repo-URI"),
            release: text("Target-Release"),
            codename: text("Target-Codename"),
        },
    })
}

fn is_package(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("deb"))
}

/// What apt is told of a package that it does not get.
pub fn failure(uri: &str, why: &str) -> Message {
    Message::new(400, "URI Failure")
        .with("URI", uri)
        .with("Message", why)
        .with("Transient-Failure", "false")
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test fails by panicking"
    )]
    use super::*;

    fn message(text: &str) -> Message {
        Message::read(&mut text.as_bytes()).unwrap().unwrap()
    }

    const ASKED: &str = "600 URI Acquire\nURI: http://m.example/pool/a_1_all.deb\nFilename: /partial/a_1_all.deb\nTarget-Repo-URI: http://m.example/\nTarget-Release: stable\nTarget-Codename: trixie\nTarget-Type: deb\n\n";

    #[test]
    fn a_package_is_written_beside_its_place_and_judged_before_apt_hears_of_it() {
        let mut relay = Relay::default();
        let effects = relay.apt_says(message(ASKED));
        let [Effect::ToMethod(asked)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(asked.field("Filename"), Some("/partial/a_1_all.deb.withheld"));
        let done = message(
            "201 URI Done\nURI: http://m.example/pool/a_1_all.deb\nFilename: /partial/a_1_all.deb.withheld\n\n",
        );
        let effects = relay.method_says(done.clone());
        let [Effect::Judge(wanted, message)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(wanted.file, Path::new("/partial/a_1_all.deb"));
        assert_eq!(wanted.archive.codename, "trixie");
        assert_eq!(*message, done);
        // A second word on it is none of ours, and names the file that apt did not ask for.
        assert_eq!(relay.method_says(done.clone()), [Effect::ToApt(done)]);
    }

    #[test]
    fn an_index_passes_and_so_does_a_failure() {
        let mut relay = Relay::default();
        let index = message(
            "600 URI Acquire\nURI: http://m.example/a.deb/Packages\nFilename: /lists/a\nTarget-Type: index\n\n",
        );
        assert_eq!(relay.apt_says(index.clone()), [Effect::ToMethod(index)]);
        relay.apt_says(message(ASKED));
        let failed = message(
            "400 URI Failure\nURI: http://m.example/pool/a_1_all.deb\nMessage: 404 Not Found\n\n",
        );
        let effects = relay.method_says(failed.clone());
        assert!(
            matches!(effects.as_slice(), [Effect::End(_), Effect::ToApt(told)] if *told == failed)
        );
    }

    #[test]
    fn an_old_apt_that_says_no_type_is_guarded_by_the_name() {
        let old = ASKED.replace("Target-Type: deb\n", "");
        let effects = Relay::default().apt_says(message(&old));
        let [Effect::ToMethod(asked)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(asked.field("Filename"), Some("/partial/a_1_all.deb.withheld"));
    }
}
