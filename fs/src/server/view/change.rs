//! Requests that change names and attributes.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::{Caller, Entry, Quiet, Result, Shown, View};
use crate::acl::{self, Inherited};
use crate::confined::Place;
use crate::meta::{FileType, Meta, Timestamp};
use crate::server::nodes::Known;
use crate::server::phantom::PhantomId;
use crate::sys::access::{default_list, give_at, give_of};
use crate::sys::{self, Attr};
use crate::target::change::make_dir_at;
use crate::target::{create_at, dress};

pub(super) const S_ISUID: u32 = 0o4000;
pub(super) const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o010;

/// A time to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum NewTime {
    Now,
    At(Timestamp),
}

/// What `SETATTR` changes.
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
    /// What becomes of `meta`, as chown(2) and chmod(2) have it.
    fn apply(&self, meta: &mut Meta) {
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

    fn times(&self) -> Option<Timestamps> {
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

impl View {
    /// `SETATTR`.
    pub(in crate::server) fn setattr(&self, id: u64, changes: &Changes) -> Result<Shown> {
        if PhantomId::from_node_id(id).is_some() {
            return Err(Errno::ROFS);
        }
        let changes = &Changes {
            uid: changes.uid.map(|uid| self.inside(uid, 0).0),
            gid: changes.gid.map(|gid| self.inside(0, gid).1),
            ..*changes
        };
        match self.nodes.place(id) {
            Ok(place) => self.setattr_at(id, &place, changes),
            Err(errno) => self.setattr_of(id, changes, errno),
        }
    }

    fn setattr_at(&self, id: u64, place: &Place, changes: &Changes) -> Result<Shown> {
        if let Some(size) = changes.size {
            fs::ftruncate(&*self.writable(id)?, size)?;
        }
        if changes.mode.is_some() || changes.uid.is_some() || changes.gid.is_some() {
            let now = sys::attr_at(place.fd(), &place.name)?;
            let mut meta = now.meta;
            changes.apply(&mut meta);
            if meta != now.meta {
                self.target.store(place, &now, &meta, Some(&Quiet(self)))?;
                self.note_replaced(id, place, &now)?;
            }
        }
        if let Some(times) = changes.times() {
            fs::utimensat(place.fd(), &place.name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let attr = sys::attr_at(place.fd(), &place.name)?;
        Ok(self.shown(id, &attr))
    }

    /// A link that was given away is another inode on disk now, and so are its other names: the kernel does
    /// not say which of them it means. The node keeps its places until the kernel has looked the names up
    /// again.
    fn note_replaced(&self, id: u64, place: &Place, before: &Attr) -> Result<()> {
        let is_now = |place: &Place| sys::stat_at(place.fd(), &place.name).map(|stat| stat.ino);
        if is_now(place)? == before.ino {
            return Ok(());
        }
        let keep = |place: &Place| {
            let parent = self.nodes.id(place.dir.ino());
            self.nodes.keep_name(id, parent, &place.name);
            self.tell_later(parent, &place.name);
        };
        let others = self.nodes.places(id);
        keep(place);
        for other in others {
            if is_now(&other) == Ok(before.ino) {
                self.target.link_over(place, &other, Some(&Quiet(self)))?;
                keep(&other);
            }
        }
        Ok(())
    }

    /// For a file without a name.
    fn setattr_of(&self, id: u64, changes: &Changes, errno: Errno) -> Result<Shown> {
        let file = self.nodes.file(id, changes.size.is_some()).map_err(|_| errno)?;
        if let Some(size) = changes.size {
            fs::ftruncate(&*file, size)?;
        }
        let now = sys::attr_of(file.as_fd())?;
        let mut meta = now.meta;
        changes.apply(&mut meta);
        if meta != now.meta {
            sys::store_of(file.as_fd(), &now, &meta)?;
        }
        if let Some(times) = changes.times() {
            fs::futimens(&*file, &times)?;
        }
        let attr = sys::attr_of(file.as_fd())?;
        Ok(self.shown(id, &attr))
    }

    /// Owner, mode and access control lists of what the caller makes in a directory (inode(7) on
    /// set-group-ID directories, acl(5) on default lists, which stand for the umask).
    pub(super) fn new_meta(
        &self,
        place: &Place,
        kind: FileType,
        mode: u32,
        caller: Caller,
    ) -> Result<(Meta, Inherited)> {
        let mode = if kind == FileType::Symlink {
            0o777
        } else {
            mode & 0o7777
        };
        let mtime = Timestamp::default();
        let (uid, gid) = self.inside(caller.uid, caller.gid);
        let mut meta = Meta {
            kind,
            mode,
            uid,
            gid,
            mtime,
        };
        let parent = sys::attr_at(place.fd(), OsStr::new("."))?;
        if parent.meta.mode & S_ISGID != 0 {
            meta.gid = parent.meta.gid;
            if kind == FileType::Directory {
                meta.mode |= S_ISGID;
            }
        }
        if kind == FileType::Symlink {
            return Ok((meta, Inherited::default()));
        }
        let lists = match default_list(place.fd())? {
            Some(mut list) => Inherited::from(&mut list, &mut meta.mode, kind == FileType::Directory),
            None => {
                meta.mode &= !(caller.umask & 0o777);
                Inherited::default()
            }
        };
        Ok((meta, lists))
    }

    fn made(&self, parent: u64, place: &Place) -> Result<Entry> {
        let attr = sys::attr_at(place.fd(), &place.name)?;
        Ok(self.entry(&attr, parent, &place.name, Known::Made))
    }

    /// `MKNOD`: any type but directories and links.
    pub(in crate::server) fn mknod(
        &self,
        parent: u64,
        name: &OsStr,
        kind: FileType,
        mode: u32,
        caller: Caller,
    ) -> Result<Entry> {
        let place = self.place_in(parent, name)?;
        let (meta, lists) = self.new_meta(&place, kind, mode, caller)?;
        let file = create_at(&place, &meta)?;
        let dressed = dress(&file, &meta).and_then(|()| give_of(file.as_fd(), &lists));
        self.or_unlink(&place, dressed)?;
        self.made(parent, &place)
    }

    /// `MKDIR`.
    pub(in crate::server) fn mkdir(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        caller: Caller,
    ) -> Result<Entry> {
        let place = self.place_in(parent, name)?;
        // Here a directory's mode has no set-id bits: they come from the parent alone.
        let (meta, lists) = self.new_meta(&place, FileType::Directory, mode & 0o1777, caller)?;
        make_dir_at(&place, &meta)?;
        if let Err(e) = give_at(place.fd(), &place.name, &lists) {
            let _ = fs::unlinkat(place.fd(), &place.name, AtFlags::REMOVEDIR);
            return Err(e);
        }
        if lists.default.is_some() {
            self.target.note_attribute(OsStr::new(acl::DEFAULT));
        }
        self.made(parent, &place)
    }

    /// `SYMLINK`.
    pub(in crate::server) fn symlink(
        &self,
        parent: u64,
        name: &OsStr,
        text: &OsStr,
        caller: Caller,
    ) -> Result<Entry> {
        let place = self.place_in(parent, name)?;
        let (mut meta, _) = self.new_meta(&place, FileType::Symlink, 0o777, caller)?;
        meta.mtime = Timestamp::now();
        self.target.make_symlink_at(&place, text, &meta)?;
        self.made(parent, &place)
    }

    /// `LINK`.
    pub(in crate::server) fn link(&self, id: u64, parent: u64, name: &OsStr) -> Result<Entry> {
        if PhantomId::from_node_id(id).is_some() {
            return Err(Errno::ROFS);
        }
        let from = self.nodes.place(id)?;
        let to = self.place_in(parent, name)?;
        fs::linkat(from.fd(), &from.name, to.fd(), &to.name, AtFlags::empty())?;
        let attr = sys::attr_at(to.fd(), &to.name)?;
        Ok(self.entry(&attr, parent, name, Known::Found))
    }

    /// `UNLINK` and, with [`AtFlags::REMOVEDIR`], `RMDIR`.
    pub(in crate::server) fn remove(&self, parent: u64, name: &OsStr, flags: AtFlags) -> Result<()> {
        let place = self.place_in(parent, name)?;
        let phantom = self.nodes.phantom_in(parent, name);
        match self.target.unlink(&place, flags, Some(&Quiet(self))) {
            // Who wants it gone from the target is right: it is not there.
            Err(Errno::NOENT) if phantom.is_some() => {}
            result => result?,
        }
        if phantom.is_some() {
            self.tell_later(parent, name);
        }
        Ok(())
    }

    /// `RENAME` and `RENAME2`.
    pub(in crate::server) fn rename(
        &self,
        from: (u64, &OsStr),
        to: (u64, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        if !(flags - (RenameFlags::NOREPLACE | RenameFlags::EXCHANGE)).is_empty() {
            return Err(Errno::INVAL);
        }
        let old = self.place_in(from.0, from.1)?;
        let new = self.place_in(to.0, to.1)?;
        let phantom = self.nodes.phantom_in(from.0, from.1);
        match self.target.rename_at(&old, &new, flags, Some(&Quiet(self))) {
            Err(Errno::NOENT) if phantom.is_some() => return Err(Errno::ROFS),
            result => result?,
        }
        if phantom.is_some() {
            self.tell_later(from.0, from.1);
        }
        Ok(())
    }

    /// Tells the kernel to look a name up again, once it has the answer to this request.
    fn tell_later(&self, parent: u64, name: &OsStr) {
        // Without a receiver there is no kernel to tell.
        let _ = self.later.send((parent, name.to_owned()));
    }

    /// Removes what could not be completed.
    pub(super) fn or_unlink(&self, place: &Place, result: Result<()>) -> Result<()> {
        if result.is_err() {
            let _ = fs::unlinkat(place.fd(), &place.name, AtFlags::empty());
        }
        result
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
