//! What was asked for, and the packages that answer it.

use std::collections::HashSet;
use std::fmt;

use super::error::SolveError;
use super::mark::{MarkFailure, Marker};
use super::package::PackageId;
use super::universe::{Slot, Universe};

/// Marking is recursive along chains of dependencies.
const STACK: usize = 64 << 20;

/// Which packages there are without being named, as mmdebstrap has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// The packages asked for and what they depend on, unpacked and not installed.
    Extract,
    /// The packages asked for and what they depend on, installed together.
    Custom,
    /// Packages marked `Essential`, and what they depend on.
    Essential,
    /// The essential packages and apt.
    Apt,
    /// The essential packages and those of priority required, apt among them.
    #[default]
    Minbase,
    /// Minbase and build-essential.
    Buildd,
    /// Minbase and packages of priority important.
    Important,
    /// Important and packages of priority standard.
    Standard,
}

impl Variant {
    /// The variant's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Custom => "custom",
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Buildd => "buildd",
            Self::Important => "important",
            Self::Standard => "standard",
        }
    }

    /// The lowest priority that is installed without being asked for
    /// (1 required, 2 important, 3 standard), 0 for none.
    fn lowest_priority(self) -> u8 {
        match self {
            Self::Extract | Self::Custom | Self::Essential | Self::Apt => 0,
            Self::Minbase | Self::Buildd => 1,
            Self::Important => 2,
            Self::Standard => 3,
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to install.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The set to begin with.
    pub variant: Variant,
    /// Packages besides: `name`, `name:arch`, `name=version` or `name/suite`.
    pub include: Vec<String>,
    /// The suite asked for, by suite name or codename; empty for any. Where
    /// several suites are loaded, the variant's packages are those it has.
    pub suite: String,
    /// Whether recommended packages are installed too.
    pub install_recommends: bool,
    /// A package that counts as installed from the start, and is installed by a call
    /// of apt for itself after the essential ones.
    pub assumed: Option<&'static str>,
}

/// The packages chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The variant that was asked for.
    pub variant: Variant,
    /// What is installed first, all together: the essential packages with
    /// what they need, or with the variants `extract` and `custom` everything.
    pub essential: Vec<PackageId>,
    /// What is installed after that, by a call of apt for itself.
    pub assumed: Option<PackageId>,
    /// What is installed after that.
    pub rest: Vec<PackageId>,
    /// Packages of `rest` nobody asked for: apt's mark "automatically
    /// installed". What belongs to the variant counts as asked for, and the
    /// first phase is dpkg's work alone, of which apt has no record.
    pub automatic: HashSet<PackageId>,
}

impl Selection {
    /// All packages, in the order they were chosen.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> {
        self.essential
            .iter()
            .chain(&self.assumed)
            .chain(&self.rest)
            .copied()
    }
}

/// Chooses the packages for a request as mmdebstrap with apt would.
///
/// # Errors
/// [`SolveError`] for names there are not, and for dependencies that cannot
/// be met, with the chain that leads there.
pub fn choose(universe: &Universe<'_>, request: &Request) -> Result<Selection, SolveError> {
    with_deep_stack(|| choose_here(universe, request))
}

/// Runs something recursive where it has room enough.
pub(super) fn with_deep_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("solve".into())
            .stack_size(STACK)
            .spawn_scoped(scope, &work);
        match worker {
            Ok(worker) => worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread to be had: the stack of this one does for real archives.
            Err(_) => work(),
        }
    })
}

fn choose_here(universe: &Universe<'_>, request: &Request) -> Result<Selection, SolveError> {
    let mut marker = Marker::new(universe, request.install_recommends);
    let assumed = match request.assumed {
        Some(name) if request.variant != Variant::Extract => Some(by_name(universe, name, name)?),
        _ => None,
    };
    if let Some(id) = assumed {
        marker.assume(id);
    }
    let mut include = Vec::new();
    for text in &request.include {
        let id = resolve(universe, &mut marker, text)?;
        if !include.contains(&id) {
            include.push(id);
        }
    }
    // A package belongs to the suite if any of its versions does: that which is
    // installed may well be from the suite's security updates.
    let in_suite = |id: &PackageId| {
        let is_in = |version: &PackageId| {
            let index = universe.index(universe.package(*version).index);
            index.is_none_or(|i| i.suite == request.suite || i.codename == request.suite)
        };
        request.suite.is_empty() || universe.versions(universe.slot_of(*id)).iter().any(is_in)
    };
    let variant = request.variant;
    let bare = matches!(variant, Variant::Extract | Variant::Custom);
    let lowest = variant.lowest_priority();
    let named = universe.native_candidates(|essential, priority| !bare && (essential || priority <= lowest));
    let (mut essential, mut by_priority): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|id| universe.is_essential(*id));
    if bare {
        essential = std::mem::take(&mut include);
    } else if essential.is_empty() {
        return Err(SolveError::NothingEssential(universe.native().to_owned()));
    } else if essential.iter().any(in_suite) {
        essential.retain(in_suite);
        by_priority.retain(in_suite);
    }
    if variant == Variant::Apt {
        let apt = by_name(universe, "apt", "apt")?;
        if !essential.contains(&apt) {
            essential.push(apt);
        }
    }
    marker
        .request(&essential)
        .map_err(|e| unsatisfiable(universe, e))?;
    let first = marker.chosen();
    marker.settle();

    let mut wanted = include;
    if variant == Variant::Buildd {
        wanted.push(by_name(universe, "build-essential", "build-essential")?);
    }
    wanted.extend(by_priority);
    let mut seen = HashSet::new();
    wanted.retain(|id| seen.insert(*id));
    let manual: HashSet<PackageId> = wanted.iter().copied().collect();
    marker.request(&wanted).map_err(|e| unsatisfiable(universe, e))?;
    let rest = marker.chosen();

    Ok(Selection {
        variant,
        automatic: rest.iter().copied().filter(|id| !manual.contains(id)).collect(),
        essential: first,
        assumed,
        rest,
    })
}

fn unsatisfiable(universe: &Universe<'_>, (id, failure): (PackageId, Box<MarkFailure>)) -> SolveError {
    SolveError::Unsatisfiable {
        request: format!("{} {}", universe.display_name(id), universe.package(id).version),
        chain: failure.chain,
        reason: failure.reason,
    }
}

/// Finds what an `--include` item means.
fn resolve<'u, 'a>(
    universe: &'u Universe<'a>,
    marker: &mut Marker<'u, 'a>,
    text: &str,
) -> Result<PackageId, SolveError> {
    let text = text.trim();
    if let Some((name, version)) = text.split_once('=') {
        let found = versions_of(universe, name, text)?;
        let exact = found.iter().find(|id| universe.package(**id).version == version);
        let id = *exact.ok_or_else(|| no_version(universe, name, version, &found))?;
        marker.prefer(id);
        return Ok(id);
    }
    if let Some((name, suite)) = text.split_once('/') {
        let found = versions_of(universe, name, text)?;
        let is_in = |id: PackageId| {
            let index = universe.index(universe.package(id).index);
            index.is_some_and(|i| i.suite == suite || i.codename == suite)
        };
        let first = found.iter().find(|id| is_in(**id));
        let id = *first.ok_or_else(|| no_version(universe, name, suite, &found))?;
        marker.prefer_suite(id, &is_in);
        return Ok(id);
    }
    by_name(universe, text, text)
}

fn no_version(universe: &Universe<'_>, name: &str, wanted: &str, found: &[PackageId]) -> SolveError {
    let describe = |id: &PackageId| {
        let package = universe.package(*id);
        let suite = universe.index(package.index).map_or("", |i| i.suite);
        format!("{} ({suite})", package.version)
    };
    SolveError::UnknownVersion {
        name: name.to_owned(),
        wanted: wanted.to_owned(),
        available: found.iter().map(describe).collect(),
    }
}

/// The candidate for `name` or `name:arch`; for a name only one package
/// provides, that package, as apt does it.
fn by_name(universe: &Universe<'_>, text: &str, request: &str) -> Result<PackageId, SolveError> {
    match versions_of(universe, text, request) {
        Ok(found) => {
            let slot = found.first().map(|id| universe.slot_of(*id));
            slot.map(|slot| universe.slot_candidate(slot))
                .ok_or_else(|| unknown(universe, text, universe.native()))
        }
        Err(error) => {
            let (name, arch) = split_arch(universe, text, request)?;
            let mut providers: Vec<PackageId> = universe
                .providers(name)
                .into_iter()
                .map(|id| universe.slot_of(id))
                .filter(|slot| arch.unwrap_or(0) == universe.slot_arch(*slot))
                .map(|slot| universe.slot_candidate(slot))
                .collect();
            providers.sort_by_key(|id| universe.package(*id).name);
            providers.dedup();
            match providers.as_slice() {
                [] => Err(error),
                [one] => Ok(*one),
                many => Err(SolveError::Virtual {
                    name: name.to_owned(),
                    providers: many.iter().map(|id| universe.display_name(*id)).collect(),
                }),
            }
        }
    }
}

fn split_arch<'t>(
    universe: &Universe<'_>,
    text: &'t str,
    request: &str,
) -> Result<(&'t str, Option<u8>), SolveError> {
    let Some((name, arch)) = text.split_once(':') else {
        return Ok((text, None));
    };
    if matches!(arch, "all" | "native") {
        return Ok((name, Some(0)));
    }
    let known = universe.architectures();
    let number = known
        .iter()
        .position(|a| *a == arch)
        .and_then(|at| u8::try_from(at).ok());
    match number {
        Some(number) => Ok((name, Some(number))),
        None => Err(SolveError::UnknownArchitecture {
            request: request.to_owned(),
            architecture: arch.to_owned(),
            known: known.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// The versions `name` or `name:arch` can mean, newest first; without an
/// architecture those of the target, or else of the first foreign one that
/// has the package.
fn versions_of(universe: &Universe<'_>, text: &str, request: &str) -> Result<Vec<PackageId>, SolveError> {
    let (name, arch) = split_arch(universe, text, request)?;
    let slots = universe.slots_named(name);
    let slot = match arch {
        Some(arch) => slots.iter().find(|slot| universe.slot_arch(**slot) == arch),
        None => slots.iter().min_by_key(|slot| universe.slot_arch(**slot)),
    };
    // `Architecture: all` is as good for any.
    let slot = slot.or_else(|| {
        let is_all = |slot: &&Slot| universe.package(universe.slot_candidate(**slot)).architecture == "all";
        slots.iter().find(is_all)
    });
    match slot {
        Some(slot) => Ok(universe.versions(*slot).to_vec()),
        None => {
            let arch = arch.and_then(|a| universe.architectures().get(usize::from(a)));
            Err(unknown(
                universe,
                name,
                arch.copied().unwrap_or(universe.native()),
            ))
        }
    }
}

fn unknown(universe: &Universe<'_>, name: &str, architecture: &str) -> SolveError {
    let mut near: Vec<(usize, &str)> = universe
        .names()
        .filter(|known| known.len().abs_diff(name.len()) <= 2 && *known != name)
        .filter_map(|known| Some((distance(known, name, 2)?, known)))
        .collect();
    near.sort_unstable();
    let mut similar: Vec<String> = near.iter().take(3).map(|(_, name)| (*name).to_owned()).collect();
    if similar.is_empty() && name.len() > 3 {
        let begins = universe.names().filter(|known| known.starts_with(name));
        similar = begins.take(3).map(str::to_owned).collect();
    }
    SolveError::UnknownPackage {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        similar,
    }
}

/// The number of letters to change, insert, drop or swap, if at most `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && Some(x) == b.get(j - 1) && a.get(i - 1) == Some(y) {
                best = best.min(before.get(j - 1).copied().unwrap_or(best) + 1);
            }
            row.push(best);
        }
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|d| *d <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("nginx", "ngnix", 2), Some(1));
        assert_eq!(distance("vim", "vim", 2), Some(0));
        assert_eq!(distance("vim", "emacs", 2), None);
        assert_eq!(distance("", "ab", 2), Some(2));
    }
}
