//! Blocks of attributes: leaves with names and short values, a tree above them, and blocks of long values.

use std::ops::Range;

use crate::format::{BLOCK, Place, Record};
use crate::hashed::{self, siblings};

const LEAF_MAGIC: u16 = 0x3bee;
const LEAF_HEADER: usize = 80;
/// Bytes of an attribute's hash, the place of its name, and flags.
const LEAF_ENTRY: usize = 8;
/// What the places of names are multiples of.
const NAME_ALIGNMENT: usize = 4;
/// Bytes before the name of an attribute whose value follows it.
const LOCAL: usize = 3;
/// Bytes that one with its value elsewhere needs besides its name: two are of an old header's padding.
const REMOTE: usize = 11;
/// From so many bytes on values are elsewhere: three quarters of a block.
const LOCAL_LIMIT: usize = BLOCK / 4 * 3;
const FLAG_LOCAL: u8 = 1;

const VALUE_MAGIC: u32 = 0x5841_524d;
const VALUE_HEADER: usize = 56;
const VALUE_CHECKSUM_AT: usize = 12;
/// Bytes of a value in a block.
const VALUE_PART: usize = BLOCK - VALUE_HEADER;
/// Log sequence number of values, which are never logged.
const VALUE_LSN: u64 = u64::MAX;

/// An attribute.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Hash of the name.
    pub(crate) hash: u32,
    /// Its namespace.
    pub(crate) flags: u8,
    /// Its name without that of its namespace.
    pub(crate) name: Vec<u8>,
    /// Its value.
    pub(crate) value: Vec<u8>,
}

/// Attributes divided into leaves.
pub(crate) struct Leaves<'a> {
    list: &'a [Attribute],
    leaves: Vec<Range<usize>>,
    /// Blocks above the leaves.
    inner: usize,
    /// Blocks of values.
    values: usize,
}

impl<'a> Leaves<'a> {
    /// Division of attributes that are sorted by their hashes.
    pub(crate) fn of(list: &'a [Attribute]) -> Self {
        let hashes: Vec<u32> = list.iter().map(|attribute| attribute.hash).collect();
        let size = |index: usize| LEAF_ENTRY + name_size(&list[index]);
        let leaves = hashed::divide(&hashes, size, BLOCK - LEAF_HEADER);
        Self {
            list,
            inner: hashed::inner_blocks(leaves.len()),
            leaves,
            values: list.iter().map(value_blocks).sum(),
        }
    }

    /// Number of all blocks.
    pub(crate) fn blocks(&self) -> u64 {
        (self.inner + self.leaves.len() + self.values) as u64
    }

    /// Makes the blocks: the tree from its root on, the leaves, the values. `place` tells where each is.
    pub(crate) fn make(&self, place: impl Fn(usize) -> Place) -> Vec<Vec<u8>> {
        let last = |leaf: &Range<usize>| {
            self.list[leaf.clone()]
                .last()
                .map_or(0, |attribute| attribute.hash)
        };
        let greatest: Vec<u32> = self.leaves.iter().map(last).collect();
        let mut blocks = hashed::inner(&greatest, 0, &place);
        let mut value = self.inner + self.leaves.len();
        for (number, leaf) in self.leaves.iter().enumerate() {
            let siblings = siblings(self.inner as u32, self.leaves.len(), number);
            let header = hashed::header(LEAF_MAGIC, siblings, &place(blocks.len()));
            blocks.push(leaf_block(header, &self.list[leaf.clone()], &mut value));
        }
        for attribute in self.list.iter().filter(|attribute| value_blocks(attribute) > 0) {
            for (number, part) in attribute.value.chunks(VALUE_PART).enumerate() {
                blocks.push(value_block(number, part, &place(blocks.len())));
            }
        }
        blocks
    }
}

/// A leaf; `value` is the number of the next block of values.
fn leaf_block(mut block: Record, list: &[Attribute], value: &mut usize) -> Vec<u8> {
    let used: usize = list.iter().map(name_size).sum();
    let first_used = BLOCK - used;
    let entries_end = LEAF_HEADER + list.len() * LEAF_ENTRY;
    block
        .u16(list.len() as u16)
        .u16(used as u16)
        .u16(first_used as u16);
    block.u8(0).u8(0); // holes, padding
    block
        .u16(entries_end as u16)
        .u16((first_used - entries_end) as u16); // the only free bytes
    block.zeros_to(LEAF_HEADER);
    let mut end = BLOCK;
    for attribute in list {
        end -= name_size(attribute);
        let local = if value_blocks(attribute) == 0 {
            FLAG_LOCAL
        } else {
            0
        };
        block
            .u32(attribute.hash)
            .u16(end as u16)
            .u8(attribute.flags | local)
            .u8(0);
    }
    block.zeros_to(first_used);
    // The places go down from the end of the block: block numbers are given in the order of the attributes all the same.
    let mut numbers = Vec::new();
    for attribute in list {
        numbers.push(*value);
        *value += value_blocks(attribute);
    }
    for (attribute, number) in list.iter().zip(numbers).rev() {
        let Attribute { name, value, .. } = attribute;
        let end = block.0.len() + name_size(attribute);
        if value_blocks(attribute) == 0 {
            block
                .u16(value.len() as u16)
                .u8(name.len() as u8)
                .bytes(name)
                .bytes(value);
        } else {
            block
                .u32(number as u32)
                .u32(value.len() as u32)
                .u8(name.len() as u8)
                .bytes(name);
        }
        block.zeros_to(end);
    }
    block.sealed(BLOCK, hashed::CHECKSUM_AT)
}

fn value_block(number: usize, part: &[u8], place: &Place) -> Vec<u8> {
    let mut block = Record::default();
    block
        .u32(VALUE_MAGIC)
        .u32((number * VALUE_PART) as u32)
        .u32(part.len() as u32);
    block.u32(0); // checksum
    block
        .bytes(&place.uuid)
        .u64(place.owner)
        .u64(place.sector)
        .u64(VALUE_LSN);
    block.bytes(part);
    block.sealed(BLOCK, VALUE_CHECKSUM_AT)
}

/// Bytes at the end of a leaf that an attribute needs.
fn name_size(attribute: &Attribute) -> usize {
    let local = local_size(attribute);
    if local < LOCAL_LIMIT {
        local
    } else {
        (REMOTE + attribute.name.len()).next_multiple_of(NAME_ALIGNMENT)
    }
}

fn local_size(attribute: &Attribute) -> usize {
    (LOCAL + attribute.name.len() + attribute.value.len()).next_multiple_of(NAME_ALIGNMENT)
}

fn value_blocks(attribute: &Attribute) -> usize {
    if local_size(attribute) < LOCAL_LIMIT {
        0
    } else {
        attribute.value.len().div_ceil(VALUE_PART)
    }
}
