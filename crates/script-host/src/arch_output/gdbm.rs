//! gdbm databases brought from one architecture's layout into another's.
//!
//! A gdbm file is C structures as they are in memory (gdbm's `gdbmdefs.h`
//! describes them): a header with a list of free places, the directory, and the
//! buckets that it names, each a table of elements at the place that the hash of
//! the key gives. What differs between architectures:
//!
//! - the byte order of every number;
//! - i386 aligns 64-bit numbers to 4 bytes, so places in lists of free places are
//!   smaller, and a bucket has one element more: the tables are made anew;
//! - the hash of a key depends on the sign of `char` once a byte of the key is
//!   beyond ASCII: such elements are moved to where gdbm looks for them.
//!
//! A table that is made anew has its elements in the order of their data, which
//! is that of their arrival as long as nothing was removed.

mod read;
mod write;

use deb_arch::{Architecture, ByteOrder};
use std::collections::BTreeMap;

/// File magic where offsets have 64 bits.
const MAGIC: u32 = 0x1357_9acf;
/// Offset of the list of free places in the header, and its size before the places.
const HEADER_FREE: usize = 40;
const FREE_TABLE: usize = 16;
/// Free places in a bucket.
const BUCKET_FREE: usize = 6;
/// Size of an element.
const ELEMENT: usize = 24;
/// Bits of a hash.
const HASH_BITS: u32 = 31;
/// The hash of an element that is not used.
const UNUSED: u32 = u32::MAX;

/// The properties of an architecture on which the form of a database depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    order: ByteOrder,
    /// Whether 64-bit numbers are aligned to 8 bytes.
    wide: bool,
    /// Whether `char` has a sign.
    signed: bool,
}

impl Layout {
    /// Returns the layout of an architecture.
    pub(super) fn of(arch: &Architecture) -> Self {
        Self {
            order: arch.byte_order,
            wide: arch.wide_alignment == 8,
            signed: arch.signed_char,
        }
    }

    /// Size of a free place.
    fn free_size(self) -> usize {
        if self.wide { 16 } else { 12 }
    }

    /// Size of the padding before a table of free places and in each of them.
    fn padding(self) -> usize {
        if self.wide { 4 } else { 0 }
    }

    /// Offset of the number of bits in a bucket; the count and the elements follow.
    fn bits(self) -> usize {
        4 + self.padding() + BUCKET_FREE * self.free_size()
    }

    /// Offset of the table of elements in a bucket.
    fn table(self) -> usize {
        self.bits() + 8
    }

    /// Returns the number of elements of a bucket.
    fn elements(self, bucket_size: usize) -> usize {
        bucket_size.saturating_sub(self.table()) / ELEMENT
    }
}

/// Converts a database. `None` when nothing needs to change, or it is in the
/// wanted form already.
///
/// # Errors
/// The reason why it cannot be converted, in words.
pub(super) fn convert(file: &[u8], from: Layout, to: Layout) -> Result<Option<Vec<u8>>, String> {
    if from == to || read::has_other_order(file, from)? {
        return Ok(None);
    }
    let mut database = Database::read(file, from)?;
    if from.signed != to.signed {
        database.rehash(file, from, to)?;
    }
    if from.wide != to.wide {
        let buckets: Vec<usize> = database.buckets.keys().copied().collect();
        for bucket in buckets {
            database.rebuild(bucket, to)?;
        }
    }
    let converted = database.write(file, from, to)?;
    Ok((converted != file).then_some(converted))
}

/// A free place of the file.
#[derive(Clone, Copy, Debug, Default)]
struct Free {
    size: u32,
    at: u64,
}

/// An element of a bucket.
#[derive(Clone, Copy, Debug)]
struct Element {
    hash: u32,
    /// First bytes of the key.
    start: [u8; 4],
    /// Offset of the key, which its value follows.
    data: u64,
    key_size: u32,
    data_size: u32,
}

/// An element that is not used.
const NOTHING: Element = Element {
    hash: UNUSED,
    start: [0; 4],
    data: 0,
    key_size: 0,
    data_size: 0,
};

/// A list of free places, in the header or a block of its own.
#[derive(Debug)]
struct FreeList {
    at: usize,
    count: u32,
    /// Offset of the next list; 0 means none.
    next: u64,
    places: Vec<Free>,
}

/// A bucket of the hash table.
#[derive(Debug)]
struct Bucket {
    free_count: u32,
    free: Vec<Free>,
    bits: u32,
    count: u32,
    elements: Vec<Element>,
}

/// A database without its keys and values.
#[derive(Debug)]
struct Database {
    block_size: u32,
    directory_at: usize,
    directory_size: u32,
    directory_bits: u32,
    bucket_size: usize,
    next_block: u64,
    free: Vec<FreeList>,
    /// Offset of the bucket for each value of the first bits of a hash.
    directory: Vec<usize>,
    buckets: BTreeMap<usize, Bucket>,
}

fn damaged() -> String {
    "it is not a gdbm file of the expected form".into()
}

fn index(number: impl TryInto<usize>) -> Result<usize, String> {
    number.try_into().map_err(|_| damaged())
}

impl Database {
    /// Puts the elements whose keys are beyond ASCII where they are looked for.
    fn rehash(&mut self, file: &[u8], from: Layout, to: Layout) -> Result<(), String> {
        let mut moved = Vec::new();
        for (&at, bucket) in &mut self.buckets {
            for element in bucket.elements.iter_mut().filter(|one| one.hash != UNUSED) {
                let begin = index(element.data)?;
                let end = begin.checked_add(index(element.key_size)?).ok_or_else(damaged)?;
                let key = file.get(begin..end).ok_or_else(damaged)?;
                if key.is_ascii() {
                    continue;
                }
                if hash(key, from.signed) != element.hash {
                    return Err(damaged());
                }
                let taken = std::mem::replace(element, NOTHING);
                bucket.count = bucket.count.saturating_sub(1);
                moved.push((
                    at,
                    Element {
                        hash: hash(key, to.signed),
                        ..taken
                    },
                ));
            }
        }
        for (left, element) in moved {
            let shift = HASH_BITS.saturating_sub(self.directory_bits);
            let entry = index(element.hash.checked_shr(shift).unwrap_or(0))?;
            let now = *self.directory.get(entry).ok_or_else(damaged)?;
            let bucket = self.buckets.get_mut(&now).ok_or_else(damaged)?;
            bucket.elements.push(element);
            bucket.count += 1;
            self.rebuild(now, from)?;
            if left != now {
                self.rebuild(left, from)?;
            }
        }
        Ok(())
    }

    /// Makes a bucket's table anew.
    fn rebuild(&mut self, at: usize, layout: Layout) -> Result<(), String> {
        let length = layout.elements(self.bucket_size);
        let bucket = self.buckets.get_mut(&at).ok_or_else(damaged)?;
        let mut used: Vec<Element> = bucket
            .elements
            .iter()
            .filter(|one| one.hash != UNUSED)
            .copied()
            .collect();
        if used.len() > length || length == 0 {
            return Err("a bucket of it is too full to be converted".into());
        }
        used.sort_by_key(|element| element.data);
        let mut elements = vec![NOTHING; length];
        for element in used {
            let first = index(element.hash)? % length;
            let around = (first..length).chain(0..first);
            for position in around {
                if let Some(free) = elements.get_mut(position).filter(|one| one.hash == UNUSED) {
                    *free = element;
                    break;
                }
            }
        }
        bucket.elements = elements;
        Ok(())
    }
}

/// gdbm's hash of a key.
fn hash(key: &[u8], signed: bool) -> u32 {
    const MASK: u32 = 0x7fff_ffff;
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut value = 0x238f_13af_u32.wrapping_mul(length);
    for (position, &byte) in key.iter().enumerate() {
        let char = if signed {
            i32::from(byte.cast_signed()).cast_unsigned()
        } else {
            u32::from(byte)
        };
        let shift = u32::try_from(position.wrapping_mul(5) % 24).unwrap_or(0);
        value = value.wrapping_add(char << shift) & MASK;
    }
    value.wrapping_mul(1_103_515_243).wrapping_add(12345) & MASK
}

#[cfg(test)]
mod tests;
