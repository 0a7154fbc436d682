//! Symbolic links that are too long for their inodes.

use crate::format::{BLOCK, NO_LSN, Place, Record};

const MAGIC: u32 = 0x5853_4c4d;
const CHECKSUM_AT: usize = 12;
/// Bytes of the longest link.
pub(crate) const MAX_LENGTH: usize = 1023;

/// The block of a link.
pub(crate) fn block(target: &[u8], place: &Place) -> Vec<u8> {
    let mut block = Record::default();
    block.u32(MAGIC).u32(0).u32(target.len() as u32); // offset, length
    block.u32(0); // checksum
    block
        .bytes(&place.uuid)
        .u64(place.owner)
        .u64(place.sector)
        .u64(NO_LSN);
    block.bytes(target);
    block.sealed(BLOCK, CHECKSUM_AT)
}
