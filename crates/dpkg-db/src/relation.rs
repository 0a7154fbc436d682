//! Relationship fields (deb-control(5)) as dpkg reads and writes them again.

use std::cmp::Ordering;
use std::fmt;

use debversion::Version;

/// How a relation compares versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterEqual,
    /// `>>`
    Later,
}

impl Comparison {
    fn as_str(self) -> &'static str {
        match self {
            Comparison::Earlier => "<<",
            Comparison::EarlierEqual => "<=",
            Comparison::Equal => "=",
            Comparison::LaterEqual => ">=",
            Comparison::Later => ">>",
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Earlier => order.is_lt(),
            Comparison::EarlierEqual => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::LaterEqual => order.is_ge(),
            Comparison::Later => order.is_gt(),
        }
    }
}

/// One alternative of a relation: `NAME[:ARCH] [(OP VERSION)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possibility {
    /// package name
    pub name: String,
    /// architecture qualifier
    pub architecture: Option<String>,
    /// version constraint; the version normalised
    pub constraint: Option<(Comparison, String)>,
}

impl Possibility {
    /// Whether `version` of the named package satisfies the constraint. A version that cannot be
    /// parsed satisfies none.
    pub fn accepts(&self, version: &str) -> bool {
        let Some((comparison, wanted)) = &self.constraint else {
            return true;
        };
        match (version.parse::<Version>(), wanted.parse::<Version>()) {
            (Ok(have), Ok(wanted)) => comparison.holds(have.cmp(&wanted)),
            _ => false,
        }
    }
}

impl fmt::Display for Possibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(f, ":{architecture}")?;
        }
        if let Some((comparison, version)) = &self.constraint {
            write!(f, " ({} {version})", comparison.as_str())?;
        }
        Ok(())
    }
}

/// Parses a relationship field: groups, all of which must hold, of alternatives.
///
/// # Errors
/// What is wrong, as a sentence about the field.
pub fn parse(value: &str) -> Result<Vec<Vec<Possibility>>, String> {
    value
        .split(',')
        .map(|group| group.split('|').map(possibility).collect())
        .collect()
}

/// The field as dpkg writes it to the status file.
pub(super) fn normalise(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    for (index, group) in parse(value)?.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        for (index, possibility) in group.iter().enumerate() {
            if index > 0 {
                out.push_str(" | ");
            }
            out.push_str(&possibility.to_string());
        }
    }
    Ok(out)
}

fn possibility(text: &str) -> Result<Possibility, String> {
    let text = text.trim_ascii();
    let (head, constraint) = match text.split_once('(') {
        Some((head, rest)) => {
            let inner = rest
                .strip_suffix(')')
                .ok_or_else(|| format!("has an unterminated version in '{}'", short(text)))?;
            (head.trim_ascii_end(), Some(constraint(inner.trim_ascii())?))
        }
        None => (text, None),
    };
    let (name, architecture) = match head.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (head, None),
    };
    check_name(name)?;
    let valid = |a: &str| !a.is_empty() && a.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if architecture.is_some_and(|a| !valid(a)) {
        return Err(format!("has an invalid architecture in '{}'", short(text)));
    }
    Ok(Possibility {
        name: name.to_owned(),
        architecture: architecture.map(str::to_owned),
        constraint,
    })
}

fn constraint(text: &str) -> Result<(Comparison, String), String> {
    const OPERATORS: &[(&str, Comparison)] = &[
        ("<<", Comparison::Earlier),
        ("<=", Comparison::EarlierEqual),
        (">=", Comparison::LaterEqual),
        (">>", Comparison::Later),
        ("=", Comparison::Equal),
        // obsolete spellings, which dpkg reads as "or equal"
        ("<", Comparison::EarlierEqual),
        (">", Comparison::LaterEqual),
    ];
    let found = OPERATORS
        .iter()
        .find_map(|(op, c)| text.strip_prefix(op).map(|rest| (*c, rest)));
    let (comparison, rest) = found.unwrap_or((Comparison::Equal, text));
    Ok((comparison, version(rest.trim_ascii())?))
}

/// A version as dpkg prints it: an epoch of zero left out.
pub(super) fn version(text: &str) -> Result<String, String> {
    let text = text.trim_ascii();
    let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
    let valid = |b: u8| b.is_ascii_alphanumeric() || b".+-~:".contains(&b);
    if rest.is_empty() || !rest.bytes().all(valid) || !epoch.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("has an invalid version '{}'", short(text)));
    }
    match epoch.trim_start_matches('0') {
        "" => Ok(rest.to_owned()),
        epoch => Ok(format!("{epoch}:{rest}")),
    }
}

/// Checks a package name (Policy 5.6.1, as leniently as dpkg).
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let start = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if start
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b))
    {
        Ok(())
    } else {
        Err(format!("has an invalid package name '{}'", short(name)))
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// dpkg's order of versions; one that cannot be parsed is earlier than all others.
pub fn order(a: &str, b: &str) -> Ordering {
    a.parse::<Version>().ok().cmp(&b.parse::<Version>().ok())
}
