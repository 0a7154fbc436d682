//! Two locks, and what is other in the second one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{LockedPackage, PackageLock};
use deb_types::version;

/// What differs between two locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Packages that only the second one has: name and architecture, version.
    pub added: Vec<(String, String)>,
    /// Packages that only the first one has.
    pub removed: Vec<(String, String)>,
    /// Packages with a newer version in the second one: name and architecture, both versions.
    pub upgraded: Vec<(String, String, String)>,
    /// Packages with an older version in the second one.
    pub downgraded: Vec<(String, String, String)>,
    /// Packages of one version, with another content.
    pub rebuilt: Vec<(String, String)>,
    /// Release files whose date differs, with both dates; empty where one lock does not have it.
    pub releases: Vec<(String, String, String)>,
}

impl Comparison {
    /// Whether nothing differs but dates of Release files.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.upgraded.is_empty()
            && self.downgraded.is_empty()
            && self.rebuilt.is_empty()
    }
}

/// Compares two locks.
pub fn compare(first: &PackageLock, second: &PackageLock) -> Comparison {
    let mut all = Comparison::default();
    let by_name = |lock: &PackageLock| -> BTreeMap<String, LockedPackage> {
        let named = |package: &LockedPackage| {
            (
                format!("{}:{}", package.name, package.architecture),
                package.clone(),
            )
        };
        lock.packages.iter().map(named).collect()
    };
    let (before, after) = (by_name(first), by_name(second));
    for (name, package) in &before {
        let Some(other) = after.get(name) else {
            all.removed.push((name.clone(), package.version.clone()));
            continue;
        };
        let versions = (name.clone(), package.version.clone(), other.version.clone());
        match version::compare(&package.version, &other.version) {
            Ordering::Less => all.upgraded.push(versions),
            Ordering::Greater => all.downgraded.push(versions),
            Ordering::Equal if package.hash != other.hash => {
                all.rebuilt.push((name.clone(), package.version.clone()))
            }
            Ordering::Equal => {}
        }
    }
    let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
    all.added = new
        .map(|(name, package)| (name.clone(), package.version.clone()))
        .collect();
    let dates = |lock: &PackageLock| -> BTreeMap<String, String> {
        let releases = lock.releases.iter();
        releases
            .map(|release| (release.url.clone(), release.date.clone()))
            .collect()
    };
    let (before, after) = (dates(first), dates(second));
    let mut urls: Vec<&String> = before.keys().chain(after.keys()).collect();
    urls.sort();
    urls.dedup();
    for url in urls {
        let date = |dates: &BTreeMap<String, String>| dates.get(url).cloned().unwrap_or_default();
        let (old, new) = (date(&before), date(&after));
        if old != new {
            all.releases.push((url.clone(), old, new));
        }
    }
    all
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (url, old, new) in &self.releases {
            writeln!(f, "  {url}: {old} -> {new}")?;
        }
        for (name, version) in &self.removed {
            writeln!(f, "- {name} {version}")?;
        }
        for (name, version) in &self.added {
            writeln!(f, "+ {name} {version}")?;
        }
        for (sign, changed) in [("^", &self.upgraded), ("v", &self.downgraded)] {
            for (name, old, new) in changed {
                writeln!(f, "{sign} {name} {old} -> {new}")?;
            }
        }
        for (name, version) in &self.rebuilt {
            writeln!(f, "! {name} {version}: another file")?;
        }
        Ok(())
    }
}
