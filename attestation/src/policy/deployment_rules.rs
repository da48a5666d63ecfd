//! The closed list of rules that an environment may add to the quorum (step 10).

use std::collections::BTreeSet;

use crate::artifact::Purl;
use crate::key::PublicKey;
use crate::log::WitnessKey;
use crate::scan::Severity;
use crate::time::Timestamp;

/// The names of all rules, as a policy writes them.
pub const RULES: [&str; 6] =
    ["approved_sources", "commands", "minimum_versions", "max_age", "scan", "witnesses"];

/// A scanner of vulnerabilities whose word the policy takes.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Scanner {
    /// The policy's own name for it.
    pub name: String,
    /// The key that signs its scans.
    pub key: PublicKey,
    /// Last second at which it is believed, where the policy says one.
    pub expires: Option<Timestamp>,
}

/// What an environment asks besides the quorum; what is left out is not asked.
#[derive(Clone, Eq, PartialEq, Debug, Default)]
pub struct Rules {
    /// Patterns of source repositories: `pkg:` for the source package, anything else for the
    /// places from which its files came.
    pub approved_sources: Option<BTreeSet<String>>,
    /// Build commands.
    pub commands: Option<Vec<Command>>,
    /// Floors: a package of the same name must have at least this version.
    pub minimum_versions: Vec<Purl>,
    /// Seconds after which a rebuild is too old for this environment.
    pub max_age: Option<u64>,
    /// A scan for known vulnerabilities.
    pub scan: Option<ScanRule>,
    /// Witnesses, each of which must have cosigned a head above a rebuild.
    pub witnesses: Vec<WitnessKey>,
}

/// A build command: a program, and everything that may stand behind it.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Command {
    /// The program, as rebuilders write it.
    pub run: String,
    /// Arguments that may stand behind it, in any order and number; one that ends in `=*` stands
    /// for every value.
    pub flags: BTreeSet<String>,
}

impl Command {
    /// Whether a command is this program with these flags alone.
    pub fn allows(&self, command: &[String]) -> bool {
        let Some((program, arguments)) = command.split_first() else { return false };
        *program == self.run && arguments.iter().all(|argument| self.allows_flag(argument))
    }

    fn allows_flag(&self, argument: &str) -> bool {
        let valued = |flag: &String| {
            flag.strip_suffix('*')
                .is_some_and(|start| start.ends_with('=') && argument.starts_with(start))
        };
        self.flags.contains(argument) || self.flags.iter().any(valued)
    }
}

/// A scan that must be there.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct ScanRule {
    /// Names of the scanners, of which one must have scanned the file.
    pub by: BTreeSet<String>,
    /// Seconds after which a scan is too old.
    pub within: u64,
    /// The severity from which a finding forbids the file; none where findings forbid nothing.
    pub refuse_from: Option<Severity>,
}

impl Rules {
    /// Names of the rules that are asked, as a policy writes them.
    pub fn names(&self) -> Vec<&'static str> {
        let asked = [
            self.approved_sources.is_some(),
            self.commands.is_some(),
            !self.minimum_versions.is_empty(),
            self.max_age.is_some(),
            self.scan.is_some(),
            !self.witnesses.is_empty(),
        ];
        RULES.into_iter().zip(asked).filter_map(|(name, asked)| asked.then_some(name)).collect()
    }
}
