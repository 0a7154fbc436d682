//! The access control lists of one file; see [`crate::acl`].

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

use super::attr::Attr;
use super::fd_path::FdPath;
use super::getxattr::getxattr_at;
use crate::acl::{Acl, Inherited};
use crate::encoding::{ACCESS_ON_DISK, DEFAULT_ON_DISK};
use crate::meta::{FileType, Meta};

/// Most bytes of a value, and of a list of names, that the kernel hands out (xattr(7)).
pub(crate) const XATTR_MAX: usize = 65536;

/// Returns whether a change of the mode changes an access control list, too.
pub(super) fn concerns(now: &Attr, meta: &Meta) -> bool {
    (now.meta.mode ^ meta.mode) & 0o777 != 0 && meta.kind != FileType::Symlink
}

/// Changes the list of `name`, if it has one, as chmod(2) does.
pub(super) fn follow_at(dir: BorrowedFd<'_>, name: &OsStr, mode: u32) -> Result<(), Errno> {
    let list = list(|value| getxattr_at(dir, name, ACCESS_ON_DISK, value))?;
    match moved(list, mode) {
        Some(value) => {
            let path = FdPath::new(dir, name)?;
            fs::lsetxattr(path.as_c_str(), ACCESS_ON_DISK, &value, XattrFlags::REPLACE)
        }
        None => Ok(()),
    }
}

/// As [`follow_at`], for an open file.
pub(super) fn follow_of(file: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let list = list(|value| fs::fgetxattr(file, ACCESS_ON_DISK, value))?;
    match moved(list, mode) {
        Some(value) => fs::fsetxattr(file, ACCESS_ON_DISK, &value, XattrFlags::REPLACE),
        None => Ok(()),
    }
}

fn moved(list: Option<Acl>, mode: u32) -> Option<Vec<u8>> {
    let mut list = list?;
    list.set_mode(mode).then(|| list.format())
}

/// Returns the list that a directory hands down.
pub(crate) fn default_list(dir: BorrowedFd<'_>) -> Result<Option<Acl>, Errno> {
    list(|value| getxattr_at(dir, OsStr::new("."), DEFAULT_ON_DISK, value))
}

/// Gives `name` its first lists.
pub(crate) fn give_at(dir: BorrowedFd<'_>, name: &OsStr, lists: &Inherited) -> Result<(), Errno> {
    if *lists == Inherited::default() {
        return Ok(());
    }
    let path = FdPath::new(dir, name)?;
    for (name, value) in named(lists) {
        fs::lsetxattr(path.as_c_str(), name, value, XattrFlags::empty())?;
    }
    Ok(())
}

/// As [`give_at`], for an open file.
pub(crate) fn give_of(file: BorrowedFd<'_>, lists: &Inherited) -> Result<(), Errno> {
    for (name, value) in named(lists) {
        fs::fsetxattr(file, name, value, XattrFlags::empty())?;
    }
    Ok(())
}

fn named(lists: &Inherited) -> impl Iterator<Item = (&'static str, &[u8])> {
    let lists = [(ACCESS_ON_DISK, &lists.access), (DEFAULT_ON_DISK, &lists.default)];
    lists
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
}

/// Reads a list, if there is one; a value that is no valid list stays as it is.
fn list(get: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Option<Acl>, Errno> {
    match whole_value(get) {
        Ok(value) => Ok(Acl::parse(&value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Reads an attribute's value, however long.
pub(crate) fn whole_value(get: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 256];
    loop {
        match get(&mut value) {
            Ok(len) => {
                value.truncate(len);
                return Ok(value);
            }
            Err(Errno::RANGE) if value.len() < XATTR_MAX => value.resize(XATTR_MAX, 0),
            Err(errno) => return Err(errno),
        }
    }
}
