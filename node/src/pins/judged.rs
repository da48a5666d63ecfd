//! What the policy says of a pin: of each file that it may install, and of the pin by the worst of them.

use reattest_attestation::{Conclusion, Digest, HashedFile, Policy, Purl, Question, Verdict};

use super::found::{Obstacle, Pin, PinnedFile, Role};
use crate::fault::Fault;
use crate::query::{self, Source};

/// A pin with what was concluded of it.
#[derive(Debug)]
pub struct Judged {
    /// The pin.
    pub pin: Pin,
    /// The worst of its files; `None` for the user's own source, which nobody published.
    pub conclusion: Option<Conclusion>,
    /// Why it cannot be asked.
    pub obstacles: Vec<Obstacle>,
    /// The verdicts on its files, as every other door gives them.
    pub verdicts: Vec<Verdict>,
}

/// Judges a pin. Whatever cannot be asked is inconclusive, and never accepted.
pub fn judge(policy: &Policy, source: &Source, pin: Pin) -> Result<Judged, Fault> {
    let mut judged = Judged { pin, conclusion: None, obstacles: Vec::new(), verdicts: Vec::new() };
    if judged.pin.local {
        return Ok(judged);
    }
    judged.obstacles.extend(judged.pin.obstacle.clone());
    if judged.obstacles.is_empty() {
        for file in judged.pin.installed() {
            match file.digests.sha256 {
                None => judged.obstacles.push(only_others(file)),
                Some(sha256) => judged.verdicts.push(of_file(policy, source, file, sha256)?),
            }
        }
    }
    judged.conclusion = Some(judged.worst());
    Ok(judged)
}

impl Judged {
    fn worst(&self) -> Conclusion {
        let has = |wanted| self.verdicts.iter().any(|one| one.verdict == wanted);
        let asked = self.obstacles.is_empty() && !self.verdicts.is_empty();
        if has(Conclusion::Rejected) {
            Conclusion::Rejected
        } else if asked && !has(Conclusion::Inconclusive) {
            Conclusion::Accepted
        } else {
            Conclusion::Inconclusive
        }
    }
}

impl Pin {
    /// The files that may be installed for it: all built ones, and source where no built file fits
    /// every machine.
    fn installed(&self) -> Vec<&PinnedFile> {
        let universal = self.files.iter().any(|file| file.role == Role::Universal);
        self.files.iter().filter(|file| !universal || file.role != Role::Source).collect()
    }
}

fn only_others(file: &PinnedFile) -> Obstacle {
    Obstacle::new(
        format!("only {} is pinned", file.digests.kinds()),
        "a SHA-256, which evidence names",
        "verify the downloaded file with `reattest verify FILE --as PURL`",
    )
}

/// The verdict on one file as what the pin says that it is.
fn of_file(
    policy: &Policy,
    source: &Source,
    file: &PinnedFile,
    sha256: Digest,
) -> Result<Verdict, Fault> {
    let name = file.purl.file_name().unwrap_or_default();
    let ask = |purl: Option<Purl>, name: &str| {
        query::judge(policy, source, &Question::about(HashedFile::elsewhere(name, sha256), purl))
    };
    let of_release = file.purl.kind() == "pypi" && file.purl.qualifier("file_name").is_none();
    if !of_release {
        return ask(Some(file.purl.clone()), &name);
    }
    // The pin tells the release and not the file's name: what evidence calls these bytes is taken
    // where it is a file of that very release, and nothing else is.
    let known = ask(None, "")?.artifact.purl.filter(|known| is_of(known, &file.purl));
    match known {
        Some(known) => {
            let name = known.file_name().unwrap_or_default();
            ask(Some(known), &name)
        }
        None => ask(Some(file.purl.clone()), ""),
    }
}

fn is_of(known: &Purl, release: &Purl) -> bool {
    let parts =
        |purl: &Purl| (purl.kind().to_owned(), purl.namespace(), purl.name(), purl.version());
    parts(known) == parts(release)
}
