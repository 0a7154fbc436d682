//! Loading the packages of indexes into slots.

use super::{IndexInput, LoadedIndex, Pin, Slot, SlotData, Universe, VersionRecord};
use crate::package::PackageId;
use deb_types::version;
use smallvec::SmallVec;
use std::cmp::Reverse;

impl<'a> Universe<'a> {
    pub(super) fn load(&mut self, number: usize, index: &IndexInput<'a>, pins: Option<&Pin<'_>>) {
        let guess = index.packages.len();
        self.records.reserve(guess);
        if self.names.is_empty() {
            self.by_name.reserve(guess);
            self.names.reserve(guess);
            self.slots.reserve(guess);
        }
        let first = self.records.len() as u32;
        let mut ids = Vec::with_capacity(guess);
        for found in index.packages.records() {
            let own = pins.and_then(|of| of(number, &found));
            let pin = own.unwrap_or(index.priority);
            let arch = self.arch_number(found.architecture).filter(|_| pin > 0);
            let id = arch.and_then(|arch| {
                let slot = self.slot_for(found.name, arch);
                self.add(VersionRecord {
                    version: found.version,
                    stanza: found.stanza,
                    slot,
                    index: number as u32,
                    multi_arch: found.multi_arch,
                    essential: found.essential,
                    priority: found.priority,
                    pin,
                })
            });
            ids.push(id);
        }
        let all = ids.iter().all(Option::is_some);
        self.loaded.push(if all {
            LoadedIndex::All(first)
        } else {
            LoadedIndex::Some(ids)
        });
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

    fn slot_for(&mut self, name: &'a str, arch: u8) -> Slot {
        let next = self.records.len();
        let number = *self.by_name.entry(name).or_insert_with(|| {
            self.names.push((name, SmallVec::new()));
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
            versions: SmallVec::new(),
            candidate: PackageId(next as u32),
        });
        slot
    }

    /// Adds a version to its slot; `None` if the slot has it already from an index of the same or a higher priority.
    fn add(&mut self, record: VersionRecord<'a>) -> Option<PackageId> {
        let slot = &mut self.slots[record.slot.0 as usize];
        let same = |id: &PackageId| {
            let other = &self.records[id.0 as usize];
            other.version == record.version && other.pin >= record.pin
        };
        if slot.versions.iter().any(same) {
            return None;
        }
        let id = PackageId(self.records.len() as u32);
        slot.versions.push(id);
        self.records.push(record);
        Some(id)
    }

    pub(super) fn order_versions(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.versions.len() > 1) {
            let version_of = |id: PackageId| self.records[id.0 as usize].version;
            // Stable: of equal versions the first source's comes first.
            slot.versions
                .sort_by(|a, b| version::compare(version_of(*b), version_of(*a)));
            let priority = |id: &PackageId| self.records[id.0 as usize].pin;
            if let Some(best) = slot.versions.iter().min_by_key(|id| Reverse(priority(id))) {
                slot.candidate = *best;
            }
        }
    }
}
