//! Resolvers that are programs of their own, by apt's External Dependency Solver Protocol (EDSP 0.5, apt's
//! `doc/external-dependency-solver-protocol.md`): what is to be installed and all packages go there as stanzas, and the numbers of those that will be
//! installed come back.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use super::error::SolveError;
use super::internal::Marks;
use super::package::PackageId;
use super::solver::External;
use super::universe::{Slot, Universe};
use deb_types::control::Fields;

/// A program that resolves.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// Returns its answer to a scenario.
    ///
    /// # Errors
    /// What kept it from that, in words.
    fn ask(&self, scenario: &str) -> Result<String, String>;
}

/// Fields of a package that a resolver is told as they are; the others say where it is, or are for people.
const TOLD: [&str; 17] = [
    "source",
    "priority",
    "section",
    "installed-size",
    "essential",
    "protected",
    "important",
    "multi-arch",
    "pre-depends",
    "depends",
    "recommends",
    "suggests",
    "enhances",
    "conflicts",
    "breaks",
    "replaces",
    "provides",
];

/// Has a resolver decide on what was requested of marks, and marks what it says.
///
/// # Errors
/// [`SolveError::External`] where it fails, finds nothing, or says what cannot be.
pub(crate) fn solve(
    marks: &mut Marks<'_, '_>,
    wanted: &[PackageId],
    external: &External,
) -> Result<(), SolveError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let failed = |said: String| SolveError::External {
        solver: external.name.clone(),
        said,
    };
    let universe = marks.universe;
    let left_out: HashSet<Slot> = marks.left_out().collect();
    let is_told = |id: &PackageId| {
        universe.package(*id).malformed.is_none() && !left_out.contains(&universe.slot_of(*id))
    };
    let told: Vec<PackageId> = universe.all().filter(is_told).collect();
    let text = scenario(marks, wanted, &external.name, &told);
    let answer = external.resolver.ask(&text).map_err(failed)?;
    let answer = Answer::parse(&answer, universe, &told).map_err(failed)?;
    let removed: HashSet<Slot> = answer.removed.iter().map(|id| universe.slot_of(*id)).collect();
    let replaced: HashSet<Slot> = answer.installed.iter().map(|id| universe.slot_of(*id)).collect();
    let asked: HashSet<PackageId> = wanted.iter().copied().collect();
    let stays = marks
        .slots()
        .filter(|slot| !removed.contains(slot) && !replaced.contains(slot));
    let stays = stays.filter_map(|slot| {
        marks
            .state(slot)
            .install
            .map(|id| (id, marks.state(slot).automatic))
    });
    let mut all: Vec<(PackageId, bool)> = stays.collect();
    all.extend(answer.installed.iter().map(|id| (*id, !asked.contains(id))));
    match marks.apply(&all) {
        true => Ok(()),
        false => Err(failed(
            "what it chose does not work: something that is needed is not in it".to_owned(),
        )),
    }
}

/// Returns the request and the packages that there are, as a resolver reads them.
fn scenario(marks: &Marks<'_, '_>, wanted: &[PackageId], name: &str, told: &[PackageId]) -> String {
    let universe = marks.universe;
    let named = |id: PackageId| {
        let slot = universe.slot_of(id);
        let arch = universe
            .architectures()
            .get(usize::from(universe.slot_arch(slot)));
        format!(
            "{}:{}",
            universe.slot_name(slot),
            arch.copied().unwrap_or_default()
        )
    };
    let mut text = String::new();
    let install: Vec<String> = wanted.iter().map(|id| named(*id)).collect();
    let _ = writeln!(
        text,
        "Request: EDSP 0.5\nArchitecture: {}\nArchitectures: {}\nInstall: {}\nSolver: {name}\n",
        universe.native(),
        universe.architectures().join(" "),
        install.join(" "),
    );
    for id in told {
        package(&mut text, marks, *id);
    }
    text
}

/// Adds the stanza of a package.
fn package(text: &mut String, marks: &Marks<'_, '_>, id: PackageId) {
    let universe = marks.universe;
    let package = universe.package(id);
    let state = marks.state(universe.slot_of(id));
    let _ = writeln!(
        text,
        "Package: {}\nArchitecture: {}\nVersion: {}\nAPT-ID: {}",
        package.name,
        package.architecture,
        package.version,
        id.index()
    );
    for (field, value) in Fields::of(package.stanza) {
        if TOLD.contains(&field.to_ascii_lowercase().as_str()) {
            let _ = writeln!(
                text,
                "{field}: {}",
                value.split_whitespace().collect::<Vec<_>>().join(" ")
            );
        }
    }
    let _ = writeln!(text, "APT-Pin: {}", universe.pin(id));
    if let Some(index) = universe.index(package.index) {
        let _ = writeln!(
            text,
            "APT-Release:\n a={},n={},c={},b={}",
            index.suite, index.codename, index.component, index.architecture
        );
    }
    for (is_so, line) in [
        (state.candidate == Some(id), "APT-Candidate: yes"),
        (state.current == Some(id), "Installed: yes"),
        (state.current == Some(id) && state.automatic, "APT-Automatic: yes"),
        (state.held && state.current == Some(id), "Hold: yes"),
    ] {
        if is_so {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push('\n');
}

/// What a resolver has said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    /// Packages that are installed, in its order.
    installed: Vec<PackageId>,
    /// Packages that are removed.
    removed: Vec<PackageId>,
}

impl Answer {
    fn parse(text: &str, universe: &Universe<'_>, told: &[PackageId]) -> Result<Self, String> {
        let mut answer = Self::default();
        let mut slots: HashMap<Slot, PackageId> = HashMap::new();
        for stanza in text
            .split("\n\n")
            .map(str::trim)
            .filter(|stanza| !stanza.is_empty())
        {
            let field = |wanted: &str| {
                let found = Fields::of(stanza).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value)
            };
            if field("Error").is_some() {
                let message = field("Message").unwrap_or("it found no solution");
                return Err(message.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            let number = |name| {
                let Some(text) = field(name) else { return Ok(None) };
                let number = text.trim().parse::<u32>().ok().map(PackageId);
                let known = number.filter(|id| told.binary_search(id).is_ok());
                known
                    .map(Some)
                    .ok_or_else(|| format!("it answered with `{name}: {text}`, which is no package"))
            };
            if let Some(id) = number("Install")? {
                match slots.insert(universe.slot_of(id), id) {
                    None => answer.installed.push(id),
                    Some(same) if same == id => {}
                    Some(_) => {
                        let name = universe.display_name(id);
                        return Err(format!("it answered with two versions of {name}"));
                    }
                }
            }
            if let Some(id) = number("Remove")? {
                answer.removed.push(id);
            }
        }
        Ok(answer)
    }
}
