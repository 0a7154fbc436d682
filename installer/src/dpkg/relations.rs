//! Relations between packages, and whether they hold in the database.

use super::engine::Engine;
use crate::configure::queue::architecture_fits;
use dpkg_db::{Database, Package, PackageKey, Possibility, Status, parse_relations};

/// Returns the groups of alternatives in a field; none where it is missing or malformed.
pub(super) fn groups(package: &Package, field: &str) -> Vec<Vec<Possibility>> {
    let groups = package.field(field).map(parse_relations);
    groups.and_then(Result::ok).unwrap_or_default()
}

/// Returns a group as it is in messages.
pub(super) fn written(group: &[Possibility]) -> String {
    let words: Vec<String> = group.iter().map(Possibility::to_string).collect();
    words.join(" | ")
}

/// Returns the entries of `Provides` with this name.
fn provides<'p>(package: &'p Package, name: &'p str) -> impl Iterator<Item = Possibility> + 'p {
    let all = groups(package, "Provides").into_iter().flatten();
    all.filter(move |possibility| possibility.name == name)
}

/// Whether a package satisfies a relation of another by its name or as a provider, whatever its state.
pub(super) fn is_meant(from: &Package, have: &Package, wanted: &Possibility, native: &str) -> bool {
    let itself = have.name == wanted.name && wanted.accepts(&have.version);
    if itself && architecture_fits(from, have, None, wanted, native) {
        return true;
    }
    provides(have, &wanted.name).any(|provided| {
        let version = provided.constraint.as_ref().map(|(_, version)| version);
        let fits = wanted.constraint.is_none() || version.is_some_and(|version| wanted.accepts(version));
        fits && architecture_fits(from, have, provided.architecture.as_deref(), wanted, native)
    })
}

/// Whether a negative relation of `from` excludes a package, of any architecture unless it names one.
pub(super) fn excludes(from: &Package, have: &Package, wanted: &Possibility, native: &str) -> bool {
    let architecture = match have.architecture.as_str() {
        "all" => native,
        other => other,
    };
    let named = wanted.architecture.as_deref();
    if have.name == from.name || named.is_some_and(|named| named != "any" && named != architecture) {
        return false;
    }
    if have.name == wanted.name && wanted.accepts(&have.version) {
        return true;
    }
    provides(have, &wanted.name).any(|provided| {
        let version = provided.constraint.as_ref().map(|(_, version)| version);
        wanted.constraint.is_none() || version.is_some_and(|version| wanted.accepts(version))
    })
}

/// Whether a package in the database satisfies a group. Packages of `without` do not count, and `with` counts as
/// installed.
pub(super) fn satisfied(
    database: &Database,
    from: &Package,
    group: &[Possibility],
    without: &[&PackageKey],
    with: Option<&Package>,
) -> bool {
    let native = database.native();
    let old = with.and_then(|new| database.record_of(new).ok());
    let there = |have: &&Package| {
        have.status >= Status::TriggersAwaited
            && !without.iter().any(|key| **key == have.key())
            && old.as_ref() != Some(&have.key())
    };
    let meant = |have: &Package| group.iter().any(|wanted| is_meant(from, have, wanted, native));
    with.is_some_and(meant) || database.packages().filter(there).any(meant)
}

impl Engine<'_, '_> {
    /// Returns the reasons in dpkg's words why the dependencies of a package are not satisfied; empty where they are.
    pub(super) fn unsatisfied(&self, package: &Package, removing: Option<&PackageKey>) -> String {
        let mut text = String::new();
        let name = package.display_name(self.database.native());
        for field in ["Depends", "Pre-Depends"] {
            for group in groups(package, field) {
                let without: Vec<&PackageKey> = removing.into_iter().collect();
                if satisfied(&self.database, package, &group, &without, None) || self.ignores(&group) {
                    continue;
                }
                let reasons: Vec<String> = group
                    .iter()
                    .map(|wanted| self.reason(package, wanted, removing))
                    .collect();
                // dpkg gives no reason where the only one is the removal of the package.
                let why = match (removing, reasons.len()) {
                    (Some(_), 1) => ".\n".to_owned(),
                    _ => format!("; however:\n{}", reasons.concat()),
                };
                text += &format!(" {name} depends on {}{why}", written(&group));
            }
        }
        text
    }

    /// Whether `--ignore-depends` names one of the alternatives.
    pub(super) fn ignores(&self, group: &[Possibility]) -> bool {
        let ignored = &self.options().ignore_depends;
        group.iter().any(|wanted| ignored.contains(&wanted.name))
    }

    /// Returns the reason in dpkg's words why a relation is not satisfied.
    fn reason(&self, from: &Package, wanted: &Possibility, removing: Option<&PackageKey>) -> String {
        let native = self.database.native();
        let fits =
            |have: &&Package| have.name == wanted.name && architecture_fits(from, have, None, wanted, native);
        let Some(have) = self.database.packages().find(fits) else {
            return format!("  Package {} is not installed.\n", wanted.name);
        };
        let name = have.display_name(native);
        if removing == Some(&have.key()) {
            return format!("  Package {name} is to be removed.\n");
        }
        match have.status {
            Status::NotInstalled | Status::ConfigFiles | Status::HalfInstalled => {
                format!("  Package {name} is not installed.\n")
            }
            _ if !wanted.accepts(&have.version) => {
                format!("  Version of {name} on system is {}.\n", have.version)
            }
            Status::TriggersAwaited => format!("  Package {name} which awaits triggers is not ready.\n"),
            _ => format!("  Package {name} is not configured yet.\n"),
        }
    }
}
