//! The string table of a cache: each string once, and a string that is the end of another one inside that one.

use std::collections::HashMap;

/// A string's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StringId(usize);

/// Strings, numbered as they come.
#[derive(Debug, Default)]
pub(super) struct Strings {
    numbers: HashMap<Vec<u8>, usize>,
    strings: Vec<Vec<u8>>,
}

/// The table as it stands in the file.
#[derive(Debug)]
pub(super) struct Table {
    /// The strings, each ended by NUL.
    pub(super) bytes: Vec<u8>,
    /// Offsets of the strings, by number.
    offsets: Vec<u32>,
}

impl Strings {
    /// Adds a string, unless it is there.
    pub(super) fn add(&mut self, string: &[u8]) -> StringId {
        if let Some(number) = self.numbers.get(string) {
            return StringId(*number);
        }
        let number = self.strings.len();
        self.strings.push(string.to_vec());
        self.numbers.insert(string.to_vec(), number);
        StringId(number)
    }

    /// Returns a string.
    pub(super) fn get(&self, id: StringId) -> &[u8] {
        self.strings.get(id.0).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the table. The strings stand in order: by their ends, descending, so that a string
    /// follows the one that ends in it. `None` if they are too long for the format.
    pub(super) fn table(&self) -> Option<Table> {
        let mut order: Vec<(usize, &Vec<u8>)> = self.strings.iter().enumerate().collect();
        order.sort_unstable_by(|(_, a), (_, b)| b.iter().rev().cmp(a.iter().rev()));
        let mut bytes = Vec::new();
        let mut offsets = vec![0; self.strings.len()];
        let mut previous: &[u8] = b"";
        for (number, string) in order {
            if bytes.is_empty() || !previous.ends_with(string) {
                bytes.extend_from_slice(string);
                bytes.push(0);
            }
            // The string written last ends in this one.
            let offset = u32::try_from(bytes.len() - 1 - string.len()).ok()?;
            if let Some(entry) = offsets.get_mut(number) {
                *entry = offset;
            }
            previous = string;
        }
        Some(Table { bytes, offsets })
    }
}

impl Table {
    /// Returns the offset of a string in the table.
    pub(super) fn offset(&self, id: StringId) -> u32 {
        self.offsets.get(id.0).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_shared() {
        let mut strings = Strings::default();
        let ids =
            ["libc.so.6", "/lib/libc.so.6", "x", "/usr/lib/libc.so.6", ""].map(|s| strings.add(s.as_bytes()));
        assert_eq!(strings.add(b"x"), ids[2]);
        let table = strings.table().unwrap();
        assert_eq!(table.bytes, b"x\0/usr/lib/libc.so.6\0");
        assert_eq!(ids.map(|id| table.offset(id)), [11, 6, 0, 2, 20]);
        assert_eq!(Strings::default().table().unwrap().bytes, b"");
    }
}
