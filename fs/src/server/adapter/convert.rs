//! Conversions between the types of fuser and those of the view.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{Errno, FileAttr, INodeNo, Request, TimeOrNow};

use crate::meta::{FileType, Meta, Timestamp};
use crate::server::view::{Caller, NewTime, NodeAttr};

pub(super) fn errno(errno: rustix::io::Errno) -> Errno {
    Errno::from_i32(errno.raw_os_error())
}

pub(super) fn caller(req: &Request) -> Caller {
    Caller {
        uid: req.uid(),
        gid: req.gid(),
        umask: 0,
    }
}

/// Returns the caller of a request that makes a file.
pub(super) fn maker(req: &Request, umask: u32) -> Caller {
    Caller { umask, ..caller(req) }
}

pub(super) fn time(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.sec.unsigned_abs());
    let base = if time.sec < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    base.and_then(|base| base.checked_add(Duration::from_nanos(time.nsec.into())))
        .unwrap_or(UNIX_EPOCH)
}

/// Before the epoch fuser adds seconds and nanoseconds with the same sign; they are taken apart again the
/// same way.
pub(super) fn new_time(time: TimeOrNow) -> NewTime {
    match time {
        TimeOrNow::Now => NewTime::Now,
        TimeOrNow::SpecificTime(time) => match time.duration_since(UNIX_EPOCH) {
            Ok(since) => NewTime::At(Timestamp {
                sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                nsec: since.subsec_nanos(),
            }),
            Err(before) => {
                let before = before.duration();
                let sec = i64::try_from(before.as_secs()).map_or(i64::MIN, |sec| -sec);
                NewTime::At(Timestamp {
                    sec,
                    nsec: before.subsec_nanos(),
                })
            }
        },
    }
}

/// Returns a device number as the kernel encodes it in 32 bits.
pub(super) fn rdev(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12)
}

pub(super) fn device(rdev: u32) -> (u32, u32) {
    ((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & !0xff))
}

pub(super) fn fuse_kind(kind: FileType) -> fuser::FileType {
    match kind {
        FileType::Regular => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice { .. } => fuser::FileType::CharDevice,
        FileType::BlockDevice { .. } => fuser::FileType::BlockDevice,
    }
}

/// Returns the mode of inode(7), with the bits of the type.
pub(super) fn mode_and_kind(meta: &Meta) -> u32 {
    let kind = match meta.kind {
        FileType::Regular => 0o100_000,
        FileType::Directory => 0o040_000,
        FileType::Symlink => 0o120_000,
        FileType::Fifo => 0o010_000,
        FileType::Socket => 0o140_000,
        FileType::CharDevice { .. } => 0o020_000,
        FileType::BlockDevice { .. } => 0o060_000,
    };
    kind | meta.mode & 0o7777
}

pub(super) fn attr(shown: &NodeAttr) -> FileAttr {
    let meta = &shown.meta;
    let rdev = match meta.kind {
        FileType::CharDevice { major, minor } | FileType::BlockDevice { major, minor } => rdev(major, minor),
        _ => 0,
    };
    FileAttr {
        ino: INodeNo(shown.id),
        size: shown.size,
        blocks: shown.blocks,
        atime: time(shown.atime),
        mtime: time(meta.mtime),
        ctime: time(shown.ctime),
        crtime: UNIX_EPOCH,
        kind: fuse_kind(meta.kind),
        perm: (meta.mode & 0o7777) as u16,
        nlink: shown.nlink,
        uid: meta.uid,
        gid: meta.gid,
        rdev,
        blksize: 4096,
        flags: 0,
    }
}

/// Returns the attributes that mean that a name does not exist, which the kernel keeps as well.
pub(super) fn nothing() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: fuser::FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers() {
        for (major, minor) in [(1, 3), (5, 1), (136, 255), (254, 256), (4095, 0xf_ffff)] {
            assert_eq!(device(rdev(major, minor)), (major, minor));
        }
        assert_eq!(rdev(1, 3), 0x103);
    }

    #[test]
    fn times_before_the_epoch() {
        let at = |sec, nsec| Timestamp { sec, nsec };
        assert_eq!(time(at(-1, 500_000_000)), UNIX_EPOCH - Duration::from_millis(500));
        assert_eq!(time(at(1, 5)), UNIX_EPOCH + Duration::new(1, 5));
        // What fuser makes of (-2, 250 ms).
        let received = UNIX_EPOCH - Duration::new(2, 250_000_000);
        assert_eq!(
            new_time(TimeOrNow::SpecificTime(received)),
            NewTime::At(at(-2, 250_000_000))
        );
        // As odd as they come.
        for sec in [i64::MIN, i64::MAX] {
            let _ = time(at(sec, 999_999_999));
        }
    }
}
