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
//!   beyond ASCII: such elements are put where they are looked for.
//!
//! A table that is made anew has its elements in the order of their data, which
//! is that of their arrival as long as nothing was removed.

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

/// How an architecture has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    order: ByteOrder,
    /// 64-bit numbers are aligned to 8 bytes.
    wide: bool,
    /// `char` has a sign.
    signed: bool,
}

impl Layout {
    /// The layout of an architecture.
    pub(super) fn of(arch: &Architecture) -> Self {
        Self {
            order: arch.byte_order,
            wide: arch.wide_alignment == 8,
            signed: arch.signed_char,
        }
    }

    /// Size of a free place, and of padding before a table of them or in it.
    fn place(self) -> usize {
        if self.wide { 16 } else { 12 }
    }

    fn padding(self) -> usize {
        if self.wide { 4 } else { 0 }
    }

    /// Offset of the number of bits in a bucket; the count and the elements follow.
    fn bits(self) -> usize {
        4 + self.padding() + BUCKET_FREE * self.place()
    }

    fn table(self) -> usize {
        self.bits() + 8
    }

    /// How many elements a bucket has.
    fn elements(self, bucket_size: usize) -> usize {
        bucket_size.saturating_sub(self.table()) / ELEMENT
    }
}

/// Converts a database. `None` when nothing needs to change, or it is in the
/// wanted form already.
///
/// # Errors
/// Why it cannot be converted, in words.
pub(super) fn convert(file: &[u8], from: Layout, to: Layout) -> Result<Option<Vec<u8>>, String> {
    let input = Input {
        bytes: file,
        order: from.order,
    };
    if from == to || input.number(0)? == MAGIC.swap_bytes() {
        return Ok(None);
    }
    let mut database = Database::read(&input, from)?;
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

#[derive(Clone, Copy, Debug, Default)]
struct Free {
    size: u32,
    at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Element {
    hash: u32,
    start: [u8; 4],
    data: u64,
    key_size: u32,
    data_size: u32,
}

const NOTHING: Element = Element {
    hash: UNUSED,
    start: [0; 4],
    data: 0,
    key_size: 0,
    data_size: 0,
};

#[derive(Debug)]
struct FreeList {
    at: usize,
    count: u32,
    next: u64,
    places: Vec<Free>,
}

#[derive(Debug)]
struct Bucket {
    free_count: u32,
    free: Vec<Free>,
    bits: u32,
    count: u32,
    elements: Vec<Element>,
}

#[derive(Debug)]
struct Database {
    block_size: u32,
    directory_at: usize,
    directory_size: u32,
    directory_bits: u32,
    bucket_size: usize,
    next_block: u64,
    free: Vec<FreeList>,
    directory: Vec<usize>,
    buckets: BTreeMap<usize, Bucket>,
}

fn damaged() -> String {
    "it is not a gdbm file of the expected form".into()
}

fn index(number: impl TryInto<usize>) -> Result<usize, String> {
    number.try_into().map_err(|_| damaged())
}

struct Input<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl Input<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], String> {
        let bytes = at.checked_add(N).and_then(|end| self.bytes.get(at..end));
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)
    }

    fn number(&self, at: usize) -> Result<u32, String> {
        let bytes = self.array(at)?;
        Ok(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    fn offset(&self, at: usize) -> Result<u64, String> {
        let bytes = self.array(at)?;
        Ok(match self.order {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        })
    }

    fn places(&self, at: usize, count: usize, layout: Layout) -> Result<Vec<Free>, String> {
        let place = |index: usize| {
            let at = at.saturating_add(index.saturating_mul(layout.place()));
            Ok(Free {
                size: self.number(at)?,
                at: self.offset(at.saturating_add(4 + layout.padding()))?,
            })
        };
        if count > self.bytes.len() {
            return Err(damaged());
        }
        (0..count).map(place).collect()
    }

    fn free_list(&self, at: usize, layout: Layout) -> Result<FreeList, String> {
        let size = index(self.number(at)?)?;
        Ok(FreeList {
            at,
            count: self.number(at.saturating_add(4))?,
            next: self.offset(at.saturating_add(8))?,
            places: self.places(at.saturating_add(FREE_TABLE), size, layout)?,
        })
    }

    fn bucket(&self, at: usize, elements: usize, layout: Layout) -> Result<Bucket, String> {
        let element = |index: usize| {
            let at = at.saturating_add(layout.table() + index * ELEMENT);
            Ok(Element {
                hash: self.number(at)?,
                start: self.array(at + 4)?,
                data: self.offset(at + 8)?,
                key_size: self.number(at + 16)?,
                data_size: self.number(at + 20)?,
            })
        };
        Ok(Bucket {
            free_count: self.number(at)?,
            free: self.places(at.saturating_add(4 + layout.padding()), BUCKET_FREE, layout)?,
            bits: self.number(at.saturating_add(layout.bits()))?,
            count: self.number(at.saturating_add(layout.bits() + 4))?,
            elements: (0..elements).map(element).collect::<Result<_, String>>()?,
        })
    }
}

impl Database {
    fn read(input: &Input<'_>, layout: Layout) -> Result<Self, String> {
        let (directory_at, directory_size) = (index(input.offset(8)?)?, input.number(16)?);
        let bucket_size = index(input.number(24)?)?;
        let elements = index(input.number(28)?)?;
        let places = index(directory_size / 8)?;
        if input.number(0)? != MAGIC || places > input.bytes.len() || elements != layout.elements(bucket_size)
        {
            return Err(damaged());
        }
        let mut free = vec![input.free_list(HEADER_FREE, layout)?];
        while let Some(next) = free.last().map(|list| list.next).filter(|next| *next != 0) {
            let next = index(next)?;
            if free.iter().any(|list| list.at == next) {
                return Err(damaged());
            }
            free.push(input.free_list(next, layout)?);
        }
        let directory = (0..places)
            .map(|place| index(input.offset(directory_at.saturating_add(place * 8))?))
            .collect::<Result<Vec<usize>, String>>()?;
        let mut buckets = BTreeMap::new();
        for &at in &directory {
            if let std::collections::btree_map::Entry::Vacant(entry) = buckets.entry(at) {
                entry.insert(input.bucket(at, elements, layout)?);
            }
        }
        Ok(Self {
            block_size: input.number(4)?,
            directory_at,
            directory_size,
            directory_bits: input.number(20)?,
            bucket_size,
            next_block: input.offset(32)?,
            free,
            directory,
            buckets,
        })
    }

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
            let place = index(element.hash.checked_shr(shift).unwrap_or(0))?;
            let now = *self.directory.get(place).ok_or_else(damaged)?;
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
            for place in around {
                if let Some(free) = elements.get_mut(place).filter(|one| one.hash == UNUSED) {
                    *free = element;
                    break;
                }
            }
        }
        bucket.elements = elements;
        Ok(())
    }

    fn write(&self, file: &[u8], from: Layout, to: Layout) -> Result<Vec<u8>, String> {
        let mut output = Output {
            bytes: file.to_vec(),
            layout: to,
        };
        let same = from.wide == to.wide;
        let header_places = (index(self.block_size)?).saturating_sub(HEADER_FREE + FREE_TABLE) / to.place();
        output.number(0, MAGIC)?;
        output.number(4, self.block_size)?;
        output.offset(8, self.directory_at as u64)?;
        output.number(16, self.directory_size)?;
        output.number(20, self.directory_bits)?;
        output.number(24, u32::try_from(self.bucket_size).map_err(|_| damaged())?)?;
        output.number(
            28,
            u32::try_from(to.elements(self.bucket_size)).map_err(|_| damaged())?,
        )?;
        output.offset(32, self.next_block)?;
        for list in &self.free {
            let mut places = list.places.clone();
            if !same {
                if list.next != 0 || list.at != HEADER_FREE || index(list.count)? > header_places {
                    return Err("its list of free places is too long to be converted".into());
                }
                places.resize(header_places, Free::default());
                output.clear(HEADER_FREE, index(self.block_size)?)?;
            }
            output.number(list.at, u32::try_from(places.len()).map_err(|_| damaged())?)?;
            output.number(list.at + 4, list.count)?;
            output.offset(list.at + 8, list.next)?;
            output.places(list.at + FREE_TABLE, &places)?;
        }
        for (place, &at) in self.directory.iter().enumerate() {
            output.offset(self.directory_at + place * 8, at as u64)?;
        }
        for (&at, bucket) in &self.buckets {
            if !same {
                output.clear(at, at.saturating_add(self.bucket_size))?;
            }
            output.number(at, bucket.free_count)?;
            output.places(at + 4 + to.padding(), &bucket.free)?;
            output.number(at + to.bits(), bucket.bits)?;
            output.number(at + to.bits() + 4, bucket.count)?;
            for (position, element) in bucket.elements.iter().enumerate() {
                let at = at + to.table() + position * ELEMENT;
                output.number(at, element.hash)?;
                output.put(at + 4, &element.start)?;
                output.offset(at + 8, element.data)?;
                output.number(at + 16, element.key_size)?;
                output.number(at + 20, element.data_size)?;
            }
        }
        Ok(output.bytes)
    }
}

struct Output {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Output {
    fn range(&mut self, at: usize, end: Option<usize>) -> Result<&mut [u8], String> {
        end.and_then(|end| self.bytes.get_mut(at..end))
            .ok_or_else(damaged)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), String> {
        self.range(at, at.checked_add(bytes.len()))?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self, at: usize, end: usize) -> Result<(), String> {
        self.range(at, Some(end))?.fill(0);
        Ok(())
    }

    fn number(&mut self, at: usize, value: u32) -> Result<(), String> {
        let bytes = match self.layout.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.put(at, &bytes)
    }

    fn offset(&mut self, at: usize, value: u64) -> Result<(), String> {
        let bytes = match self.layout.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.put(at, &bytes)
    }

    fn places(&mut self, at: usize, places: &[Free]) -> Result<(), String> {
        let layout = self.layout;
        for (position, place) in places.iter().enumerate() {
            let at = at + position * layout.place();
            self.number(at, place.size)?;
            self.offset(at + 4 + layout.padding(), place.at)?;
        }
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
