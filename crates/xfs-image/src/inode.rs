//! Inodes, with what is in them.

use image_tree::{Kind, Node, Time};

use crate::format::{FORKS, INODE, NO_BLOCK, NO_LSN, Record, UUID};

const MAGIC: u16 = 0x494e;
const VERSION: u8 = 3;
const CHECKSUM_AT: usize = 100;
const CORE: usize = INODE - FORKS;
const FLUSH_COUNTER_END: usize = 32;
const EXTENT_SIZE_END: usize = 76;
const CREATION_TIME_AT: usize = 144;
const FLAG_BIG_TIME: u64 = 1 << 3;
/// Of the realtime bitmap: it is of the kind that all but the oldest kernels have.
const FLAG_NEW_BITMAP: u16 = 1 << 2;
/// Units of the offset of the attributes.
const FORK_UNIT: usize = 8;
/// Seconds before 1970 that the times of the larger range begin with, as they do in the smaller one.
const EPOCH: i64 = 1 << 31;
const NANOSECONDS: i64 = 1_000_000_000;
/// Last second of the larger range.
const LAST_BIG_SECOND: i64 = (u64::MAX / NANOSECONDS as u64) as i64 - EPOCH - 1;

/// How a fork is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A device number.
    Device = 0,
    /// The content itself.
    Local = 1,
    /// A list of extents.
    Extents = 2,
    /// Root of a tree of extents.
    Tree = 3,
}

/// A fork in an inode.
pub(crate) struct Fork {
    /// How it is stored.
    pub(crate) format: Format,
    /// What is in the inode.
    pub(crate) bytes: Vec<u8>,
    /// Number of its extents.
    pub(crate) extents: usize,
}

impl Fork {
    /// A fork with nothing in it.
    pub(crate) fn empty() -> Self {
        Self {
            format: Format::Extents,
            bytes: Vec::new(),
            extents: 0,
        }
    }
}

/// What inodes of a filesystem have in common.
#[derive(Clone, Copy)]
pub(crate) struct Inodes {
    /// UUID of the filesystem.
    pub(crate) uuid: [u8; UUID],
    /// Whether times are of the larger range.
    pub(crate) big_time: bool,
}

/// What an inode says.
pub(crate) struct Inode {
    /// Its number.
    pub(crate) number: u64,
    /// Type and permission bits.
    pub(crate) mode: u16,
    /// Owner's number.
    pub(crate) uid: u32,
    /// Group's number.
    pub(crate) gid: u32,
    /// All its times.
    pub(crate) time: Time,
    /// Number of its names.
    pub(crate) links: u32,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Blocks that it has for whatever.
    pub(crate) blocks: u64,
    /// Its content.
    pub(crate) data: Fork,
    /// Its attributes, and where they begin in multiples of 8 bytes; zero for none.
    pub(crate) attributes: Fork,
    pub(crate) attributes_at: u8,
}

impl Inodes {
    /// An inode that is nobody's.
    pub(crate) fn free(&self, number: u64) -> Vec<u8> {
        let mut core = Record::default();
        core.u16(MAGIC).u16(0).u8(VERSION);
        core.zeros_to(CHECKSUM_AT - 8);
        self.finish(core, number, Time::default(), false)
    }

    /// The inode of one of the two realtime files, which are empty.
    pub(crate) fn realtime(&self, number: u64, time: Time, bitmap: bool) -> Vec<u8> {
        let inode = Inode {
            number,
            mode: type_bits(&Kind::Regular {
                size: 0,
                data: Vec::new(),
            }),
            uid: 0,
            gid: 0,
            time,
            links: 1,
            size: 0,
            blocks: 0,
            data: Fork::empty(),
            attributes: Fork::empty(),
            attributes_at: 0,
        };
        self.encode(&inode, if bitmap { FLAG_NEW_BITMAP } else { 0 })
    }

    /// The inode of a node.
    pub(crate) fn node(&self, inode: &Inode) -> Vec<u8> {
        self.encode(inode, 0)
    }

    fn encode(&self, inode: &Inode, flags: u16) -> Vec<u8> {
        let mut core = Record::default();
        core.u16(MAGIC)
            .u16(inode.mode)
            .u8(VERSION)
            .u8(inode.data.format as u8);
        core.u16(0); // links of older versions
        core.u32(inode.uid).u32(inode.gid).u32(inode.links);
        core.zeros_to(FLUSH_COUNTER_END);
        let time = self.time(inode.time);
        core.u64(time).u64(time).u64(time); // of access, modification, change
        core.u64(inode.size).u64(inode.blocks);
        core.zeros_to(EXTENT_SIZE_END);
        core.u32(inode.data.extents as u32)
            .u16(inode.attributes.extents as u16);
        core.u8(inode.attributes_at).u8(inode.attributes.format as u8);
        core.u32(0).u16(0); // for tape libraries
        core.u16(flags);
        let mut bytes = self.finish(core, inode.number, inode.time, true);
        let forks = &mut bytes[CORE..];
        forks[..inode.data.bytes.len()].copy_from_slice(&inode.data.bytes);
        let attributes = &mut forks[usize::from(inode.attributes_at) * FORK_UNIT..];
        if inode.attributes_at != 0 {
            attributes[..inode.attributes.bytes.len()].copy_from_slice(&inode.attributes.bytes);
        }
        crate::format::seal(&mut bytes, CHECKSUM_AT);
        bytes
    }

    /// What follows the flags; with a checksum unless there is more to come.
    fn finish(&self, mut core: Record, number: u64, time: Time, more: bool) -> Vec<u8> {
        core.u32(self.generation(number));
        core.u32(NO_BLOCK); // next of those that have no name
        core.u32(0); // checksum
        core.u64(u64::from(more)); // changes
        core.u64(NO_LSN);
        core.u64(if more && self.big_time { FLAG_BIG_TIME } else { 0 });
        core.zeros_to(CREATION_TIME_AT);
        core.u64(if more { self.time(time) } else { 0 });
        core.u64(number).bytes(&self.uuid);
        if more {
            core.zeros_to(INODE);
            return core.0;
        }
        core.sealed(INODE, CHECKSUM_AT)
    }

    /// Differs between inodes and filesystems: it is in handles of files that outlive them.
    fn generation(&self, number: u64) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.uuid), &number.to_be_bytes())
    }

    fn time(&self, time: Time) -> u64 {
        if self.big_time {
            let second = time.sec.clamp(-EPOCH, LAST_BIG_SECOND) + EPOCH;
            second as u64 * NANOSECONDS as u64 + u64::from(time.nsec)
        } else {
            let second = time.sec.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            u64::from(second as u32) << u32::BITS | u64::from(time.nsec)
        }
    }
}

/// Whether a time needs the larger range; `None` if it is in neither.
pub(crate) fn needs_big_time(time: Time) -> Option<bool> {
    let known = (-EPOCH..=LAST_BIG_SECOND).contains(&time.sec) && i64::from(time.nsec) < NANOSECONDS;
    known.then_some(time.sec > i32::MAX.into())
}

/// The fork of a device, fifo or socket: a number with 14 and 18 bits.
pub(crate) fn device(node: &Node) -> Option<Fork> {
    let number = match node.kind {
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => major << MINOR_BITS | minor,
        Kind::Fifo | Kind::Socket => 0,
        _ => return None,
    };
    Some(Fork {
        format: Format::Device,
        bytes: number.to_be_bytes().to_vec(),
        extents: 0,
    })
}

/// Bits of a minor device number, and of a major one.
pub(crate) const MINOR_BITS: u32 = 18;
pub(crate) const MAJOR_BITS: u32 = 14;

/// Bits of the mode that tell a file's type.
pub(crate) fn type_bits(kind: &Kind) -> u16 {
    match kind {
        Kind::Fifo => 0o010_000,
        Kind::CharDevice { .. } => 0o020_000,
        Kind::Directory { .. } => 0o040_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::Regular { .. } => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
        Kind::Socket => 0o140_000,
    }
}
