//! The packages that satisfy a relation, and the mentions of packages in relations.

use std::collections::HashMap;

use super::{IndexInput, LoadedIndex, Slot, Universe};
use crate::package::PackageId;
use deb_index::{Mention, names_in, relations};
use deb_types::MultiArch;
use deb_types::relation::Relation;

/// Position of a mention: package, number of the field, and number within the field.
pub(crate) type MentionRank = (u32, u8, u32);

impl Universe<'_> {
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
        for (index, loaded) in self.indexes.iter().zip(&self.loaded) {
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
                _ => self.mentions_in(index, loaded, slots, &mut found),
            }
        }
        found
    }

    /// Looks for first mentions in an index of which not every package was loaded, or that has
    /// packages of several architectures.
    fn mentions_in(
        &self,
        index: &IndexInput<'_>,
        loaded: &LoadedIndex,
        slots: &[Slot],
        found: &mut [MentionRank],
    ) {
        let mut wanted: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, slot) in slots.iter().enumerate() {
            wanted.entry(self.slot_name(*slot)).or_default().push(at);
        }
        for (number, record) in index.packages.records().enumerate() {
            let Some(id) = loaded.get(number) else { continue };
            let arch = self.slot_arch(self.slot_of(id));
            for (field, list) in relations(index.packages.stanza(record.stanza)) {
                for (place, name) in (0..).zip(names_in(list)) {
                    for at in wanted.get(name).into_iter().flatten() {
                        if let (Some(slot), Some(mention)) = (slots.get(*at), found.get_mut(*at))
                            && self.slot_arch(*slot) == arch
                        {
                            *mention = (*mention).min((id.0, field, place));
                        }
                    }
                }
            }
        }
    }
}
