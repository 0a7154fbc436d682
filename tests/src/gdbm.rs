//! The records of a gdbm database, whatever machine it was written for (gdbm's `gdbmdefs.h`).
//!
//! A file is C structures as they are in memory: their byte order, and in 32 bits the alignment of 64-bit
//! numbers, are those of the machine. Two files with the same records may have them at other places.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::compare::matches;
use crate::deb::hex;

/// First number of a file with 64-bit offsets.
const MAGIC: u32 = 0x1357_9acf;
/// Size of an element of a bucket.
const ELEMENT: usize = 24;
/// Hash of an element that is not used.
const UNUSED: u32 = u32::MAX;

/// Whether a database is expected at a path of a root filesystem.
#[must_use]
pub fn is_at(path: &str) -> bool {
    matches("var/cache/man/*index.db", path)
}

/// A hash of all keys and values, in the order of the keys.
///
/// # Errors
/// When it is no sound database; the error says what is wrong with it.
pub fn records(file: &[u8]) -> std::io::Result<String> {
    let fail = || {
        std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "a gdbm database that is not sound",
        )
    };
    let mut hash = Sha256::new();
    for (key, value) in read(file).ok_or_else(fail)? {
        for part in [key, value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    Ok(hex(&hash.finalize()))
}

fn read(file: &[u8]) -> Option<BTreeMap<&[u8], &[u8]>> {
    let little = u32::from_le_bytes(file.get(..4)?.try_into().ok()?) == MAGIC;
    let bytes = |at: usize, size: usize| file.get(at..at.checked_add(size)?);
    let number = |at: usize| {
        let bytes = bytes(at, 4)?.try_into().ok()?;
        Some(if little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    };
    let offset = |at: usize| {
        let bytes = bytes(at, 8)?.try_into().ok()?;
        let value = if little {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        };
        usize::try_from(value).ok()
    };
    if number(0)? != MAGIC {
        return None;
    }
    let (directory, size) = (offset(8)?, number(16)? as usize);
    let (bucket_size, elements) = (number(24)? as usize, number(28)? as usize);
    // The elements follow six free places, whose size tells the alignment.
    let fits = |table: &usize| bucket_size.checked_sub(*table).map(|rest| rest / ELEMENT) == Some(elements);
    let table = [112, 84].into_iter().find(fits)?;
    let buckets: Option<BTreeSet<usize>> = (0..size / 8).map(|at| offset(directory + 8 * at)).collect();
    let mut records = BTreeMap::new();
    for bucket in buckets? {
        for element in (0..elements).map(|at| bucket + table + at * ELEMENT) {
            if number(element)? == UNUSED {
                continue;
            }
            let (at, key, value) = (
                offset(element + 8)?,
                number(element + 16)? as usize,
                number(element + 20)? as usize,
            );
            records.insert(bytes(at, key)?, bytes(at.checked_add(key)?, value)?);
        }
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database of one bucket with one record: numbers in an order, a table of elements at an offset.
    fn database(little: bool, table: usize, value: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 3000];
        let mut put = |at: usize, size: usize, number: u64| {
            let bytes = if little {
                number.to_le_bytes()
            } else {
                number.to_be_bytes()
            };
            let bytes = if little {
                &bytes[..size]
            } else {
                &bytes[8 - size..]
            };
            file[at..at + size].copy_from_slice(bytes);
        };
        let elements = (1024 - table) / ELEMENT;
        for (at, size, number) in [
            (0, 4, u64::from(MAGIC)),
            (8, 8, 100),
            (16, 4, 16),
            (24, 4, 1024),
            (28, 4, elements as u64),
            (100, 8, 1000),
            (108, 8, 1000),
        ] {
            put(at, size, number);
        }
        for at in 1..elements {
            put(1000 + table + at * ELEMENT, 4, u64::from(UNUSED));
        }
        for (at, size, number) in [(0, 4, 7), (8, 8, 2500), (16, 4, 3), (20, 4, value.len() as u64)] {
            put(1000 + table + at, size, number);
        }
        file[2500..2503].copy_from_slice(b"key");
        file[2503..2503 + value.len()].copy_from_slice(value);
        file
    }

    #[test]
    fn the_same_records_of_every_machine() {
        let of = |little, table, value: &[u8]| records(&database(little, table, value)).expect("sound");
        let one = of(true, 112, b"value");
        assert_eq!(one, of(false, 112, b"value"));
        assert_eq!(one, of(true, 84, b"value"));
        assert_ne!(one, of(true, 112, b"other"));
    }

    #[test]
    fn what_is_no_database_is_an_error() {
        assert!(records(b"").is_err());
        assert!(records(&[0; 4096]).is_err());
        assert!(records(&database(true, 112, b"x")[..2502]).is_err());
    }
}
