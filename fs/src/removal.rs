//! Removal of directories of any depth.
//!
//! One descriptor is open at a time, however deep a directory is: the way back up is `..`, and a directory that is
//! reached so must be the one that was left.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::sys::FdPath;

/// Bytes of the buffer for directory entries.
const DIR_BUFFER: usize = 32 * 1024;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A directory on the way down, with the names of those in it that are still to be removed.
struct Level {
    /// Device and inode number.
    id: (u64, u64),
    directories: Vec<OsString>,
}

/// Removes a directory and all in it, of any depth and whatever modes its directories have. Links are not followed,
/// and mounts are not entered.
///
/// # Errors
/// The first failure; what can be removed is removed all the same.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let mut first = None;
    let top = open(CWD, path.as_os_str())?;
    let mut levels = vec![empty(&top, &mut first)?];
    let mut here = top;
    while let Some(level) = levels.last() {
        if let Some(name) = level.directories.last() {
            match enter(here.as_fd(), name, level.id.0, &mut first) {
                Ok((below, level)) => {
                    levels.push(level);
                    here = below;
                }
                Err(error) => {
                    first.get_or_insert(error);
                    forget(&mut levels);
                }
            }
            continue;
        }
        levels.pop();
        let Some(above) = levels.last() else { break };
        let parent = fs::openat(&here, "..", DIRECTORY, Mode::empty())?;
        if id(&fs::fstat(&parent)?) != above.id {
            return Err(io::Error::other(
                "a directory was moved while it was being removed",
            ));
        }
        here = parent;
        if let Some(name) = forget(&mut levels)
            && let Err(error) = fs::unlinkat(&here, &name, AtFlags::REMOVEDIR)
        {
            first.get_or_insert(error.into());
        }
    }
    match first {
        Some(error) => Err(error),
        None => Ok(fs::rmdir(path)?),
    }
}

/// Takes the directory that was dealt with last from its level.
fn forget(levels: &mut [Level]) -> Option<OsString> {
    levels.last_mut()?.directories.pop()
}

/// Opens a directory on the device `device` and removes the files in it.
fn enter(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    device: u64,
    first: &mut Option<io::Error>,
) -> io::Result<(OwnedFd, Level)> {
    let directory = open(parent, name)?;
    let level = empty(&directory, first)?;
    if level.id.0 != device {
        return Err(io::Error::from_raw_os_error(Errno::BUSY.raw_os_error()));
    }
    Ok((directory, level))
}

/// Opens a directory for reading; its owner gets the right where it has not.
fn open(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match fs::openat(parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = fs::openat(parent, name, flags, Mode::empty())?;
            fs::chmod(FdPath::of(found.as_fd()).as_c_str(), Mode::RWXU)?;
            Ok(fs::openat(parent, name, DIRECTORY, Mode::empty())?)
        }
        opened => Ok(opened?),
    }
}

/// Removes all that is no directory from a directory.
fn empty(directory: &OwnedFd, first: &mut Option<io::Error>) -> io::Result<Level> {
    let stat = fs::fstat(directory)?;
    if Mode::from_raw_mode(stat.st_mode) & Mode::RWXU != Mode::RWXU {
        fs::fchmod(directory, Mode::RWXU)?;
    }
    let mut level = Level {
        id: id(&stat),
        directories: Vec::new(),
    };
    let mut others = Vec::new();
    let mut buffer = vec![MaybeUninit::uninit(); DIR_BUFFER];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let name = OsStr::from_bytes(name).to_owned();
        let kind = match entry.file_type() {
            FileType::Unknown => fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
            kind => kind,
        };
        match kind {
            FileType::Directory => level.directories.push(name),
            _ => others.push(name),
        }
    }
    for name in others {
        match fs::unlinkat(directory, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                first.get_or_insert(error.into());
            }
        }
    }
    Ok(level)
}

fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Makes nested directories, each with a file, and returns the number of levels.
    fn nest(top: &Path, levels: u32) {
        std::fs::create_dir(top).unwrap();
        let mut here = open(CWD, top.as_os_str()).unwrap();
        for _ in 0..levels {
            fs::mkdirat(&here, "directory", Mode::RWXU).unwrap();
            let below = fs::openat(&here, "directory", DIRECTORY, Mode::empty()).unwrap();
            let flags = OFlags::CREATE | OFlags::WRONLY;
            fs::openat(&below, "file", flags, Mode::RUSR).unwrap();
            here = below;
        }
    }

    #[test]
    fn depth_takes_no_descriptors_and_no_stack() {
        let tmp = tempfile::tempdir().unwrap();
        let top = tmp.path().join("top");
        nest(&top, 4_000);
        // A small stack: removal does not recurse.
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let removed = small.spawn(move || remove_tree(&top)).unwrap().join().unwrap();
        removed.unwrap();
        assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 0);
    }

    #[test]
    fn links_stay_links_and_modes_do_not_matter() {
        let tmp = tempfile::tempdir().unwrap();
        let kept = tmp.path().join("kept");
        nest(&kept, 1);
        let top = tmp.path().join("top");
        nest(&top, 3);
        symlink(&kept, top.join("link")).unwrap();
        for (path, mode) in [("directory/directory", 0), ("directory", 0o500)] {
            std::fs::set_permissions(top.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        remove_tree(&top).unwrap();
        assert!(kept.join("directory/file").exists());
        assert!(!top.exists());
        assert!(remove_tree(&top).is_err());
        assert!(remove_tree(&kept.join("directory/file")).is_err());
    }
}
