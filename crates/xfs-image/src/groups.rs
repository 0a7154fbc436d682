//! Headers of the groups.

use crate::allocate::{FREE_LIST, Group, Groups};
use crate::btree::{Block, Trees, first_inode};
use crate::format::{BLOCK, CHUNK_INODES, NO_BLOCK, NO_LSN, Record, SECTOR, UUID};
use crate::superblock::{Superblock, Totals};

const FREE_MAGIC: u32 = 0x5841_4746;
const INODES_MAGIC: u32 = 0x5841_4749;
const LIST_MAGIC: u32 = 0x5841_464c;
const VERSION: u32 = 1;
const FREE_LSN_AT: usize = 208;
const FREE_CHECKSUM_AT: usize = 216;
const INODES_CHECKSUM_AT: usize = 312;
const LIST_CHECKSUM_AT: usize = 32;
/// Lists of inodes without names.
const UNLINKED: usize = 64;
/// Blocks of the roots of the trees.
const BY_PLACE: u32 = 1;
const BY_LENGTH: u32 = 2;
const INODES: u32 = 3;
const FREE_INODES: u32 = 4;

/// Counts of a group.
struct Counts {
    /// Free blocks in the trees.
    free: u32,
    /// The most of them that are together.
    longest: u32,
    /// Blocks of the tree of inodes.
    height: u32,
    /// Inodes that are used.
    used: u64,
}

/// Used inodes of a group if there are so many in all.
fn used_inodes(group: &Group, inodes: u64) -> u64 {
    let before = group.chunks_before * CHUNK_INODES;
    inodes.saturating_sub(before).min(group.chunks * CHUNK_INODES)
}

fn free_blocks(group: &Group) -> (u32, u32) {
    let free: Vec<u32> = group.free().iter().map(|free| free.end - free.start).collect();
    (free.iter().sum(), free.iter().copied().max().unwrap_or(0))
}

/// Totals of all groups, of which so many inodes are used.
pub(crate) fn totals(groups: &Groups, inodes: u64) -> Totals {
    let chunks: u64 = groups.groups.iter().map(|group| group.chunks).sum();
    let free = groups
        .groups
        .iter()
        .map(|group| u64::from(free_blocks(group).0 + FREE_LIST));
    Totals {
        inodes: chunks * CHUNK_INODES,
        free_inodes: chunks * CHUNK_INODES - inodes,
        free_blocks: free.sum(),
    }
}

/// The blocks at the beginning of a group, and others of its trees.
pub(crate) fn blocks(
    groups: &Groups,
    number: u32,
    inodes: u64,
    totals: &Totals,
    superblock: &Superblock,
) -> Vec<Block> {
    let Some(group) = groups.groups.get(number as usize) else {
        return Vec::new();
    };
    let uuid = &superblock.uuid;
    let byte = groups.geometry.byte(groups.geometry.block(number, 0));
    let trees = Trees {
        uuid,
        group: number,
        sector: byte / SECTOR as u64,
    };
    let used = used_inodes(group, inodes);
    let (mut blocks, height) = trees.inodes(group, used, INODES);
    blocks.push(trees.free_inodes(group, used, FREE_INODES));
    blocks.extend(trees.free(&group.free(), [BY_PLACE, BY_LENGTH]));
    let (free, longest) = free_blocks(group);
    let counts = Counts {
        free,
        longest,
        height,
        used,
    };
    let mut header = superblock.sector(&groups.geometry, totals);
    header.extend(free_header(group, number, &counts, uuid));
    header.extend(inodes_header(group, number, &counts, uuid));
    header.extend(free_list(group, number, uuid));
    header.resize(BLOCK, 0);
    blocks.push(Block {
        number: 0,
        bytes: header,
    });
    blocks
}

fn free_header(group: &Group, number: u32, counts: &Counts, uuid: &[u8; UUID]) -> Vec<u8> {
    let mut header = Record::default();
    header.u32(FREE_MAGIC).u32(VERSION).u32(number).u32(group.length);
    header.u32(BY_PLACE).u32(BY_LENGTH).u32(0); // roots; no tree of owners
    header.u32(1).u32(1).u32(0); // heights
    header.u32(0).u32(FREE_LIST - 1).u32(FREE_LIST); // first, last and number in the free list
    header.u32(counts.free).u32(counts.longest);
    header.u32(0); // blocks of the trees besides the roots
    header.bytes(uuid);
    header.zeros_to(FREE_LSN_AT).u64(NO_LSN);
    header.sealed(SECTOR, FREE_CHECKSUM_AT)
}

fn inodes_header(group: &Group, number: u32, counts: &Counts, uuid: &[u8; UUID]) -> Vec<u8> {
    let all = group.chunks * CHUNK_INODES;
    let newest = group.chunks.checked_sub(1).map(|chunk| first_inode(group, chunk));
    let mut header = Record::default();
    header
        .u32(INODES_MAGIC)
        .u32(VERSION)
        .u32(number)
        .u32(group.length);
    header.u32(all as u32).u32(INODES).u32(counts.height);
    header.u32((all - counts.used) as u32);
    header.u32(newest.unwrap_or(NO_BLOCK)).u32(NO_BLOCK); // of the newest chunk; an unused field
    for _ in 0..UNLINKED {
        header.u32(NO_BLOCK);
    }
    header.bytes(uuid);
    header.u32(0).u32(0).u64(NO_LSN); // checksum, padding
    header.u32(FREE_INODES).u32(1);
    header.sealed(SECTOR, INODES_CHECKSUM_AT)
}

fn free_list(group: &Group, number: u32, uuid: &[u8; UUID]) -> Vec<u8> {
    let mut list = Record::default();
    list.u32(LIST_MAGIC).u32(number).bytes(uuid).u64(NO_LSN);
    list.u32(0); // checksum
    for block in group.free_list..group.free_list + FREE_LIST {
        list.u32(block);
    }
    while list.0.len() < SECTOR {
        list.u32(NO_BLOCK);
    }
    list.sealed(SECTOR, LIST_CHECKSUM_AT)
}
