//! Relations between packages: the values of `Depends`, `Conflicts`, `Provides` and their like
//! (deb-control(5), Debian Policy chapter 7).
//!
//! A field is a list of groups, all of which must hold; a group is a list of alternatives, one of which
//! is enough; an alternative is a [`Relation`]. Nothing is copied: names and versions are slices of the
//! field.
//!
//! dpkg and apt do not accept the same texts, and what one refuses decides what becomes of a package.
//! [`Dialect`] says whose rules apply.
//!
//! ```
//! use deb_types::relation::{Dialect, parse_groups};
//!
//! let groups = parse_groups("libc6 (>= 2.38), perl:any | awk", Dialect::Dpkg).unwrap();
//! assert_eq!(groups.len(), 2);
//! assert!(groups[0][0].bound.unwrap().allows("2.41-12"));
//! assert_eq!(groups[1][0].qualifier, Some("any"));
//! // apt passes over build profiles and the like, dpkg does not.
//! assert!(parse_groups("a [amd64]", Dialect::Apt).is_ok());
//! assert!(parse_groups("a [amd64]", Dialect::Dpkg).is_err());
//! ```

use std::cmp::Ordering;
use std::fmt;

use crate::version;

/// The program whose rules a field is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// dpkg, which reads control files: every alternative is `NAME[:ARCH] [(OPERATOR VERSION)]` and nothing
    /// else, and an epoch of zero is left out of the version. As in its database, versions need not follow
    /// deb-version(7) in every character.
    Dpkg,
    /// dpkg, where it reads an archive: versions must be valid.
    DpkgArchive,
    /// apt, which reads indexes: empty groups and what follows a relation are passed over, a parenthesis
    /// need not be closed, and names may be of any ASCII characters, but versions must be valid.
    Apt,
}

/// The relation of a version to the one named.
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

/// The operators and their spellings, longer ones before those they begin with.
const OPERATORS: [(&str, Operator); 7] = [
    ("<<", Operator::Earlier),
    ("<=", Operator::EarlierOrEqual),
    (">=", Operator::LaterOrEqual),
    (">>", Operator::Later),
    ("=", Operator::Equal),
    ("<", Operator::EarlierOrEqual),
    (">", Operator::LaterOrEqual),
];

impl Operator {
    /// Returns the operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }

    /// Returns whether a version that compares so with the one named is meant.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Earlier => order.is_lt(),
            Self::EarlierOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::LaterOrEqual => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }

    /// Takes the operator off a restriction; without one, `=` is meant.
    fn split(text: &str) -> (Self, &str) {
        OPERATORS
            .iter()
            .find_map(|(spelling, operator)| Some((*operator, text.strip_prefix(spelling)?)))
            .unwrap_or((Self::Equal, text))
    }
}

/// A version restriction, `(>= 1.2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The relation to the version.
    pub operator: Operator,
    /// The version named.
    pub version: &'a str,
}

impl Bound<'_> {
    /// Returns whether a version is within the bound, by [`version::compare`].
    pub fn allows(&self, version: &str) -> bool {
        self.operator.holds(version::compare(version, self.version))
    }
}

/// One package name with its restrictions, `name:arch (>= version)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Package name.
    pub name: &'a str,
    /// Text after the colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// Version restriction.
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

/// A relation that cannot be read. Its message is a predicate, to follow the name of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RelationError<'a> {
    /// The relation as it stands in the field, blanks around it included.
    pub relation: &'a str,
    /// The fault.
    pub problem: Problem<'a>,
}

/// The fault of a relation, with the text it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem<'a> {
    /// The version's parenthesis is not closed at the end of the relation.
    #[error("has an unterminated version in '{}'", short(.0))]
    Unterminated(&'a str),
    /// Not a version.
    #[error("has an invalid version '{}'", short(.0))]
    Version(&'a str),
    /// Not a version to dpkg, and why.
    #[error("has an invalid version '{}': {}", short(.0), .1)]
    Malformed(&'a str, &'static str),
    /// Not a package name.
    #[error("has an invalid package name '{}'", short(.0))]
    Name(&'a str),
    /// The text after the name's colon is not an architecture.
    #[error("has an invalid architecture in '{}'", short(.0))]
    Qualifier(&'a str),
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Parses a field: groups, all of which must hold, of alternatives.
///
/// # Errors
/// The first relation that the dialect does not allow; for dpkg also an empty one, and so an empty field.
pub fn parse_groups(field: &str, dialect: Dialect) -> Result<Vec<Alternatives<'_>>, RelationError<'_>> {
    items(field, dialect)
        .map(|group| group.split('|').map(|one| parse(one, dialect)).collect())
        .collect()
}

/// Parses a field without alternatives, as `Conflicts` and `Provides` are.
///
/// # Errors
/// As [`parse_groups`].
pub fn parse_list(field: &str, dialect: Dialect) -> Result<Vec<Relation<'_>>, RelationError<'_>> {
    items(field, dialect).map(|one| parse(one, dialect)).collect()
}

/// The comma-separated items of a field.
fn items(field: &str, dialect: Dialect) -> impl Iterator<Item = &str> {
    let passes = move |item: &&str| dialect != Dialect::Apt || !item.trim().is_empty();
    field.split(',').filter(passes)
}

/// Parses one relation.
///
/// # Errors
/// A text that the dialect does not allow.
pub fn parse(relation: &str, dialect: Dialect) -> Result<Relation<'_>, RelationError<'_>> {
    let parsed = match dialect {
        Dialect::Dpkg => as_dpkg(relation.trim_ascii(), false),
        Dialect::DpkgArchive => as_dpkg(relation.trim_ascii(), true),
        Dialect::Apt => as_apt(relation.trim()),
    };
    parsed.map_err(|problem| RelationError { relation, problem })
}

/// Splits a text before its first parenthesis; the second part is what follows that.
fn split_restriction(text: &str) -> (&str, Option<&str>) {
    match text.split_once('(') {
        Some((head, restriction)) => (head, Some(restriction)),
        None => (text, None),
    }
}

/// Splits a name from the qualifier after its colon.
fn split_qualifier(word: &str) -> (&str, Option<&str>) {
    match word.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (word, None),
    }
}

fn as_dpkg(text: &str, strict: bool) -> Result<Relation<'_>, Problem<'_>> {
    let (head, restriction) = split_restriction(text);
    let bound = match restriction {
        None => None,
        Some(restriction) => {
            let inner = restriction.strip_suffix(')').ok_or(Problem::Unterminated(text))?;
            let (operator, rest) = Operator::split(inner.trim_ascii());
            let version = normal_version(rest, strict)?;
            Some(Bound { operator, version })
        }
    };
    let (name, qualifier) = split_qualifier(head.trim_ascii_end());
    if !is_name(name) {
        return Err(Problem::Name(name));
    }
    if qualifier.is_some_and(|qualifier| !is_architecture(qualifier)) {
        return Err(Problem::Qualifier(text));
    }
    Ok(Relation {
        name,
        qualifier,
        bound,
    })
}

fn as_apt(text: &str) -> Result<Relation<'_>, Problem<'_>> {
    let (head, restriction) = split_restriction(text);
    let end = head.find(|c: char| c.is_ascii_whitespace() || matches!(c, '[' | '<'));
    let (word, between) = head.split_at(end.unwrap_or(head.len()));
    let (name, qualifier) = split_qualifier(word);
    if name.is_empty() || !text.is_ascii() {
        return Err(Problem::Name(text));
    }
    if qualifier == Some("") {
        return Err(Problem::Qualifier(text));
    }
    let bound = match restriction.filter(|_| between.trim_start().is_empty()) {
        None => None,
        Some(restriction) => {
            let inner = restriction.split(')').next().unwrap_or_default();
            let (operator, rest) = Operator::split(inner.trim());
            let version = rest.trim();
            if !version::is_valid(version) {
                return Err(Problem::Version(version));
            }
            Some(Bound { operator, version })
        }
    };
    Ok(Relation {
        name,
        qualifier,
        bound,
    })
}

/// Returns a version as dpkg prints it: without blanks around it, and without an epoch of zero. `strict` is dpkg's
/// reading of an archive.
///
/// # Errors
/// A version that dpkg would not read.
pub fn normal_version(text: &str, strict: bool) -> Result<&str, Problem<'_>> {
    let text = text.trim_ascii();
    let version = version::parse_as_dpkg(text).map_err(|why| Problem::Malformed(text, why))?;
    match version.doubt.filter(|_| strict) {
        Some(why) => Err(Problem::Malformed(text, why)),
        None => Ok(version.text),
    }
}

/// Returns whether dpkg takes a text for the name of an architecture.
pub fn is_architecture(text: &str) -> bool {
    let start = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    start && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns whether dpkg takes a text for a package name. It allows more than Debian Policy 5.6.1: letters in
/// either case, underscores, and names of one character.
pub fn is_name(text: &str) -> bool {
    let start = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"-+._".contains(&b);
    start && text.bytes().all(valid)
}

#[cfg(test)]
mod tests;
