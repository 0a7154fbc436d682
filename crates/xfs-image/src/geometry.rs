//! Size of the filesystem and its division into allocation groups.

use image_tree::{Error, Options};

use crate::format::{BLOCK, CHUNK_BLOCKS, INODES_PER_BLOCK_LOG};

/// Blocks of 1 MiB.
const MIB: u64 = (1 << 20) / BLOCK as u64;
/// Blocks of the smallest image: two groups of 16 MiB, the least that mkfs.xfs makes.
const MIN_BLOCKS: u64 = 32 * MIB;
/// Blocks of the largest image: a file has no more bytes.
const MAX_BLOCKS: u64 = i64::MAX as u64 / BLOCK as u64;
/// Blocks from which on there are four groups and not two.
const FOUR_GROUPS: u64 = 64 * MIB;
/// Blocks of the largest group: a block less than 1 TiB, as mkfs.xfs makes it.
const MAX_GROUP_BLOCKS: u64 = (1 << 28) - 1;
/// Blocks of the smallest and of the ordinary largest log. The kernel asks for 857 blocks or less.
const LOG_BLOCKS: (u64, u64) = (10 * MIB, 64 * MIB);
/// Part of a small filesystem that its log is.
const SMALL_LOG_PART: u64 = 16;
/// Part of a large filesystem that its log is, as mkfs.xfs has it.
const LARGE_LOG_PART: u64 = 2048;
/// Blocks of the largest log that the kernel takes: 10 MiB less than 2 GiB.
const MAX_LOG_BLOCKS: u64 = 2038 * MIB;
/// The kernel keeps this part, but not more than this many blocks, from users when it mounts.
const KERNEL_RESERVE: (u64, u64) = (20, 8192);
/// Blocks that each group may lose: its headers, trees and free list, the alignment of inodes, extents that are divided because it ends,
/// and what the kernel sets aside.
const GROUP_OVERHEAD: u64 = 64;
/// Least records of a block of the tree of free inodes, for which the kernel reserves blocks.
const FREE_INODE_RECORDS: u64 = 126;
/// Groups that the overhead is reckoned for at least, so that a larger image never needs more.
const MIN_OVERHEAD_GROUPS: u64 = 4;

/// Block that the log begins with in its group, after the headers and the roots of the trees.
pub(crate) const FIRST_BLOCK: u32 = 5;

/// Sizes of the filesystem, in blocks, and numbers of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// Blocks of the filesystem.
    pub(crate) blocks: u64,
    /// Blocks of each group but the last.
    pub(crate) group_blocks: u32,
    /// Number of groups.
    pub(crate) groups: u32,
    /// Bits of a block's number in its group.
    pub(crate) group_log: u8,
    /// Group with the log.
    pub(crate) log_group: u32,
    /// Blocks of the log.
    pub(crate) log_blocks: u32,
}

impl Geometry {
    /// Division of so many blocks.
    pub(crate) fn of(blocks: u64) -> Self {
        let groups = if blocks < FOUR_GROUPS {
            2
        } else {
            blocks.div_ceil(MAX_GROUP_BLOCKS).max(4)
        };
        let group_blocks = blocks.div_ceil(groups);
        // Rounding up may leave nothing for the last of very many groups.
        let groups = blocks.div_ceil(group_blocks);
        Self {
            blocks,
            group_blocks: group_blocks as u32,
            groups: groups as u32,
            group_log: group_blocks.next_power_of_two().trailing_zeros() as u8,
            log_group: groups as u32 / 2,
            log_blocks: log_blocks(blocks) as u32,
        }
    }

    /// Division of an image for so many blocks of content.
    pub(crate) fn choose(content: u64, options: &Options) -> Result<Self, Error> {
        let free = options.free.div_ceil(BLOCK as u64);
        let Some(size) = options.size else {
            let blocks = fitting(content.saturating_add(free), MIN_BLOCKS).ok_or_else(too_large)?;
            return Ok(Self::of(blocks));
        };
        let blocks = size / BLOCK as u64;
        if blocks > MAX_BLOCKS {
            return Err(too_large());
        }
        if blocks >= MIN_BLOCKS && needed(content, blocks) <= blocks {
            return Ok(Self::of(blocks));
        }
        let needed = fitting(content, blocks.max(MIN_BLOCKS)).ok_or_else(too_large)?;
        let needed = needed * BLOCK as u64;
        Err(Error::TooSmall { size, needed })
    }

    /// Blocks of a group.
    pub(crate) fn length(&self, group: u32) -> u32 {
        let before = u64::from(group) * u64::from(self.group_blocks);
        (self.blocks - before).min(self.group_blocks.into()) as u32
    }

    /// Number of a block in the filesystem.
    pub(crate) fn block(&self, group: u32, block: u32) -> u64 {
        u64::from(group) << self.group_log | u64::from(block)
    }

    /// Where a block is in the image, in bytes.
    pub(crate) fn byte(&self, block: u64) -> u64 {
        let (group, block) = (block >> self.group_log, block & ((1 << self.group_log) - 1));
        (group * u64::from(self.group_blocks) + block) * BLOCK as u64
    }

    /// Bits of an inode's number in its group.
    pub(crate) fn inode_log(&self) -> u8 {
        self.group_log + INODES_PER_BLOCK_LOG
    }

    /// Whether there may be inodes whose numbers need more than 32 bits.
    pub(crate) fn has_wide_inodes(&self) -> bool {
        u64::from(self.groups) << self.inode_log() > u64::from(u32::MAX)
    }
}

fn log_blocks(blocks: u64) -> u64 {
    let small = (blocks / SMALL_LOG_PART).clamp(LOG_BLOCKS.0, LOG_BLOCKS.1);
    small.max(blocks / LARGE_LOG_PART).min(MAX_LOG_BLOCKS)
}

fn too_large() -> Error {
    Error::Unfit {
        path: b"/".to_vec(),
        why: "an image of so many bytes cannot be a file".into(),
    }
}

/// Least blocks, in whole MiB and not below `from`, that the content fits into.
fn fitting(content: u64, from: u64) -> Option<u64> {
    let mut blocks = from.next_multiple_of(MIB);
    // What is needed rises slower than what there is: this ends.
    while blocks <= MAX_BLOCKS {
        let needed = needed(content, blocks);
        if needed <= blocks {
            return Some(blocks);
        }
        blocks = needed.checked_next_multiple_of(MIB)?;
    }
    None
}

/// Blocks that the content needs in a filesystem of so many blocks, with what belongs to a filesystem and what the kernel reserves.
fn needed(content: u64, blocks: u64) -> u64 {
    let geometry = Geometry::of(blocks);
    let reserve = (blocks / KERNEL_RESERVE.0).min(KERNEL_RESERVE.1);
    let records = u64::from(geometry.group_blocks / CHUNK_BLOCKS);
    let group = GROUP_OVERHEAD + records.div_ceil(FREE_INODE_RECORDS);
    let groups = u64::from(geometry.groups).max(MIN_OVERHEAD_GROUPS);
    content
        .saturating_add(u64::from(geometry.log_blocks) + reserve)
        .saturating_add(group.saturating_mul(groups))
}
