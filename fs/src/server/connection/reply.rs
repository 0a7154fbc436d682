//! Answers as the kernel reads them: the structures of `linux/fuse.h` that follow `struct fuse_out_header`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{StatVfs, StatxFlags};

use crate::meta::{FileType, Timestamp};

/// Seconds for which the kernel may keep an answer: until it is invalidated.
pub(in crate::server) const FOREVER: u64 = 1 << 30;

/// Attributes of a node, as the kernel knows them.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Attributes {
    pub(in crate::server) id: u64,
    pub(in crate::server) kind: FileType,
    /// Permission, set-id and sticky bits.
    pub(in crate::server) mode: u32,
    pub(in crate::server) uid: u32,
    pub(in crate::server) gid: u32,
    pub(in crate::server) nlink: u32,
    pub(in crate::server) size: u64,
    /// Number of blocks of 512 bytes.
    pub(in crate::server) blocks: u64,
    pub(in crate::server) atime: Timestamp,
    pub(in crate::server) mtime: Timestamp,
    pub(in crate::server) ctime: Timestamp,
}

const BLOCK: u32 = 4096;

impl Attributes {
    /// What means that a name does not exist, which the kernel keeps as well.
    pub(in crate::server) const NOTHING: Self = Self {
        id: 0,
        kind: FileType::Regular,
        mode: 0,
        uid: 0,
        gid: 0,
        nlink: 0,
        size: 0,
        blocks: 0,
        atime: Timestamp { sec: 0, nsec: 0 },
        mtime: Timestamp { sec: 0, nsec: 0 },
        ctime: Timestamp { sec: 0, nsec: 0 },
    };

    fn full_mode(&self) -> u32 {
        type_bits(self.kind) << 12 | self.mode & 0o7777
    }

    fn device(&self) -> (u32, u32) {
        match self.kind {
            FileType::CharDevice { major, minor } | FileType::BlockDevice { major, minor } => (major, minor),
            _ => (0, 0),
        }
    }
}

/// The type as mode bits and directory entries have it.
fn type_bits(kind: FileType) -> u32 {
    match kind {
        FileType::Fifo => 1,
        FileType::CharDevice { .. } => 2,
        FileType::Directory => 4,
        FileType::BlockDevice { .. } => 6,
        FileType::Regular => 8,
        FileType::Symlink => 10,
        FileType::Socket => 12,
    }
}

/// Returns a device number as the kernel encodes it in 32 bits.
fn rdev((major, minor): (u32, u32)) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12)
}

/// The inverse: major and minor number.
pub(in crate::server) fn device(rdev: u32) -> (u32, u32) {
    ((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & !0xff))
}

/// An answer being written.
#[derive(Debug, Default)]
pub(in crate::server) struct Reply(Vec<u8>);

impl Reply {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    pub(super) fn zeroes(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    /// Bytes as they are.
    pub(in crate::server) fn data(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// `struct fuse_attr`.
    fn attributes(&mut self, attr: &Attributes) {
        for value in [attr.id, attr.size, attr.blocks] {
            self.u64(value);
        }
        let times = [attr.atime, attr.mtime, attr.ctime];
        for time in times {
            self.u64(time.sec.cast_unsigned());
        }
        for time in times {
            self.u32(time.nsec);
        }
        let rdev = rdev(attr.device());
        for value in [attr.full_mode(), attr.nlink, attr.uid, attr.gid, rdev, BLOCK, 0] {
            self.u32(value);
        }
    }

    /// `struct fuse_entry_out`, with the seconds for which the name may be kept.
    fn add_entry(&mut self, attr: &Attributes, generation: u64, name_for: u64) {
        for value in [attr.id, generation, name_for, FOREVER, 0] {
            self.u64(value);
        }
        self.attributes(attr);
    }

    /// A node by its name.
    pub(in crate::server) fn entry(attr: &Attributes, generation: u64, name_for: u64) -> Self {
        let mut reply = Self::default();
        reply.add_entry(attr, generation, name_for);
        reply
    }

    /// A node that was made and opened.
    pub(in crate::server) fn created(
        attr: &Attributes,
        generation: u64,
        name_for: u64,
        handle: u64,
        flags: u32,
    ) -> Self {
        let mut reply = Self::entry(attr, generation, name_for);
        reply.add_open(handle, flags);
        reply
    }

    fn add_open(&mut self, handle: u64, flags: u32) {
        self.u64(handle);
        self.u32(flags);
        self.zeroes(4);
    }

    /// A file or directory that was opened.
    pub(in crate::server) fn opened(handle: u64, flags: u32) -> Self {
        let mut reply = Self::default();
        reply.add_open(handle, flags);
        reply
    }

    /// `struct fuse_attr_out`.
    pub(in crate::server) fn attr(attr: &Attributes) -> Self {
        let mut reply = Self::default();
        reply.u64(FOREVER);
        reply.zeroes(8);
        reply.attributes(attr);
        reply
    }

    /// `struct fuse_statx_out`, with the time at which the file was made where the disk knows it.
    pub(in crate::server) fn statx(attr: &Attributes, born: Option<Timestamp>) -> Self {
        let mut mask = StatxFlags::BASIC_STATS;
        mask.set(StatxFlags::BTIME, born.is_some());
        let mut reply = Self::default();
        reply.u64(FOREVER);
        reply.zeroes(24);
        reply.u32(mask.bits());
        reply.u32(BLOCK);
        reply.zeroes(8);
        for value in [attr.nlink, attr.uid, attr.gid] {
            reply.u32(value);
        }
        reply.u16(attr.full_mode() as u16);
        reply.zeroes(2);
        for value in [attr.id, attr.size, attr.blocks, 0] {
            reply.u64(value);
        }
        for time in [attr.atime, born.unwrap_or_default(), attr.ctime, attr.mtime] {
            reply.u64(time.sec.cast_unsigned());
            reply.u32(time.nsec);
            reply.zeroes(4);
        }
        let (major, minor) = attr.device();
        reply.u32(major);
        reply.u32(minor);
        // The device of the mount, which the kernel knows, and room.
        reply.zeroes(8 + 14 * 8);
        reply
    }

    /// A number of 32 bits: bytes that were written, or are needed.
    pub(in crate::server) fn count(count: u32) -> Self {
        let mut reply = Self::default();
        reply.u32(count);
        reply.zeroes(4);
        reply
    }

    /// A number of 64 bits: a position, or bytes.
    pub(in crate::server) fn long(value: u64) -> Self {
        let mut reply = Self::default();
        reply.u64(value);
        reply
    }

    /// `struct fuse_statfs_out`.
    pub(in crate::server) fn statfs(stat: &StatVfs) -> Self {
        let mut reply = Self::default();
        for value in [
            stat.f_blocks,
            stat.f_bfree,
            stat.f_bavail,
            stat.f_files,
            stat.f_ffree,
        ] {
            reply.u64(value);
        }
        for value in [stat.f_bsize, stat.f_namemax, stat.f_frsize] {
            reply.u32(u32::try_from(value).unwrap_or(u32::MAX));
        }
        reply.zeroes(4 + 6 * 4);
        reply
    }

    /// `struct fuse_ioctl_out` of a command that has succeeded, and the `size` bytes that it writes.
    pub(in crate::server) fn ioctl(output: &[u8], size: u32) -> Self {
        let mut reply = Self::default();
        reply.zeroes(16);
        let size = size as usize;
        reply.0.extend_from_slice(output.get(..size).unwrap_or(output));
        reply.0.resize(16 + size, 0);
        reply
    }
}

/// A directory's entries, as many as there is room for.
#[derive(Debug)]
pub(in crate::server) struct Entries {
    reply: Reply,
    room: usize,
}

/// Bytes of `struct fuse_dirent` before the name, and of `struct fuse_entry_out`.
const ENTRY: usize = 24;
const WITH_ATTRIBUTES: usize = 128;

impl Entries {
    pub(in crate::server) fn new(size: u32) -> Self {
        Self {
            reply: Reply::default(),
            room: size as usize,
        }
    }

    pub(in crate::server) fn reply(self) -> Reply {
        self.reply
    }

    fn has_room(&self, name: &OsStr, attributes: usize) -> bool {
        let needed = (attributes + ENTRY + name.len()).next_multiple_of(8);
        self.reply.0.len() + needed <= self.room
    }

    fn entry(&mut self, id: u64, next: u64, kind: FileType, name: &OsStr) {
        self.reply.u64(id);
        self.reply.u64(next);
        self.reply.u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
        self.reply.u32(type_bits(kind));
        self.reply.0.extend_from_slice(name.as_bytes());
        let whole = self.reply.0.len().next_multiple_of(8);
        self.reply.0.resize(whole, 0);
    }

    /// Adds a name; returns whether there was no room for it.
    pub(in crate::server) fn add(&mut self, id: u64, next: u64, kind: FileType, name: &OsStr) -> bool {
        if !self.has_room(name, 0) {
            return true;
        }
        self.entry(id, next, kind, name);
        false
    }

    /// Adds a name with what a lookup of it gives; returns whether there was no room for it.
    pub(in crate::server) fn add_with_attributes(
        &mut self,
        next: u64,
        name: &OsStr,
        attr: &Attributes,
        generation: u64,
        name_for: u64,
    ) -> bool {
        if !self.has_room(name, WITH_ATTRIBUTES) {
            return true;
        }
        self.reply.add_entry(attr, generation, name_for);
        self.entry(attr.id, next, attr.kind, name);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers() {
        for (major, minor) in [(1, 3), (5, 1), (136, 255), (254, 256), (4095, 0xf_ffff)] {
            assert_eq!(device(rdev((major, minor))), (major, minor));
        }
        assert_eq!(rdev((1, 3)), 0x103);
    }

    #[test]
    fn structures_have_the_kernels_size() {
        let attr = &Attributes::NOTHING;
        assert_eq!(Reply::entry(attr, 0, 0).0.len(), 128);
        assert_eq!(Reply::created(attr, 0, 0, 0, 0).0.len(), 144);
        assert_eq!(Reply::attr(attr).0.len(), 104);
        assert_eq!(Reply::statx(attr, None).0.len(), 288);
        assert_eq!(Reply::ioctl(&[1, 2, 3, 4], 8).0.len(), 24);
        assert_eq!(Reply::ioctl(&[1, 2, 3, 4], 2).0.len(), 18);
    }

    #[test]
    fn entries_fit_their_room() {
        for room in 0..200 {
            let mut entries = Entries::new(room);
            while !entries.add(7, 1, FileType::Directory, OsStr::new("name")) {}
            while !entries.add_with_attributes(1, OsStr::new("n"), &Attributes::NOTHING, 0, 0) {}
            let length = entries.reply().0.len();
            assert!(length <= room as usize && length.is_multiple_of(8));
        }
    }
}
