//! What TOML cannot know to be wrong with a configuration: each mistake with its place.

use libp2p::{Multiaddr, PeerId};
use reattest_attestation::log::WitnessKey;

use super::place::{Key, Mistake};
use super::{Archive, Config, Role, web};

impl Config {
    pub(super) fn check(&self) -> Result<(), Mistake> {
        self.check_peers()?;
        self.http.as_ref().map_or(Ok(()), web::check_http)?;
        self.service.as_ref().map_or(Ok(()), web::check_service)?;
        web::check_mirrors(&self.mirrors)?;
        self.alarms.check()?;
        check_archive(&self.archive)?;
        self.check_follow()?;
        self.check_rebuild()?;
        self.check_witness()
    }

    fn check_peers(&self) -> Result<(), Mistake> {
        for (key, texts) in [("listen", &self.listen), ("peers", &self.peers)] {
            for (index, text) in texts.iter().enumerate() {
                text.parse::<Multiaddr>().map_err(|error| {
                    let why = format!(
                        "found {text:?}, needed a multiaddr such as /ip4/127.0.0.1/tcp/4101: {error}"
                    );
                    Mistake::new(&[Key::Of(key), Key::At(index)], why)
                })?;
            }
        }
        for (index, text) in self.allowed_peers.iter().flatten().enumerate() {
            text.parse::<PeerId>().map_err(|_| {
                let why = format!("found {text:?}, needed the name that a peer's address ends in");
                Mistake::new(&[Key::Of("allowed_peers"), Key::At(index)], why)
            })?;
        }
        Ok(())
    }

    fn check_follow(&self) -> Result<(), Mistake> {
        for (index, follow) in self.follow.iter().enumerate() {
            let at = [Key::Of("follow"), Key::At(index)];
            follow.check().map_err(|mistake| mistake.below(&at))?;
            if !self.has(Role::Rebuild) {
                let why = "found [[follow]] without the role \"rebuild\", needed both, for what is \
                           followed is rebuilt; add \"rebuild\" to `roles`, or remove the table";
                return Err(Mistake::new(&at, why));
            }
        }
        Ok(())
    }

    fn check_rebuild(&self) -> Result<(), Mistake> {
        let Some(at) = self.place_of(Role::Rebuild) else { return Ok(()) };
        let missing = match (&self.key, &self.certificate) {
            (Some(_), Some(_)) => return Ok(()),
            (None, Some(_)) => "`key`",
            (Some(_), None) => "`certificate`",
            (None, None) => "`key` and `certificate`",
        };
        let why = format!(
            "found the role \"rebuild\" without {missing}, needed the rebuilder's key and the \
             operator's certificate of it; `reattest init` makes both"
        );
        Err(Mistake::new(&at, why))
    }

    fn check_witness(&self) -> Result<(), Mistake> {
        let (witness, at) = match (&self.witness, self.place_of(Role::Witness)) {
            (Some(witness), Some(_)) => (witness, Key::Of("witness")),
            (None, None) => return Ok(()),
            (None, Some(at)) => {
                let why = "found the role \"witness\" without a table [witness], needed one with \
                           `name` and `key`; ssh-keygen -t ed25519 -N '' -f witness.key makes a key";
                return Err(Mistake::new(&at, why));
            }
            (Some(_), None) => {
                let why = "found [witness] without the role \"witness\", needed both; add \
                           \"witness\" to `roles`, or remove the table";
                return Err(Mistake::new(&[Key::Of("witness")], why));
            }
        };
        WitnessKey::check_name(&witness.name)
            .map_err(|error| Mistake::new(&[at, Key::Of("name")], error.to_string()))?;
        if self.key.as_ref() == Some(&witness.key) && self.has(Role::Rebuild) {
            let why = format!(
                "found the rebuilder's key ({}), needed another one, for a witness of one's own log \
                 convinces nobody; ssh-keygen -t ed25519 -N '' -f witness.key makes one",
                witness.key
            );
            return Err(Mistake::new(&[at, Key::Of("key")], why));
        }
        Ok(())
    }

    /// Where a role stands in `roles`, if it does.
    fn place_of(&self, role: Role) -> Option<[Key; 2]> {
        let index = self.roles.iter().position(|has| *has == role)?;
        Some([Key::Of("roles"), Key::At(index)])
    }
}

/// A URI that is none would be passed over in silence, and another registry asked.
fn check_archive(archive: &Archive) -> Result<(), Mistake> {
    let keys =
        [("debian", &archive.debian), ("python", &archive.python), ("snapshot", &archive.snapshot)];
    for (key, uris) in keys {
        for (index, uri) in uris.iter().enumerate() {
            if !uri.starts_with("http://") && !uri.starts_with("https://") {
                let why = format!("found {uri:?}, needed an http or https URI");
                let at = [Key::Of("archive"), Key::Of(key), Key::At(index)];
                return Err(Mistake::new(&at, why));
            }
        }
    }
    Ok(())
}
