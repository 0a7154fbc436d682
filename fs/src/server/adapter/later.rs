//! Requests of kernels later than fuser: files without a name (`FUSE_TMPFILE`, protocol 7.37) and the time of birth
//! (`FUSE_STATX`, 7.39), with structures as `include/uapi/linux/fuse.h` of the kernel has them. Each is answered with the
//! bytes of its structure.

use fuser::Request;
use rustix::io::Errno;

use super::convert::{maker, mode_and_kind, rdev};
use super::{Adapter, FOREVER};
use crate::meta::{FileType, Timestamp};
use crate::server::view::NodeAttr;

const TMPFILE: u32 = 51;
const STATX: u32 = 52;

/// Masks of statx(2): all that stat(2) tells, and the time of birth.
const BASIC_STATS: u32 = 0x7ff;
const BTIME: u32 = 0x800;

const BLOCK_SIZE: u32 = 4096;

impl Adapter {
    /// Carries a request out by its number, and returns the answer.
    ///
    /// # Errors
    /// `ENOSYS` for a request that is not known here either.
    pub(super) fn later(&self, req: &Request, id: u64, opcode: u32, data: &[u8]) -> Result<Vec<u8>, Errno> {
        match opcode {
            TMPFILE => self.tmpfile(req, id, data),
            STATX => self.statx(id),
            _ => Err(Errno::NOSYS),
        }
    }

    /// `struct fuse_create_in`, which begins with flags, mode and umask, and a name that means nothing; answered by
    /// `struct fuse_entry_out` and `struct fuse_open_out`.
    fn tmpfile(&self, req: &Request, parent: u64, data: &[u8]) -> Result<Vec<u8>, Errno> {
        let field = |at| {
            let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_ne_bytes).ok_or(Errno::INVAL)
        };
        let (mode, umask) = (field(4)?, field(8)?);
        let (entry, opened) = self.view.create_nameless(parent, mode, maker(req, umask))?;
        let mut answer = Answer::default();
        answer.long(entry.shown.id).long(entry.generation);
        answer.long(0).long(FOREVER.as_secs()).int(0).int(0);
        answer.attr(&entry.shown);
        answer.long(opened.fh).int(opened.flags.bits()).int(0);
        Ok(answer.0)
    }

    /// `struct fuse_statx_in` asks for what is always answered, by `struct fuse_statx_out`.
    fn statx(&self, id: u64) -> Result<Vec<u8>, Errno> {
        let shown = self.view.getattr(id)?;
        let birth = self.view.birth(id)?;
        let mut answer = Answer::default();
        answer.long(FOREVER.as_secs()).int(0).int(0).long(0).long(0);
        answer.statx(&shown, birth);
        Ok(answer.0)
    }
}

/// Bytes of a structure, field after field; those of the kernel need no padding.
#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn int(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn long(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// `struct fuse_attr`.
    fn attr(&mut self, shown: &NodeAttr) {
        let meta = &shown.meta;
        let times = [shown.atime, meta.mtime, shown.ctime];
        self.long(shown.id).long(shown.size).long(shown.blocks);
        for time in times {
            self.long(time.sec.cast_unsigned());
        }
        for time in times {
            self.int(time.nsec);
        }
        let (major, minor) = numbers(meta.kind);
        self.int(mode_and_kind(meta)).int(shown.nlink);
        self.int(meta.uid).int(meta.gid).int(rdev(major, minor));
        self.int(BLOCK_SIZE).int(0);
    }

    /// `struct fuse_statx`, whose mode is a half word beside an empty one.
    fn statx(&mut self, shown: &NodeAttr, birth: Option<Timestamp>) {
        let meta = &shown.meta;
        let told = birth.map_or(0, |_| BTIME);
        self.int(BASIC_STATS | told).int(BLOCK_SIZE).long(0);
        self.int(shown.nlink).int(meta.uid).int(meta.gid);
        let mode = u16::try_from(mode_and_kind(meta)).unwrap_or_default();
        self.0.extend(mode.to_ne_bytes());
        self.0.extend([0; 2]);
        self.long(shown.id).long(shown.size).long(shown.blocks).long(0);
        for time in [shown.atime, birth.unwrap_or_default(), shown.ctime, meta.mtime] {
            self.long(time.sec.cast_unsigned()).int(time.nsec).int(0);
        }
        let (major, minor) = numbers(meta.kind);
        self.int(major).int(minor).int(0).int(0);
        self.0.extend([0; 14 * 8]);
    }
}

/// Major and minor number of a device.
fn numbers(kind: FileType) -> (u32, u32) {
    match kind {
        FileType::CharDevice { major, minor } | FileType::BlockDevice { major, minor } => (major, minor),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    #[test]
    fn structures_have_the_kernels_sizes() {
        let time = Timestamp { sec: -1, nsec: 7 };
        let shown = NodeAttr {
            id: 5,
            meta: Meta {
                kind: FileType::CharDevice {
                    major: 136,
                    minor: 255,
                },
                mode: 0o620,
                uid: 1,
                gid: 5,
                mtime: time,
            },
            size: 0,
            blocks: 0,
            nlink: 1,
            atime: time,
            ctime: time,
        };
        let mut attr = Answer::default();
        attr.attr(&shown);
        assert_eq!(attr.0.len(), 88);
        let mut statx = Answer::default();
        statx.statx(&shown, Some(time));
        assert_eq!(statx.0.len(), 256);
        assert_eq!(statx.0[..4], 0xfff_u32.to_ne_bytes());
        // stx_mode, and stx_btime behind stx_atime.
        assert_eq!(statx.0[28..30], 0o020_620_u16.to_ne_bytes());
        assert_eq!(statx.0[80..88], (-1_i64).to_ne_bytes());
        let mut without = Answer::default();
        without.statx(&shown, None);
        assert_eq!(without.0[..4], 0x7ff_u32.to_ne_bytes());
        assert_eq!(without.0[80..96], [0; 16]);
    }
}
