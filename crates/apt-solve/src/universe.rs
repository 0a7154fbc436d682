//! All available packages, from any number of indexes.
//!
//! Name, version and architecture of every package come from the tables of the
//! indexes. Everything else is parsed at its first use: a root filesystem needs
//! some hundred packages of some seventy thousand.
//!
//! Packages are grouped into *slots*: one name for one architecture, of which
//! at most one version can be installed. `Architecture: all` belongs to the
//! slot of the native (target) architecture, as in apt.

mod loading;
mod targets;

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::package::{Package, PackageId};
use deb_index::{IndexInput, IndexRecord};
use deb_types::MultiArch;
use smallvec::SmallVec;
pub(crate) use targets::CachePlace;
use targets::Mentions;

/// One name for one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u32);

#[derive(Debug)]
struct SlotData {
    name: u32,
    arch: u8,
    /// Newest first.
    versions: SmallVec<[PackageId; 2]>,
    candidate: PackageId,
}

#[derive(Debug)]
struct VersionRecord<'a> {
    version: &'a str,
    /// Offset and length of the paragraph in its index.
    stanza: [u32; 2],
    slot: Slot,
    index: u32,
    multi_arch: MultiArch,
    essential: bool,
    priority: u8,
    /// apt's priority of this version (apt_preferences(5)).
    pin: i16,
}

/// The packages of an index by their numbers in it.
#[derive(Debug)]
enum LoadedIndex {
    /// All of them were loaded, one after the other; the number is that of the first.
    All(u32),
    /// Only some were loaded.
    Some(Vec<Option<PackageId>>),
}

impl LoadedIndex {
    fn get(&self, number: usize) -> Option<PackageId> {
        match self {
            Self::All(first) => Some(PackageId(first.checked_add(u32::try_from(number).ok()?)?)),
            Self::Some(ids) => ids.get(number).copied().flatten(),
        }
    }
}

/// The priority of a version, of the number of its index and what the index has of it; none for that of the index.
pub type Pin<'p> = dyn Fn(usize, &IndexRecord<'_>) -> Option<i16> + 'p;

/// All packages of some indexes, for one target architecture and any number of
/// foreign ones.
///
/// ```
/// use apt_solve::{DEFAULT_PRIORITY, IndexInput, Packages, Universe};
///
/// let packages = Packages::parse(
///     "Package: mawk\nVersion: 1.3.4-1\nArchitecture: amd64\nProvides: awk\n\n\
///      Package: mawk\nVersion: 1.3.4-2\nArchitecture: amd64\nProvides: awk\n",
/// )?;
/// let index = IndexInput {
///     packages: &packages,
///     suite: "stable",
///     codename: "trixie",
///     component: "main",
///     architecture: "amd64",
///     priority: DEFAULT_PRIORITY,
/// };
/// let universe = Universe::new(&[index], "amd64", &[]);
/// let candidate = universe.candidate("mawk", "amd64").unwrap();
/// assert_eq!(universe.package(candidate).version, "1.3.4-2");
/// assert_eq!(universe.providers("awk").len(), 2);
/// # Ok::<(), apt_solve::Malformed>(())
/// ```
#[derive(Debug)]
pub struct Universe<'a> {
    archs: Vec<&'a str>,
    indexes: Vec<IndexInput<'a>>,
    records: Vec<VersionRecord<'a>>,
    parsed: Vec<OnceLock<Box<Package<'a>>>>,
    slots: Vec<SlotData>,
    names: Vec<(&'a str, SmallVec<[Slot; 2]>)>,
    by_name: HashMap<&'a str, u32>,
    /// Numbers of the packages of each index.
    loaded: Vec<LoadedIndex>,
    /// First mentions in each index, as far as it was walked over.
    walked: Vec<OnceLock<Mentions<'a>>>,
}

impl<'a> Universe<'a> {
    /// Loads indexes for a target architecture and its foreign ones. Indexes and packages
    /// for other architectures are left out.
    pub fn new(indexes: &[IndexInput<'a>], native: &'a str, foreign: &[&'a str]) -> Self {
        Self::with_pins(indexes, native, foreign, None)
    }

    /// Loads indexes as [`Universe::new`] does. `pin` has the priorities that are not those of indexes. What has one below
    /// 1 is not installed (apt_preferences(5)), and left out.
    pub fn with_pins(
        indexes: &[IndexInput<'a>],
        native: &'a str,
        foreign: &[&'a str],
        pin: Option<&Pin<'_>>,
    ) -> Self {
        let mut archs = vec![native];
        for arch in foreign {
            if !archs.contains(arch) {
                archs.push(arch);
            }
        }
        let mut universe = Self {
            archs,
            indexes: indexes.to_vec(),
            records: Vec::new(),
            parsed: Vec::new(),
            slots: Vec::new(),
            names: Vec::new(),
            by_name: HashMap::new(),
            loaded: Vec::new(),
            walked: Vec::new(),
        };
        for (number, index) in indexes.iter().enumerate() {
            if index.architecture == "all" || universe.archs.contains(&index.architecture) {
                universe.load(number, index, pin);
            } else {
                universe.loaded.push(LoadedIndex::Some(Vec::new()));
            }
        }
        universe.parsed.resize_with(universe.records.len(), OnceLock::new);
        universe.walked.resize_with(indexes.len(), OnceLock::new);
        universe.order_versions();
        universe
    }

    /// Returns the same packages without some.
    pub(crate) fn without(&self, left_out: &HashSet<PackageId>) -> Self {
        let key = |id: PackageId| {
            let record = &self.records[id.index()];
            (
                self.slot_name(record.slot),
                self.slots[record.slot.0 as usize].arch,
                record.version,
            )
        };
        let left_out: HashSet<_> = left_out.iter().map(|id| key(*id)).collect();
        let pins: HashMap<_, i16> = self
            .all()
            .map(|id| (key(id), self.records[id.index()].pin))
            .collect();
        let pin = |_: usize, found: &IndexRecord<'_>| {
            let key = (found.name, self.arch_number(found.architecture)?, found.version);
            match left_out.contains(&key) {
                true => Some(0),
                false => pins.get(&key).copied(),
            }
        };
        Self::with_pins(
            &self.indexes,
            self.native(),
            self.archs.get(1..).unwrap_or_default(),
            Some(&pin),
        )
    }

    /// Returns the target architecture.
    pub fn native(&self) -> &'a str {
        self.archs.first().copied().unwrap_or("")
    }

    /// Returns the target architecture and its foreign ones, in order of preference.
    pub fn architectures(&self) -> &[&'a str] {
        &self.archs
    }

    /// Returns the number of packages; each version counts.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no package at all.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the index of a number ([`Package::index`]).
    pub fn index(&self, number: usize) -> Option<&IndexInput<'a>> {
        self.indexes.get(number)
    }

    /// Returns a package with all its fields, parsed at the first call.
    ///
    /// # Panics
    /// For an id of another universe, as indexing a slice would.
    pub fn package(&self, id: PackageId) -> &Package<'a> {
        self.parsed[id.index()].get_or_init(|| {
            let record = &self.records[id.index()];
            let name = self.names[self.slots[record.slot.0 as usize].name as usize].0;
            Box::new(Package::parse(
                name,
                record.version,
                record.index as usize,
                self.stanza(record),
            ))
        })
    }

    /// Returns all versions of all packages.
    pub fn all(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..u32::try_from(self.records.len()).unwrap_or(u32::MAX)).map(PackageId)
    }

    fn stanza(&self, record: &VersionRecord<'a>) -> &'a str {
        let index = self.indexes.get(record.index as usize);
        index.map_or("", |index| index.packages.stanza(record.stanza))
    }

    /// Returns the versions of a package for an architecture (`all` counts as the
    /// target's), newest first.
    pub fn by_name(&self, name: &str, architecture: &str) -> &[PackageId] {
        self.arch_number(architecture)
            .and_then(|arch| self.slot(name, arch))
            .map_or(&[], |slot| self.versions(slot))
    }

    /// Whether a version is in a suite, by suite name or codename.
    pub(crate) fn is_in(&self, id: PackageId, suite: &str) -> bool {
        let index = self.index(self.package(id).index);
        index.is_some_and(|index| index.suite == suite || index.codename == suite)
    }

    /// Whether a package is of a suite, by suite name or codename; an empty one has all. It is if any of its versions is: the one
    /// that is installed may be from the suite's security updates.
    pub fn is_of_suite(&self, id: PackageId, suite: &str) -> bool {
        let mut versions = self.versions(self.slot_of(id)).iter();
        suite.is_empty() || versions.any(|version| self.is_in(*version, suite))
    }

    /// Returns the version apt installs for a name alone.
    pub fn candidate(&self, name: &str, architecture: &str) -> Option<PackageId> {
        let slot = self.slot(name, self.arch_number(architecture)?)?;
        Some(self.slot_candidate(slot))
    }

    /// Returns the packages that provide a name, all versions, later ones in the
    /// indexes first.
    pub fn providers(&self, name: &str) -> Vec<PackageId> {
        let indexes = self.indexes.iter().zip(&self.loaded).rev();
        indexes
            .flat_map(|(index, loaded)| {
                let numbers = index.packages.providers(name);
                numbers.filter_map(|number| loaded.get(number))
            })
            .collect()
    }

    /// Returns all package names, in the order of the indexes.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().map(|(name, _)| *name)
    }

    /// Returns the candidate of each package, by name.
    pub(crate) fn every_candidate(&self) -> impl Iterator<Item = PackageId> {
        let mut all: Vec<PackageId> = (0..self.slots_len() as u32)
            .map(|slot| self.slot_candidate(Slot(slot)))
            .collect();
        all.sort_by_key(|id| self.package(*id).name);
        all.into_iter()
    }

    /// Returns the candidate of each package of the target's own architecture, by name.
    pub(crate) fn native_names(&self) -> impl Iterator<Item = PackageId> {
        self.every_candidate()
            .filter(|id| self.slot_arch(self.slot_of(*id)) == 0)
    }

    pub(crate) fn slots_len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn slot(&self, name: &str, arch: u8) -> Option<Slot> {
        self.slots_named(name)
            .iter()
            .copied()
            .find(|s| self.slot_arch(*s) == arch)
    }

    /// Returns the candidates of a name, one for each architecture.
    pub fn candidates(&self, name: &str) -> impl Iterator<Item = PackageId> {
        self.slots_named(name)
            .iter()
            .map(|slot| self.slot_candidate(*slot))
    }

    pub(crate) fn slots_named(&self, name: &str) -> &[Slot] {
        self.by_name
            .get(name)
            .map_or(&[], |number| self.names[*number as usize].1.as_slice())
    }

    pub(crate) fn slot_of(&self, id: PackageId) -> Slot {
        self.records[id.index()].slot
    }

    pub(crate) fn slot_arch(&self, slot: Slot) -> u8 {
        self.slots[slot.0 as usize].arch
    }

    pub(crate) fn slot_name(&self, slot: Slot) -> &'a str {
        self.names[self.slots[slot.0 as usize].name as usize].0
    }

    pub(crate) fn slot_candidate(&self, slot: Slot) -> PackageId {
        self.slots[slot.0 as usize].candidate
    }

    pub(crate) fn versions(&self, slot: Slot) -> &[PackageId] {
        &self.slots[slot.0 as usize].versions
    }

    pub(crate) fn version(&self, id: PackageId) -> &'a str {
        self.records[id.index()].version
    }

    /// Returns name and version of the source package, without parsing the rest.
    pub(crate) fn source(&self, id: PackageId) -> (&'a str, &'a str) {
        let record = &self.records[id.index()];
        let name = self.slot_name(record.slot);
        let stanza = self.stanza(record);
        let Some((_, rest)) = stanza.split_once("\nSource:") else {
            return (name, record.version);
        };
        let mut words = rest.lines().next().unwrap_or_default().split_whitespace();
        let source = words.next().unwrap_or(name);
        let version = words.next().map(|version| version.trim_matches(['(', ')']));
        (source, version.unwrap_or(record.version))
    }

    pub(crate) fn pin(&self, id: PackageId) -> i16 {
        self.records[id.index()].pin
    }

    pub(crate) fn multi_arch(&self, id: PackageId) -> MultiArch {
        self.records[id.index()].multi_arch
    }

    pub(crate) fn priority(&self, id: PackageId) -> u8 {
        self.records[id.index()].priority
    }

    pub(crate) fn is_essential(&self, id: PackageId) -> bool {
        self.records[id.index()].essential
    }

    /// Returns the essential packages of the target architecture.
    pub fn essential(&self) -> impl Iterator<Item = PackageId> {
        self.native_candidates(|essential, _| essential).into_iter()
    }

    /// Returns the candidates of the target architecture that satisfy a predicate on
    /// (essential, priority number), in the order apt numbers them.
    pub(crate) fn native_candidates(&self, wanted: impl Fn(bool, u8) -> bool) -> Vec<PackageId> {
        let is_wanted = |id: PackageId| wanted(self.is_essential(id), self.priority(id));
        let slots: Vec<Slot> = (0..self.slots.len() as u32)
            .map(Slot)
            .filter(|slot| self.slot_arch(*slot) == 0 && is_wanted(self.slot_candidate(*slot)))
            .collect();
        let mut ordered: Vec<_> = self.mentions(&slots).into_iter().zip(slots).collect();
        ordered.sort_unstable();
        ordered
            .into_iter()
            .map(|(_, slot)| self.slot_candidate(slot))
            .collect()
    }
}

impl Universe<'_> {
    /// Returns a package's name, with its architecture where that is not the target's.
    pub fn display_name(&self, id: PackageId) -> String {
        let slot = self.slot_of(id);
        match self.slot_arch(slot) {
            0 => self.slot_name(slot).to_owned(),
            arch => {
                let arch = self.archs.get(usize::from(arch)).copied().unwrap_or("?");
                format!("{}:{arch}", self.slot_name(slot))
            }
        }
    }
}
