//! Extended attributes as the target's users see them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

use super::Target;
use crate::acl::{self, Acl};
use crate::confined::Location;
use crate::encoding::{self, ACCESS_ON_DISK, DEFAULT_ON_DISK, XattrName};
use crate::error::{Error, Result};
use crate::meta::{FileType, Meta};
use crate::sys::access::{XATTR_MAX, whole_value};
use crate::sys::{self, Attr, FdPath};

/// Names and values of extended attributes.
pub type Xattrs = Vec<(OsString, Vec<u8>)>;

impl Target {
    /// Returns all extended attributes of a file, sorted by name; those that record fake ownership are hidden.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn xattrs(&self, path: &Path) -> Result<Xattrs> {
        let location = self.location("read the attributes of", path)?;
        let attributes = Subject::at(location).all();
        attributes.map_err(|e| Error::io("read the attributes of", path, e))
    }

    /// Opens a regular file for reading, as [`open_file`](Self::open_file), and reads its extended attributes,
    /// as [`xattrs`](Self::xattrs).
    ///
    /// # Errors
    /// Those of both.
    pub fn open_with_xattrs(&self, path: &Path) -> Result<(Arc<File>, Xattrs)> {
        let file = Arc::new(self.open_file(path)?);
        let attributes = Subject::of(file.clone()).all();
        let attributes = attributes.map_err(|e| Error::io("read the attributes of", path, e))?;
        Ok((file, attributes))
    }

    /// Sets an extended attribute: `user.*`, `security.*`, `trusted.*` or a POSIX access control list, which
    /// may change the mode.
    ///
    /// # Errors
    /// [`Error::Io`] with `EOPNOTSUPP` for another class of names, with `EPERM` for a symbolic link, with
    /// `EINVAL` for a list that is none.
    pub fn set_xattr(&self, path: &Path, name: &OsStr, value: &[u8]) -> Result<()> {
        let location = self.location("set an attribute of", path)?;
        Subject::at(location.clone())
            .set(name, value, XattrFlags::empty(), |_| false)
            .map_err(|e| Error::io("set an attribute of", path, e))?;
        self.note_attribute(name);
        self.note_inode(path, &location);
        Ok(())
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// [`Error::Io`] with `ENODATA` if there is none.
    pub fn remove_xattr(&self, path: &Path, name: &OsStr) -> Result<()> {
        let location = self.location("remove an attribute of", path)?;
        Subject::at(location.clone())
            .remove(name)
            .map_err(|e| Error::io("remove an attribute of", path, e))?;
        self.note_inode(path, &location);
        Ok(())
    }
}

const S_ISGID: u32 = 0o2000;

fn disk_name(name: &OsStr) -> rustix::io::Result<Vec<u8>> {
    match encoding::xattr_to_disk(name.as_bytes()) {
        XattrName::Disk(name) => Ok(name),
        XattrName::Unsupported => Err(Errno::OPNOTSUPP),
    }
}

/// File whose attributes are meant.
pub(crate) enum Subject {
    /// A name, which is not followed.
    Name(Location),
    /// An open file.
    File(Arc<File>),
}

/// Returns a path for the calls for extended attributes, which take nothing else.
fn path_of(location: &Location) -> rustix::io::Result<FdPath> {
    FdPath::new(location.fd(), &location.name)
}

impl Subject {
    pub(crate) fn at(location: Location) -> Self {
        Self::Name(location)
    }

    pub(crate) fn of(file: Arc<File>) -> Self {
        Self::File(file)
    }

    fn attr(&self) -> rustix::io::Result<Attr> {
        let attr = match self {
            Self::Name(location) => sys::attr_at(location.fd(), &location.name),
            Self::File(file) => sys::attr_of(file.as_fd()),
        };
        attr.map_err(|error| error.errno())
    }

    fn store(&self, now: &Attr, meta: &Meta) -> rustix::io::Result<()> {
        match self {
            Self::Name(location) => sys::store_at(location.fd(), &location.name, now, meta),
            Self::File(file) => sys::store_of(file.as_fd(), now, meta),
        }
    }

    fn read_list(&self, list: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Name(location) => fs::llistxattr(path_of(location)?.as_c_str(), list),
            Self::File(file) => fs::flistxattr(file, list),
        }
    }

    fn read(&self, name: &[u8], value: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Name(location) => sys::getxattr_at(location.fd(), &location.name, name, value),
            Self::File(file) => fs::fgetxattr(file, name, value),
        }
    }

    /// Returns the names that the target's users see, sorted.
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
        let mut names: Vec<_> = names
            .filter_map(encoding::xattr_from_disk)
            .map(<[u8]>::to_vec)
            .collect();
        // The order on disk is the disk's affair.
        names.sort_unstable();
        Ok(names)
    }

    /// Returns all attributes, sorted by name.
    fn all(&self) -> rustix::io::Result<Xattrs> {
        let names = self.list()?;
        let mut attributes = Vec::with_capacity(names.len());
        for name in names {
            let name = OsString::from_vec(name);
            match self.get(&name) {
                Ok(value) => attributes.push((name, value)),
                Err(Errno::NODATA) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(attributes)
    }

    /// Returns the value of an attribute on disk that the target's users do not see.
    pub(crate) fn get_own(&self, name: &str) -> rustix::io::Result<Vec<u8>> {
        whole_value(|value| self.read(name.as_bytes(), value))
    }

    /// Sets an attribute on disk that the target's users do not see.
    pub(crate) fn set_own(&self, name: &str, value: &[u8]) -> rustix::io::Result<()> {
        self.write(name.as_bytes(), value, XattrFlags::empty())
    }

    /// Removes an attribute on disk that the target's users do not see, if it is there.
    pub(crate) fn remove_own(&self, name: &str) -> rustix::io::Result<()> {
        match self.remove_from_disk(name.as_bytes()) {
            Err(Errno::NODATA) => Ok(()),
            result => result,
        }
    }

    fn remove_from_disk(&self, name: &[u8]) -> rustix::io::Result<()> {
        match self {
            Self::Name(location) => fs::lremovexattr(path_of(location)?.as_c_str(), name),
            Self::File(file) => fs::fremovexattr(file, name),
        }
    }

    pub(crate) fn get(&self, name: &OsStr) -> rustix::io::Result<Vec<u8>> {
        let name = disk_name(name)?;
        whole_value(|value| self.read(&name, value))
    }

    /// Sets an attribute. `drops_group_bit` decides whether the caller who sets an access control list loses the
    /// set-group-ID bit.
    pub(crate) fn set(
        &self,
        name: &OsStr,
        value: &[u8],
        flags: XattrFlags,
        drops_group_bit: impl FnOnce(&Meta) -> bool,
    ) -> rustix::io::Result<()> {
        if name == acl::ACCESS {
            return self.set_access(value, drops_group_bit);
        }
        if name == acl::DEFAULT {
            return self.set_default(value);
        }
        self.write(&disk_name(name)?, value, flags)
    }

    /// Sets the list together with the mode (acl(5)); a list that says no more than a mode is not kept.
    fn set_access(
        &self,
        value: &[u8],
        drops_group_bit: impl FnOnce(&Meta) -> bool,
    ) -> rustix::io::Result<()> {
        let mut list = Acl::parse(value).ok_or(Errno::INVAL)?;
        let now = self.attr()?;
        if now.meta.kind == FileType::Symlink {
            return Err(Errno::OPNOTSUPP);
        }
        let mut meta = now.meta;
        meta.mode = meta.mode & !0o777 | list.mode();
        if drops_group_bit(&meta) {
            meta.mode &= !S_ISGID;
        }
        if list.is_extended() {
            self.write(ACCESS_ON_DISK.as_bytes(), &list.format(), XattrFlags::empty())?;
        } else {
            self.remove(OsStr::new(acl::ACCESS))?;
        }
        if meta == now.meta {
            return Ok(());
        }
        self.store(&now, &meta)
    }

    fn set_default(&self, value: &[u8]) -> rustix::io::Result<()> {
        let list = Acl::parse(value).ok_or(Errno::INVAL)?;
        if self.attr()?.meta.kind != FileType::Directory {
            return Err(Errno::ACCESS);
        }
        self.write(DEFAULT_ON_DISK.as_bytes(), &list.format(), XattrFlags::empty())
    }

    fn write(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> rustix::io::Result<()> {
        match self {
            Self::Name(location) => fs::lsetxattr(path_of(location)?.as_c_str(), name, value, flags),
            Self::File(file) => fs::fsetxattr(file, name, value, flags),
        }
    }

    pub(crate) fn remove(&self, name: &OsStr) -> rustix::io::Result<()> {
        let list = name == acl::ACCESS || name == acl::DEFAULT;
        let name = disk_name(name)?;
        let result = self.remove_from_disk(&name);
        match result {
            // Not to have a list is one way to have the minimal one.
            Err(Errno::NODATA) if list => Ok(()),
            result => result,
        }
    }
}
