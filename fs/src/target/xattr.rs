//! Extended attributes as the target's users see them.

use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

use super::Target;
use crate::confined::Place;
use crate::encoding::{self, XattrName};
use crate::error::{Error, Result};
use crate::sys::FdPath;

/// The longest value and the longest list of names the kernel hands out (xattr(7)).
const XATTR_MAX: usize = 65536;

impl Target {
    /// All extended attributes of a file, sorted by name; those that record fake ownership are hidden.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn xattrs(&self, path: &Path) -> Result<Vec<(OsString, Vec<u8>)>> {
        let failed = |e| Error::io("read the attributes of", path, e);
        let place = self.place("read the attributes of", path)?;
        let subject = Subject::at(&place).map_err(failed)?;
        let mut names = subject.list().map_err(failed)?;
        names.sort_unstable();
        let mut attributes = Vec::with_capacity(names.len());
        for name in names {
            let name = OsString::from_vec(name);
            match subject.get(&name) {
                Ok(value) => attributes.push((name, value)),
                Err(Errno::NODATA) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(attributes)
    }

    /// Sets an extended attribute: `user.*`, `security.*` or `trusted.*`.
    ///
    /// # Errors
    /// [`Error::Io`] with `EOPNOTSUPP` for another class of names, with `EPERM` for a symbolic link.
    pub fn set_xattr(&self, path: &Path, name: &OsStr, value: &[u8]) -> Result<()> {
        let place = self.place("set an attribute of", path)?;
        Subject::at(&place)
            .and_then(|subject| subject.set(name, value, XattrFlags::empty()))
            .map_err(|e| Error::io("set an attribute of", path, e))?;
        self.note_inode(&place);
        Ok(())
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// [`Error::Io`] with `ENODATA` if there is none.
    pub fn remove_xattr(&self, path: &Path, name: &OsStr) -> Result<()> {
        let place = self.place("remove an attribute of", path)?;
        Subject::at(&place)
            .and_then(|subject| subject.remove(name))
            .map_err(|e| Error::io("remove an attribute of", path, e))?;
        self.note_inode(&place);
        Ok(())
    }
}

fn disk_name(name: &OsStr) -> rustix::io::Result<Vec<u8>> {
    match encoding::xattr_to_disk(name.as_bytes()) {
        XattrName::Disk(name) => Ok(name),
        XattrName::Unsupported => Err(Errno::OPNOTSUPP),
    }
}

/// The file whose attributes are meant.
pub(crate) enum Subject {
    /// A name, which is not followed.
    Name(FdPath),
    /// An open file.
    File(FdPath),
}

impl Subject {
    pub(crate) fn at(place: &Place) -> rustix::io::Result<Self> {
        FdPath::new(place.fd(), &place.name).map(Self::Name)
    }

    pub(crate) fn of(file: BorrowedFd<'_>) -> Self {
        Self::File(FdPath::of(file))
    }

    fn read_list(&self, list: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Name(path) => fs::llistxattr(path.as_c_str(), list),
            Self::File(path) => fs::listxattr(path.as_c_str(), list),
        }
    }

    fn read(&self, name: &[u8], value: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Name(path) => fs::lgetxattr(path.as_c_str(), name, value),
            Self::File(path) => fs::getxattr(path.as_c_str(), name, value),
        }
    }

    /// The names the target's users see.
    pub(crate) fn list(&self) -> rustix::io::Result<Vec<Vec<u8>>> {
        let mut list = vec![0; 1024];
        let len = loop {
            match self.read_list(&mut list) {
                Ok(len) => break len,
                Err(Errno::RANGE) if list.len() < XATTR_MAX => list.resize(XATTR_MAX, 0),
                Err(Errno::OPNOTSUPP) => break 0,
                Err(e) => return Err(e),
            }
        };
        list.truncate(len);
        let names = list.split(|b| *b == 0).filter(|name| !name.is_empty());
        Ok(names
            .filter_map(encoding::xattr_from_disk)
            .map(<[u8]>::to_vec)
            .collect())
    }

    pub(crate) fn get(&self, name: &OsStr) -> rustix::io::Result<Vec<u8>> {
        let name = disk_name(name)?;
        let mut value = vec![0; 256];
        loop {
            match self.read(&name, &mut value) {
                Ok(len) => {
                    value.truncate(len);
                    return Ok(value);
                }
                Err(Errno::RANGE) if value.len() < XATTR_MAX => value.resize(XATTR_MAX, 0),
                Err(e) => return Err(e),
            }
        }
    }

    pub(crate) fn set(&self, name: &OsStr, value: &[u8], flags: XattrFlags) -> rustix::io::Result<()> {
        let name = disk_name(name)?;
        match self {
            Self::Name(path) => fs::lsetxattr(path.as_c_str(), &name[..], value, flags),
            Self::File(path) => fs::setxattr(path.as_c_str(), &name[..], value, flags),
        }
    }

    pub(crate) fn remove(&self, name: &OsStr) -> rustix::io::Result<()> {
        let name = disk_name(name)?;
        match self {
            Self::Name(path) => fs::lremovexattr(path.as_c_str(), &name[..]),
            Self::File(path) => fs::removexattr(path.as_c_str(), &name[..]),
        }
    }
}
