//! Stanzas of an archive's indexes (step 1): of 69,000 a rebuild needs 200, so only those are parsed.

use deb822_fast::Paragraph;

/// One stanza, parsed only when it is one of the few that are asked for.
pub(crate) struct Stanza(Paragraph);

/// One field of a raw stanza, first line only, without parsing the rest.
pub(crate) fn field<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    raw.lines().find_map(value).map(str::trim)
}

impl Stanza {
    /// Parses one raw stanza.
    pub(crate) fn parse(raw: &str) -> Result<Self, String> {
        raw.parse::<Paragraph>().map(Self).map_err(|e| e.to_string())
    }

    /// A field that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("a stanza without {name}"))
    }

    /// A field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(str::trim)
    }
}

/// `PACKAGE` or `PACKAGE (VERSION)`, as in `Source:`; the version is the binary's where it is missing.
pub(crate) fn source_of<'a>(
    name: &'a str,
    version: &'a str,
    source: Option<&'a str>,
) -> (&'a str, &'a str) {
    match source.map(|s| s.split_once(' ').unwrap_or((s, ""))) {
        None => (name, version),
        Some((source, rest)) => {
            let stated = rest.trim().trim_start_matches('(').trim_end_matches(')');
            (source, if stated.is_empty() { version } else { stated })
        }
    }
}

/// The groups of a dependency field, each the names of its alternatives: `a (>= 1) | b:any, c [x]`.
pub(crate) fn relations(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let end = |c: char| c.is_whitespace() || ":([<".contains(c);
    let name = move |one: &str| one.trim().split(end).next().unwrap_or_default().to_owned();
    let group = move |group: &str| -> Vec<String> {
        group.split('|').map(name).filter(|name| !name.is_empty()).collect()
    };
    text.split(',').map(group).filter(|group| !group.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_stated_in_full_in_part_or_not_at_all() {
        assert_eq!(source_of("a", "1+b1", Some("src (1)")), ("src", "1"));
        assert_eq!(source_of("a", "1", Some("src")), ("src", "1"));
        assert_eq!(source_of("a", "1", None), ("a", "1"));
    }

    #[test]
    fn relations_are_groups_of_names() {
        let text = "a (>= 1) | b:any,\n c [amd64] <!nocheck>, , d(= 1)";
        let found: Vec<Vec<String>> = relations(text).collect();
        assert_eq!(found, [vec!["a", "b"], vec!["c"], vec!["d"]]);
    }
}
