//! Blocks of directories.

use crate::format::{BLOCK, NO_LSN, Place, Record};
use crate::hashed::{self, hash, siblings};

/// Block of the fork that the index begins with, at 32 GiB, and the first list of free bytes, at 64 GiB.
pub(crate) const INDEX: u32 = (32_u64 << 30 >> 12) as u32;
pub(crate) const FREE: u32 = (64_u64 << 30 >> 12) as u32;

const SINGLE_MAGIC: u32 = 0x5844_4233;
const DATA_MAGIC: u32 = 0x5844_4433;
const FREE_MAGIC: u32 = 0x5844_4633;
const LEAF_MAGIC: u16 = 0x3df1;
const INNER_LEAF_MAGIC: u16 = 0x3dff;
/// Bytes of the header of each kind of block.
const HEADER: usize = 64;
const CHECKSUM_AT: usize = 4;
/// Bytes of an entry without its name: inode number, length of the name, type, offset.
const ENTRY: usize = 12;
/// What the place of an entry is a multiple of; also the unit of addresses.
const ALIGNMENT: usize = 8;
/// Bytes of an offset.
const TAG: usize = 2;
const UNUSED: u16 = 0xffff;
/// Bytes of a hash with its address.
const HASH: usize = 8;
/// Bytes of the counts at the end of a single block.
const SINGLE_TAIL: usize = 8;
/// Bytes of the count at the end of a leaf.
const LEAF_TAIL: usize = 4;
/// Bytes of the free bytes of a block in a list.
const BEST: usize = 2;
/// Entries of a leaf of a tree, and of a list of free bytes.
const INNER_LEAF_ENTRIES: usize = (BLOCK - HEADER) / HASH;
const FREE_ENTRIES: usize = (BLOCK - HEADER) / BEST;

/// An entry.
pub(crate) struct Item<'a> {
    /// Its name.
    pub(crate) name: &'a [u8],
    /// Its inode's number.
    pub(crate) inode: u64,
    /// Number of its type.
    pub(crate) file_type: u8,
}

/// An entry and its place.
pub(crate) struct Entry<'a> {
    /// The entry.
    pub(crate) item: &'a Item<'a>,
    /// Its data block.
    pub(crate) block: usize,
    /// Its offset in it.
    pub(crate) offset: usize,
}

/// Places entries one after the other.
pub(crate) struct Filler {
    block: usize,
    at: usize,
}

impl Filler {
    pub(crate) fn new() -> Self {
        Self { block: 0, at: HEADER }
    }

    /// Returns block and offset for an entry with a name of so many bytes.
    pub(crate) fn place(&mut self, name: usize) -> (usize, usize) {
        let size = entry_size(name);
        if self.at + size > BLOCK {
            self.block += 1;
            self.at = HEADER;
        }
        let offset = self.at;
        self.at += size;
        (self.block, offset)
    }

    /// Number of blocks up to now.
    pub(crate) fn blocks(&self) -> usize {
        self.block + 1
    }

    /// Bytes that are used of the last block.
    pub(crate) fn used(&self) -> usize {
        self.at
    }
}

fn entry_size(name: usize) -> usize {
    (ENTRY + name).next_multiple_of(ALIGNMENT)
}

/// Bytes of the index that is in the block of a small directory.
pub(crate) fn index_in_block(entries: usize) -> usize {
    entries * HASH + SINGLE_TAIL
}

/// Bytes of the index of a directory if it is one leaf.
pub(crate) fn leaf_size(entries: usize, data: usize) -> usize {
    HEADER + entries * HASH + data * BEST + LEAF_TAIL
}

/// Blocks of the index if it is a tree, for the sorted hashes of all names.
pub(crate) fn index_blocks(hashes: &[u32]) -> usize {
    let leaves = hashed::divide(hashes, |_| 1, INNER_LEAF_ENTRIES).len();
    leaves + hashed::inner_blocks(leaves)
}

/// Blocks of the lists of free bytes.
pub(crate) fn free_blocks(data: usize) -> usize {
    data.div_ceil(FREE_ENTRIES)
}

/// The block of a small directory.
pub(crate) fn single(entries: &[Entry], place: &Place) -> Vec<u8> {
    let end = BLOCK - index_in_block(entries.len());
    let (mut block, _) = data_block(SINGLE_MAGIC, entries, end, place);
    for (hash, address) in hashes(entries) {
        block.u32(hash).u32(address);
    }
    block.u32(entries.len() as u32).u32(0); // of which stale
    block.sealed(BLOCK, CHECKSUM_AT)
}

/// Data blocks, and the longest free bytes of each.
pub(crate) fn data(
    entries: &[Entry],
    blocks: usize,
    place: impl Fn(usize) -> Place,
) -> (Vec<Vec<u8>>, Vec<u16>) {
    let mut rest = entries;
    (0..blocks)
        .map(|number| {
            let (these, others) = rest.split_at(rest.partition_point(|entry| entry.block <= number));
            rest = others;
            let (block, best) = data_block(DATA_MAGIC, these, BLOCK, &place(number));
            (block.sealed(BLOCK, CHECKSUM_AT), best)
        })
        .unzip()
}

/// The leaf of a directory that has only one.
pub(crate) fn leaf(entries: &[Entry], best: &[u16], place: &Place) -> Vec<u8> {
    let mut block = index_block(LEAF_MAGIC, &hashes(entries), siblings(INDEX, 1, 0), place);
    block.zeros_to(BLOCK - LEAF_TAIL - best.len() * BEST);
    for best in best {
        block.u16(*best);
    }
    block.u32(best.len() as u32);
    block.sealed(BLOCK, hashed::CHECKSUM_AT)
}

/// The index of a large directory: the tree's root, the blocks below it, the leaves.
pub(crate) fn index(entries: &[Entry], place: impl Fn(usize) -> Place) -> Vec<Vec<u8>> {
    let hashes = hashes(entries);
    let only: Vec<u32> = hashes.iter().map(|(hash, _)| *hash).collect();
    let leaves = hashed::divide(&only, |_| 1, INNER_LEAF_ENTRIES);
    let greatest: Vec<u32> = leaves.iter().map(|leaf| only[leaf.end - 1]).collect();
    let mut blocks = hashed::inner(&greatest, INDEX, &place);
    let above = blocks.len();
    for (number, leaf) in leaves.iter().enumerate() {
        let siblings = siblings(INDEX + above as u32, leaves.len(), number);
        let block = index_block(
            INNER_LEAF_MAGIC,
            &hashes[leaf.clone()],
            siblings,
            &place(above + number),
        );
        blocks.push(block.sealed(BLOCK, hashed::CHECKSUM_AT));
    }
    blocks
}

/// Lists of the free bytes of data blocks.
pub(crate) fn free_lists(best: &[u16], place: impl Fn(usize) -> Place) -> Vec<Vec<u8>> {
    best.chunks(FREE_ENTRIES)
        .enumerate()
        .map(|(number, best)| {
            let mut block = header(FREE_MAGIC, &place(number));
            block.u32((number * FREE_ENTRIES) as u32);
            block.u32(best.len() as u32).u32(best.len() as u32); // known, of which there are blocks
            block.zeros_to(HEADER);
            for best in best {
                block.u16(*best);
            }
            block.sealed(BLOCK, CHECKSUM_AT)
        })
        .collect()
}

fn header(magic: u32, place: &Place) -> Record {
    let mut block = Record::default();
    block.u32(magic).u32(0); // checksum
    block
        .u64(place.sector)
        .u64(NO_LSN)
        .bytes(&place.uuid)
        .u64(place.owner);
    block
}

/// A data block up to `end`, and its free bytes.
fn data_block(magic: u32, entries: &[Entry], end: usize, place: &Place) -> (Record, u16) {
    let last = entries.last();
    let used = last.map_or(HEADER, |entry| entry.offset + entry_size(entry.item.name.len()));
    let free = end - used;
    let mut block = header(magic, place);
    if free > 0 {
        block.u16(used as u16).u16(free as u16); // the longest free bytes; there are no others
    }
    block.zeros_to(HEADER);
    for Entry { item, offset, .. } in entries {
        block
            .u64(item.inode)
            .u8(item.name.len() as u8)
            .bytes(item.name)
            .u8(item.file_type);
        block
            .zeros_to(offset + entry_size(item.name.len()) - TAG)
            .u16(*offset as u16);
    }
    if free > 0 {
        block.u16(UNUSED).u16(free as u16);
        block.zeros_to(end - TAG).u16(used as u16);
    }
    (block, free as u16)
}

fn index_block(magic: u16, hashes: &[(u32, u32)], siblings: hashed::Siblings, place: &Place) -> Record {
    let mut block = hashed::header(magic, siblings, place);
    block.u16(hashes.len() as u16).u16(0); // of which stale
    block.zeros_to(HEADER);
    for (hash, address) in hashes {
        block.u32(*hash).u32(*address);
    }
    block
}

/// Hashes of names with the addresses of their entries, sorted.
fn hashes(entries: &[Entry]) -> Vec<(u32, u32)> {
    let address = |entry: &Entry| ((entry.block * BLOCK + entry.offset) / ALIGNMENT) as u32;
    let mut hashes: Vec<_> = entries
        .iter()
        .map(|entry| (hash(entry.item.name), address(entry)))
        .collect();
    hashes.sort_unstable();
    hashes
}
