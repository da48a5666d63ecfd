//! The quorum formula: nested groups of operators, a monotone yes or no over who supports (step 9).

use std::collections::BTreeSet;
use std::fmt;

/// A place in [`super::Policy::voters`].
pub type Voter = usize;

/// A group of which some must support. Its shape is that of C2SP tlog-policy.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Group {
    pub(super) name: String,
    pub(super) need: usize,
    pub(super) of: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum Member {
    /// An operator.
    Operator(Voter),
    /// A group, with members of its own.
    Group(Group),
}

impl Group {
    /// The group's name; empty for the quorum itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// k: how many members must support.
    pub fn need(&self) -> usize {
        self.need
    }

    /// The members, none of which stands in another group of the quorum.
    pub fn of(&self) -> &[Member] {
        &self.of
    }

    /// Members that support, when exactly these operators do.
    pub fn have(&self, supporters: &BTreeSet<Voter>) -> usize {
        self.of.iter().filter(|member| member.holds(supporters)).count()
    }

    /// Whether enough members support.
    pub fn holds(&self, supporters: &BTreeSet<Voter>) -> bool {
        self.have(supporters) >= self.need
    }

    /// The fewest operators with which it can hold.
    pub fn fewest(&self) -> usize {
        let mut each: Vec<usize> = self.of.iter().map(Member::fewest).collect();
        each.sort_unstable();
        each.iter().take(self.need).sum()
    }

    /// How far it holds, in words: `2 of 3 operators`, or `1 of 2: europe 2 of 3, cedar no`.
    pub fn standing<'a>(
        &'a self,
        supporters: &'a BTreeSet<Voter>,
        names: &'a [&'a str],
    ) -> impl fmt::Display + 'a {
        Standing { group: self, supporters, names }
    }

    fn is_flat(&self) -> bool {
        self.of.iter().all(|member| matches!(member, Member::Operator(_)))
    }
}

impl Member {
    fn holds(&self, supporters: &BTreeSet<Voter>) -> bool {
        match self {
            Self::Operator(voter) => supporters.contains(voter),
            Self::Group(group) => group.holds(supporters),
        }
    }

    fn fewest(&self) -> usize {
        match self {
            Self::Operator(_) => 1,
            Self::Group(group) => group.fewest(),
        }
    }
}

struct Standing<'a> {
    group: &'a Group,
    supporters: &'a BTreeSet<Voter>,
    names: &'a [&'a str],
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, supporters, names } = *self;
        write!(f, "{} of {}", group.have(supporters), group.of.len())?;
        if group.is_flat() {
            return if group.name.is_empty() { f.write_str(" operators") } else { Ok(()) };
        }
        let mut before = ": ";
        for member in &group.of {
            f.write_str(before)?;
            before = ", ";
            match member {
                Member::Operator(voter) => {
                    let name = names.get(*voter).copied().unwrap_or_default();
                    write!(f, "{name} {}", if supporters.contains(voter) { "yes" } else { "no" })?;
                }
                Member::Group(inner) => {
                    let open = if inner.is_flat() { "" } else { "(" };
                    let close = if inner.is_flat() { "" } else { ")" };
                    write!(f, "{} {open}{}{close}", inner.name, inner.standing(supporters, names))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn group(name: &str, need: usize, of: Vec<Member>) -> Group {
        Group { name: name.to_owned(), need, of }
    }

    #[test]
    fn a_nested_formula_counts_members_and_not_operators() {
        use Member::Operator;
        let europe = group("europe", 2, vec![Operator(0), Operator(1), Operator(2)]);
        let quorum = group("", 2, vec![Member::Group(europe), Operator(3), Operator(4)]);
        let names = ["alder", "birch", "cedar", "dogwood", "elm"];
        assert_eq!(quorum.fewest(), 2);
        for (supporters, holds, words) in [
            (vec![], false, "0 of 3: europe 0 of 3, dogwood no, elm no"),
            (vec![0, 1, 2], false, "1 of 3: europe 3 of 3, dogwood no, elm no"),
            (vec![0, 3], false, "1 of 3: europe 1 of 3, dogwood yes, elm no"),
            (vec![0, 1, 3], true, "2 of 3: europe 2 of 3, dogwood yes, elm no"),
            (vec![3, 4], true, "2 of 3: europe 0 of 3, dogwood yes, elm yes"),
        ] {
            let supporters: BTreeSet<Voter> = supporters.into_iter().collect();
            assert_eq!(quorum.holds(&supporters), holds, "{supporters:?}");
            assert_eq!(quorum.standing(&supporters, &names).to_string(), words);
        }
    }
}
