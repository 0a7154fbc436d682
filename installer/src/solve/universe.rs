//! All packages that can be had, from any number of indexes.
//!
//! Loading walks each index once and keeps, for every package, its name,
//! version, architecture and the slice of its paragraph. Everything else is
//! parsed when it is first asked for: a rootfs needs some hundred packages of
//! some seventy thousand.
//!
//! Packages are grouped into *slots*: one name for one architecture, of which
//! at most one version can be installed. `Architecture: all` belongs to the
//! slot of the native (target) architecture, as in apt.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::error::SolveError;
use super::package::{MultiArch, Package, PackageId};
use super::relation::Relation;
use super::version;
use crate::control::{Item, next_item};

/// The priority apt gives to a source nobody said anything about
/// (apt_preferences(5)); `NotAutomatic` makes it 1, with
/// `ButAutomaticUpgrades` 100.
pub const DEFAULT_PRIORITY: i16 = 500;

/// One verified `Packages` file and where it is from.
#[derive(Clone, Copy, Debug)]
pub struct IndexInput<'a> {
    /// The uncompressed text.
    pub text: &'a str,
    /// `Suite` of its Release file (`stable`).
    pub suite: &'a str,
    /// `Codename` of its Release file (`trixie`).
    pub codename: &'a str,
    /// Component (`main`).
    pub component: &'a str,
    /// Architecture it was made for.
    pub architecture: &'a str,
    /// apt's priority of the source, [`DEFAULT_PRIORITY`] as a rule.
    pub priority: i16,
}

/// One name for one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u32);

#[derive(Debug)]
struct SlotData {
    name: u32,
    arch: u8,
    /// Newest first.
    versions: Vec<PackageId>,
    candidate: PackageId,
}

#[derive(Debug)]
struct Record<'a> {
    version: &'a str,
    stanza: &'a str,
    provides: &'a str,
    slot: Slot,
    index: u16,
    multi_arch: MultiArch,
    essential: bool,
    priority: u8,
}

/// All packages of some indexes, for one target architecture and any number of
/// foreign ones.
#[derive(Debug)]
pub struct Universe<'a> {
    archs: Vec<&'a str>,
    indexes: Vec<IndexInput<'a>>,
    records: Vec<Record<'a>>,
    parsed: Vec<OnceLock<Box<Package<'a>>>>,
    slots: Vec<SlotData>,
    names: Vec<(&'a str, Vec<Slot>)>,
    by_name: HashMap<&'a str, u32>,
    providers: OnceLock<HashMap<&'a str, Vec<PackageId>>>,
    /// Every relation field as (record, its place in apt's order, value).
    relations: Vec<(u32, u8, &'a str)>,
}

/// The priorities as numbers, most important first.
pub(crate) fn priority_number(text: &str) -> u8 {
    match text {
        "required" => 1,
        "important" => 2,
        "standard" => 3,
        "optional" => 4,
        _ => 5,
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// The name at the beginning of each relation of a list, cheaply.
fn names_in(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', '|']).filter_map(|one| {
        let one = one.trim_ascii_start();
        let is_end = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let end = one.bytes().position(is_end).unwrap_or(one.len());
        one.get(..end).filter(|name| !name.is_empty())
    })
}

impl<'a> Universe<'a> {
    /// Loads indexes for a target architecture and its foreign ones; an index
    /// for any other architecture, and any other package, is left out.
    ///
    /// # Errors
    /// [`SolveError::Index`] for a text that is not a package index.
    pub fn new(indexes: &[IndexInput<'a>], native: &'a str, foreign: &[&'a str]) -> Result<Self, SolveError> {
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
            providers: OnceLock::new(),
            relations: Vec::new(),
        };
        for (number, index) in indexes.iter().enumerate() {
            if index.architecture == "all" || universe.archs.contains(&index.architecture) {
                universe.load(number, index)?;
            }
        }
        universe.parsed.resize_with(universe.records.len(), OnceLock::new);
        universe.order_versions();
        Ok(universe)
    }

    fn load(&mut self, number: usize, index: &IndexInput<'a>) -> Result<(), SolveError> {
        let bad = |at: usize, what: String| SolveError::Index {
            index: format!("{} {} {}", index.suite, index.component, index.architecture),
            line: 1 + index
                .text
                .get(..at)
                .map_or(0, |before| before.matches('\n').count()),
            what,
        };
        let number = u16::try_from(number).map_err(|_| bad(0, "there are too many indexes".into()))?;
        // A paragraph of an index is some 700 bytes long.
        let guess = index.text.len() / 700;
        self.records.reserve(guess);
        if self.names.is_empty() {
            self.by_name.reserve(guess);
            self.names.reserve(guess);
            self.slots.reserve(guess);
        }
        let mut rest = index.text;
        let mut relations: Vec<(u8, &'a str)> = Vec::new();
        loop {
            relations.clear();
            let begin = index.text.len() - rest.len();
            let (mut name, mut ver, mut arch) = ("", "", "");
            let (mut provides, mut multi_arch) = ("", MultiArch::No);
            let (mut essential, mut priority) = (false, 5);
            let (end, last) = loop {
                let at = index.text.len() - rest.len();
                let (item, after) = next_item(rest);
                rest = after;
                match item {
                    Item::Field { name: field, value } => {
                        if let Some(field) = relation_field(field) {
                            relations.push((field, value));
                        }
                        match field {
                            "Package" => name = value,
                            "Version" => ver = value,
                            "Architecture" => arch = value,
                            "Provides" => provides = value,
                            "Multi-Arch" => multi_arch = MultiArch::parse(value),
                            "Essential" => essential = value == "yes",
                            "Priority" => priority = priority_number(value),
                            _ => {}
                        }
                    }
                    Item::Comment => {}
                    Item::Blank => break (at, false),
                    Item::End => break (at, true),
                    Item::Bad(_) | Item::Stray => return Err(bad(at, "this is not a control field".into())),
                }
            };
            let stanza = index.text.get(begin..end).unwrap_or("");
            if name.is_empty() && !stanza.trim().is_empty() {
                return Err(bad(begin, "a paragraph has no Package field".into()));
            }
            if !name.is_empty() {
                if !is_name(name) || !version::is_valid(ver) {
                    // Not reachable by any dependency: no reason to refuse the others.
                    tracing::warn!(package = ?name, version = ?ver, "not a package name and version: left out");
                } else if let Some(arch) = self.arch_number(arch) {
                    let record = Record {
                        version: ver,
                        stanza,
                        provides,
                        slot: self.slot_for(name, arch, self.records.len()),
                        index: number,
                        multi_arch,
                        essential,
                        priority,
                    };
                    self.add(record, &relations);
                }
            }
            if last {
                return Ok(());
            }
        }
    }

    fn arch_number(&self, arch: &str) -> Option<u8> {
        if arch == "all" {
            return Some(0);
        }
        self.archs
            .iter()
            .position(|known| *known == arch)
            .and_then(|at| u8::try_from(at).ok())
    }

    fn slot_for(&mut self, name: &'a str, arch: u8, next: usize) -> Slot {
        let number = *self.by_name.entry(name).or_insert_with(|| {
            self.names.push((name, Vec::new()));
            (self.names.len() - 1) as u32
        });
        let known = &mut self.names[number as usize].1;
        if let Some(slot) = known.iter().find(|s| self.slots[s.0 as usize].arch == arch) {
            return *slot;
        }
        let slot = Slot(self.slots.len() as u32);
        known.push(slot);
        self.slots.push(SlotData {
            name: number,
            arch,
            versions: Vec::new(),
            candidate: PackageId(next as u32),
        });
        slot
    }

    fn add(&mut self, record: Record<'a>, relations: &[(u8, &'a str)]) {
        let slot = &mut self.slots[record.slot.0 as usize];
        let same = |id: &PackageId| {
            let other = &self.records[id.0 as usize];
            other.version == record.version
                && self.indexes[other.index as usize].priority >= self.indexes[record.index as usize].priority
        };
        if slot.versions.iter().any(same) {
            return;
        }
        let number = self.records.len() as u32;
        slot.versions.push(PackageId(number));
        self.relations
            .extend(relations.iter().map(|(field, value)| (number, *field, *value)));
        self.records.push(record);
    }

    fn order_versions(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.versions.len() > 1) {
            let version_of = |id: PackageId| self.records[id.0 as usize].version;
            // Stable: of equal versions the first source's comes first.
            slot.versions
                .sort_by(|a, b| version::compare(version_of(*b), version_of(*a)));
            let priority = |id: &PackageId| {
                let index = self.records[id.0 as usize].index;
                self.indexes[index as usize].priority
            };
            if let Some(best) = slot.versions.iter().min_by_key(|id| Reverse(priority(id))) {
                slot.candidate = *best;
            }
        }
    }

    /// The target architecture.
    pub fn native(&self) -> &'a str {
        self.archs.first().copied().unwrap_or("")
    }

    /// The target architecture and its foreign ones, in order of preference.
    pub fn architectures(&self) -> &[&'a str] {
        &self.archs
    }

    /// The number of packages, all versions counted.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no package at all.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The index a package's [`Package::index`] refers to.
    pub fn index(&self, number: usize) -> Option<&IndexInput<'a>> {
        self.indexes.get(number)
    }

    /// A package with all its fields, parsed at the first call.
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
                record.index.into(),
                record.stanza,
            ))
        })
    }

    /// The versions of a package for an architecture (`all` counts as the
    /// target's), newest first.
    pub fn by_name(&self, name: &str, architecture: &str) -> &[PackageId] {
        self.arch_number(architecture)
            .and_then(|arch| self.slot(name, arch))
            .map_or(&[], |slot| self.versions(slot))
    }

    /// The version apt would install if nothing but the name was said.
    pub fn candidate(&self, name: &str, architecture: &str) -> Option<PackageId> {
        let slot = self.slot(name, self.arch_number(architecture)?)?;
        Some(self.slot_candidate(slot))
    }

    /// The packages that provide a name, all versions, later ones in the
    /// indexes first.
    pub fn providers(&self, name: &str) -> &[PackageId] {
        let all = self.providers.get_or_init(|| {
            let mut all: HashMap<&'a str, Vec<PackageId>> = HashMap::new();
            for (number, record) in self.records.iter().enumerate().rev() {
                for name in names_in(record.provides) {
                    all.entry(name).or_default().push(PackageId(number as u32));
                }
            }
            all
        });
        all.get(name).map_or(&[], Vec::as_slice)
    }

    /// All package names, in the order of the indexes.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().map(|(name, _)| *name)
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

    pub(crate) fn multi_arch(&self, id: PackageId) -> MultiArch {
        self.records[id.index()].multi_arch
    }

    pub(crate) fn priority(&self, id: PackageId) -> u8 {
        self.records[id.index()].priority
    }

    pub(crate) fn is_essential(&self, id: PackageId) -> bool {
        self.records[id.index()].essential
    }

    /// The essential packages of the universe's own architecture.
    pub fn essential(&self) -> impl Iterator<Item = PackageId> {
        self.native_candidates(|essential, _| essential).into_iter()
    }

    /// The candidates of the target architecture that a predicate on
    /// (essential, priority number) takes.
    pub(crate) fn native_candidates(&self, wanted: impl Fn(bool, u8) -> bool) -> Vec<PackageId> {
        let native = self.slots.iter().filter(|slot| slot.arch == 0);
        native
            .map(|slot| slot.candidate)
            .filter(|id| wanted(self.is_essential(*id), self.priority(*id)))
            .collect()
    }

    /// Whether a package says of itself that it satisfies a relation a package
    /// of an architecture has; `negative` for conflicts and breaks, which mean
    /// all architectures unless they name one.
    fn answers(&self, id: PackageId, relation: &Relation<'_>, owner: u8, negative: bool) -> bool {
        let arch = self.slot_arch(self.slot_of(id));
        let multi_arch = self.multi_arch(id);
        match relation.qualifier {
            None => negative || arch == owner || multi_arch == MultiArch::Foreign,
            Some("any") => {
                negative || arch == owner || matches!(multi_arch, MultiArch::Allowed | MultiArch::Foreign)
            }
            Some("native") => arch == 0,
            Some(named) => self.archs.get(usize::from(arch)) == Some(&named),
        }
    }

    /// Every version that satisfies a relation of a package of an
    /// architecture: those of that name first, then those that provide it.
    pub(crate) fn targets(&self, relation: &Relation<'_>, owner: u8, negative: bool) -> Vec<PackageId> {
        let mut found = Vec::new();
        let slots = self.slots_named(relation.name);
        let own = slots.iter().filter(|slot| self.slot_arch(**slot) == owner);
        let others = slots.iter().filter(|slot| self.slot_arch(**slot) != owner);
        for slot in own.chain(others) {
            for id in self.versions(*slot) {
                let version = self.records[id.index()].version;
                if self.answers(*id, relation, owner, negative)
                    && relation.bound.is_none_or(|bound| bound.allows(version))
                {
                    found.push(*id);
                }
            }
        }
        for id in self.providers(relation.name) {
            if self.answers(*id, relation, owner, negative) && self.provides(*id, relation) {
                found.push(*id);
            }
        }
        found
    }

    fn provides(&self, id: PackageId, relation: &Relation<'_>) -> bool {
        let provides = &self.package(id).provides;
        provides
            .iter()
            .filter(|p| p.name == relation.name)
            .any(|provided| {
                relation
                    .bound
                    .is_none_or(|bound| provided.bound.is_some_and(|is| bound.allows(is.version)))
            })
    }

    /// Where the indexes mention each of some packages first, be it as a
    /// package or in a relation of one: apt numbers packages so, and settles
    /// ties by these numbers.
    pub(crate) fn mentions(&self, slots: &[Slot]) -> Vec<Mention> {
        let own = |slot: &Slot| {
            let first = self.versions(*slot).iter().min();
            (first.map_or(u32::MAX, |id| id.0), 0, 0)
        };
        let mut found: Vec<Mention> = slots.iter().map(own).collect();
        let mut wanted: HashMap<&str, Vec<usize>> = HashMap::new();
        // Most names in an index are told from all wanted ones by this alone.
        let mut marks = vec![false; 1 << 16];
        for (at, slot) in slots.iter().enumerate() {
            let name = self.slot_name(*slot);
            wanted.entry(name).or_default().push(at);
            marks[mark(name)] = true;
        }
        let last = found.iter().map(|mention| mention.0).max().unwrap_or(0);
        for (record, field, list) in &self.relations {
            if *record > last {
                break;
            }
            for (place, name) in names_in(list).enumerate() {
                if !marks[mark(name)] {
                    continue;
                }
                for at in wanted.get(name).into_iter().flatten() {
                    let arch = |slot| self.slot_arch(slot);
                    let here = (*record, *field, place);
                    let same = self.records.get(*record as usize).map(|r| arch(r.slot))
                        == slots.get(*at).map(|s| arch(*s));
                    if let Some(mention) = found.get_mut(*at)
                        && same
                        && here < *mention
                    {
                        *mention = here;
                    }
                }
            }
        }
        found
    }
}

/// Record, field and place within the field.
pub(crate) type Mention = (u32, u8, usize);

/// A number below 2^16 that differs for most names.
fn mark(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |n: usize| usize::from(bytes.get(n).copied().unwrap_or(0));
    (at(bytes.len() / 2) ^ at(bytes.len().saturating_sub(1)) << 4 ^ bytes.len() << 9 ^ at(0) << 6) & 0xffff
}

/// The place of a relation field in apt's order, from 1.
fn relation_field(name: &str) -> Option<u8> {
    Some(match name {
        "Pre-Depends" => 1,
        "Depends" => 2,
        "Conflicts" => 3,
        "Breaks" => 4,
        "Recommends" => 5,
        "Suggests" => 6,
        "Replaces" => 7,
        "Enhances" => 8,
        "Provides" => 9,
        _ => return None,
    })
}

impl Universe<'_> {
    /// A package's name, with its architecture where that is not the target's.
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
