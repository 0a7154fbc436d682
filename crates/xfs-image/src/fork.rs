//! Extents of a fork: a list in the inode, or a tree of blocks whose root is there.

use std::ops::Range;

use crate::allocate::Piece;
use crate::format::{BLOCK, NO_LONG_BLOCK, NO_LSN, Place, Record, levels, parts};

const MAGIC: u32 = 0x424d_4133;
const HEADER: usize = 72;
const CHECKSUM_AT: usize = 64;
/// Bytes of an extent; also of a key and a pointer together.
const RECORD: usize = 16;
/// Bytes of a key.
const KEY: usize = 8;
/// Bytes before the keys of the root in an inode.
const ROOT_HEADER: usize = 4;
/// Records of a block.
const RECORDS: usize = (BLOCK - HEADER) / RECORD;
/// Blocks that an extent has at most.
const MAX_BLOCKS: u64 = (1 << 21) - 1;
/// Bits of the second half of an extent that are its length, and of the first one that are below the offset.
const LENGTH_BITS: u32 = 21;
const HIGH_START_BITS: u32 = 9;

/// Blocks of a fork that are also neighbours in the filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First block in the fork.
    pub(crate) logical: u64,
    /// Blocks in the filesystem.
    pub(crate) piece: Piece,
}

/// How a fork's extents are stored.
pub(crate) struct Stored {
    /// Whether it is a tree.
    pub(crate) tree: bool,
    /// What is in the inode.
    pub(crate) inline: Vec<u8>,
    /// Blocks of the tree, with their numbers.
    pub(crate) blocks: Vec<(u64, Vec<u8>)>,
}

/// Blocks that ranges of bytes are in.
pub(crate) fn runs(data: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for range in data {
        let run = range.start / BLOCK as u64..range.end.div_ceil(BLOCK as u64);
        match runs.last_mut() {
            Some(last) if last.end >= run.start => last.end = last.end.max(run.end),
            _ => runs.push(run),
        }
    }
    runs
}

/// Number of extents of runs of blocks if each run can be together.
pub(crate) fn count(runs: &[Range<u64>]) -> usize {
    runs.iter()
        .map(|run| (run.end - run.start).div_ceil(MAX_BLOCKS) as usize)
        .sum()
}

/// Lays runs of blocks of a fork on pieces that are as many blocks together.
pub(crate) fn extents(runs: &[Range<u64>], pieces: &[Piece]) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut pieces = pieces.iter().copied();
    let mut piece = Piece { start: 0, blocks: 0 };
    for run in runs {
        let mut logical = run.start;
        while logical < run.end {
            if piece.blocks == 0 {
                let Some(next) = pieces.next() else {
                    return extents;
                };
                piece = next;
                continue;
            }
            let blocks = piece.blocks.min(run.end - logical).min(MAX_BLOCKS);
            extents.push(Extent {
                logical,
                piece: Piece { blocks, ..piece },
            });
            logical += blocks;
            piece.start += blocks;
            piece.blocks -= blocks;
        }
    }
    extents
}

/// Bytes that so many extents need in an inode if they are no tree.
pub(crate) fn list_size(extents: usize) -> usize {
    extents.saturating_mul(RECORD)
}

/// Blocks that the extents need besides what is in an inode with so many bytes for them.
pub(crate) fn tree_blocks(extents: usize, space: usize) -> u64 {
    if list_size(extents) <= space {
        return 0;
    }
    levels(extents, RECORDS, RECORDS, root_records(space))
        .iter()
        .sum::<usize>() as u64
}

/// Stores extents, with the blocks that `tree_blocks` says.
pub(crate) fn store(
    extents: &[Extent],
    space: usize,
    blocks: &[u64],
    place: impl Fn(u64) -> Place,
) -> Stored {
    let records: Vec<_> = extents
        .iter()
        .map(|extent| (extent.logical, record(extent)))
        .collect();
    if list_size(extents.len()) <= space {
        return Stored {
            tree: false,
            inline: records.into_iter().flat_map(|(_, record)| record).collect(),
            blocks: Vec::new(),
        };
    }
    let mut stored = Vec::new();
    let mut numbers = blocks.iter().copied();
    // First logical block of each block of the level below, and its number; at the leaves there is none.
    let mut below: Vec<(u64, u64)> = Vec::new();
    for (level, wanted) in levels(records.len(), RECORDS, RECORDS, root_records(space))
        .into_iter()
        .enumerate()
    {
        let level_blocks: Vec<u64> = numbers.by_ref().take(wanted).collect();
        let count = if level == 0 { records.len() } else { below.len() };
        let mut made = Vec::new();
        for (index, (part, number)) in parts(count, RECORDS).zip(&level_blocks).enumerate() {
            let neighbour = |index: Option<usize>| index.and_then(|index| level_blocks.get(index).copied());
            let left = neighbour(index.checked_sub(1));
            let mut block = header(
                level,
                part.len(),
                left,
                neighbour(Some(index + 1)),
                &place(*number),
            );
            let first = if level == 0 {
                for (_, record) in &records[part.clone()] {
                    block.bytes(record);
                }
                records[part.start].0
            } else {
                children(&mut block, &below[part.clone()], HEADER, RECORDS);
                below[part.start].0
            };
            made.push((first, *number));
            stored.push((*number, block.sealed(BLOCK, CHECKSUM_AT)));
        }
        below = made;
    }
    let mut root = Record::default();
    let height = levels(records.len(), RECORDS, RECORDS, root_records(space)).len();
    root.u16(height as u16).u16(below.len() as u16);
    children(&mut root, &below, ROOT_HEADER, root_records(space));
    Stored {
        tree: true,
        inline: root.0,
        blocks: stored,
    }
}

fn root_records(space: usize) -> usize {
    (space.saturating_sub(ROOT_HEADER) / RECORD).max(1)
}

fn record(extent: &Extent) -> [u8; RECORD] {
    let high = extent.logical << HIGH_START_BITS | extent.piece.start >> (u64::BITS - LENGTH_BITS);
    let low = extent.piece.start << LENGTH_BITS | extent.piece.blocks;
    (u128::from(high) << u64::BITS | u128::from(low)).to_be_bytes()
}

fn header(level: usize, records: usize, left: Option<u64>, right: Option<u64>, place: &Place) -> Record {
    let mut block = Record::default();
    block.u32(MAGIC).u16(level as u16).u16(records as u16);
    block
        .u64(left.unwrap_or(NO_LONG_BLOCK))
        .u64(right.unwrap_or(NO_LONG_BLOCK));
    block
        .u64(place.sector)
        .u64(NO_LSN)
        .bytes(&place.uuid)
        .u64(place.owner);
    block.zeros_to(HEADER);
    block
}

/// Puts keys and, behind the place of as many as there may be, pointers.
fn children(block: &mut Record, children: &[(u64, u64)], keys_at: usize, max: usize) {
    for (key, _) in children {
        block.u64(*key);
    }
    block.zeros_to(keys_at + max * KEY);
    for (_, number) in children {
        block.u64(*number);
    }
}
