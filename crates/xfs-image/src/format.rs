//! Numbers of the format that several modules need, and records of big-endian fields.

/// Bytes of a block.
pub(crate) const BLOCK: usize = 4096;
/// Logarithm of the bytes of a block.
pub(crate) const BLOCK_LOG: u8 = 12;
/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;
/// Logarithm of the bytes of a sector.
pub(crate) const SECTOR_LOG: u8 = 9;
/// Bytes of an inode.
pub(crate) const INODE: usize = 512;
/// Logarithm of the bytes of an inode.
pub(crate) const INODE_LOG: u8 = 9;
/// Logarithm of the inodes in a block.
pub(crate) const INODES_PER_BLOCK_LOG: u8 = BLOCK_LOG - INODE_LOG;
/// Inodes of a chunk, which are allocated together.
pub(crate) const CHUNK_INODES: u64 = 64;
/// Blocks of a chunk of inodes, and what its place is a multiple of.
pub(crate) const CHUNK_BLOCKS: u32 = 8;
/// Bytes of the forks of an inode, which its core is followed by.
pub(crate) const FORKS: usize = INODE - 176;
/// What stands for no block in 32 bits.
pub(crate) const NO_BLOCK: u32 = u32::MAX;
/// What stands for no block in 64 bits.
pub(crate) const NO_LONG_BLOCK: u64 = u64::MAX;
/// Log sequence number of what no log has a record of.
pub(crate) const NO_LSN: u64 = 0;
/// Bytes of a UUID.
pub(crate) const UUID: usize = 16;

/// Fields one after the other, as the format has them.
#[derive(Default)]
pub(crate) struct Record(pub(crate) Vec<u8>);

impl Record {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Fills with zeros up to a length.
    pub(crate) fn zeros_to(&mut self, length: usize) -> &mut Self {
        debug_assert!(self.0.len() <= length);
        self.0.resize(length, 0);
        self
    }

    /// The record, filled up to a length, with its checksum at an offset.
    pub(crate) fn sealed(mut self, length: usize, checksum_at: usize) -> Vec<u8> {
        self.zeros_to(length);
        seal(&mut self.0, checksum_at);
        self.0
    }
}

/// Puts the checksum of bytes in which it is still zero: CRC32C, the only field that is little-endian.
pub(crate) fn seal(bytes: &mut [u8], at: usize) {
    let checksum = crc32c::crc32c(bytes).to_le_bytes();
    bytes[at..at + checksum.len()].copy_from_slice(&checksum);
}

/// What the headers of metadata blocks tell of where they belong.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// UUID of the filesystem.
    pub(crate) uuid: [u8; UUID],
    /// The block's first sector in the image.
    pub(crate) sector: u64,
    /// Inode number of the owner.
    pub(crate) owner: u64,
}

/// Parts of equal size, but for one, of so many things of which at most `max` go together. There is one part at least.
pub(crate) fn parts(count: usize, max: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let parts = count.div_ceil(max).max(1);
    let bound = move |part: usize| (part as u128 * count as u128 / parts as u128) as usize;
    (0..parts).map(move |part| bound(part)..bound(part + 1))
}

/// Numbers of blocks of a tree's levels, from the leaves to a level of at most `top` blocks.
pub(crate) fn levels(records: usize, leaf: usize, node: usize, top: usize) -> Vec<usize> {
    let mut levels = vec![records.div_ceil(leaf).max(1)];
    while let Some(last) = levels.last().copied().filter(|last| *last > top) {
        levels.push(last.div_ceil(node));
    }
    levels
}
