//! Operations that change something, of which the observer is notified.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, RenameFlags};
use rustix::io::Errno;

use super::read::{attr, wrong_type};
use super::{NewFile, Observer, Target, create_at, finish};
use crate::acl::Inherited;
use crate::confined::{Location, read_link_at};
use crate::encoding;
use crate::error::{Error, Result};
use crate::meta::{FileType, Meta, Timestamp};
use crate::sys::{self, Attr, DiskStat};

impl Target {
    /// Writes a regular file in one step: it has either its old contents, owner, mode and time or the new
    /// ones. Replaces what is there, unless that is a directory.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::WrongType`] if `meta` is not that of a regular file.
    pub fn write(&self, path: &Path, data: &[u8], meta: &Meta) -> Result<()> {
        wrong_type("write", path, meta.kind, FileType::Regular)?;
        let location = self.location("write", path)?;
        self.put(&location, data, meta, self.observer(path).as_deref())
            .map_err(|e| Error::io("write", path, e))?;
        // It may have been a link to a directory.
        self.confined().forget(path);
        Ok(())
    }

    /// Makes a regular file. It is complete when [`NewFile::finish`] has been called.
    ///
    /// # Errors
    /// [`Error::Io`], also if the path exists; [`Error::WrongType`] if `meta` is not that of a regular file.
    pub fn create(&self, path: &Path, meta: &Meta) -> Result<NewFile> {
        wrong_type("create", path, meta.kind, FileType::Regular)?;
        let location = self.location("create", path)?;
        let file = create_at(&location, meta).map_err(|e| Error::io("create", path, e))?;
        self.note_entry(path, &location);
        let (target, path) = (self.clone(), path.to_owned());
        Ok(NewFile {
            file,
            meta: *meta,
            target,
            location,
            path,
            finished: false,
        })
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// [`Error::Io`], also if the path exists; [`Error::WrongType`] if `meta` is not that of a directory.
    pub fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()> {
        wrong_type("make the directory", path, meta.kind, FileType::Directory)?;
        let failed = |e| Error::io("make the directory", path, e);
        let location = self.location("make the directory", path)?;
        make_dir_at(&location, meta).map_err(failed)?;
        self.lists_for(&location, meta)
            .and_then(|lists| sys::access::give_at(location.fd(), &location.name, &lists))
            .map_err(failed)?;
        sys::set_mtime_at(location.fd(), &location.name, meta.mtime).map_err(failed)?;
        self.note_entry(path, &location);
        Ok(())
    }

    /// Makes a symbolic link with the text `text`.
    ///
    /// # Errors
    /// [`Error::Io`], also if the path exists; [`Error::WrongType`] if `meta` is not that of a link.
    pub fn make_symlink(&self, path: &Path, text: &Path, meta: &Meta) -> Result<()> {
        wrong_type("make the link", path, meta.kind, FileType::Symlink)?;
        let failed = |e| Error::io("make the link", path, e);
        let location = self.location("make the link", path)?;
        self.make_symlink_at(&location, text.as_os_str(), meta)
            .map_err(failed)?;
        sys::set_mtime_at(location.fd(), &location.name, meta.mtime).map_err(failed)?;
        self.note_entry(path, &location);
        Ok(())
    }

    /// Makes a named pipe, socket or device, as `mknod(2)`; it exists only for the target's users.
    ///
    /// # Errors
    /// [`Error::Io`], also if the path exists; [`Error::WrongType`] if `meta` is that of another type.
    pub fn make_node(&self, path: &Path, meta: &Meta) -> Result<()> {
        match meta.kind {
            FileType::Fifo
            | FileType::Socket
            | FileType::CharDevice { .. }
            | FileType::BlockDevice { .. } => {}
            FileType::Regular | FileType::Directory | FileType::Symlink => {
                return wrong_type("make the node", path, meta.kind, FileType::Fifo);
            }
        }
        let failed = |e| Error::io("make the node", path, e);
        let location = self.location("make the node", path)?;
        let lists = self.lists_for(&location, meta).map_err(failed)?;
        make_file_at(&location, b"", meta, &lists).map_err(failed)?;
        self.note_entry(path, &location);
        Ok(())
    }

    /// Gives an existing file another name, a hard link. The last component of neither path is followed.
    ///
    /// # Errors
    /// [`Error::Io`], also if `new` exists.
    pub fn link(&self, existing: &Path, new: &Path) -> Result<()> {
        let from = self.location("link to", existing)?;
        let to = self.location("make the link", new)?;
        fs::linkat(from.fd(), &from.name, to.fd(), &to.name, AtFlags::empty())
            .map_err(|e| Error::io("make the link", new, e))?;
        self.note_entry(new, &to);
        self.note_inode(new, &to);
        Ok(())
    }

    /// Renames, replacing what `to` names, as `rename(2)`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let old = self.location("rename", from)?;
        let new = self.location("rename to", to)?;
        self.rename_at(&old, &new, RenameFlags::empty(), self.observer(to).as_deref())
            .map_err(|e| Error::io("rename", from, e))?;
        self.confined().forget(from);
        self.confined().forget(to);
        Ok(())
    }

    /// Removes anything but a directory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self, path: &Path) -> Result<()> {
        let location = self.location("remove", path)?;
        self.unlink(&location, AtFlags::empty(), self.observer(path).as_deref())
            .map_err(|e| Error::io("remove", path, e))?;
        self.confined().forget(path);
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_dir(&self, path: &Path) -> Result<()> {
        let location = self.location("remove the directory", path)?;
        self.unlink(&location, AtFlags::REMOVEDIR, self.observer(path).as_deref())
            .map_err(|e| Error::io("remove the directory", path, e))?;
        self.confined().forget(path);
        Ok(())
    }

    /// Sets owner, mode and modification time; the type stays what it is.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::DamagedOverride`].
    pub fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()> {
        self.change(
            path,
            |now| {
                *now = Meta {
                    kind: now.kind,
                    ..*meta
                }
            },
            Some(meta.mtime),
        )
    }

    /// Sets owner and group. Unlike `chown(2)` this leaves set-id bits as they are.
    ///
    /// # Errors
    /// As [`set_meta`](Self::set_meta).
    pub fn set_owner(&self, path: &Path, uid: u32, gid: u32) -> Result<()> {
        self.change(path, |now| (now.uid, now.gid) = (uid, gid), None)
    }

    /// Sets permission, set-id and sticky bits. Does nothing to a symbolic link, which has none.
    ///
    /// # Errors
    /// As [`set_meta`](Self::set_meta).
    pub fn set_mode(&self, path: &Path, mode: u32) -> Result<()> {
        self.change(path, |now| now.mode = mode & 0o7777, None)
    }

    /// Sets the modification time, also that of a link.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_mtime(&self, path: &Path, mtime: Timestamp) -> Result<()> {
        let location = self.location("set the time of", path)?;
        sys::set_mtime_at(location.fd(), &location.name, mtime)
            .map_err(|e| Error::io("set the time of", path, e))?;
        self.note_inode(path, &location);
        Ok(())
    }

    fn change(&self, path: &Path, change: impl FnOnce(&mut Meta), mtime: Option<Timestamp>) -> Result<()> {
        const ACTION: &str = "change the owner or mode of";
        let location = self.location(ACTION, path)?;
        let now = attr(&location, ACTION, path)?;
        let mut meta = now.meta;
        change(&mut meta);
        if meta.kind == FileType::Symlink {
            meta.mode = 0o777;
        }
        let failed = |e| Error::io(ACTION, path, e);
        self.store(&location, &now, &meta, self.observer(path).as_deref())
            .map_err(failed)?;
        if let Some(mtime) = mtime {
            sys::set_mtime_at(location.fd(), &location.name, mtime).map_err(failed)?;
        }
        self.note_inode(path, &location);
        Ok(())
    }
}

/// Changes that the server makes, too. The observer is a parameter, since the server must not invalidate what the kernel
/// is about to change itself.
impl Target {
    /// Gives a file mode and owner. A link that is to belong to someone becomes a file on disk, which is
    /// another inode; the observer is notified of that only.
    pub(crate) fn store(
        &self,
        location: &Location,
        now: &Attr,
        meta: &Meta,
        observer: Option<&dyn Observer>,
    ) -> rustix::io::Result<()> {
        if now.on_disk != FileType::Symlink || (meta.uid == 0 && meta.gid == 0) {
            return sys::store_at(location.fd(), &location.name, now, meta);
        }
        let text = read_link_at(location.fd(), &location.name, now.on_disk)?;
        self.put(
            location,
            &text,
            &Meta {
                mtime: now.meta.mtime,
                ..*meta
            },
            observer,
        )
    }

    /// Replaces the file that is there by another one, in one step.
    fn put(
        &self,
        location: &Location,
        data: &[u8],
        meta: &Meta,
        observer: Option<&dyn Observer>,
    ) -> rustix::io::Result<()> {
        let temporary = Location {
            dir: location.dir.clone(),
            name: Self::temporary_name(),
        };
        let lists = self.lists_for(location, meta)?;
        make_file_at(&temporary, data, meta, &lists)?;
        let result = self.rename_at(&temporary, location, RenameFlags::empty(), observer);
        if result.is_err() {
            let _ = fs::unlinkat(temporary.fd(), &temporary.name, AtFlags::empty());
        }
        result
    }

    /// Makes `to` another name of the file at `from`, replacing the file that is there.
    pub(crate) fn link_over(
        &self,
        from: &Location,
        to: &Location,
        observer: Option<&dyn Observer>,
    ) -> rustix::io::Result<()> {
        let temporary = Location {
            dir: to.dir.clone(),
            name: Self::temporary_name(),
        };
        fs::linkat(
            from.fd(),
            &from.name,
            temporary.fd(),
            &temporary.name,
            AtFlags::empty(),
        )?;
        let result = self.rename_at(&temporary, to, RenameFlags::empty(), observer);
        if result.is_err() {
            let _ = fs::unlinkat(temporary.fd(), &temporary.name, AtFlags::empty());
        }
        result
    }

    /// Makes a link, real or as a file. Does not notify the observer.
    pub(crate) fn make_symlink_at(
        &self,
        location: &Location,
        text: &OsStr,
        meta: &Meta,
    ) -> rustix::io::Result<()> {
        if encoding::disk_type(meta.kind, meta.uid, meta.gid) == FileType::Symlink {
            return fs::symlinkat(text, location.fd(), &location.name);
        }
        if text.is_empty() {
            return Err(Errno::NOENT);
        }
        let meta = Meta { mode: 0o777, ..*meta };
        make_file_at(location, text.as_bytes(), &meta, &Inherited::default())
    }

    pub(crate) fn rename_at(
        &self,
        from: &Location,
        to: &Location,
        flags: RenameFlags,
        observer: Option<&dyn Observer>,
    ) -> rustix::io::Result<()> {
        let rename = || fs::renameat_with(from.fd(), &from.name, to.fd(), &to.name, flags);
        let Some(observer) = observer else {
            return rename();
        };
        let moved = sys::stat_at(from.fd(), &from.name)?;
        let other = match sys::stat_at(to.fd(), &to.name) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(e) => return Err(e),
        };
        if other.is_some_and(|other| other.ino == moved.ino) {
            // Two names of one file: rename(2) leaves both.
            return rename();
        }
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let victim = if exchange { None } else { other };
        if let Some(victim) = &victim {
            tell_leaving(observer, victim, to);
        }
        if let Err(e) = rename() {
            if let Some(victim) = victim {
                observer.stayed(victim.ino, to.dir.ino(), &to.name);
            }
            return Err(e);
        }
        let (old, new) = ((from.dir.ino(), &from.name[..]), (to.dir.ino(), &to.name[..]));
        observer.moved(moved.ino, old, new);
        if let Some(other) = other.filter(|_| exchange) {
            observer.moved(other.ino, new, old);
        }
        if let Some(victim) = victim.filter(|victim| victim.nlink > 1) {
            observer.inode_changed(victim.ino);
        }
        // A change of directories or links changes the meaning of paths.
        let plain = |stat: &DiskStat| stat.kind == FileType::Regular;
        if !(plain(&moved) && other.as_ref().is_none_or(plain)) {
            self.confined().forget_all();
        }
        observer.entry_changed(old.0, old.1);
        observer.entry_changed(new.0, new.1);
        Ok(())
    }

    pub(crate) fn unlink(
        &self,
        location: &Location,
        flags: AtFlags,
        observer: Option<&dyn Observer>,
    ) -> rustix::io::Result<()> {
        let unlink = || fs::unlinkat(location.fd(), &location.name, flags);
        let Some(observer) = observer else {
            return unlink();
        };
        let victim = sys::stat_at(location.fd(), &location.name)?;
        tell_leaving(observer, &victim, location);
        if let Err(e) = unlink() {
            observer.stayed(victim.ino, location.dir.ino(), &location.name);
            return Err(e);
        }
        if victim.nlink > 1 && victim.kind != FileType::Directory {
            observer.inode_changed(victim.ino);
        }
        if victim.kind != FileType::Regular {
            self.confined().forget_all();
        }
        observer.entry_changed(location.dir.ino(), &location.name);
        Ok(())
    }

    fn note_entry(&self, path: &Path, location: &Location) {
        if let Some(observer) = self.observer(path) {
            observer.entry_changed(location.dir.ino(), &location.name);
        }
    }

    pub(super) fn note_inode(&self, path: &Path, location: &Location) {
        if let Some(observer) = self.observer(path)
            && let Ok(stat) = sys::stat_at(location.fd(), &location.name)
        {
            observer.inode_changed(stat.ino);
        }
    }
}

fn tell_leaving(observer: &dyn Observer, victim: &DiskStat, location: &Location) {
    let last = victim.nlink <= 1 || victim.kind == FileType::Directory;
    observer.leaving(victim.ino, location.dir.ino(), &location.name, last);
}

/// Makes a directory, without its time.
pub(crate) fn make_dir_at(location: &Location, meta: &Meta) -> rustix::io::Result<()> {
    let mode = encoding::disk_mode(meta.kind, meta.mode);
    fs::mkdirat(location.fd(), &location.name, Mode::from_raw_mode(mode))?;
    // The umask may have taken bits.
    if mode & 0o077 != 0 {
        sys::chmod_at(location.fd(), &location.name, mode)?;
    }
    let record = encoding::record(meta.kind, meta.mode, meta.uid, meta.gid);
    sys::set_record_at(location.fd(), &location.name, record.as_ref(), false)
}

/// Makes anything that is a regular file on disk, complete.
fn make_file_at(location: &Location, data: &[u8], meta: &Meta, lists: &Inherited) -> rustix::io::Result<()> {
    let mut file = create_at(location, meta)?;
    let result = file
        .write_all(data)
        .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
        .and_then(|()| sys::access::give_of(file.as_fd(), lists))
        .and_then(|()| finish(&file, meta));
    if result.is_err() {
        let _ = fs::unlinkat(location.fd(), &location.name, AtFlags::empty());
    }
    result
}
