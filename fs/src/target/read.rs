//! Operations that read.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags, RawDir};

use super::Target;
use crate::confined::{Location, read_link_at};
use crate::error::{Error, Result};
use crate::marker::MARKER;
use crate::meta::{FileType, Stat};
use crate::sys;

/// Bytes of the buffer for directory entries, enough for the names of some hundred.
const DIR_BUFFER: usize = 32 * 1024;

impl Target {
    /// Returns the attributes of the file that a path names, as `lstat(2)`.
    ///
    /// # Errors
    /// [`Error::Io`] (see [`Error::is_not_found`]), [`Error::DamagedOverride`].
    pub fn stat(&self, path: &Path) -> Result<Stat> {
        let location = self.location("stat", path)?;
        attr(&location, "stat", path).map(Stat::from)
    }

    /// Returns the attributes of the file that a path leads to, as `stat(2)`.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub fn stat_follow(&self, path: &Path) -> Result<Stat> {
        let location = self.location_followed("stat", path)?;
        attr(&location, "stat", path).map(Stat::from)
    }

    /// Reads the text of a symbolic link.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else, [`Error::Io`], [`Error::DamagedOverride`].
    pub fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let location = self.location("read the link", path)?;
        let attr = attr(&location, "read the link", path)?;
        wrong_type("read the link", path, attr.meta.kind, FileType::Symlink)?;
        let text = read_link_at(location.fd(), &location.name, attr.on_disk)
            .map_err(|e| Error::io("read the link", path, e))?;
        Ok(PathBuf::from(OsString::from_vec(text)))
    }

    /// Returns the path on this machine of the file that a path leads to, links followed within the target. It need not be
    /// there, but its directory has to. It is what the file is called now, and nobody keeps it so.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub fn real_path(&self, path: &Path) -> Result<PathBuf> {
        let location = self.location_followed("find", path)?;
        let open = format!("/proc/self/fd/{}", location.fd().as_fd().as_raw_fd());
        let directory = std::fs::read_link(open).map_err(|error| {
            let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
            Error::io("find", path, errno)
        })?;
        Ok(directory.join(&location.name))
    }

    /// Reads the contents of a regular file, links followed.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else, [`Error::Io`], [`Error::DamagedOverride`].
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let location = self.location_followed("read", path)?;
        let mut file = open_regular(&location, path)?;
        let mut data = Vec::new();
        file.read_to_end(&mut data)
            .map_err(|e| Error::io("read", path, e))?;
        Ok(data)
    }

    /// Opens a regular file for reading; the last component is not followed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn open_file(&self, path: &Path) -> Result<File> {
        open_regular(&self.location("read", path)?, path)
    }

    /// Returns the names in a directory, links followed, sorted by their bytes, without `.` and `..`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_dir(&self, path: &Path) -> Result<Vec<OsString>> {
        let location = self.location_followed("list", path)?;
        let failed = |e| Error::io("list", path, e);
        let is_root = location.name == "." && location.dir.ino() == self.confined().root().ino();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = fs::openat(location.fd(), &location.name, flags, Mode::empty()).map_err(failed)?;
        let mut buffer = vec![MaybeUninit::uninit(); DIR_BUFFER];
        let mut entries = RawDir::new(dir.as_fd(), &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            let marker = is_root && name == MARKER.as_bytes();
            if name != b"." && name != b".." && !marker {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

pub(super) fn attr(location: &Location, action: &'static str, path: &Path) -> Result<sys::Attr> {
    sys::attr_at(location.fd(), &location.name).map_err(|e| e.into_error(action, path))
}

pub(super) fn wrong_type(action: &'static str, path: &Path, found: FileType, wanted: FileType) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    let (found, wanted) = (found.description(), wanted.description());
    Err(Error::WrongType {
        action,
        path: path.to_owned(),
        found,
        wanted,
    })
}

fn open_regular(location: &Location, path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match fs::openat(location.fd(), &location.name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::LOOP) => {
            wrong_type("read", path, FileType::Symlink, FileType::Regular)?;
            return Err(Error::io("read", path, rustix::io::Errno::LOOP));
        }
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let attr = sys::attr_of(file.as_fd()).map_err(|e| e.into_error("read", path))?;
    wrong_type("read", path, attr.meta.kind, FileType::Regular)?;
    Ok(File::from(file))
}
