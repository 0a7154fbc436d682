//! Walking an index and keeping what must be at hand.

use std::cmp::Reverse;

use super::{IndexInput, Record, Slot, SlotData, Universe};
use crate::control::{Item, next_item};
use crate::solve::error::SolveError;
use crate::solve::package::{MultiArch, PackageId};
use crate::solve::version;

/// The priorities as numbers, most important first.
fn priority_number(text: &str) -> u8 {
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

impl<'a> Universe<'a> {
    pub(super) fn load(&mut self, number: usize, index: &IndexInput<'a>) -> Result<(), SolveError> {
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

    pub(super) fn arch_number(&self, arch: &str) -> Option<u8> {
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

    pub(super) fn order_versions(&mut self) {
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
}
