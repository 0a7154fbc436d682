//! Requests, and the choice of packages for them.

pub(super) mod items;
pub(super) mod names;
mod patterns;

use std::collections::HashSet;
use std::fmt;

use super::edsp;
use super::error::SolveError;
use super::internal::{Marks, Snapshot};
use super::mmdebstrap::Mmdebstrap;
use super::package::PackageId;
use super::reasons;
use super::solver::Solver;
use super::solver3;
use super::universe::Universe;
use items::{Item, item};
use names::{Named, by_name};

/// Stack size in bytes for functions that are recursive along chains of dependencies.
const STACK: usize = 64 << 20;

/// The set of packages installed without being named, one of those of mmdebstrap(1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// The packages asked for and their dependencies, unpacked and not installed.
    Extract,
    /// The packages asked for and their dependencies, installed together.
    Custom,
    /// Packages marked `Essential`, and their dependencies.
    Essential,
    /// The essential packages and apt.
    Apt,
    /// The essential packages and those of priority required, apt among them.
    #[default]
    Minbase,
    /// The essential packages, apt and build-essential; minbase and build-essential in older releases.
    Buildd,
    /// Minbase and packages of priority important.
    Important,
    /// Important and packages of priority standard.
    Standard,
}

impl Variant {
    /// Returns the variant of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        let all = [
            Self::Extract,
            Self::Custom,
            Self::Essential,
            Self::Apt,
            Self::Minbase,
            Self::Buildd,
            Self::Important,
            Self::Standard,
        ];
        all.into_iter().find(|variant| variant.as_str() == name)
    }

    /// Returns the variant's name.
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

    /// Returns the lowest priority that is installed without being asked for
    /// (1 required, 2 important, 3 standard), 0 for none.
    pub(super) fn lowest_priority(self, mmdebstrap: Mmdebstrap) -> u8 {
        match self {
            Self::Extract | Self::Custom | Self::Essential | Self::Apt => 0,
            Self::Buildd => u8::from(mmdebstrap.buildd_has_required()),
            Self::Minbase => 1,
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

/// The packages to install.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Set of packages to begin with.
    pub variant: Variant,
    /// Lowest priority of packages that are asked for without being named, the essential ones among them, whatever the
    /// variant: 1 required, 2 important, 3 standard; none for the variant's own.
    pub lowest_priority: Option<u8>,
    /// Further packages: `name`, `name:arch`, `name=version` or `name/suite`, with a `-` after it one that is not to be
    /// installed; a task with a `^` after it; a glob, a regular expression or a pattern (apt-patterns(7)).
    pub include: Vec<String>,
    /// Suite asked for, by suite name or codename; empty means any. Where
    /// several suites are loaded, the variant's packages are those of this suite.
    pub suite: String,
    /// Names and architectures of packages that are of the suite by a version that the universe does not have.
    pub of_suite: HashSet<(String, String)>,
    /// Whether recommended packages are installed too.
    pub install_recommends: bool,
    /// Whether suggested packages are installed too.
    pub install_suggests: bool,
    /// The resolver that decides.
    pub solver: Solver,
    /// Package that counts as installed from the start, and is installed by a separate
    /// call of apt after the essential ones.
    pub assumed: Option<&'static str>,
    /// Packages that are installed already: names, versions and architectures.
    pub present: Vec<(String, String, String)>,
    /// Release of mmdebstrap whose variants these are.
    pub mmdebstrap: Mmdebstrap,
}

/// The packages chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The variant that was asked for.
    pub variant: Variant,
    /// Release of mmdebstrap by which it is installed.
    pub mmdebstrap: Mmdebstrap,
    /// Packages installed first, all together: the essential packages with
    /// their dependencies, or with the variants `extract` and `custom` all.
    pub essential: Vec<PackageId>,
    /// Packages that are installed already.
    pub present: Vec<PackageId>,
    /// Package installed after these by a separate call of apt ([`Request::assumed`]).
    pub assumed: Option<PackageId>,
    /// Packages installed last.
    pub rest: Vec<PackageId>,
    /// Packages of `rest` with apt's mark "automatically installed": dependencies
    /// that neither the request nor the variant names. Apt has no record of the
    /// first phase, which is dpkg's work alone; with the variants `extract` and `custom` it has what apt would say.
    pub automatic: HashSet<PackageId>,
}

impl Selection {
    /// Returns all packages, in the order they were chosen.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> {
        self.essential
            .iter()
            .chain(&self.assumed)
            .chain(&self.rest)
            .copied()
    }
}

/// Chooses the packages for a request as mmdebstrap with apt does.
///
/// # Errors
/// [`SolveError`] for names that do not exist, and for dependencies that cannot
/// be met, with the chain that leads to them.
pub fn choose(universe: &Universe<'_>, request: &Request) -> Result<Selection, SolveError> {
    with_deep_stack(|| choose_here(universe, request))
}

/// Runs a recursive function in a thread with a large stack.
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
            // Without a thread, the stack of this one is large enough for real archives.
            Err(_) => work(),
        }
    })
}

fn choose_here(universe: &Universe<'_>, request: &Request) -> Result<Selection, SolveError> {
    let mut marks = Marks::new(universe, request.install_recommends, request.install_suggests);
    let assumed = match request.assumed {
        Some(name) if request.variant != Variant::Extract => Some(by_name(universe, name, name)?),
        _ => None,
    };
    if let Some(id) = assumed {
        marks.assume(id);
    }
    let present: Vec<PackageId> = request
        .present
        .iter()
        .filter_map(|(name, version, architecture)| {
            let architecture = match architecture.as_str() {
                "all" => universe.native(),
                architecture => architecture,
            };
            let versions = universe.by_name(name, architecture);
            let same = |id: &&PackageId| universe.package(**id).version == version;
            versions.iter().find(same).copied()
        })
        .collect();
    present.iter().for_each(|id| marks.assume(*id));
    let mut include = Vec::new();
    // Names that are asked for as they are.
    let mut exact: HashSet<PackageId> = HashSet::new();
    let (mut unknown, mut left, mut named) = (Vec::new(), Vec::new(), Named::default());
    for text in &request.include {
        match item(universe, &mut named, text) {
            Ok(Item::Install(found)) => {
                if let [only] = found.as_slice()
                    && text.trim().starts_with(universe.package(*only).name)
                {
                    exact.insert(*only);
                }
                for id in found {
                    if !include.contains(&id) {
                        include.push(id);
                    }
                }
            }
            Ok(Item::Leave(found)) => left.extend(found),
            Err(error) => unknown.push(error),
        }
    }
    match unknown.len() {
        0 => {}
        1 => return unknown.pop().map_or(Ok(Selection::default()), Err),
        _ => return Err(SolveError::Several(unknown)),
    }
    // What is asked for by its name is installed, also where it is asked to be left out.
    left.retain(|id| !exact.contains(id));
    include.retain(|id| !left.contains(id));
    named.versions.iter().for_each(|id| marks.prefer(*id));
    if matches!(request.variant, Variant::Extract | Variant::Custom) {
        left.iter().for_each(|id| marks.leave_out(*id));
    }
    let in_suite = |id: &PackageId| {
        let told = || {
            let package = universe.package(*id);
            let key = (package.name.to_owned(), package.architecture.to_owned());
            request.of_suite.contains(&key)
        };
        universe.is_of_suite(*id, &request.suite) || told()
    };
    let variant = request.variant;
    let bare = matches!(variant, Variant::Extract | Variant::Custom);
    let lowest = variant.lowest_priority(request.mmdebstrap);
    let of_variant =
        universe.native_candidates(|essential, priority| !bare && (essential || priority <= lowest));
    let (mut essential, mut by_priority): (Vec<_>, Vec<_>) =
        of_variant.into_iter().partition(|id| universe.is_essential(*id));
    if bare {
        essential = match request.lowest_priority {
            Some(lowest) => universe.native_candidates(|essential, priority| essential || priority <= lowest),
            None => Vec::new(),
        };
        essential.retain(|id| !left.contains(id));
        include.retain(|id| !essential.contains(id));
        essential.append(&mut include);
    } else if essential.is_empty() {
        return Err(SolveError::NothingEssential(universe.native().to_owned()));
    } else if essential.iter().any(in_suite) {
        essential.retain(in_suite);
        by_priority.retain(in_suite);
    }
    if variant == Variant::Apt && request.mmdebstrap.apt_comes_first() {
        let apt = by_name(universe, "apt", "apt")?;
        if !essential.contains(&apt) {
            essential.push(apt);
        }
    }
    let suites = if bare { named.suites.as_slice() } else { &[] };
    solve(&mut marks, &essential, suites, &request.solver)?;
    let first = marks.chosen();
    marks.settle();
    let mut manual: HashSet<PackageId> = match bare {
        true => essential.iter().copied().collect(),
        false => first.iter().copied().collect(),
    };

    let mut wanted = include;
    if !bare && variant != Variant::Essential && !request.mmdebstrap.apt_comes_first() {
        match by_name(universe, "apt", "apt") {
            Ok(apt) => wanted.push(apt),
            // An archive need not have it, unless the variant does.
            Err(error) if variant == Variant::Apt => return Err(error),
            Err(_) => {}
        }
    }
    if variant == Variant::Buildd {
        wanted.push(by_name(universe, "build-essential", "build-essential")?);
    }
    wanted.extend(by_priority);
    // The essential packages are there already: apt would have to take them out again.
    if !bare {
        let is_one = |id: &&PackageId| {
            left.iter()
                .any(|other| universe.slot_of(*other) == universe.slot_of(**id))
        };
        if let Some(id) = first.iter().find(is_one) {
            return Err(reasons::changed(universe, *id, None));
        }
    }
    for id in &left {
        marks.leave_out(*id);
    }
    wanted.retain(|id| !left.contains(id));
    let mut seen = HashSet::new();
    wanted.retain(|id| seen.insert(*id));
    manual.extend(&wanted);
    solve(&mut marks, &wanted, &named.suites, &request.solver)?;
    let rest = marks.chosen();

    Ok(Selection {
        variant,
        mmdebstrap: request.mmdebstrap,
        automatic: first
            .iter()
            .chain(&rest)
            .copied()
            .filter(|id| !manual.contains(id))
            .collect(),
        essential: first,
        present,
        assumed,
        rest,
    })
}

/// Marks packages and what they need; `suites` are those from which the dependencies of some come.
fn solve(
    marks: &mut Marks<'_, '_>,
    wanted: &[PackageId],
    suites: &[(PackageId, String)],
    solver: &Solver,
) -> Result<(), SolveError> {
    let universe = marks.universe;
    marks.request(wanted);
    for (id, _) in suites {
        marks.prefer(*id);
    }
    for (id, suite) in suites {
        marks.prefer_suite(*id, &|version| universe.is_in(version, suite));
    }
    let solved = match solver {
        Solver::Three => solver3::solve(marks, false),
        Solver::External(external) => {
            edsp::solve(marks, wanted, external)?;
            true
        }
        Solver::Internal { falls_back } => {
            let before = falls_back.then(|| marks.snapshot());
            marks.solve() || before.is_some_and(|before| second_try(marks, before))
        }
    };
    match solved {
        true => marks
            .changed()
            .next()
            .map_or(Ok(()), |(id, with)| Err(reasons::changed(universe, id, with))),
        false => Err(reasons::of(marks, wanted)),
    }
}

/// Has the newer solver try from the beginning; where it finds nothing either, the marks are those of the first.
fn second_try(marks: &mut Marks<'_, '_>, before: Snapshot) -> bool {
    let after = marks.snapshot();
    marks.restore(before);
    let solved = solver3::solve(marks, true);
    if !solved {
        marks.restore(after);
    }
    solved
}
