//! What two differing texts have in common with known causes (step 4, pure): a likely cause, never a certain one.
//!
//! Both texts are cut into tokens that look like a time, a path, a version and so on, and the rest.
//! Where the rests are equal, the tokens that differ are the cause. Where they are not, a word on
//! the line may still tell (`Build-Host:`, `LANG=`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::document::Cause;

/// A cause with the words that say why it is thought to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) cause: Cause,
    pub(super) words: String,
}

/// What a token looks like; the order is that in which the patterns are tried at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Identifier,
    Address,
    Path,
    Time,
    Jobs,
    Locale,
    Version,
    Year,
}

/// Longer texts are cut: what tells a cause stands close to the difference.
const TEXT_BYTES: usize = 4096;
/// Characters of a token that are quoted.
const QUOTED: usize = 60;

const MONTH: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*";
const DAY: &str = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*";
const CLOCK: &str = "[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?: ?[AP]M)?";
const ZONE: &str = "(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?";
/// Directories under which builds are made; a system's own paths do not differ by the build's place.
const ROOTS: &str = "build|builds|buildd|builddir|home|root|tmp|var/tmp|var/lib/jenkins|usr/src|workspace|work|workdir|mnt|__w|Users|private|sbuild|srv|opt/build|nix/build|io|project|src|app";

/// One group a look, in the order of [`LOOKS`]. Classes name what they hold, and are never negated:
/// what they do not hold would not be UTF-8.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let identifier = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?:sha(?:1|256|512)|md5)[=:-][A-Za-z0-9+/_=-]{20,}|[0-9a-fA-F]{16,}|[0-9a-fA-F]{14}\\.debug|(?:tmp|temp)[._-]?[A-Za-z0-9_]{6,10}\\b";
    let time = format!(
        "(?:{DAY},? )?[0-9]{{1,2}}[ -]{MONTH}[ -][0-9]{{4}}(?:,? {CLOCK})?{ZONE}\
         |(?:{DAY},? )?{MONTH} +[0-9]{{1,2}},?(?: {CLOCK})?(?: [A-Z]{{3,4}})? +[0-9]{{4}}(?:,? {CLOCK})?{ZONE}\
         |[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T_ ]{CLOCK}{ZONE})?\
         |(?:19|20)[0-9]{{2}}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[T.]?[0-9]{{4,6}}Z?)?\\b\
         |{CLOCK}{ZONE}|\\b1[0-9]{{9}}(?:[0-9]{{3}})?\\b"
    );
    let pattern = format!(
        "({identifier})|([A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+)|(/(?:{ROOTS})/[!#-&*+\\--9=?-Z\\\\^-~]*)|({time})\
         |(-j ?[0-9]+|parallel=[0-9]+|-m(?:arch|tune|cpu)=[!#-&(-~]+)\
         |((?:LC_[A-Z]+|LANG|LANGUAGE)=[!#-&(-~]*|\\b[a-z]{{2}}_[A-Z]{{2}}(?:\\.[A-Za-z0-9-]+)?|\\bC\\.(?:UTF-8|utf8))\
         |([0-9]+(?:\\.[0-9]+)+(?:[-+~.][A-Za-z0-9.+~]*)*)|(\\b(?:19|20)[0-9]{{2}}\\b)"
    );
    RegexBuilder::new(&pattern).unicode(false).build().ok()
});

const LOOKS: [Look; 8] = [
    Look::Identifier,
    Look::Address,
    Look::Path,
    Look::Time,
    Look::Jobs,
    Look::Locale,
    Look::Version,
    Look::Year,
];

/// Words on a line that tell what its value is about.
static WORDS: LazyLock<Vec<(Cause, Regex)>> = LazyLock::new(|| {
    let table = [
        (Cause::HostName, r"build[-_ ]?host|host ?name|built on\b|\bhost\b|node ?name"),
        (
            Cause::User,
            r"built[-_ ]?by|packager\b|\buser(?:name)?\b|\buid\b|\bgid\b|logname|umask|\bowner\b",
        ),
        (Cause::Locale, r"\blang(?:uage)?\b|\blocale\b|charset|encoding|\blc_"),
        (
            Cause::Parallelism,
            r"\bcpus?\b|nproc|threads?\b|parallel|\bjobs?\b|processors?\b|\bcores?\b",
        ),
        (Cause::Toolchain, TOOLS),
        (Cause::Time, r"\bdate\b|timestamp|\btime\b|epoch"),
    ];
    let compiled = table.iter().map(|(cause, pattern)| {
        let regex = RegexBuilder::new(pattern).unicode(false).case_insensitive(true).build();
        Some((*cause, regex.ok()?))
    });
    compiled.flatten().collect()
});

const TOOLS: &str = r"\bgcc\b|\bdh_[a-z]+|\bg\+\+|clang|\bllvm\b|rustc|\bgnu (?:c|as|ld|assembler)|compiler|linker|generator|generated (?:by|with)|created[- ]by|build-jdk|javac|\bdpkg\b|debhelper|setuptools|bdist_wheel|\bflit\b|hatchling|poetry|cython|cmake|meson|\bgo1|producer|doxygen|pod::man|sphinx|pandoc|help2man|built with|\bpython\b|binutils|\bbison\b|\bflex\b|autoconf|automake|libtool";

/// The likely cause of two texts that differ, or nothing that is known.
pub(super) fn text(published: &str, produced: &str) -> Option<Guess> {
    let (a, b) = (cut(published), cut(produced));
    by_tokens(a, b).or_else(|| by_order(a, b)).or_else(|| by_words(a, b))
}

/// The same for strings of a binary file, where words in another order mean nothing.
pub(super) fn string(published: &str, produced: &str) -> Option<Guess> {
    let (a, b) = (cut(published), cut(produced));
    by_tokens(a, b).or_else(|| by_words(a, b))
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What a text is without its tokens, and those.
fn tokens(text: &str) -> Option<(String, Vec<(Look, &str)>)> {
    let mut rest = String::new();
    let mut found = Vec::new();
    let mut end = 0;
    for groups in TOKENS.as_ref()?.captures_iter(text) {
        let group = groups.iter().skip(1).enumerate().find_map(|(i, group)| Some((i, group?)));
        let (index, token) = group?;
        rest.push_str(text.get(end..token.start())?);
        rest.push('\0');
        found.push((*LOOKS.get(index)?, token.as_str()));
        end = token.end();
    }
    rest.push_str(text.get(end..)?);
    Some((rest, found))
}

fn by_tokens(a: &str, b: &str) -> Option<Guess> {
    let ((rest_a, tokens_a), (rest_b, tokens_b)) = (tokens(a)?, tokens(b)?);
    // Spaces pad what is shorter.
    let same = |a: &str, b: &str| a.split_whitespace().eq(b.split_whitespace());
    if !same(&rest_a, &rest_b) || tokens_a.len() != tokens_b.len() {
        return None;
    }
    let pairs = tokens_a.iter().zip(&tokens_b).filter(|(a, b)| a.1 != b.1);
    let guesses: Option<Vec<Guess>> = pairs.map(|(x, y)| token(*x, *y, a)).collect();
    // The most telling one speaks for all.
    guesses?.into_iter().min_by_key(|guess| guess.cause)
}

fn token((look, a): (Look, &str), (other, b): (Look, &str), line: &str) -> Option<Guess> {
    if look != other {
        // A date and a clock are both times, and a year is the least of them.
        return None;
    }
    let (cause, what) = match look {
        Look::Identifier => (Cause::Randomness, "an identifier"),
        Look::Address => address(a, b),
        Look::Path => (Cause::BuildPath, "a build path"),
        Look::Time | Look::Year => (Cause::Time, "a time"),
        Look::Jobs => (Cause::Parallelism, "what the processors decide"),
        Look::Locale => (Cause::Locale, "the locale"),
        Look::Version if word(line).is_some_and(|(cause, _)| cause == Cause::Toolchain) => {
            (Cause::Toolchain, "another version of a tool")
        }
        Look::Version => return None,
    };
    Some(Guess { cause, words: format!("{what}: {}", sides(a, b)) })
}

fn address(a: &str, b: &str) -> (Cause, &'static str) {
    let host = |text: &str| text.split_once('@').map(|(_, host)| host.to_owned());
    if host(a) == host(b) { (Cause::User, "a user") } else { (Cause::HostName, "a host name") }
}

/// The same words in another order.
fn by_order(a: &str, b: &str) -> Option<Guess> {
    let words = |text: &'_ str| -> Vec<String> {
        let separators = |c: char| {
            c.is_whitespace() || matches!(c, ',' | ';' | '{' | '}' | '[' | ']' | '(' | ')')
        };
        let mut words: Vec<String> =
            text.split(separators).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        words.sort();
        words
    };
    let (a, b) = (words(a), words(b));
    let order = a == b && a.iter().collect::<BTreeSet<_>>().len() > 1;
    let words = "the same words in another order".to_owned();
    order.then_some(Guess { cause: Cause::Order, words })
}

fn by_words(a: &str, b: &str) -> Option<Guess> {
    let ((cause, name), (other, _)) = (word(a)?, word(b)?);
    let (x, y) = differing(a, b);
    let what = match cause {
        Cause::HostName => "a host name",
        Cause::User => "a user or a umask",
        Cause::Locale => "the locale",
        Cause::Parallelism => "what the processors decide",
        Cause::Toolchain => "another tool",
        _ => "a time",
    };
    // Prose holds such words too: the line must begin with one, or the difference be one word.
    let keyed = name < 24 || !x.contains(' ') && !y.contains(' ');
    (cause == other && keyed).then(|| Guess { cause, words: format!("{what}: {}", sides(x, y)) })
}

/// Whether a line is about the tool that wrote it.
pub(super) fn names_tool(line: &str) -> bool {
    word(cut(line)).is_some_and(|(cause, _)| cause == Cause::Toolchain)
}

/// The first telling word of a line, and where it stands.
fn word(line: &str) -> Option<(Cause, usize)> {
    let found = WORDS.iter().filter_map(|(cause, regex)| Some((*cause, regex.find(line)?.start())));
    found.min_by_key(|(_, at)| *at)
}

/// The middles that differ, to whole words.
fn differing<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let common = |(x, y): &((usize, char), char)| x.1 == *y;
    let at = a
        .char_indices()
        .zip(b.chars())
        .take_while(common)
        .last()
        .map_or(0, |((i, c), _)| i + c.len_utf8());
    let start =
        a.get(..at).and_then(|head| head.rfind([' ', '=', ':', '"', '\t'])).map_or(0, |i| i + 1);
    (a.get(start..).unwrap_or(a).trim(), b.get(start..).unwrap_or(b).trim())
}

/// `x there, y here`: there is where it was published.
pub(super) fn sides(published: &str, produced: &str) -> String {
    let one = |text: &str| {
        let text = super::shown::shown(text.trim().as_bytes(), QUOTED);
        if text.is_empty() { "nothing".to_owned() } else { text }
    };
    format!("{} there, {} here", one(published), one(produced))
}

/// The name and version of a compiler from an ELF `.comment` or a like string.
pub(super) fn tool(text: &str) -> String {
    // `GCC: (Debian 14.2.0-19) 14.2.0` names the package's version in its brackets.
    let gcc = text.strip_prefix("GCC: (").and_then(|rest| rest.split_once(')'));
    match gcc.map(|(inside, after)| (inside.rsplit(' ').next().unwrap_or(inside), after)) {
        Some((version, _)) if version.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("GCC {version}")
        }
        Some((_, version)) => format!("GCC{version}"),
        None => super::shown::shown(text.as_bytes(), QUOTED),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(TOKENS.is_some());
        assert_eq!(TOKENS.as_ref().unwrap().captures_len(), LOOKS.len() + 1);
        assert_eq!(WORDS.len(), 6);
    }

    #[test]
    fn each_cause_is_known_by_its_look() {
        use Cause::{
            BuildPath, HostName, Locale, Order, Parallelism, Randomness, Time, Toolchain, User,
        };
        let table = [
            ("built 2024-05-01T10:00:00Z", "built 2026-11-22T17:00:01Z", Some(Time)),
            ("Wed, 01 May 2024 10:00:00 +0000", "Sun, 22 Nov 2026 17:00:01 +0000", Some(Time)),
            ("compiled May  1 2024 10:00:00", "compiled Nov 22 2026 17:00:01", Some(Time)),
            ("epoch=1714557600", "epoch=1795366801", Some(Time)),
            ("stamp 20240501", "stamp 20261122", Some(Time)),
            ("(c) 2024 A", "(c) 2026 A", Some(Time)),
            ("/build/a-1/src/x.c", "/home/me/a/src/x.c", Some(BuildPath)),
            ("-O2 -j4", "-O2 -j16", Some(Parallelism)),
            ("-march=znver4", "-march=skylake", Some(Parallelism)),
            ("LANG=C", "LANG=de_DE.UTF-8", Some(Locale)),
            ("by root@alpha", "by root@beta", Some(HostName)),
            ("by anna@alpha", "by otto@alpha", Some(User)),
            ("Build-Host: alpha", "Build-Host: beta", Some(HostName)),
            ("Built-By: anna", "Built-By: otto", Some(User)),
            ("# added by dh_strip/13.23", "# added by dh_strip/13.24.2", Some(Toolchain)),
            ("Generator: flit 3.9.0", "Generator: flit 3.10.1", Some(Toolchain)),
            ("GCC: (Debian 14.2.0-16) 14.2.0", "GCC: (Debian 14.2.0-19) 14.2.0", Some(Toolchain)),
            (
                "id 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
                "id 6fa459ea-ee8a-3ca4-894e-db77e160355e",
                Some(Randomness),
            ),
            ("{a, b, c}", "{c, a, b}", Some(Order)),
            ("int x = 1;", "int x = 2;", None),
            ("Depends: a (>= 1.2.3)", "Depends: a (>= 1.2.4)", None),
            (
                "the host is a fine thing, they say, and tall",
                "the house is a fine thing, we say, and tall",
                None,
            ),
        ];
        for (a, b, expected) in table {
            assert_eq!(text(a, b).map(|guess| guess.cause), expected, "{a} / {b}");
        }
    }

    #[test]
    fn a_compiler_is_named_as_people_name_it() {
        assert_eq!(tool("GCC: (Debian 14.2.0-16) 14.2.0"), "GCC 14.2.0-16");
        assert_eq!(tool("GCC: (GNU) 13.1.0"), "GCC 13.1.0");
        assert_eq!(tool("clang version 19.1.7"), "clang version 19.1.7");
    }
}
