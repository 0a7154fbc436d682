//! `/dev` of a new system.

use std::ffi::OsStr;
use std::path::Path;

use rootless_install_fs::{FileType, Meta, Target, Timestamp};

use super::Error;

/// An entry of `/dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A character device, mode 0666.
    Char {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A symbolic link.
    Link(&'static str),
    /// An empty directory, mode 0755.
    Directory,
}

const fn char(major: u32, minor: u32) -> Device {
    Device::Char { major, minor }
}

/// Entries that mmdebstrap(1) makes in `/dev` of an archive, sorted. Numbers are those of the kernel's list of
/// allocated devices.
pub const DEVICES: &[(&str, Device)] = &[
    ("console", char(5, 1)),
    ("fd", Device::Link("/proc/self/fd")),
    ("full", char(1, 7)),
    ("null", char(1, 3)),
    ("ptmx", char(5, 2)),
    ("pts", Device::Directory),
    ("random", char(1, 8)),
    ("shm", Device::Directory),
    ("stderr", Device::Link("/proc/self/fd/2")),
    ("stdin", Device::Link("/proc/self/fd/0")),
    ("stdout", Device::Link("/proc/self/fd/1")),
    ("tty", char(5, 0)),
    ("urandom", char(1, 9)),
    ("zero", char(1, 5)),
];

/// Replaces `/dev` by a directory with the entries of [`DEVICES`], all owned by root and with the modification time
/// `time`. Device nodes are left out without `nodes`.
///
/// # Errors
/// Those of changing the target.
pub fn make(target: &Target, time: Timestamp, nodes: bool) -> Result<(), Error> {
    let meta = |kind, mode| Meta {
        kind,
        mode,
        uid: 0,
        gid: 0,
        mtime: time,
    };
    let directory = meta(FileType::Directory, 0o755);
    let dev = Path::new("/dev");
    if names(target, Path::new("/"))?.iter().any(|name| name == "dev") {
        if target.stat(dev)?.meta.kind == FileType::Directory {
            clear(target, dev)?;
        } else {
            target.remove(dev)?;
            target.make_dir(dev, &directory)?;
        }
    } else {
        target.make_dir(dev, &directory)?;
    }
    for (name, device) in DEVICES {
        let path = dev.join(name);
        match *device {
            Device::Char { .. } if !nodes => {}
            Device::Char { major, minor } => {
                target.make_node(&path, &meta(FileType::CharDevice { major, minor }, 0o666))?;
            }
            Device::Link(to) => {
                target.make_symlink(&path, Path::new(to), &meta(FileType::Symlink, 0o777))?;
            }
            Device::Directory => target.make_dir(&path, &directory)?,
        }
    }
    // At the end: each new entry has changed the directory's time.
    target.set_meta(dev, &directory)?;
    Ok(())
}

fn names(target: &Target, path: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    Ok(target.read_dir(path)?)
}

/// Removes all entries of a directory.
fn clear(target: &Target, directory: &Path) -> Result<(), Error> {
    for name in names(target, directory)? {
        let path = directory.join::<&OsStr>(&name);
        if target.stat(&path)?.meta.kind == FileType::Directory {
            clear(target, &path)?;
            target.remove_dir(&path)?;
        } else {
            target.remove(&path)?;
        }
    }
    Ok(())
}
