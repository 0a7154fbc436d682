//! Inodes, entries of directories and the numbers in them.

use image_tree::{Kind, Time};

use crate::format::{Fields, GENERATION, Key, file_type};

/// Bits of the minor number in a device's number.
const MINOR_BITS: u32 = 20;

/// An inode's item, of the one transaction and with one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inode {
    pub(crate) size: u64,
    pub(crate) bytes: u64,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    pub(crate) device: u64,
    pub(crate) flags: u64,
    pub(crate) time: Time,
}

impl Inode {
    pub(crate) fn put(&self, fields: &mut Fields) {
        /// Block group, which nobody uses; position in a log of changes; what is kept for later.
        const UNUSED: (u64, u64, usize) = (0, 0, 32);
        fields.u64(GENERATION).u64(GENERATION);
        fields.u64(self.size).u64(self.bytes).u64(UNUSED.0);
        fields.u32(self.links).u32(self.uid).u32(self.gid).u32(self.mode);
        fields
            .u64(self.device)
            .u64(self.flags)
            .u64(UNUSED.1)
            .zeros(UNUSED.2);
        // Access, change of the inode, change of the content, birth.
        for _ in 0..4 {
            fields.time(self.time);
        }
    }
}

/// Puts a directory's item, also that of an extended attribute.
pub(crate) fn put_dir_item(fields: &mut Fields, location: Key, kind: u8, name: &[u8], value: &[u8]) {
    fields.key(location).u64(GENERATION);
    fields.u16(value.len() as u16).u16(name.len() as u16).u8(kind);
    fields.bytes(name).bytes(value);
}

/// Returns the type of a file in its directory's items.
pub(crate) fn type_of(kind: &Kind) -> u8 {
    match kind {
        Kind::Regular { .. } => file_type::REGULAR,
        Kind::Directory { .. } => file_type::DIRECTORY,
        Kind::Symlink(_) => file_type::SYMLINK,
        Kind::CharDevice { .. } => file_type::CHAR_DEVICE,
        Kind::BlockDevice { .. } => file_type::BLOCK_DEVICE,
        Kind::Fifo => file_type::FIFO,
        Kind::Socket => file_type::SOCKET,
    }
}

/// Returns the kind of a file in its mode.
pub(crate) fn mode_of(kind: &Kind) -> u32 {
    match kind {
        Kind::Regular { .. } => mode::REGULAR,
        Kind::Directory { .. } => mode::DIRECTORY,
        Kind::Symlink(_) => mode::SYMLINK,
        Kind::CharDevice { .. } => mode::CHAR_DEVICE,
        Kind::BlockDevice { .. } => mode::BLOCK_DEVICE,
        Kind::Fifo => mode::FIFO,
        Kind::Socket => mode::SOCKET,
    }
}

/// Returns the number of a device as the kernel has it in memory and writes it; that of system calls has the bits elsewhere.
pub(crate) fn device(kind: &Kind) -> u64 {
    match kind {
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            u64::from(*major) << MINOR_BITS | u64::from(*minor)
        }
        _ => 0,
    }
}

/// Kinds of files in modes.
pub(crate) mod mode {
    pub(crate) const FIFO: u32 = 0o010_000;
    pub(crate) const CHAR_DEVICE: u32 = 0o020_000;
    pub(crate) const DIRECTORY: u32 = 0o040_000;
    pub(crate) const BLOCK_DEVICE: u32 = 0o060_000;
    pub(crate) const REGULAR: u32 = 0o100_000;
    pub(crate) const SYMLINK: u32 = 0o120_000;
    pub(crate) const SOCKET: u32 = 0o140_000;
}
