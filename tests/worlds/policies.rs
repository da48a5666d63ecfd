//! Policies as one line each: `2/(1/ab,c,d) d0 w1 h24h`.
//!
//! ```text
//! 2/3             two of a, b and c            d0         max_dissent
//! 2/acd           two of a, c and d            checked    unchecked_dissent = "refuse"
//! all/(1/ab,c)    c and one of a and b         old        the policy expired a second ago
//! m400d  h24h     max_age, max_head_age        a:-1s      operator a is believed until then
//! w2              two of witnesses 1 to 3      auth:-1s   the authority, too
//! w1=0            ... of these alone           locks      environments come from LOCK_ARCHIVE alone
//! run:1=a         a runs witness 1             equivalent strip-nondeterminism 1.14 is accepted
//! by:country:2    supporters of two countries  (a and b are de, c is fr, d is us, e says nothing)
//! ```

use super::{ARCHIVE, LOCK_ARCHIVE, NOW, at, operator, seconds, witness_key};
use reattest_attestation::{Policy, Sign};

const COUNTRIES: [(char, &str); 4] = [('a', "de"), ('b', "de"), ('c', "fr"), ('d', "us")];

/// The policy that a line describes.
pub(crate) fn policy(short: &str) -> Policy {
    Policy::parse(&policy_text(short)).unwrap_or_else(|error| panic!("{short}: {error}"))
}

/// Its text.
pub(crate) fn policy_text(short: &str) -> String {
    // `2/3d0` and `2/3old` are `2/3 d0` and `2/3 old`.
    let split = short.replacen("old", " old", 1);
    let end = split.find([' ', 'd']).filter(|end| split[*end..].starts_with('d'));
    let split = end.map_or(split.clone(), |end| {
        let formula = &split[..end];
        let members = formula.rsplit('/').next().unwrap_or_default();
        if members.bytes().all(|b| b.is_ascii_digit()) && !members.is_empty() {
            format!("{formula} {}", &split[end..])
        } else {
            split.clone()
        }
    });
    let mut words = split.split_whitespace();
    let formula = words.next().unwrap();
    let mut page =
        Page { quorum: String::new(), groups: String::new(), seats: Vec::new(), made: 0 };
    let (need, of) = page.group(formula);
    if !of.is_empty() {
        page.quorum = format!("[quorum]\nneed = {need}\nof = [{of}]\n");
    }
    let mut all = Written { expires: NOW + 214 * super::DAY, ..Written::default() };
    words.for_each(|word| all.option(word));
    all.assemble(&page)
}

/// Groups as they are met, deepest first.
struct Page {
    quorum: String,
    groups: String,
    seats: Vec<char>,
    made: usize,
}

impl Page {
    /// `2/3`, `2/abc` or `2/(1/ab,c)`: need, and the members as TOML.
    fn group(&mut self, text: &str) -> (String, String) {
        let (need, of) = text.split_once('/').unwrap();
        let need =
            if need.parse::<usize>().is_ok() { need.to_owned() } else { format!("{need:?}") };
        let members: Vec<String> = match of.parse::<usize>() {
            Ok(count) => ('a'..='e').take(count).map(String::from).collect(),
            Err(_) => match of.strip_prefix('(').and_then(|of| of.strip_suffix(')')) {
                Some(inner) => items(inner),
                None => of.chars().map(String::from).collect(),
            },
        };
        let quoted: Vec<String> = members.iter().map(|one| self.member(one)).collect();
        (need, quoted.join(", "))
    }

    fn member(&mut self, one: &str) -> String {
        if !one.contains('/') {
            self.seats.extend(one.chars());
            return format!("{one:?}");
        }
        self.made += 1;
        let name = format!("group {}", self.made);
        let (need, of) = self.group(one);
        self.groups += &format!("[[group]]\nname = {name:?}\nneed = {need}\nof = [{of}]\n");
        format!("{name:?}")
    }
}

/// Splits at commas that stand in no parentheses.
fn items(text: &str) -> Vec<String> {
    let (mut depth, mut items) = (0_i32, vec![String::new()]);
    for c in text.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match c {
            ',' if depth == 0 => items.push(String::new()),
            c => items.last_mut().unwrap().push(c),
        }
    }
    items
}

/// What the options said.
#[derive(Default)]
struct Written {
    expires: i64,
    demands: String,
    diversity: String,
    witnesses: Vec<char>,
    run_by: Vec<(char, char)>,
    believed_until: Vec<(char, i64)>,
    authority: String,
}

impl Written {
    fn option(&mut self, word: &str) {
        let rest = |from: usize| word.get(from..).unwrap_or_default();
        let letter = |at: usize| word.chars().nth(at).unwrap();
        match word {
            "old" => self.expires = NOW - 1,
            "checked" => self.demands += "unchecked_dissent = \"refuse\"\n",
            "locks" => self.authority += &format!("lock = [\"{LOCK_ARCHIVE}\"]\n"),
            "equivalent" => {
                self.demands +=
                    "accept = \"equivalent\"\nnormalizers = [\"strip-nondeterminism@1.14\"]\n";
            }
            _ if word.starts_with("auth:") => {
                self.authority += &format!("expires = {}\n", at(NOW + seconds(rest(5))));
            }
            _ if word.starts_with("run:") => self.run_by.push((letter(4), letter(6))),
            _ if word.starts_with("by:") => {
                let (tag, distinct) = rest(3).split_once(':').unwrap();
                self.diversity +=
                    &format!("[[quorum.diversity]]\ntag = \"{tag}\"\ndistinct = {distinct}\n");
            }
            _ if word.chars().nth(1) == Some(':') => {
                self.believed_until.push((letter(0), NOW + seconds(rest(2))));
            }
            _ => self.demand(letter(0), rest(1)),
        }
    }

    fn demand(&mut self, what: char, value: &str) {
        let line = match what {
            'd' => format!("max_dissent = {value}\n"),
            'm' => format!("max_age = {value:?}\n"),
            'h' => format!("max_head_age = {value:?}\n"),
            'w' => {
                let (needed, of) = value.split_once('=').unwrap_or((value, "123"));
                self.witnesses = of.chars().collect();
                format!("witnesses = {needed}\n")
            }
            other => panic!("{other}{value} is no option of a policy"),
        };
        self.demands += &line;
    }

    fn assemble(&self, page: &Page) -> String {
        let mut text = "version = 1\nnetwork = \"test\"\n".to_owned();
        text += &format!("expires = {}\n", at(self.expires));
        for name in &page.seats {
            let key = operator(*name).public_key();
            text += &format!("[[operator]]\nname = \"{name}\"\nkey = \"{key}\"\n");
            if let Some((_, country)) = COUNTRIES.iter().find(|(of, _)| of == name) {
                text += &format!("tags = {{ country = \"{country}\" }}\n");
            }
            if let Some((_, until)) = self.believed_until.iter().find(|(of, _)| of == name) {
                text += &format!("expires = {}\n", at(*until));
            }
        }
        for number in &self.witnesses {
            text += &format!("[[witness]]\nkey = \"{}\"\n", witness_key(*number));
            if let Some((_, by)) = self.run_by.iter().find(|(of, _)| of == number) {
                text += &format!("operator = \"{by}\"\n");
            }
        }
        text += "[[authority]]\npurl = \"pkg:deb/debian/*\"\n";
        text += &format!("openpgp = [\"{ARCHIVE}\"]\n{}", self.authority);
        text + &page.groups + &page.quorum + &self.demands + &self.diversity
    }
}
