//! Changes of attributes that a request asks for, as chown(2), chmod(2) and utimensat(2) define them.

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::{Caller, Result};
use crate::meta::{FileType, Meta, Timestamp};
use crate::sys;

const S_ISUID: u32 = 0o4000;
pub(super) const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;
const S_IWOTH: u32 = 0o002;

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

    /// Applies what the kernel does to a set-group-ID bit where the group may not execute, and leaves to a FUSE server: a
    /// caller who is not in that group takes it away by a change of size or owner, and by a write, which asks for no
    /// change at all before it, or for a mode without a set-user-ID bit (`setattr_should_drop_sgid` in its source). So
    /// does chown(2) that changes nothing. `now` is what is there.
    ///
    /// # Errors
    /// `EPERM` for such a chown(2): the caller may not write.
    pub(super) fn take_group_bit(&self, now: &Meta, meta: &mut Meta, caller: Caller) -> Result<()> {
        let has_it = now.mode & (S_ISGID | S_IXGRP) == S_ISGID && now.kind != FileType::Directory;
        if !has_it || caller.uid == 0 || caller.gid == now.gid {
            return Ok(());
        }
        let (stranger, asks) = (caller.uid != now.uid, !self.is_none());
        if stranger && !asks && now.mode & S_IWOTH == 0 {
            return Err(Errno::PERM);
        }
        // Who does not own a file cannot ask for a mode.
        let chmod = self.mode.is_some() && !stranger;
        let others = self.size.is_some() || self.is_of_owner_or_mode();
        if !chmod && (!asks || others) {
            meta.mode &= !S_ISGID;
        }
        Ok(())
    }

    /// Whether nothing is to be changed.
    pub(super) fn is_none(&self) -> bool {
        let times = self.atime.is_some() || self.mtime.is_some();
        !times && self.size.is_none() && !self.is_of_owner_or_mode()
    }

    /// Whether owner, group or mode is set, be it to what it is.
    pub(super) fn is_of_owner_or_mode(&self) -> bool {
        self.mode.is_some() || self.uid.is_some() || self.gid.is_some()
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
    fn strangers_take_the_group_bit() {
        let caller = |uid, gid| Caller { uid, gid, umask: 0 };
        let after = |changes: &Changes, mode, caller| {
            let mut meta = Meta {
                kind: FileType::Regular,
                mode,
                uid: 1,
                gid: 1,
                mtime: Timestamp::default(),
            };
            let now = meta;
            changes.apply(&mut meta);
            changes
                .take_group_bit(&now, &mut meta, caller)
                .map(|()| meta.mode)
        };
        let kernels = Changes {
            mode: Some(0o2666),
            ..Changes::default()
        };
        assert_eq!(after(&kernels, 0o6666, caller(4, 4)), Ok(0o666));
        assert_eq!(after(&kernels, 0o6666, caller(1, 4)), Ok(0o2666));
        let (none, size) = (
            Changes::default(),
            Changes {
                size: Some(0),
                ..Changes::default()
            },
        );
        assert_eq!(after(&size, 0o2666, caller(4, 4)), Ok(0o666));
        assert_eq!(after(&none, 0o2666, caller(4, 4)), Ok(0o666));
        assert_eq!(after(&none, 0o2644, caller(4, 4)), Err(Errno::PERM));
        for (mode, caller) in [
            (0o2676, caller(4, 4)),
            (0o2666, caller(4, 1)),
            (0o2666, caller(0, 0)),
        ] {
            assert_eq!(after(&none, mode, caller), Ok(mode));
        }
    }

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
