//! Which packages satisfy a relation, and where relations name packages.

use std::collections::HashMap;

use super::{Slot, Universe};
use crate::solve::package::{MultiArch, PackageId};
use crate::solve::relation::Relation;

/// Record, field and place within the field.
pub(crate) type Mention = (u32, u8, usize);

/// The name at the beginning of each relation of a list, cheaply.
pub(super) fn names_in(list: &str) -> impl Iterator<Item = &str> {
    // By bytes: this runs over some ten million of them.
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let text = rest?.trim_ascii_start();
        let is_end = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let end = text.bytes().position(is_end).unwrap_or(text.len());
        let (name, after) = text.split_at_checked(end)?;
        let next = after.bytes().position(|b| matches!(b, b',' | b'|'));
        rest = next.and_then(|at| after.get(at + 1..));
        Some(name)
    })
    .filter(|name| !name.is_empty())
}

/// A number below 2^16 that differs for most names.
fn mark(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |n: usize| usize::from(bytes.get(n).copied().unwrap_or(0));
    (at(bytes.len() / 2) ^ at(bytes.len().saturating_sub(1)) << 4 ^ bytes.len() << 9 ^ at(0) << 6) & 0xffff
}

impl Universe<'_> {
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
        if slots.is_empty() {
            return found;
        }
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
