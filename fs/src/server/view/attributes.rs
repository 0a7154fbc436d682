//! Changes of attributes that a request asks for, as chown(2), chmod(2) and utimensat(2) define them.

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::meta::{FileType, Meta, Timestamp};
use crate::sys;

const S_ISUID: u32 = 0o4000;
pub(super) const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

/// Time to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum NewTime {
    /// The present time.
    Now,
    /// This time.
    At(Timestamp),
}

/// Changes that `SETATTR` asks for; none of an attribute leaves it as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server) struct Changes {
    pub(in crate::server) mode: Option<u32>,
    pub(in crate::server) uid: Option<u32>,
    pub(in crate::server) gid: Option<u32>,
    pub(in crate::server) size: Option<u64>,
    pub(in crate::server) atime: Option<NewTime>,
    pub(in crate::server) mtime: Option<NewTime>,
}

impl Changes {
    /// Applies the changes of owner and mode, as chown(2) and chmod(2) define them.
    pub(super) fn apply(&self, meta: &mut Meta) {
        let chown = self.uid.is_some() || self.gid.is_some();
        meta.uid = self.uid.unwrap_or(meta.uid);
        meta.gid = self.gid.unwrap_or(meta.gid);
        match self.mode {
            Some(mode) if meta.kind != FileType::Symlink => meta.mode = mode & 0o7777,
            None if chown && meta.kind != FileType::Directory => {
                meta.mode &= !S_ISUID;
                // Without execution by the group the bit means something else (inode(7)).
                if meta.mode & S_IXGRP != 0 {
                    meta.mode &= !S_ISGID;
                }
            }
            _ => {}
        }
    }

    /// Returns the changes of times for utimensat(2), if there are any.
    pub(super) fn times(&self) -> Option<Timestamps> {
        if self.atime.is_none() && self.mtime.is_none() {
            return None;
        }
        let time = |time| match time {
            None => Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            Some(NewTime::Now) => Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            },
            Some(NewTime::At(time)) => sys::timespec(time),
        };
        Some(Timestamps {
            last_access: time(self.atime),
            last_modification: time(self.mtime),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chown_takes_set_id_bits() {
        let file = |mode| Meta {
            kind: FileType::Regular,
            mode,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
        };
        let chown = Changes {
            uid: Some(7),
            ..Changes::default()
        };
        let after = |changes: &Changes, mut meta: Meta| {
            changes.apply(&mut meta);
            (meta.uid, meta.mode)
        };
        assert_eq!(after(&chown, file(0o6755)), (7, 0o755));
        assert_eq!(after(&chown, file(0o6745)), (7, 0o2745));
        assert_eq!(
            after(
                &Changes {
                    mode: Some(0o4755),
                    ..chown
                },
                file(0o755)
            ),
            (7, 0o4755)
        );
        let dir = Meta {
            kind: FileType::Directory,
            ..file(0o2775)
        };
        assert_eq!(after(&chown, dir), (7, 0o2775));
    }
}
