//! Relations between packages: the values of `Depends`, `Conflicts`,
//! `Provides` and their like (deb-control(5), Policy chapter 7).

use std::cmp::Ordering;
use std::fmt;

use deb_types::version;

/// How a version must compare with the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=` (and the obsolete `<`)
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=` (and the obsolete `>`)
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }
}

/// A version restriction, `(>= 1.2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub version: &'a str,
}

impl Bound<'_> {
    /// Whether a version is within the bound.
    pub fn allows(&self, version: &str) -> bool {
        let order = version::compare(version, self.version);
        match self.operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterOrEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

/// One package name with its restrictions, `name:arch (>= version)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package's name.
    pub name: &'a str,
    /// What follows the colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// The version restriction.
    pub bound: Option<Bound<'a>>,
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some(bound) = self.bound {
            write!(f, " ({} {})", bound.operator.as_str(), bound.version)?;
        }
        Ok(())
    }
}

/// Alternatives, any one of which is enough: `a | b (>= 1)`.
pub type Alternatives<'a> = Vec<Relation<'a>>;

/// Writes alternatives as they stand in a control file.
pub fn display_alternatives(alternatives: &[Relation<'_>]) -> String {
    let texts: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
    texts.join(" | ")
}

fn parse_one(text: &str) -> Option<Relation<'_>> {
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[' | '<'))
        .unwrap_or(text.len());
    let (name, rest) = (text.get(..end)?, text.get(end..)?.trim_start());
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if name.is_empty() || qualifier == Some("") || !text.is_ascii() {
        return None;
    }
    let bound = match rest.strip_prefix('(') {
        None => None,
        Some(rest) => {
            let inner = rest.split(')').next()?.trim();
            let digits = inner.find(|c| !matches!(c, '<' | '=' | '>'))?;
            let operator = match inner.get(..digits)? {
                "<<" => Operator::Earlier,
                "<=" | "<" => Operator::EarlierOrEqual,
                "=" | "" => Operator::Equal,
                ">=" | ">" => Operator::LaterOrEqual,
                ">>" => Operator::Later,
                _ => return None,
            };
            let version = inner.get(digits..)?.trim();
            if !version::is_valid(version) {
                return None;
            }
            Some(Bound { operator, version })
        }
    };
    Some(Relation {
        name,
        qualifier,
        bound,
    })
}

/// The text of the first relation that cannot be understood.
pub(crate) type BadRelation<'a> = &'a str;

/// Parses `a | b, c (>= 1)`: all of the groups are wanted, any one of a group's members.
pub fn parse_groups(text: &str) -> Result<Vec<Alternatives<'_>>, BadRelation<'_>> {
    let mut groups = Vec::new();
    for group in text.split(',') {
        if group.trim().is_empty() {
            continue;
        }
        let mut alternatives = Vec::with_capacity(1);
        for one in group.split('|') {
            alternatives.push(parse_one(one).ok_or(one)?);
        }
        groups.push(alternatives);
    }
    Ok(groups)
}

/// Parses a list without alternatives, as in `Conflicts` and `Provides`.
pub fn parse_list(text: &str) -> Result<Vec<Relation<'_>>, BadRelation<'_>> {
    text.split(',')
        .filter(|one| !one.trim().is_empty())
        .map(|one| parse_one(one).ok_or(one))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_archives_hold() {
        let groups = parse_groups("libc6 (>= 2.38), perl:any|awk ( << 1:2-3~ ) ,\n python3:amd64").unwrap();
        let texts: Vec<String> = groups.iter().map(|g| display_alternatives(g)).collect();
        assert_eq!(
            texts,
            ["libc6 (>= 2.38)", "perl:any | awk (<< 1:2-3~)", "python3:amd64"]
        );
        assert_eq!(parse_groups(" , ").unwrap().len(), 0);
        let list = parse_list("a (= 1), b").unwrap();
        assert!(list[0].bound.unwrap().allows("1-0"));
        assert!(list[1].bound.is_none());
    }

    #[test]
    fn refuses_what_is_none() {
        for bad in [
            "a |",
            "(>= 1)",
            "a (>= )",
            "a (?? 1)",
            "a (>= 1_2)",
            "é",
            ":any",
            "a:",
        ] {
            assert!(parse_groups(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds() {
        let cases = [
            ("<<", "1", true),
            ("<=", "2", true),
            ("=", "2", true),
            (">=", "1", false),
            (">>", "3", true),
        ];
        for (operator, version, expected) in cases {
            let text = format!("a ({operator} 2)");
            let list = parse_list(&text).unwrap();
            assert_eq!(list[0].bound.unwrap().allows(version), expected, "{text}");
        }
    }
}
