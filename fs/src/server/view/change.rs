//! Requests that change names and attributes.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, RenameFlags};
use rustix::io::Errno;

use super::attributes::{Changes, S_ISGID};
use super::observe::OwnChanges;
use super::{Caller, Entry, Invalidation, NodeAttr, Result, View};
use crate::acl::{self, Inherited};
use crate::confined::Location;
use crate::meta::{FileType, Meta, Timestamp};
use crate::server::nodes::Origin;
use crate::server::phantom::PhantomId;
use crate::sys::access::{default_list, give_at, give_of};
use crate::sys::{self, Attr, FdPath};
use crate::target::change::make_dir_at;
use crate::target::{Target, create_at, dress};

impl View {
    /// `SETATTR`.
    pub(in crate::server) fn setattr(&self, id: u64, changes: &Changes, caller: Caller) -> Result<NodeAttr> {
        if PhantomId::from_node_id(id).is_some() {
            return Err(Errno::ROFS);
        }
        let changes = &Changes {
            uid: changes.uid.map(|uid| self.inside(uid, 0).0),
            gid: changes.gid.map(|gid| self.inside(0, gid).1),
            ..*changes
        };
        let (uid, gid) = self.inside(caller.uid, caller.gid);
        let caller = Caller { uid, gid, ..caller };
        match self.nodes.location(id) {
            Ok(location) => self.setattr_at(id, &location, changes, caller),
            Err(errno) => self.setattr_of(id, changes, caller, errno),
        }
    }

    fn setattr_at(
        &self,
        id: u64,
        location: &Location,
        changes: &Changes,
        caller: Caller,
    ) -> Result<NodeAttr> {
        if let Some(size) = changes.size {
            fs::ftruncate(&*self.writable(id)?, size)?;
        }
        let moves_ctime = changes.is_of_owner_or_mode() || changes.is_none();
        if moves_ctime || changes.size.is_some() && caller.uid != 0 {
            let now = sys::attr_at(location.fd(), &location.name)?;
            let mut meta = now.meta;
            changes.apply(&mut meta);
            changes.take_group_bit(&now.meta, &mut meta, caller)?;
            if meta != now.meta {
                self.target
                    .store(location, &now, &meta, Some(&OwnChanges(self)))?;
                self.note_replaced(id, location, &now)?;
            } else if moves_ctime {
                // It was asked for, and the disk's time of the change is the one that is seen.
                fs::chownat(
                    location.fd(),
                    &location.name,
                    None,
                    None,
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
            }
        }
        if let Some(times) = changes.times() {
            fs::utimensat(location.fd(), &location.name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let attr = sys::attr_at(location.fd(), &location.name)?;
        self.tell_others_of(attr.ino);
        Ok(self.shown(id, &attr))
    }

    /// Notes that a link that was given away is another inode on disk now, and so are its other names: the kernel does
    /// not say which of them it means. The node keeps its locations until the kernel has looked the names up again.
    fn note_replaced(&self, id: u64, location: &Location, before: &Attr) -> Result<()> {
        let is_now = |location: &Location| sys::stat_at(location.fd(), &location.name).map(|stat| stat.ino);
        if is_now(location)? == before.ino {
            return Ok(());
        }
        let keep = |location: &Location| {
            let parent = self.nodes.id(location.dir.ino());
            self.nodes.keep_name(id, parent, &location.name);
            self.tell_later(parent, &location.name);
        };
        let others = self.nodes.locations(id);
        keep(location);
        for other in others {
            if is_now(&other) == Ok(before.ino) {
                self.target.link_over(location, &other, Some(&OwnChanges(self)))?;
                keep(&other);
            }
        }
        Ok(())
    }

    /// `SETATTR` of a file without a name.
    fn setattr_of(&self, id: u64, changes: &Changes, caller: Caller, errno: Errno) -> Result<NodeAttr> {
        let file = self.nodes.file(id, changes.size.is_some()).map_err(|_| errno)?;
        if let Some(size) = changes.size {
            fs::ftruncate(&*file, size)?;
        }
        let now = sys::attr_of(file.as_fd())?;
        let mut meta = now.meta;
        changes.apply(&mut meta);
        changes.take_group_bit(&now.meta, &mut meta, caller)?;
        if meta != now.meta {
            sys::store_of(file.as_fd(), &now, &meta)?;
        } else if changes.is_of_owner_or_mode() || changes.is_none() {
            fs::fchown(&*file, None, None)?;
        }
        if let Some(times) = changes.times() {
            fs::futimens(&*file, &times)?;
        }
        let attr = sys::attr_of(file.as_fd())?;
        self.tell_others_of(attr.ino);
        Ok(self.shown(id, &attr))
    }

    /// Returns owner, mode and access control lists of a file that the caller makes in a directory (inode(7) on
    /// set-group-ID directories, acl(5) on default lists, which stand for the umask).
    pub(super) fn new_meta(
        &self,
        location: &Location,
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
        let parent = sys::attr_at(location.fd(), OsStr::new("."))?;
        if parent.meta.mode & S_ISGID != 0 {
            meta.gid = parent.meta.gid;
            if kind == FileType::Directory {
                meta.mode |= S_ISGID;
            }
        }
        if kind == FileType::Symlink {
            return Ok((meta, Inherited::default()));
        }
        let lists = match default_list(location.fd())? {
            Some(mut list) => Inherited::from(&mut list, &mut meta.mode, kind == FileType::Directory),
            None => {
                meta.mode &= !(caller.umask & 0o777);
                Inherited::default()
            }
        };
        Ok((meta, lists))
    }

    fn made(&self, parent: u64, location: &Location) -> Result<Entry> {
        let attr = sys::attr_at(location.fd(), &location.name)?;
        self.tell_others(location);
        Ok(self.entry(&attr, parent, &location.name, Origin::Made))
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
        let location = self.location_in(parent, name)?;
        let (meta, lists) = self.new_meta(&location, kind, mode, caller)?;
        let file = create_at(&location, &meta)?;
        let dressed = dress(&file, &meta).and_then(|()| give_of(file.as_fd(), &lists));
        self.or_unlink(&location, dressed)?;
        self.made(parent, &location)
    }

    /// `MKDIR`.
    pub(in crate::server) fn mkdir(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        caller: Caller,
    ) -> Result<Entry> {
        let location = self.location_in(parent, name)?;
        // Here a directory's mode has no set-id bits: they come from the parent alone.
        let (meta, lists) = self.new_meta(&location, FileType::Directory, mode & 0o1777, caller)?;
        make_dir_at(&location, &meta)?;
        if let Err(e) = give_at(location.fd(), &location.name, &lists) {
            let _ = fs::unlinkat(location.fd(), &location.name, AtFlags::REMOVEDIR);
            return Err(e);
        }
        if lists.default.is_some() {
            self.target.note_attribute(OsStr::new(acl::DEFAULT));
        }
        self.made(parent, &location)
    }

    /// `SYMLINK`.
    pub(in crate::server) fn symlink(
        &self,
        parent: u64,
        name: &OsStr,
        text: &OsStr,
        caller: Caller,
    ) -> Result<Entry> {
        let location = self.location_in(parent, name)?;
        let (mut meta, _) = self.new_meta(&location, FileType::Symlink, 0o777, caller)?;
        meta.mtime = Timestamp::now();
        self.target.make_symlink_at(&location, text, &meta)?;
        self.made(parent, &location)
    }

    /// `LINK`.
    pub(in crate::server) fn link(&self, id: u64, parent: u64, name: &OsStr) -> Result<Entry> {
        if PhantomId::from_node_id(id).is_some() {
            return Err(Errno::ROFS);
        }
        let to = self.location_in(parent, name)?;
        match self.nodes.location(id) {
            Ok(from) => fs::linkat(from.fd(), &from.name, to.fd(), &to.name, AtFlags::empty())?,
            // One that was made without a name. Of others that have none the kernel does not ask.
            Err(errno) => {
                let file = self.nodes.file(id, false).map_err(|_| errno)?;
                let from = FdPath::of(file.as_fd());
                fs::linkat(
                    fs::CWD,
                    from.as_c_str(),
                    to.fd(),
                    &to.name,
                    AtFlags::SYMLINK_FOLLOW,
                )?;
            }
        }
        let attr = sys::attr_at(to.fd(), &to.name)?;
        self.tell_others(&to);
        self.tell_others_of(attr.ino);
        Ok(self.entry(&attr, parent, name, Origin::Found))
    }

    /// `UNLINK` and, with [`AtFlags::REMOVEDIR`], `RMDIR`.
    pub(in crate::server) fn remove(&self, parent: u64, name: &OsStr, flags: AtFlags) -> Result<()> {
        let location = self.location_in(parent, name)?;
        let phantom = self.nodes.phantom_in(parent, name);
        match self.target.unlink(&location, flags, Some(&OwnChanges(self))) {
            // The target does not have it, which is what the caller wants.
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
        let old = self.location_in(from.0, from.1)?;
        let new = self.location_in(to.0, to.1)?;
        let phantom = self.nodes.phantom_in(from.0, from.1);
        match self.target.rename_at(&old, &new, flags, Some(&OwnChanges(self))) {
            Err(Errno::NOENT) if phantom.is_some() => return Err(Errno::ROFS),
            result => result?,
        }
        if phantom.is_some() {
            self.tell_later(from.0, from.1);
        }
        Ok(())
    }

    /// `RENAME2` that leaves a whiteout in the place of the old name, for layered filesystems: a character device 0:0,
    /// which is a record as any device.
    pub(in crate::server) fn rename_leaving_whiteout(
        &self,
        from: (u64, &OsStr),
        to: (u64, &OsStr),
        flags: RenameFlags,
        caller: Caller,
    ) -> Result<()> {
        if flags.contains(RenameFlags::EXCHANGE) {
            return Err(Errno::INVAL);
        }
        let old = self.location_in(from.0, from.1)?;
        let kind = FileType::CharDevice { major: 0, minor: 0 };
        let (uid, gid) = self.inside(caller.uid, caller.gid);
        let meta = Meta {
            kind,
            mode: 0,
            uid,
            gid,
            mtime: Timestamp::default(),
        };
        // Made before anything is moved, as that may fail.
        let made = Location {
            dir: old.dir.clone(),
            name: Target::temporary_name(),
        };
        let file = create_at(&made, &meta)?;
        let moved = dress(&file, &meta)
            .and_then(|()| self.rename(from, to, flags - RenameFlags::WHITEOUT))
            .and_then(|()| fs::renameat(made.fd(), &made.name, old.fd(), &old.name));
        self.or_unlink(&made, moved)?;
        self.tell_others(&old);
        Ok(())
    }

    /// Tells the kernel to look a name up again, once it has the answer to this request.
    fn tell_later(&self, parent: u64, name: &OsStr) {
        // Without a receiver there is no kernel to tell.
        let _ = self.later.send(Invalidation::Name {
            parent: self.named(parent).0,
            name: name.to_owned(),
        });
    }

    /// Removes a file that could not be completed.
    pub(super) fn or_unlink(&self, location: &Location, result: Result<()>) -> Result<()> {
        if result.is_err() {
            let _ = fs::unlinkat(location.fd(), &location.name, AtFlags::empty());
        }
        result
    }
}
