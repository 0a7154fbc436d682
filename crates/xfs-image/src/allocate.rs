//! Which blocks of the groups are whose. Nothing is ever given back: in each group there are first the fixed blocks, then inodes, then
//! everything else in the order in which it is asked for, and what is free is at the end.

use std::ops::Range;

use crate::format::{CHUNK_BLOCKS, CHUNK_INODES, INODES_PER_BLOCK_LOG, levels};
use crate::geometry::{FIRST_BLOCK, Geometry};

/// Blocks of the free list that a group begins with.
pub(crate) const FREE_LIST: u32 = 4;
/// Records of a leaf and of a node of the tree of inodes.
pub(crate) const INODE_TREE: (usize, usize) = (252, 505);
/// Inodes that are no node's: the realtime bitmap's and summary's, after the root's.
pub(crate) const REALTIME_INODES: Range<u64> = 1..3;

/// Blocks one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of the first in the filesystem.
    pub(crate) start: u64,
    /// How many they are.
    pub(crate) blocks: u64,
}

/// The blocks of a group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// First block of the free list.
    pub(crate) free_list: u32,
    /// First block of the inodes.
    pub(crate) inodes: u32,
    /// Chunks of inodes in it, and in all groups before it.
    pub(crate) chunks: u64,
    pub(crate) chunks_before: u64,
    /// First block of the blocks of the inodes' tree besides its root.
    pub(crate) inode_tree: u32,
    /// First block that is not taken yet.
    next: u32,
    /// End of what is to be taken, so that all groups have free blocks.
    quota: u32,
    /// Length of the group.
    pub(crate) length: u32,
}

impl Group {
    /// The free blocks, in order.
    pub(crate) fn free(&self) -> Vec<Range<u32>> {
        let fixed = self.free_list + FREE_LIST;
        let before = if self.chunks == 0 { fixed } else { self.inodes };
        [fixed..before, self.next..self.length]
            .into_iter()
            .filter(|free| !free.is_empty())
            .collect()
    }
}

/// All groups, and where allocation is.
pub(crate) struct Groups {
    pub(crate) geometry: Geometry,
    pub(crate) groups: Vec<Group>,
    current: usize,
    /// Whether quotas count no more.
    squeezed: bool,
}

impl Groups {
    /// Groups for so many inodes, those of the realtime files included, and so many blocks besides.
    pub(crate) fn new(geometry: Geometry, inodes: u64, blocks: u64) -> Self {
        let chunks = inodes.div_ceil(CHUNK_INODES);
        let firsts = |group: u32| {
            FIRST_BLOCK
                + if group == geometry.log_group {
                    geometry.log_blocks
                } else {
                    0
                }
        };
        let usable = |group: u32| {
            let fixed = firsts(group) + FREE_LIST + CHUNK_BLOCKS;
            u64::from(geometry.length(group).saturating_sub(fixed))
        };
        let all: u64 = (0..geometry.groups).map(usable).sum();
        let share = |of: u64, group: u32| {
            (u128::from(of) * u128::from(usable(group)) / u128::from(all.max(1))) as u64
        };
        let taken = blocks.saturating_add(chunks * u64::from(CHUNK_BLOCKS));
        let free = all.saturating_sub(taken);
        let mut rest = chunks
            - (0..geometry.groups)
                .map(|group| share(chunks, group))
                .sum::<u64>();
        let mut chunks_before = 0;
        let mut groups = Vec::new();
        for number in 0..geometry.groups {
            let length = geometry.length(number);
            let more = rest.min(1);
            rest -= more;
            let chunks = share(chunks, number) + more;
            let free_list = firsts(number);
            let inodes = match chunks {
                0 => free_list + FREE_LIST,
                _ => (free_list + FREE_LIST).next_multiple_of(CHUNK_BLOCKS),
            };
            let inode_tree = inodes + chunks as u32 * CHUNK_BLOCKS;
            let levels = levels(chunks as usize, INODE_TREE.0, INODE_TREE.1, 1);
            let next = inode_tree + levels.iter().sum::<usize>() as u32 - 1;
            groups.push(Group {
                free_list,
                inodes,
                chunks,
                chunks_before,
                inode_tree,
                next,
                quota: length.saturating_sub(share(free, number) as u32).max(next),
                length,
            });
            chunks_before += chunks;
        }
        Self {
            geometry,
            groups,
            current: 0,
            squeezed: false,
        }
    }

    /// Takes blocks, in as many pieces as there must be. `None` when there are no more.
    pub(crate) fn take(&mut self, mut blocks: u64) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        while blocks > 0 {
            let Some(group) = self.groups.get_mut(self.current) else {
                if self.squeezed {
                    return None;
                }
                (self.squeezed, self.current) = (true, 0);
                continue;
            };
            let end = if self.squeezed { group.length } else { group.quota };
            let taken = blocks.min(end.saturating_sub(group.next).into());
            if taken == 0 {
                self.current += 1;
                continue;
            }
            pieces.push(Piece {
                start: self.geometry.block(self.current as u32, group.next),
                blocks: taken,
            });
            group.next += taken as u32;
            blocks -= taken;
        }
        Some(pieces)
    }

    /// Number of an inode from its position among all inodes.
    pub(crate) fn inode(&self, position: u64) -> u64 {
        let chunk = position / CHUNK_INODES;
        let after = self.groups.partition_point(|group| group.chunks_before <= chunk);
        // Groups without inodes have the same number before them as the next one.
        let number = after.saturating_sub(1);
        let Some(group) = self.groups.get(number) else {
            return 0;
        };
        let block = u64::from(group.inodes) + (chunk - group.chunks_before) * u64::from(CHUNK_BLOCKS);
        ((self.geometry.block(number as u32, 0) | block) << INODES_PER_BLOCK_LOG) | (position % CHUNK_INODES)
    }
}

/// Position of a node's inode among all inodes.
pub(crate) fn position(node: usize) -> u64 {
    match node {
        0 => 0,
        node => node as u64 + (REALTIME_INODES.end - REALTIME_INODES.start),
    }
}
