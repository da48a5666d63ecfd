//! What the policy says of pins: of each file that one may install, and of the pin by the worst of them.

use reattest_attestation::{Conclusion, HashedFile, Question, Verdict};

use crate::decisions::Decision;
use crate::fault::Fault;
use crate::lockfiles::{Obstacle, Pin, PinnedFile, Role};

/// What is said to one question.
#[derive(Debug, Clone)]
pub enum Answer {
    /// What the policy concludes.
    Verdict(Verdict),
    /// What a door is told, recorded; its verdict is in it, where one was drawn.
    Decision(Decision),
}

/// A pin with what was concluded of it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The pin.
    pub pin: Pin,
    /// The worst of its files; `None` for the user's own source, which nobody published.
    pub conclusion: Option<Conclusion>,
    /// Why it cannot be asked.
    pub obstacles: Vec<Obstacle>,
    /// The verdicts on its files, as every other door gives them.
    pub verdicts: Vec<Verdict>,
    /// What a door was told about them, where one asked.
    pub decisions: Vec<Decision>,
}

/// Judges pins, with all their questions asked at once. Whatever cannot be asked is inconclusive,
/// and never accepted.
///
/// `ask` answers each question once, in their order.
pub fn judge(
    pins: Vec<Pin>,
    ask: impl FnOnce(&[Question]) -> Result<Vec<Answer>, Fault>,
) -> Result<Vec<Judged>, Fault> {
    let mut questions = Vec::new();
    let mut judged: Vec<(Judged, usize)> = Vec::with_capacity(pins.len());
    for pin in pins {
        let before = questions.len();
        let obstacles = if pin.local { Vec::new() } else { obstacles(&pin, &mut questions) };
        let asked = questions.len().saturating_sub(before);
        let (verdicts, decisions) = (Vec::new(), Vec::new());
        judged.push((Judged { pin, conclusion: None, obstacles, verdicts, decisions }, asked));
    }
    let answers = ask(&questions)?;
    if answers.len() != questions.len() {
        let (found, needed) = (answers.len(), questions.len());
        return Err(Fault::text(format!("found {found} answers, needed {needed}, one a question")));
    }
    let mut answers = answers.into_iter();
    let concluded = |(mut one, asked): (Judged, usize)| {
        answers.by_ref().take(asked).for_each(|answer| one.hear(answer));
        one.conclusion = (!one.pin.local).then(|| one.worst(asked));
        one
    };
    Ok(judged.into_iter().map(concluded).collect())
}

/// Adds a question for each file that a pin may install, and says what cannot be asked.
fn obstacles(pin: &Pin, questions: &mut Vec<Question>) -> Vec<Obstacle> {
    let mut obstacles: Vec<Obstacle> = pin.obstacle.clone().into_iter().collect();
    if !obstacles.is_empty() {
        return obstacles;
    }
    for file in pin.installed() {
        match file.digests.sha256 {
            None => obstacles.push(only_others(file)),
            Some(sha256) => {
                let name = file.purl.file_name().unwrap_or_default();
                let file_asked = HashedFile::elsewhere(&name, sha256);
                questions.push(Question::about(file_asked, Some(file.purl.clone())));
            }
        }
    }
    obstacles
}

impl Judged {
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Verdict(verdict) => self.verdicts.push(verdict),
            Answer::Decision(decision) => {
                self.verdicts.extend(decision.verdict.clone());
                self.decisions.push(decision);
            }
        }
    }

    /// Of `asked` files; one without a verdict is inconclusive.
    fn worst(&self, asked: usize) -> Conclusion {
        let has = |wanted| self.verdicts.iter().any(|one| one.verdict == wanted);
        let asked = self.obstacles.is_empty() && asked > 0 && self.verdicts.len() == asked;
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
    fn installed(&self) -> impl Iterator<Item = &PinnedFile> {
        let universal = self.files.iter().any(|file| file.role == Role::Universal);
        self.files.iter().filter(move |file| !universal || file.role != Role::Source)
    }
}

fn only_others(file: &PinnedFile) -> Obstacle {
    Obstacle::new(
        format!("only {} is pinned", file.digests.kinds()),
        "a SHA-256, which evidence names",
        "verify the downloaded file with `reattest verify FILE --as PURL`",
    )
}
