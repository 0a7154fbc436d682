//! The packages that satisfy a relation, and the mentions of packages in relations.

use std::collections::HashMap;

use super::{LoadedIndex, Slot, Universe};
use crate::package::PackageId;
use deb_index::{Mention, names_in, relations};
use deb_types::MultiArch;
use deb_types::relation::Relation;

/// Position of a mention: package, number of the field, and number within the field.
pub(crate) type MentionRank = (u32, u8, u32);

/// First mentions by name and architecture.
pub(crate) type Mentions<'a> = HashMap<(&'a str, u8), MentionRank>;

/// Place of a package in apt's cache, by which apt walks over all packages.
pub(crate) type CachePlace<'a> = (u32, usize, &'a str, u8);

/// Size of the table of names in apt's cache (`APT::Cache-HashTableSize`).
const HASH_TABLE: u32 = 196_613;

impl<'a> Universe<'a> {
    /// Returns the place of a package in apt's cache: by the hash of its name, which is Bernstein's.
    pub(crate) fn cache_place(&self, slot: Slot) -> CachePlace<'a> {
        let name = self.slot_name(slot);
        let letters = name.bytes().map(|byte| u32::from(byte.to_ascii_lowercase()));
        let hash = letters.fold(5381_u32, |hash, letter| {
            hash.wrapping_mul(33).wrapping_add(letter)
        });
        (hash % HASH_TABLE, name.len(), name, self.slot_arch(slot))
    }
}

impl<'a> Universe<'a> {
    /// Whether a package satisfies a relation of a package of an architecture, by
    /// architecture and `Multi-Arch`; `negative` for conflicts and breaks, which
    /// mean all architectures unless they name one.
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

    /// Returns all versions that satisfy a relation of a package of an
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
            if self.answers(id, relation, owner, negative) && self.provides(id, relation) {
                found.push(id);
            }
        }
        found
    }

    /// Whether any package has, provides or mentions a name.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        let mut packages = self.indexes.iter().map(|index| index.packages);
        packages.any(|all| all.mention(name).is_some()) || !self.providers(name).is_empty()
    }

    /// Whether a package provides a name in a version, as it is written.
    pub(crate) fn provides_version(&self, id: PackageId, name: &str, version: &str) -> bool {
        let provides = &self.package(id).provides;
        provides
            .iter()
            .any(|one| one.name == name && one.bound.is_some_and(|bound| bound.version == version))
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

    /// Returns the first mention of each slot in the indexes, as a package or in a
    /// relation of one. Apt numbers packages in this order, and decides ties by
    /// these numbers.
    pub(crate) fn mentions(&self, slots: &[Slot]) -> Vec<MentionRank> {
        let own = |slot: &Slot| {
            let first = self.versions(*slot).iter().min();
            (first.map_or(u32::MAX, |id| id.0), 0, 0)
        };
        let mut found: Vec<MentionRank> = slots.iter().map(own).collect();
        for (number, (index, loaded)) in self.indexes.iter().zip(&self.loaded).enumerate() {
            match loaded {
                LoadedIndex::All(first) if !index.packages.is_mixed() => {
                    let architecture = index.packages.architecture();
                    let architecture = architecture.and_then(|name| self.arch_number(name));
                    for (slot, mention) in slots.iter().zip(&mut found) {
                        let Some(seen) = index.packages.mention(self.slot_name(*slot)) else {
                            continue;
                        };
                        let arch = self.slot_arch(*slot);
                        let own = seen.own.filter(|_| Some(arch) == architecture);
                        let for_all = seen.for_all.filter(|_| arch == 0);
                        for here in [own, for_all].into_iter().flatten() {
                            let Mention { record, field, place } = here;
                            *mention = (*mention).min((first.saturating_add(record), field, place));
                        }
                    }
                }
                _ => {
                    let Some(walked) = self.walked(number) else {
                        continue;
                    };
                    for (slot, mention) in slots.iter().zip(&mut found) {
                        if let Some(seen) = walked.get(&(self.slot_name(*slot), self.slot_arch(*slot))) {
                            *mention = (*mention).min(*seen);
                        }
                    }
                }
            }
        }
        found
    }

    /// Returns the first mentions in an index of which not every package was loaded, or that has packages of several
    /// architectures: it is walked over once.
    fn walked(&self, number: usize) -> Option<&Mentions<'a>> {
        let (index, loaded) = (self.indexes.get(number)?, self.loaded.get(number)?);
        let walk = || {
            let mut first = Mentions::new();
            for (number, record) in index.packages.records().enumerate() {
                let Some(id) = loaded.get(number) else { continue };
                let arch = self.slot_arch(self.slot_of(id));
                for (field, list) in relations(index.packages.stanza(record.stanza)) {
                    for (place, name) in (0..).zip(names_in(list)) {
                        first.entry((name, arch)).or_insert((id.0, field, place));
                    }
                }
            }
            first
        };
        self.walked.get(number).map(|walked| walked.get_or_init(walk))
    }
}
