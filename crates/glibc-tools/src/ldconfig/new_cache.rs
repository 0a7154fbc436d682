//! A cache being made: its entries, their order, and the file.

use super::rules::{Era, Rules};
use super::strings::{StringId, Strings};
use crate::cache::{ENTRY, EXTENSION_MAGIC, HEADER, MAGIC, NAMED};
use std::cmp::Ordering;

/// Properties of a library that stand in its entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties {
    /// Type and ABI.
    pub(super) flags: u32,
    /// Level of the x86 instruction set that it needs.
    pub(super) isa_level: u32,
    /// Oldest kernel that it runs on (glibc 2.31).
    pub(super) os_version: u32,
    /// Hardware capabilities as bits (glibc up to 2.36).
    pub(super) capabilities: u64,
    /// Number of its subdirectory of `glibc-hwcaps`.
    pub(super) hwcaps: Option<usize>,
}

struct Entry {
    name: StringId,
    path: StringId,
    properties: Properties,
}

/// A cache being made.
#[derive(Default)]
pub(super) struct NewCache {
    strings: Strings,
    entries: Vec<Entry>,
    /// Subdirectories of `glibc-hwcaps`, and whether there is a library in them.
    hwcaps: Vec<(StringId, bool)>,
}

impl NewCache {
    /// Sets the subdirectories of `glibc-hwcaps`; used or not, they are in the string table.
    pub(super) fn set_hwcaps(&mut self, names: &[Vec<u8>]) {
        self.hwcaps = names.iter().map(|name| (self.strings.add(name), false)).collect();
    }

    /// Enters the library `path` under `name`. Among equals the first one stays
    /// first.
    pub(super) fn add(&mut self, rules: &Rules, name: &[u8], path: &[u8], properties: Properties) {
        if let Some((_, used)) = properties.hwcaps.and_then(|number| self.hwcaps.get_mut(number)) {
            *used = true;
        }
        let (path, name) = (self.strings.add(path), self.strings.add(name));
        let entry = Entry {
            name,
            path,
            properties,
        };
        let position = self
            .entries
            .partition_point(|known| self.compare(rules, known, &entry) != Ordering::Greater);
        self.entries.insert(position, entry);
    }

    fn hwcaps_name(&self, properties: &Properties) -> Option<&[u8]> {
        properties
            .hwcaps
            .and_then(|number| self.hwcaps.get(number))
            .map(|(id, _)| self.strings.get(*id))
    }

    /// Compares entries: descending by name and flags; then named capabilities, by name; then the
    /// most capabilities.
    fn compare(&self, rules: &Rules, a: &Entry, b: &Entry) -> Ordering {
        let names = compare_names(
            self.strings.get(b.name),
            self.strings.get(a.name),
            rules.abi.signed_char,
        );
        let flags = || (b.properties.flags as i32).cmp(&(a.properties.flags as i32));
        let named = || match (self.hwcaps_name(&a.properties), self.hwcaps_name(&b.properties)) {
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (a, b) => a.cmp(&b),
        };
        let bits = |properties: &Properties| (properties.capabilities.count_ones(), properties.capabilities);
        names
            .then_with(flags)
            .then_with(named)
            .then_with(|| bits(&b.properties).cmp(&bits(&a.properties)))
    }

    /// Returns the file; `None` if there is more than the format can hold.
    pub(super) fn into_bytes(self, rules: &Rules) -> Option<Vec<u8>> {
        let big_endian = rules.abi.big_endian;
        if rules.era == Era::Unshared {
            return self.without_sharing(big_endian);
        }
        let mut used: Vec<usize> = (0..self.hwcaps.len())
            .filter(|n| self.hwcaps.get(*n).is_some_and(|h| h.1))
            .collect();
        let name = |number: &usize| self.hwcaps.get(*number).map(|(id, _)| self.strings.get(*id));
        used.sort_unstable_by(|a, b| name(a).cmp(&name(b)));

        let table = self.strings.table()?;
        let strings_at = HEADER + ENTRY * self.entries.len();
        let offset = |id| u32::try_from(strings_at).ok()?.checked_add(table.offset(id));
        let extensions_at = (strings_at + table.bytes.len()).next_multiple_of(4);

        let mut file = Writer {
            bytes: MAGIC.to_vec(),
            big_endian,
        };
        file.u32(u32::try_from(self.entries.len()).ok()?);
        file.u32(u32::try_from(table.bytes.len()).ok()?);
        file.bytes.extend([if big_endian { 3 } else { 2 }, 0, 0, 0]);
        file.u32(u32::try_from(extensions_at).ok()?);
        file.bytes.resize(HEADER, 0);
        for entry in &self.entries {
            file.u32(entry.properties.flags);
            file.u32(offset(entry.name)?);
            file.u32(offset(entry.path)?);
            // The version of the kernel, no longer used.
            file.u32(0);
            file.u64(match entry.properties.hwcaps {
                None => entry.properties.capabilities,
                Some(number) => {
                    let index = used.iter().position(|n| *n == number)?;
                    NAMED | u64::from(entry.properties.isa_level) << 32 | index as u64
                }
            });
        }
        file.bytes.extend(&table.bytes);
        file.bytes.resize(extensions_at, 0);

        let sections = 1 + usize::from(!used.is_empty());
        let hwcaps_at = extensions_at + 8 + 16 * sections;
        let generator_at = hwcaps_at + 4 * used.len();
        file.u32(EXTENSION_MAGIC);
        file.u32(u32::try_from(sections).ok()?);
        file.section(0, generator_at, rules.generator.len())?;
        if !used.is_empty() {
            file.section(1, hwcaps_at, 4 * used.len())?;
        }
        for number in &used {
            file.u32(offset(self.hwcaps.get(*number)?.0)?);
        }
        file.bytes.extend(&rules.generator);
        Some(file.bytes)
    }
}

impl NewCache {
    /// Returns the file as glibc 2.31 writes it: the strings of each entry after those of the entry before, and nothing
    /// behind them.
    fn without_sharing(&self, big_endian: bool) -> Option<Vec<u8>> {
        let strings_at = HEADER + ENTRY * self.entries.len();
        let mut strings = Vec::new();
        let mut add = |id| {
            let offset = u32::try_from(strings_at + strings.len()).ok();
            strings.extend_from_slice(self.strings.get(id));
            strings.push(0);
            offset
        };
        let offsets = self
            .entries
            .iter()
            .map(|entry| Some([add(entry.name)?, add(entry.path)?]));
        let offsets: Vec<[u32; 2]> = offsets.collect::<Option<_>>()?;
        let mut file = Writer {
            bytes: MAGIC.to_vec(),
            big_endian,
        };
        file.u32(u32::try_from(self.entries.len()).ok()?);
        file.u32(u32::try_from(strings.len()).ok()?);
        file.bytes.push(if big_endian { 3 } else { 2 });
        file.bytes.resize(HEADER, 0);
        for (entry, [name, path]) in self.entries.iter().zip(offsets) {
            file.u32(entry.properties.flags);
            file.u32(name);
            file.u32(path);
            file.u32(entry.properties.os_version);
            file.u64(entry.properties.capabilities);
        }
        file.bytes.extend(strings);
        Some(file.bytes)
    }
}

struct Writer {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Writer {
    fn u32(&mut self, value: u32) {
        self.bytes.extend(if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
    }

    fn section(&mut self, tag: u32, offset: usize, size: usize) -> Option<()> {
        for word in [tag, 0, u32::try_from(offset).ok()?, u32::try_from(size).ok()?] {
            self.u32(word);
        }
        Some(())
    }
}

/// Compares names as the loader does, numbers in them by value.
pub(super) fn compare_names(a: &[u8], b: &[u8], signed_char: bool) -> Ordering {
    let char = |byte: u8| {
        if signed_char {
            i32::from(byte.cast_signed())
        } else {
            i32::from(byte)
        }
    };
    let (mut a, mut b) = (a, b);
    while let Some((&first, rest)) = a.split_first() {
        let other = b.first().copied().unwrap_or(0);
        match (first.is_ascii_digit(), other.is_ascii_digit()) {
            (true, true) => {
                let (x, y) = (number(&mut a), number(&mut b));
                if x != y {
                    return x.wrapping_sub(y).cmp(&0);
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) if first != other => return char(first).cmp(&char(other)),
            (false, false) => {
                a = rest;
                b = b.get(1..).unwrap_or_default();
            }
        }
    }
    0.cmp(&char(b.first().copied().unwrap_or(0)))
}

/// Takes a number off the front; one that is too large wraps, as it does in C.
fn number(text: &mut &[u8]) -> i32 {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).unwrap_or_default();
    *text = rest;
    number.iter().fold(0, |value, digit| {
        value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_number() {
        for (a, b, expected) in [
            ("libc.so.6", "libc.so.10", Ordering::Less),
            ("libc.so.6", "libc.so.06", Ordering::Equal),
            ("libc.so.6", "libc.so", Ordering::Greater),
            ("libx1", "libxa", Ordering::Greater),
            ("libxa", "libx1", Ordering::Less),
            ("a", "b", Ordering::Less),
            ("", "a", Ordering::Less),
            ("", "", Ordering::Equal),
        ] {
            assert_eq!(
                compare_names(a.as_bytes(), b.as_bytes(), true),
                expected,
                "{a} {b}"
            );
        }
        assert_eq!(compare_names(b"\xe9", b"a", true), Ordering::Less);
        assert_eq!(compare_names(b"\xe9", b"a", false), Ordering::Greater);
        let long = b"9".repeat(100);
        compare_names(&long, b"1", true);
    }
}
