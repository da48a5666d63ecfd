//! What is true of each release, and what each node says of it: the ground that verdicts are checked against.

use std::collections::BTreeSet;

use reattest_attestation::{Digest, Purl};

use crate::network::Name;
use crate::rebuilds::{ARCHIVE, STRANGE_ARCHIVE};

/// What one node says it saw and made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The file that it says was published.
    pub published: Digest,
    /// The file that it says came out.
    pub produced: Digest,
    /// The archive that it relied on.
    pub archive: &'static str,
}

/// Who plays what, and what everybody says.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Nodes whose keys one hand holds. They may lie in what they sign, and are told what to say.
    pub colluders: BTreeSet<Name>,
    /// What a node says of a release.
    pub says: fn(&Self, Name, &Purl) -> Made,
}

/// The release of a number.
pub fn release(number: u64) -> Option<Purl> {
    let qualifiers = [("arch", "all"), ("distro", "trixie")];
    let name = format!("package{number}");
    Purl::new("deb", Some("debian"), &name, Some("1.0"), &qualifiers).ok()
}

/// The number of a release.
pub fn number(purl: &Purl) -> u64 {
    purl.name().strip_prefix("package").and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The file that comes from the sources.
pub fn sound(purl: &Purl) -> Digest {
    Digest::of(purl.as_str().as_bytes())
}

/// A file that does not, which colluders would like to see used.
pub fn forged(purl: &Purl) -> Digest {
    Digest::of(&forgery(purl))
}

fn forgery(purl: &Purl) -> Vec<u8> {
    format!("forged {purl}").into_bytes()
}

impl Made {
    /// What an honest rebuilder says where this file is published: what it makes is always sound.
    pub fn honestly(purl: &Purl, published: Digest) -> Self {
        Self { published, produced: sound(purl), archive: ARCHIVE }
    }

    /// Support for the forged file.
    pub fn forged(purl: &Purl) -> Self {
        Self { published: forged(purl), produced: forged(purl), archive: ARCHIVE }
    }

    /// Dissent against the sound file.
    pub fn slander(purl: &Purl) -> Self {
        Self { published: sound(purl), produced: forged(purl), archive: ARCHIVE }
    }

    /// The bytes that came out.
    pub fn bytes(&self, purl: &Purl) -> Vec<u8> {
        if self.produced == sound(purl) { purl.as_str().into() } else { forgery(purl) }
    }

    /// Whether it supports this file, and with an archive that policies name.
    pub fn supports(&self, file: Digest) -> bool {
        self.published == file && self.produced == file && self.archive == ARCHIVE
    }
}

impl Cast {
    /// Of each four releases of a seed's world, one is told truly by all, of one the colluders
    /// support a forged file, one they slander, and of one the forged file is what the archive
    /// has: they support it and the honest dissent. Of each five, every node takes one from an
    /// archive that no policy names.
    pub fn drawn(colluders: BTreeSet<Name>) -> Self {
        Self { colluders, says: drawn }
    }

    /// What a node says of a release.
    pub fn says(&self, name: Name, purl: &Purl) -> Made {
        (self.says)(self, name, purl)
    }
}

fn drawn(cast: &Cast, name: Name, purl: &Purl) -> Made {
    let number = number(purl);
    let colludes = cast.colluders.contains(&name);
    let published = if number % 4 == 3 { forged(purl) } else { sound(purl) };
    let mut made = match (number % 4, colludes) {
        (1 | 3, true) => Made::forged(purl),
        (2, true) => Made::slander(purl),
        _ => Made::honestly(purl, published),
    };
    if number.saturating_add(u64::from(name.0)) % 5 == 4 {
        made.archive = STRANGE_ARCHIVE;
    }
    made
}
