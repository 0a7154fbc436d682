//! Relationship fields (deb-control(5)) as dpkg reads and writes them again.

use std::fmt;

use deb_types::relation::{Dialect, Operator, Relation, normal_version, parse_groups};
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
            // dpkg's names of packages are in lower case.
            name: relation.name.to_ascii_lowercase(),
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

/// Fields whose relations have no alternatives.
const WITHOUT_ALTERNATIVES: [&str; 4] = ["Conflicts", "Breaks", "Provides", "Replaces"];

/// Returns a field as dpkg writes it to the status file.
pub(crate) fn normalise(field: &str, value: &str, reading: Reading) -> Result<String, String> {
    let groups = parse_groups(value, reading.versions()).map_err(|error| error.to_string())?;
    if WITHOUT_ALTERNATIVES.contains(&field) && groups.iter().any(|group| group.len() > 1) {
        return Err("has alternatives ('|'), which it cannot have".to_owned());
    }
    let exact = |relation: &Relation<'_>| {
        relation
            .bound
            .is_none_or(|bound| bound.operator == Operator::Equal)
    };
    if field == "Provides" && reading != Reading::Database && !groups.iter().flatten().all(exact) {
        return Err("may have exact versions only".to_owned());
    }
    let written = |group: Vec<Relation<'_>>| {
        let alternatives: Vec<String> = group
            .into_iter()
            .map(|relation| Possibility::from(relation).to_string())
            .collect();
        alternatives.join(" | ")
    };
    let groups: Vec<String> = groups.into_iter().map(written).collect();
    Ok(groups.join(", "))
}

/// Returns a version as dpkg prints it: an epoch of zero left out.
pub(crate) fn version(text: &str, reading: Reading) -> Result<String, String> {
    normal_version(text, reading.versions() == Dialect::DpkgArchive)
        .map(str::to_owned)
        .map_err(|problem| problem.to_string())
}

/// dpkg's reading of a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// In its database, where old faults are borne.
    Database,
    /// In an archive.
    Archive,
    /// In an archive with versions as in the database (`--force-bad-version`).
    ArchiveWithBadVersions,
}

impl Reading {
    fn versions(self) -> Dialect {
        match self {
            Self::Database | Self::ArchiveWithBadVersions => Dialect::Dpkg,
            Self::Archive => Dialect::DpkgArchive,
        }
    }
}
