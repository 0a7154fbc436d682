//! Relationship fields (deb-control(5)) as dpkg reads and writes them again.

use std::fmt;

use deb_types::relation::{
    Dialect, Operator, Problem, Relation, display_alternatives, normal_version, parse_groups,
};
use deb_types::version;

/// One alternative of a relation: `NAME[:ARCH] [(OP VERSION)]`, as dpkg writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possibility {
    /// Package name.
    pub name: String,
    /// Architecture qualifier.
    pub architecture: Option<String>,
    /// Version constraint: the relation to a version, which is normalised.
    pub constraint: Option<(Operator, String)>,
}

impl Possibility {
    /// Returns whether `version` of the named package satisfies the constraint. A version that cannot be
    /// parsed satisfies none.
    pub fn accepts(&self, version: &str) -> bool {
        self.constraint.as_ref().is_none_or(|(operator, wanted)| {
            version::compare_loosely(version, wanted).is_some_and(|order| operator.holds(order))
        })
    }
}

impl From<Relation<'_>> for Possibility {
    fn from(relation: Relation<'_>) -> Self {
        Self {
            name: relation.name.to_owned(),
            architecture: relation.qualifier.map(str::to_owned),
            constraint: relation
                .bound
                .map(|bound| (bound.operator, bound.version.to_owned())),
        }
    }
}

impl fmt::Display for Possibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(f, ":{architecture}")?;
        }
        if let Some((operator, version)) = &self.constraint {
            write!(f, " ({} {version})", operator.as_str())?;
        }
        Ok(())
    }
}

/// Parses a relationship field as dpkg does: groups, all of which must hold, of alternatives.
///
/// ```
/// let groups = dpkg_db::parse_relations("libc6 (>= 0:2.38), perl:any | awk").unwrap();
/// assert_eq!(groups[0][0].to_string(), "libc6 (>= 2.38)");
/// assert!(groups[0][0].accepts("2.41-12") && !groups[0][0].accepts("2.36-9"));
/// ```
///
/// # Errors
/// The fault, as a predicate of the field.
pub fn parse(value: &str) -> Result<Vec<Vec<Possibility>>, String> {
    let groups = parse_groups(value, Dialect::Dpkg).map_err(|error| error.to_string())?;
    let owned = |group: Vec<Relation<'_>>| group.into_iter().map(Possibility::from).collect();
    Ok(groups.into_iter().map(owned).collect())
}

/// Returns the field as dpkg writes it to the status file.
pub(crate) fn normalise(value: &str) -> Result<String, String> {
    let groups = parse_groups(value, Dialect::Dpkg).map_err(|error| error.to_string())?;
    let groups: Vec<String> = groups.iter().map(|group| display_alternatives(group)).collect();
    Ok(groups.join(", "))
}

/// Returns a version as dpkg prints it: an epoch of zero left out.
pub(crate) fn version(text: &str) -> Result<String, String> {
    normal_version(text)
        .map(str::to_owned)
        .map_err(|text| Problem::Version(text).to_string())
}
