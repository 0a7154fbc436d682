//! Trees of a group: of free blocks, by place and by length, and of inodes.

use std::ops::Range;

use crate::allocate::{Group, INODE_TREE};
use crate::format::{
    BLOCK, CHUNK_BLOCKS, CHUNK_INODES, INODES_PER_BLOCK_LOG, NO_BLOCK, NO_LSN, Record, UUID, levels, parts,
};

const FREE_BY_PLACE: u32 = 0x4142_3342;
const FREE_BY_LENGTH: u32 = 0x4142_3343;
const INODES: u32 = 0x4941_4233;
const FREE_INODES: u32 = 0x4649_4233;
const HEADER: usize = 56;
const CHECKSUM_AT: usize = 52;
/// Bytes of a key of the trees of inodes.
const INODE_KEY: usize = 4;

/// A block that is to be in the group.
pub(crate) struct Block {
    /// Its number there.
    pub(crate) number: u32,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Where the trees of a group are.
pub(crate) struct Trees<'a> {
    /// UUID of the filesystem.
    pub(crate) uuid: &'a [u8; UUID],
    /// Number of the group.
    pub(crate) group: u32,
    /// First sector of the group.
    pub(crate) sector: u64,
}

impl Trees<'_> {
    fn header(&self, magic: u32, level: usize, records: usize, siblings: [u32; 2], number: u32) -> Record {
        let mut block = Record::default();
        block.u32(magic).u16(level as u16).u16(records as u16);
        block.u32(siblings[0]).u32(siblings[1]);
        block.u64(self.sector + u64::from(number) * (BLOCK / crate::format::SECTOR) as u64);
        block.u64(NO_LSN).bytes(self.uuid).u32(self.group);
        block.zeros_to(HEADER);
        block
    }

    fn root(&self, magic: u32, number: u32, records: &[Vec<u8>]) -> Block {
        let mut block = self.header(magic, 0, records.len(), [NO_BLOCK; 2], number);
        block.bytes(&records.concat());
        let bytes = block.sealed(BLOCK, CHECKSUM_AT);
        Block { number, bytes }
    }

    /// Both trees of free blocks, of which there are few: each is a root.
    pub(crate) fn free(&self, free: &[Range<u32>], roots: [u32; 2]) -> [Block; 2] {
        let records = |free: &[Range<u32>]| -> Vec<Vec<u8>> {
            let record = |free: &Range<u32>| {
                [free.start.to_be_bytes(), (free.end - free.start).to_be_bytes()].concat()
            };
            free.iter().map(record).collect()
        };
        let mut by_length = free.to_vec();
        by_length.sort_by_key(|free| (free.end - free.start, free.start));
        [
            self.root(FREE_BY_PLACE, roots[0], &records(free)),
            self.root(FREE_BY_LENGTH, roots[1], &records(&by_length)),
        ]
    }

    /// The tree of those chunks of which inodes are free: the last one, or none.
    pub(crate) fn free_inodes(&self, group: &Group, used: u64, root: u32) -> Block {
        let chunk = used / CHUNK_INODES;
        let records = if chunk < group.chunks {
            vec![chunk_record(group, chunk, used)]
        } else {
            Vec::new()
        };
        self.root(FREE_INODES, root, &records)
    }

    /// The tree of all chunks, of which so many inodes are used, with its height.
    pub(crate) fn inodes(&self, group: &Group, used: u64, root: u32) -> (Vec<Block>, u32) {
        let chunks = group.chunks as usize;
        let shape = levels(chunks, INODE_TREE.0, INODE_TREE.1, 1);
        let mut blocks = Vec::new();
        let mut next = group.inode_tree;
        // First inode of each block of the level below, and its number.
        let mut below: Vec<(u32, u32)> = Vec::new();
        for (level, count) in shape.iter().enumerate() {
            let first = if level + 1 == shape.len() { root } else { next };
            let number = |index: usize| first + index as u32;
            let (records, max) = if level == 0 {
                (chunks, INODE_TREE.0)
            } else {
                (below.len(), INODE_TREE.1)
            };
            let mut made = Vec::new();
            for (index, part) in parts(records, max).enumerate() {
                let left = if index > 0 { number(index - 1) } else { NO_BLOCK };
                let right = if index + 1 < *count {
                    number(index + 1)
                } else {
                    NO_BLOCK
                };
                let mut block = self.header(INODES, level, part.len(), [left, right], number(index));
                if level == 0 {
                    made.push((first_inode(group, part.start as u64), number(index)));
                    for chunk in part {
                        block.bytes(&chunk_record(group, chunk as u64, used));
                    }
                } else {
                    made.push((below[part.start].0, number(index)));
                    for (inode, _) in &below[part.clone()] {
                        block.u32(*inode);
                    }
                    block.zeros_to(HEADER + INODE_TREE.1 * INODE_KEY);
                    for (_, child) in &below[part] {
                        block.u32(*child);
                    }
                }
                let bytes = block.sealed(BLOCK, CHECKSUM_AT);
                blocks.push(Block {
                    number: number(index),
                    bytes,
                });
            }
            next += *count as u32;
            below = made;
        }
        (blocks, shape.len() as u32)
    }
}

/// Number in the group of a chunk's first inode.
pub(crate) fn first_inode(group: &Group, chunk: u64) -> u32 {
    (group.inodes + chunk as u32 * CHUNK_BLOCKS) << INODES_PER_BLOCK_LOG
}

fn chunk_record(group: &Group, chunk: u64, used: u64) -> Vec<u8> {
    let used = used.saturating_sub(chunk * CHUNK_INODES).min(CHUNK_INODES) as u32;
    let free = u64::MAX.checked_shl(used).unwrap_or(0);
    let mut record = Record::default();
    record.u32(first_inode(group, chunk)).u16(0); // no part of it lacks
    record
        .u8(CHUNK_INODES as u8)
        .u8(free.count_ones() as u8)
        .u64(free);
    record.0
}
