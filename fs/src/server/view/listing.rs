//! Directories listed in the order of their names.
//!
//! A disk lists a directory in the order of hashes or of time, and scripts write lists down: the result would depend
//! on the filesystem below and on the threads that unpacked it. So all names are read together and sorted.
//!
//! The kernel asks for parts, without an open directory between. The offset of a part has the number of the reading
//! that it belongs to and the position in it. The names of a reading are kept until the kernel has its end, so names
//! that come and go meanwhile change nothing for the others (readdir(3)).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::meta::FileType;

/// Bits of an offset that are the position; those above are the reading's number. Together they have 31 bits, which
/// programs of 32 bits understand.
const POSITION_BITS: u32 = 21;
const READINGS: u64 = 1 << (31 - POSITION_BITS);
/// Most names that are kept of readings that have not come to their end.
const MOST_NAMES: usize = 1 << 18;

/// Entry of a directory on disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: OsString,
    pub(super) ino: u64,
    pub(super) kind: FileType,
}

/// Some names of a directory, and the offset after each.
#[derive(Debug)]
pub(super) struct Part {
    names: Arc<[Name]>,
    reading: u64,
    from: usize,
}

impl Part {
    /// Returns the names from here to the end, each with the offset after it.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Name, u64)> {
        let after = |at: usize| (self.reading << POSITION_BITS) | (at as u64 + 1);
        let names = self.names.iter().enumerate().skip(self.from);
        names.map(move |(at, name)| (name, after(at)))
    }
}

/// The readings that have not come to their end.
#[derive(Debug, Default)]
pub(super) struct Listings(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    names: usize,
    /// Directory, reading and names; the oldest first.
    kept: VecDeque<(u64, u64, Arc<[Name]>)>,
}

impl Listings {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the names of the directory `id` from `offset` on; `read` reads them all.
    pub(super) fn part(
        &self,
        id: u64,
        offset: u64,
        read: impl FnOnce() -> Result<Vec<Name>, Errno>,
    ) -> Result<Part, Errno> {
        let from = usize::try_from(offset & ((1 << POSITION_BITS) - 1)).unwrap_or(usize::MAX);
        let reading = offset >> POSITION_BITS;
        if offset != 0 {
            let mut table = self.table();
            if let Some(at) = table.position(id, reading) {
                let names = table.kept.get(at).map(|(_, _, names)| names.clone());
                let names = names.unwrap_or_default();
                if from >= names.len() {
                    table.remove(at);
                }
                return Ok(Part { names, reading, from });
            }
        }
        let mut names = read()?;
        if names.len() >= 1 << POSITION_BITS {
            return Err(Errno::OVERFLOW);
        }
        names.sort_unstable_by(|a, b| order(&a.name).cmp(&order(&b.name)));
        let names: Arc<[Name]> = names.into();
        let reading = self.table().keep(id, names.clone());
        // A reading that was given up goes on at the same position of the new one.
        Ok(Part { names, reading, from })
    }
}

/// Returns the key by which names are sorted: the directory itself and the one above come first, as on most disks.
fn order(name: &OsStr) -> (bool, &[u8]) {
    (name != "." && name != "..", name.as_bytes())
}

impl Table {
    fn position(&self, id: u64, reading: u64) -> Option<usize> {
        self.kept
            .iter()
            .position(|(of, kept, _)| *of == id && *kept == reading)
    }

    fn keep(&mut self, id: u64, names: Arc<[Name]>) -> u64 {
        self.last = self.last % (READINGS - 1) + 1;
        self.names += names.len();
        self.kept.push_back((id, self.last, names));
        while self.kept.len() > 1 && (self.names > MOST_NAMES || self.kept.len() as u64 >= READINGS) {
            self.remove(0);
        }
        self.last
    }

    fn remove(&mut self, at: usize) {
        if let Some((_, _, names)) = self.kept.remove(at) {
            self.names -= names.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Name> {
        let name = |name: &&str| Name {
            name: name.into(),
            ino: 1,
            kind: FileType::Regular,
        };
        names.iter().map(name).collect()
    }

    fn told(part: &Part) -> Vec<String> {
        let text = |(name, _): (&Name, u64)| name.name.to_string_lossy().into_owned();
        part.names().map(text).collect()
    }

    fn never() -> Result<Vec<Name>, Errno> {
        panic!("it is read again")
    }

    #[test]
    fn names_are_in_order_and_parts_fit() {
        let listings = Listings::default();
        let disk = ["b", "..", "+", "a", "."];
        let first = listings.part(7, 0, || Ok(names(&disk))).unwrap();
        assert_eq!(told(&first), [".", "..", "+", "a", "b"]);
        // Another reader of the same directory, which has changed.
        let other = listings.part(7, 0, || Ok(names(&["."]))).unwrap();
        assert_eq!(told(&other), ["."]);
        let (_, offset) = first.names().nth(2).unwrap();
        assert!(offset < 1 << 31);
        let rest = listings.part(7, offset, never).unwrap();
        assert_eq!(told(&rest), ["a", "b"]);
        let (_, end) = rest.names().last().unwrap();
        assert!(told(&listings.part(7, end, never).unwrap()).is_empty());
        // Its end was told: it is forgotten. The other is not.
        assert_eq!(listings.table().kept.len(), 1);
        assert_eq!(listings.table().names, 1);
        let again = listings.part(7, offset, || Ok(names(&disk))).unwrap();
        assert_eq!(told(&again), ["a", "b"]);
    }

    #[test]
    fn readers_that_never_end_are_given_up() {
        let listings = Listings::default();
        for round in 0..3 * READINGS {
            let part = listings.part(round, 0, || Ok(names(&["a", "b"]))).unwrap();
            let (_, offset) = part.names().next().unwrap();
            assert_eq!(told(&listings.part(round, offset, never).unwrap()), ["b"]);
        }
        let table = listings.table();
        assert!((table.kept.len() as u64) < READINGS);
        assert_eq!(table.names, 2 * table.kept.len());
        let mut readings: Vec<u64> = table.kept.iter().map(|(_, reading, _)| *reading).collect();
        readings.sort_unstable();
        readings.dedup();
        assert_eq!(readings.len(), table.kept.len());
        drop(table);
        let many: Vec<String> = (0..=MOST_NAMES).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        listings.part(1, 0, || Ok(names(&many))).unwrap();
        assert_eq!(listings.table().kept.len(), 1);
    }
}
