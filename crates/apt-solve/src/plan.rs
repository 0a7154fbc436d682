//! The plan: phases of packages in the order for dpkg.

use std::collections::HashSet;
use std::fmt;

use super::order::Orderer;
use super::package::PackageId;
use super::request::{Selection, Variant, with_deep_stack};
use super::step::Step;
use super::universe::Universe;

/// Packages that are installed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Name of the phase: `essential`, `merged-usr`, `rest` or `extract`.
    pub title: &'static str,
    /// All packages of the phase, in the order dpkg unpacks them.
    pub packages: Vec<PackageId>,
    /// The calls of dpkg, as mmdebstrap or apt make them.
    pub steps: Vec<Step>,
}

/// The phases of an installation, in order. A plan is a value: making one has no effects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The phases; an empty one is left out.
    pub phases: Vec<Phase>,
}

impl Plan {
    /// Orders a selection as mmdebstrap with apt and dpkg does.
    pub fn new(universe: &Universe<'_>, selection: &Selection) -> Self {
        with_deep_stack(|| Self::make(universe, selection))
    }

    fn make(universe: &Universe<'_>, selection: &Selection) -> Self {
        let apt_too = selection.variant == Variant::Apt && selection.mmdebstrap.apt_comes_first();
        let mut phases = Vec::new();
        if !selection.essential.is_empty() {
            let present = selection.present.iter().copied().collect();
            let packages = order(universe, &selection.essential, &present, apt_too).0;
            // mmdebstrap extracts all of these before it runs `dpkg --install`
            // with all of them, Pre-Depends or not.
            let mut steps = vec![Step::Unpack(packages.clone())];
            let mut title = "extract";
            if selection.variant != Variant::Extract {
                title = "essential";
                steps.push(Step::ConfigurePending);
            }
            phases.push(Phase {
                title,
                packages,
                steps,
            });
        }
        let there = selection.essential.iter().chain(&selection.present);
        let mut installed: HashSet<PackageId> = there.copied().collect();
        if let Some(assumed) = selection.assumed {
            let (packages, steps) = order(universe, &[assumed], &installed, apt_too);
            phases.push(Phase {
                title: "merged-usr",
                packages,
                steps,
            });
            installed.insert(assumed);
        }
        if !selection.rest.is_empty() {
            let (packages, steps) = order(universe, &selection.rest, &installed, apt_too);
            phases.push(Phase {
                title: "rest",
                packages,
                steps,
            });
        }
        Self { phases }
    }

    /// Returns all packages, phase after phase.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> {
        self.phases
            .iter()
            .flat_map(|phase| phase.packages.iter().copied())
    }

    /// Returns the plan as text for people: a line for each phase and package, and the total.
    pub fn display<'p, 'a>(&'p self, universe: &'p Universe<'a>) -> PlanDisplay<'p, 'a> {
        PlanDisplay { plan: self, universe }
    }
}

fn order(
    universe: &Universe<'_>,
    members: &[PackageId],
    installed: &HashSet<PackageId>,
    apt_too: bool,
) -> (Vec<PackageId>, Vec<Step>) {
    let steps = Orderer::new(universe, members, installed, apt_too).run();
    let unpacked = steps.iter().flat_map(|step| match step {
        Step::Unpack(ids) => ids.as_slice(),
        _ => &[],
    });
    (unpacked.copied().collect(), steps)
}

/// Text form of a plan, made by [`Plan::display`].
#[derive(Clone, Copy, Debug)]
pub struct PlanDisplay<'p, 'a> {
    plan: &'p Plan,
    universe: &'p Universe<'a>,
}

/// Returns a number of bytes in decimal units, as all of the program's output has them.
fn bytes(count: u64) -> String {
    let mut unit = (1, "B");
    for (size, name) in [(1000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB")] {
        // What would be shown as 1000.0 is one of the next unit.
        if count >= size - size / 20_000 && count >= 1000 {
            unit = (size, name);
        }
    }
    match unit {
        (1, _) => format!("{count} B"),
        (size, name) => format!("{:.1} {name}", count as f64 / size as f64),
    }
}

impl fmt::Display for PlanDisplay<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let get = |id: PackageId| self.universe.package(id);
        let width = |length: fn(&super::Package<'_>) -> usize| {
            self.plan.packages().map(|id| length(get(id))).max().unwrap_or(0)
        };
        let names = width(|p| p.name.len());
        let versions = width(|p| p.version.len());
        let archs = width(|p| p.architecture.len());
        for phase in &self.plan.phases {
            let size: u64 = phase.packages.iter().map(|id| get(*id).size).sum();
            writeln!(
                f,
                "{}: {} packages, {}",
                phase.title,
                phase.packages.len(),
                bytes(size)
            )?;
            for id in &phase.packages {
                let package = get(*id);
                writeln!(
                    f,
                    "  {:names$}  {:versions$}  {:archs$}  {:>10}",
                    package.name,
                    package.version,
                    package.architecture,
                    bytes(package.size)
                )?;
            }
        }
        let (mut count, mut size, mut installed) = (0, 0_u64, 0_u64);
        for package in self.plan.packages().map(get) {
            count += 1;
            size = size.saturating_add(package.size);
            installed = installed.saturating_add(package.installed_size.saturating_mul(1024));
        }
        writeln!(
            f,
            "total: {count} packages, {} to fetch, about {} installed",
            bytes(size),
            bytes(installed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(999_949), "999.9 kB");
        assert_eq!(bytes(999_950), "1.0 MB");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(bytes(2_340_000_000), "2.3 GB");
    }
}
