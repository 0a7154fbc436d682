//! The superblock.

use crate::format::{
    BLOCK, BLOCK_LOG, CHUNK_BLOCKS, INODE, INODE_LOG, INODES_PER_BLOCK_LOG, NO_LSN, Record, SECTOR,
    SECTOR_LOG, UUID,
};
use crate::geometry::{FIRST_BLOCK, Geometry};

const MAGIC: u32 = 0x5846_5342;
const CHECKSUM_AT: usize = 224;
/// Version 5 with the flags that it always has: link counts of 32 bits, aligned inodes, a log of version 2, flags of extents, directories of
/// version 2, more features.
const VERSION: u16 = 5 | 0x0020 | 0x0080 | 0x0400 | 0x1000 | 0x2000 | 0x8000;
/// Set with the first attribute.
const VERSION_ATTRIBUTES: u16 = 0x0010;
/// Counters that are exact only after unmounting, attributes of version 2, project numbers of 32 bits, checksums.
const FEATURES: u32 = 0x02 | 0x08 | 0x80 | 0x100;
/// Tree of free inodes.
const READ_ONLY_FEATURES: u32 = 0x1;
/// File types in directories, chunks of inodes with gaps.
const INCOMPATIBLE_FEATURES: u32 = 0x1 | 0x2;
const BIG_TIME: u32 = 0x8;
/// Blocks that the place of a chunk with gaps is a multiple of.
const SPARSE_ALIGNMENT: u32 = CHUNK_BLOCKS / 2;
/// Bytes of a label.
pub(crate) const LABEL: usize = 12;
/// Percentages of the blocks that inodes may be, and the bytes up to which each is the default of mkfs.xfs.
const INODE_PERCENT: [(u64, u8); 3] = [(1 << 40, 25), (50 << 40, 5), (u64::MAX, 1)];

/// What the superblock counts.
pub(crate) struct Totals {
    /// All inodes.
    pub(crate) inodes: u64,
    /// Those that are free.
    pub(crate) free_inodes: u64,
    /// Free blocks, those in free lists included.
    pub(crate) free_blocks: u64,
}

/// What a superblock says besides.
pub(crate) struct Superblock {
    /// UUID of the filesystem.
    pub(crate) uuid: [u8; UUID],
    /// Its label.
    pub(crate) label: Vec<u8>,
    /// Inode numbers of the root and of the realtime bitmap and summary.
    pub(crate) inodes: [u64; 3],
    /// Whether a file has attributes.
    pub(crate) attributes: bool,
    /// Whether times are of the larger range.
    pub(crate) big_time: bool,
}

impl Superblock {
    /// The first sector of each group.
    pub(crate) fn sector(&self, geometry: &Geometry, totals: &Totals) -> Vec<u8> {
        let mut block = Record::default();
        block.u32(MAGIC).u32(BLOCK as u32).u64(geometry.blocks);
        block.u64(0).u64(0); // realtime blocks and extents
        block.bytes(&self.uuid);
        block.u64(geometry.block(geometry.log_group, FIRST_BLOCK));
        for inode in self.inodes {
            block.u64(inode);
        }
        block.u32(1); // blocks of a realtime extent
        block.u32(geometry.group_blocks).u32(geometry.groups);
        block.u32(0); // blocks of the realtime bitmap
        block.u32(geometry.log_blocks);
        block.u16(if self.attributes {
            VERSION | VERSION_ATTRIBUTES
        } else {
            VERSION
        });
        block
            .u16(SECTOR as u16)
            .u16(INODE as u16)
            .u16(1 << INODES_PER_BLOCK_LOG);
        let label_end = block.0.len() + LABEL;
        block.bytes(&self.label).zeros_to(label_end);
        block
            .u8(BLOCK_LOG)
            .u8(SECTOR_LOG)
            .u8(INODE_LOG)
            .u8(INODES_PER_BLOCK_LOG)
            .u8(geometry.group_log);
        block.u8(0).u8(0); // logarithm of a realtime extent; being made
        block.u8(inode_percent(geometry, totals));
        block
            .u64(totals.inodes)
            .u64(totals.free_inodes)
            .u64(totals.free_blocks);
        block.u64(0); // free realtime extents
        block.u64(0).u64(0).u16(0).u8(0).u8(0); // quotas, flags
        block.u32(CHUNK_BLOCKS);
        block.u32(0).u32(0); // stripes
        block.u8(0).u8(0).u16(0); // size of directory blocks and of the log's sectors
        block.u32(1); // stripe of the log, in bytes
        block.u32(FEATURES).u32(FEATURES);
        block.u32(0).u32(READ_ONLY_FEATURES);
        block.u32(INCOMPATIBLE_FEATURES | if self.big_time { BIG_TIME } else { 0 });
        block.u32(0); // features of the log
        block.u32(0); // checksum
        block.u32(SPARSE_ALIGNMENT);
        block.u64(0); // quota of projects
        block.u64(NO_LSN);
        block.sealed(SECTOR, CHECKSUM_AT)
    }
}

/// The ordinary percentage, or twice what there is: there are to be more files.
fn inode_percent(geometry: &Geometry, totals: &Totals) -> u8 {
    let bytes = geometry.blocks.saturating_mul(BLOCK as u64);
    let usual = INODE_PERCENT
        .iter()
        .find(|(up_to, _)| bytes <= *up_to)
        .map_or(1, |(_, percent)| *percent);
    let taken = (totals.inodes >> INODES_PER_BLOCK_LOG) * 100 / geometry.blocks.max(1);
    usual.max((2 * (taken + 1)).min(100) as u8)
}
