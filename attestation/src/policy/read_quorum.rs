//! From a policy's `[quorum]` and `[[group]]` tables to the formula and its demands (step 9).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::formula::{Group, Member};
use super::read::{At, bounded, read_name, value};
use super::{Accept, Demands, Diversity, Mistake, Operator, Witness};
use crate::limits::{GROUP_DEPTH_MAX, OPERATORS_MAX, POLICY_LIST_MAX};
use crate::quoted::quoted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupTable {
    name: Spanned<String>,
    need: Spanned<Need>,
    of: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuorumTable {
    need: Spanned<Need>,
    of: Vec<Spanned<String>>,
    max_dissent: Option<Spanned<i64>>,
    unchecked_dissent: Option<UncheckedDissent>,
    accept: Option<Spanned<Level>>,
    #[serde(default)]
    normalizers: Vec<Spanned<String>>,
    max_age: Option<Spanned<String>>,
    witnesses: Option<Spanned<i64>>,
    max_head_age: Option<Spanned<String>>,
    #[serde(default)]
    diversity: Vec<Spanned<DiversityTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiversityTable {
    tag: String,
    distinct: Spanned<i64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number of members, \"all\" or \"any\"")]
enum Need {
    Members(i64),
    Word(String),
}

#[derive(Deserialize, Copy, Clone, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum UncheckedDissent {
    Allow,
    Refuse,
}

#[derive(Deserialize, Copy, Clone, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Bitwise,
    Equivalent,
}

/// The voters and what is asked of them.
pub(super) struct Quorum {
    pub(super) voters: Vec<usize>,
    pub(super) formula: Group,
    pub(super) demands: Demands,
}

type Tables<'a> = (Option<&'a Spanned<QuorumTable>>, &'a [Spanned<GroupTable>]);

pub(super) fn quorum(
    (table, groups): Tables<'_>,
    operators: &[Operator],
    witnesses: &[Witness],
    text: &str,
) -> At<Quorum> {
    let Some(table) = table else {
        let formula = Group { name: String::new(), need: 0, of: Vec::new() };
        let nobody = Quorum { voters: Vec::new(), formula, demands: Demands::default() };
        let end = text.len()..text.len();
        return if operators.is_empty() { Ok(nobody) } else { Err((end, Mistake::NoQuorum)) };
    };
    let mut hall = Hall::of(operators, groups)?;
    let root = table.get_ref();
    let formula = hall.group("", &root.need, &root.of, 0)?;
    hall.all_seated()?;
    let seated = Seated { formula: &formula, voters: &hall.voters, operators, witnesses };
    let demands = read_demands(root, &seated)?;
    Ok(Quorum { voters: hall.voters, formula, demands })
}

/// Operators and groups by name, and where each was seated.
struct Hall<'a> {
    operators: BTreeMap<&'a str, usize>,
    groups: BTreeMap<&'a str, &'a Spanned<GroupTable>>,
    seats: BTreeMap<String, String>,
    voters: Vec<usize>,
}

impl<'a> Hall<'a> {
    fn of(operators: &'a [Operator], tables: &'a [Spanned<GroupTable>]) -> At<Self> {
        let operators: BTreeMap<&str, usize> = operators
            .iter()
            .enumerate()
            .map(|(at, operator)| (operator.name.as_str(), at))
            .collect();
        let mut groups = BTreeMap::new();
        for table in tables {
            bounded("groups", groups.len() + 1, OPERATORS_MAX, table.span())?;
            let name = &table.get_ref().name;
            let found = read_name(name)?;
            if operators.contains_key(found.as_str())
                || groups.insert(name.get_ref().as_str(), table).is_some()
            {
                let what = "operator or group name";
                return Err((name.span(), Mistake::Duplicate { what, found }));
            }
        }
        Ok(Self { operators, groups, seats: BTreeMap::new(), voters: Vec::new() })
    }

    /// Seats the members of a group, deepest first.
    fn group(
        &mut self,
        name: &str,
        need: &Spanned<Need>,
        of: &[Spanned<String>],
        depth: usize,
    ) -> At<Group> {
        let mut members = Vec::new();
        for member in of {
            members.push(self.member(name, member, depth)?);
        }
        let need = read_need(need, members.len())?;
        Ok(Group { name: name.to_owned(), need, of: members })
    }

    fn member(&mut self, group: &str, member: &Spanned<String>, depth: usize) -> At<Member> {
        let name = member.get_ref().as_str();
        let (found, here) = (quoted(name), place(group));
        if depth >= GROUP_DEPTH_MAX {
            return Err((member.span(), Mistake::Nested { found, limit: GROUP_DEPTH_MAX }));
        }
        if let Some(one) = self.seats.get(name) {
            let (one, other) = (one.clone(), here);
            return Err((member.span(), Mistake::TwicePlaced { found, one, other }));
        }
        self.seats.insert(name.to_owned(), here.clone());
        if let Some(at) = self.operators.get(name) {
            self.voters.push(*at);
            return Ok(Member::Operator(self.voters.len() - 1));
        }
        let Some(table) = self.groups.get(name).copied() else {
            let fix = self.nearest(name);
            return Err((member.span(), Mistake::Unknown { found, place: here, fix }));
        };
        let GroupTable { need, of, .. } = table.get_ref();
        self.group(name, need, of, depth + 1).map(Member::Group)
    }

    /// A suggestion: a name that differs only in case or by one letter, where there is one.
    fn nearest(&self, found: &str) -> String {
        let near = |name: &&&str| {
            let (a, b): (Vec<char>, Vec<char>) =
                (name.to_lowercase().chars().collect(), found.to_lowercase().chars().collect());
            a.len().abs_diff(b.len()) <= 1 && a.iter().filter(|c| !b.contains(c)).count() <= 1
        };
        match self.operators.keys().chain(self.groups.keys()).find(near) {
            Some(name) => format!("{:?} is near; correct it, or add a table", quoted(name)),
            None => "add a table, or take it out of \"of\"".to_owned(),
        }
    }

    fn all_seated(&self) -> At<()> {
        let unused = self.groups.iter().find(|(name, _)| !self.seats.contains_key(**name));
        match unused {
            None => Ok(()),
            Some((name, table)) => {
                let found = quoted(name);
                Err((table.get_ref().name.span(), Mistake::Unused { found }))
            }
        }
    }
}

fn place(group: &str) -> String {
    if group.is_empty() { "[quorum]".to_owned() } else { format!("group {:?}", quoted(group)) }
}

fn read_need(need: &Spanned<Need>, of: usize) -> At<usize> {
    let (read, written) = match need.get_ref() {
        Need::Members(k) => (usize::try_from(*k).ok(), k.to_string()),
        Need::Word(word) if word == "all" => (Some(of), word.clone()),
        Need::Word(word) if word == "any" => (Some(1), word.clone()),
        Need::Word(word) => (None, format!("{:?}", quoted(word))),
    };
    let wrong = || (need.span(), Mistake::Need { need: written, of });
    read.filter(|k| (1..=of).contains(k)).ok_or_else(wrong)
}

/// What the demands are measured by.
struct Seated<'a> {
    formula: &'a Group,
    voters: &'a [usize],
    operators: &'a [Operator],
    witnesses: &'a [Witness],
}

fn read_demands(table: &QuorumTable, seated: &Seated<'_>) -> At<Demands> {
    let witnesses = read_witnesses_needed(table.witnesses.as_ref(), seated)?;
    let max_head_age = table.max_head_age.as_ref().map(read_duration).transpose()?;
    if let Some(age) = table.max_head_age.as_ref().filter(|_| witnesses == 0) {
        let what = "max_head_age without witnesses".to_owned();
        let needed =
            "witnesses = 1 or more in [quorum]: only they tell how old a head is".to_owned();
        return Err((age.span(), Mistake::Unmeetable { what, needed }));
    }
    Ok(Demands {
        max_dissent: read_max_dissent(table.max_dissent.as_ref(), seated)?,
        checked_dissent: table.unchecked_dissent == Some(UncheckedDissent::Refuse),
        accept: read_accept(table.accept.as_ref(), &table.normalizers)?,
        max_age: table.max_age.as_ref().map(read_duration).transpose()?,
        witnesses,
        max_head_age,
        diversity: table
            .diversity
            .iter()
            .map(|diversity| read_diversity(diversity, seated))
            .collect::<At<_>>()?,
    })
}

fn read_max_dissent(said: Option<&Spanned<i64>>, seated: &Seated<'_>) -> At<usize> {
    let (of, need) = (seated.voters.len(), seated.formula.fewest());
    let limit = of.saturating_sub(need);
    let Some(said) = said else { return Ok(limit) };
    let found = *said.get_ref();
    let wrong = || (said.span(), Mistake::MaxDissent { found, limit, of, need });
    usize::try_from(found).ok().filter(|d| *d <= limit).ok_or_else(wrong)
}

/// Every operator must be left with enough witnesses that it does not run itself.
fn read_witnesses_needed(said: Option<&Spanned<i64>>, seated: &Seated<'_>) -> At<usize> {
    let Some(said) = said else { return Ok(0) };
    let names = seated.voters.iter().filter_map(|at| seated.operators.get(*at));
    let independent = |operator: &Operator| {
        let of_others = |witness: &&Witness| witness.run_by.as_ref() != Some(&operator.name);
        seated.witnesses.iter().filter(of_others).count()
    };
    let most = names.map(independent).min().unwrap_or(0);
    let found = *said.get_ref();
    usize::try_from(found).ok().filter(|w| *w <= most).ok_or_else(|| {
        let what = format!("witnesses = {found}");
        let needed = format!(
            "0 to {most}, the [[witness]] tables of others that every operator is left with; add witnesses, or ask for fewer"
        );
        (said.span(), Mistake::Unmeetable { what, needed })
    })
}

fn read_accept(level: Option<&Spanned<Level>>, normalizers: &[Spanned<String>]) -> At<Accept> {
    bounded("normalizers", normalizers.len(), POLICY_LIST_MAX, 0..0)?;
    let wanted = level.is_some_and(|level| *level.get_ref() == Level::Equivalent);
    if !wanted {
        let Some(first) = normalizers.first() else { return Ok(Accept::Bitwise) };
        let what = "normalizers where only equal bytes are accepted".to_owned();
        let needed = "accept = \"equivalent\" beside them, or none".to_owned();
        return Err((first.span(), Mistake::Unmeetable { what, needed }));
    }
    if normalizers.is_empty() {
        let span = level.map_or(0..0, Spanned::span);
        let what = "accept = \"equivalent\" without normalizers".to_owned();
        let needed = "normalizers = [\"NAME@VERSION\"]: what may differ must be named".to_owned();
        return Err((span, Mistake::Unmeetable { what, needed }));
    }
    let mut allowed = BTreeSet::new();
    for text in normalizers {
        let named = text.get_ref().split_once('@').is_some_and(|(name, version)| {
            !name.is_empty() && !version.is_empty() && !version.contains('@')
        });
        if !named {
            let why = format!("found {:?}, needed NAME@VERSION", quoted(text.get_ref()));
            return Err(value(text.span(), "normalizers", why));
        }
        allowed.insert(text.get_ref().clone());
    }
    Ok(Accept::Equivalent(allowed))
}

fn read_diversity(table: &Spanned<DiversityTable>, seated: &Seated<'_>) -> At<Diversity> {
    let DiversityTable { tag, distinct } = table.get_ref();
    let operators = seated.voters.iter().filter_map(|at| seated.operators.get(*at));
    let values: BTreeSet<&String> = operators.filter_map(|o| o.tags.get(tag)).collect();
    let most = values.len();
    let found = *distinct.get_ref();
    let allowed = usize::try_from(found).ok().filter(|wanted| (1..=most).contains(wanted));
    let distinct = allowed.ok_or_else(|| {
        let what = format!("distinct = {found} values of tag {:?}", quoted(tag));
        let needed = format!("1 to {most}, the values that voting operators have; tag more operators, or ask for fewer");
        (distinct.span(), Mistake::Unmeetable { what, needed })
    })?;
    Ok(Diversity { tag: tag.clone(), distinct })
}

/// A whole number and one of `m`, `h`, `d`: `90m`, `24h`, `400d`; in seconds.
pub(super) fn read_duration(text: &Spanned<String>) -> At<u64> {
    let written = text.get_ref();
    let unit = match written.chars().next_back() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = written.strip_suffix(['m', 'h', 'd']).unwrap_or_default();
    let digits = number.bytes().all(|b| b.is_ascii_digit()) && number.len() <= 6;
    let seconds = number.parse::<u64>().ok().filter(|_| digits).map(|n| n * unit);
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| {
        let why = format!(
            "found {:?}, needed a number and m, h or d, such as 24h or 400d",
            quoted(written)
        );
        value(text.span(), "duration", why)
    })
}
