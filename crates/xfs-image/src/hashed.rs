//! Blocks that are sorted by the hashes of names: what directories and attributes have in common.

use std::ops::Range;

use crate::format::{BLOCK, NO_LSN, Place, Record, levels, parts};

/// Offset of their checksum.
pub(crate) const CHECKSUM_AT: usize = 12;
const NODE_MAGIC: u16 = 0x3ebe;
const NODE_HEADER: usize = 64;
const NODE_ENTRY: usize = 8;
/// Entries of an inner block.
const NODE_ENTRIES: usize = (BLOCK - NODE_HEADER) / NODE_ENTRY;

/// Hash of a name.
pub(crate) fn hash(name: &[u8]) -> u32 {
    let mut hash = 0_u32;
    let mut quads = name.chunks_exact(4);
    for quad in &mut quads {
        hash = hash.rotate_left(28) ^ sevens(quad);
    }
    let rest = quads.remainder();
    hash.rotate_left(7 * rest.len() as u32) ^ sevens(rest)
}

/// Bytes, each 7 bits further up than the next.
fn sevens(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| sum << 7 ^ u32::from(*byte))
}

/// Divides entries with sorted hashes into leaves of at most so much. Those of the same hash stay together where they can: xfs_repair takes
/// them for damage if two leaves have them.
pub(crate) fn divide(hashes: &[u32], size: impl Fn(usize) -> usize, room: usize) -> Vec<Range<usize>> {
    let mut leaves = Vec::new();
    let (mut first, mut used) = (0, 0);
    // First of those with the hash of the entry at hand.
    let mut same = 0;
    for (index, hash) in hashes.iter().enumerate() {
        if index > 0 && hashes[index - 1] != *hash {
            same = index;
        }
        if used + size(index) > room {
            let end = if same > first { same } else { index };
            leaves.push(first..end);
            used = (end..index).map(&size).sum();
            first = end;
            // What stays together may leave no room for the entry.
            if used + size(index) > room && first < index {
                leaves.push(first..index);
                (first, used) = (index, 0);
            }
        }
        used += size(index);
    }
    leaves.push(first..hashes.len());
    leaves
}

/// Numbers of blocks of a tree with so many leaves, level by level from the leaves up.
fn shape(leaves: usize) -> Vec<usize> {
    levels(leaves, 1, NODE_ENTRIES, 1)
}

/// Number of the blocks above so many leaves.
pub(crate) fn inner_blocks(leaves: usize) -> usize {
    shape(leaves).iter().skip(1).sum()
}

/// Neighbours of a block in its level.
#[derive(Clone, Copy)]
pub(crate) struct Siblings {
    forward: u32,
    back: u32,
}

/// Neighbours of a block of a level whose blocks have numbers without gaps in the fork.
pub(crate) fn siblings(first: u32, count: usize, index: usize) -> Siblings {
    Siblings {
        forward: if index + 1 < count {
            first + index as u32 + 1
        } else {
            0
        },
        back: if index > 0 { first + index as u32 - 1 } else { 0 },
    }
}

/// The header that all have.
pub(crate) fn header(magic: u16, siblings: Siblings, place: &Place) -> Record {
    let mut block = Record::default();
    block.u32(siblings.forward).u32(siblings.back).u16(magic).u16(0);
    block.u32(0); // checksum
    block
        .u64(place.sector)
        .u64(NO_LSN)
        .bytes(&place.uuid)
        .u64(place.owner);
    block
}

/// The blocks above leaves, from the root on. The root has the number `first` in the fork, the others follow, and then the leaves, whose
/// greatest hashes are given.
pub(crate) fn inner(leaves: &[u32], first: u32, place: impl Fn(usize) -> Place) -> Vec<Vec<u8>> {
    let shape = shape(leaves.len());
    // Number in the fork of each level's first block, from the leaves up.
    let firsts: Vec<u32> = (0..shape.len())
        .map(|level| first + shape[level + 1..].iter().sum::<usize>() as u32)
        .collect();
    let mut made: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut hashes = leaves.to_vec();
    for level in 1..shape.len() {
        let mut above = Vec::new();
        for (index, part) in parts(hashes.len(), NODE_ENTRIES).enumerate() {
            let number = firsts[level] + index as u32;
            let siblings = siblings(firsts[level], shape[level], index);
            let mut block = header(NODE_MAGIC, siblings, &place((number - first) as usize));
            block.u16(part.len() as u16).u16(level as u16);
            block.zeros_to(NODE_HEADER);
            for child in part.clone() {
                block.u32(hashes[child]).u32(firsts[level - 1] + child as u32);
            }
            above.push(hashes[part.end - 1]);
            made.push((number, block.sealed(BLOCK, CHECKSUM_AT)));
        }
        hashes = above;
    }
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, block)| block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes() {
        // As the kernel has them of `.`, `..` and names of more than four bytes.
        assert_eq!((hash(b"."), hash(b"..")), (0x2e, 0x172e));
        assert_eq!(hash(b"abcd"), (0x61 << 21) ^ (0x62 << 14) ^ (0x63 << 7) ^ 0x64);
    }
}
