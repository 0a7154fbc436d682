//! Numbers and plain structures of the format: keys, bytes in their order, checksums.
//!
//! Names and values are those of the BTRFS documentation, "On-disk Format".

use image_tree::Time;

/// Bytes of a tree block.
pub(crate) const NODE_SIZE: u64 = 16384;
/// Bytes of a unit of data, which has one checksum.
pub(crate) const SECTOR: u64 = 4096;
/// Bytes in one stripe; blocks of trees cross no multiple of it.
pub(crate) const STRIPE: u64 = 64 << 10;
/// A mebibyte, of which chunks are multiples.
pub(crate) const MIB: u64 = 1 << 20;

/// Bytes of the header of a tree block.
pub(crate) const HEADER_SIZE: usize = 101;
/// Bytes that a leaf has for items and what describes them.
pub(crate) const LEAF_SPACE: usize = NODE_SIZE as usize - HEADER_SIZE;
/// Bytes that describe one item of a leaf.
pub(crate) const ITEM_SIZE: usize = 25;
/// Most bytes of one item's data.
pub(crate) const ITEM_MAX: usize = LEAF_SPACE - ITEM_SIZE;
/// Bytes of a pointer in a node.
pub(crate) const POINTER_SIZE: usize = 33;
/// Most pointers of a node.
pub(crate) const POINTERS: u64 = (LEAF_SPACE / POINTER_SIZE) as u64;

/// The one transaction that all is from.
pub(crate) const GENERATION: u64 = 1;
/// Number of the one device.
pub(crate) const DEVICE: u64 = 1;
/// Inode of the root directory of a subvolume; those of the tree's nodes follow in their order.
pub(crate) const FIRST_INODE: u64 = 256;
/// Object that chunks belong to.
pub(crate) const CHUNK_OBJECT: u64 = 256;
/// Object that devices belong to.
pub(crate) const DEVICES_OBJECT: u64 = 1;
/// Directory in the root tree that names the default subvolume.
pub(crate) const ROOT_TREE_DIR: u64 = 6;
/// Object that checksums of data belong to.
pub(crate) const CSUM_OBJECT: u64 = -10_i64 as u64;

/// Trees.
pub(crate) mod tree_id {
    pub(crate) const ROOT: u64 = 1;
    pub(crate) const EXTENT: u64 = 2;
    pub(crate) const CHUNK: u64 = 3;
    pub(crate) const DEV: u64 = 4;
    pub(crate) const FS: u64 = 5;
    pub(crate) const CSUM: u64 = 7;
    pub(crate) const UUID: u64 = 9;
    pub(crate) const FREE_SPACE: u64 = 10;
    pub(crate) const DATA_RELOC: u64 = -9_i64 as u64;
}

/// Types of items, and of references within items of extents.
pub(crate) mod item {
    pub(crate) const INODE: u8 = 1;
    pub(crate) const INODE_REF: u8 = 12;
    pub(crate) const INODE_EXTREF: u8 = 13;
    pub(crate) const XATTR: u8 = 24;
    pub(crate) const DIR_ITEM: u8 = 84;
    pub(crate) const DIR_INDEX: u8 = 96;
    pub(crate) const EXTENT_DATA: u8 = 108;
    pub(crate) const EXTENT_CSUM: u8 = 128;
    pub(crate) const ROOT: u8 = 132;
    pub(crate) const EXTENT: u8 = 168;
    pub(crate) const METADATA: u8 = 169;
    pub(crate) const TREE_BLOCK_REF: u8 = 176;
    pub(crate) const EXTENT_DATA_REF: u8 = 178;
    pub(crate) const BLOCK_GROUP: u8 = 192;
    pub(crate) const FREE_SPACE_INFO: u8 = 198;
    pub(crate) const FREE_SPACE_EXTENT: u8 = 199;
    pub(crate) const DEV_EXTENT: u8 = 204;
    pub(crate) const DEV: u8 = 216;
    pub(crate) const CHUNK: u8 = 228;
    pub(crate) const UUID_SUBVOL: u8 = 251;
}

/// Kinds of files in directories' items.
pub(crate) mod file_type {
    pub(crate) const REGULAR: u8 = 1;
    pub(crate) const DIRECTORY: u8 = 2;
    pub(crate) const CHAR_DEVICE: u8 = 3;
    pub(crate) const BLOCK_DEVICE: u8 = 4;
    pub(crate) const FIFO: u8 = 5;
    pub(crate) const SOCKET: u8 = 6;
    pub(crate) const SYMLINK: u8 = 7;
    pub(crate) const XATTR: u8 = 8;
}

/// What a chunk is for, and how often it is there.
pub(crate) mod chunk_type {
    pub(crate) const DATA: u64 = 1;
    pub(crate) const SYSTEM: u64 = 2;
    pub(crate) const METADATA: u64 = 4;
    pub(crate) const DUP: u64 = 1 << 5;
}

/// Place of an item in a tree; items are sorted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) object: u64,
    pub(crate) kind: u8,
    pub(crate) offset: u64,
}

impl Key {
    pub(crate) fn new(object: u64, kind: u8, offset: u64) -> Self {
        Self { object, kind, offset }
    }
}

/// Bytes of a structure, put one field after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<u8>);

impl Fields {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    pub(crate) fn key(&mut self, key: Key) -> &mut Self {
        self.u64(key.object).u8(key.kind).u64(key.offset)
    }

    pub(crate) fn time(&mut self, time: Time) -> &mut Self {
        self.bytes(&time.sec.to_le_bytes()).u32(time.nsec)
    }

    /// Takes the bytes, so that the next structure can be put.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// The checksum of a unit of data.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Puts the checksum of a tree block or superblock before what it covers.
pub(crate) fn seal(block: &mut [u8]) {
    /// Bytes that are kept for a checksum of any type.
    const FIELD: usize = 32;
    if let Some((field, rest)) = block.split_at_mut_checked(FIELD) {
        field.fill(0);
        field[..4].copy_from_slice(&checksum(rest).to_le_bytes());
    }
}

/// CRC-32C as hashes are made with it: from a start, without a complement before and after.
fn raw_crc(start: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!start, bytes)
}

/// The hash of a name in a directory or of an extended attribute.
pub(crate) fn name_hash(name: &[u8]) -> u64 {
    raw_crc(!1, name).into()
}

/// The hash of a name in the item of an extended reference; of the directory's number the low half counts.
pub(crate) fn reference_hash(directory: u64, name: &[u8]) -> u64 {
    raw_crc(directory as u32, name).into()
}

/// A UUID for a purpose, made of another. It is of version 8, whose content is the maker's affair (RFC 9562).
pub(crate) fn derive_uuid(uuid: &[u8; 16], purpose: u64) -> [u8; 16] {
    let number = u128::from_le_bytes(*uuid);
    let low = mix((number as u64) ^ mix(purpose));
    let high = mix((number >> 64) as u64 ^ low);
    let low = mix(low ^ high);
    let mut derived = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
    derived[6] = derived[6] & 0x0f | 0x80;
    derived[8] = derived[8] & 0x3f | 0x80;
    derived
}

/// SplitMix64's step, a bijection in which each bit of the input concerns each of the output.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_mkfs() {
        // As `btrfs inspect-internal dump-tree` shows them of an image of mkfs.btrfs.
        assert_eq!(name_hash(b"default"), 2_378_154_706);
        assert_eq!(name_hash(b"user.x"), 153_960_099);
    }

    #[test]
    fn derived_uuids_differ() {
        let uuid = [7; 16];
        assert_eq!(derive_uuid(&uuid, 1), derive_uuid(&uuid, 1));
        assert_ne!(derive_uuid(&uuid, 1), derive_uuid(&uuid, 2));
        assert_ne!(derive_uuid(&uuid, 1), derive_uuid(&[8; 16], 1));
    }
}
