//! Files of the machine that special hooks read and write, as the user.

use super::archive::{From, Placed};
use super::special::SpecialError;
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, UTIME_OMIT};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, SpecialError>;

/// Receiver of what is read: the name below the directory that was asked for, attributes, content.
type Take<'t> = dyn FnMut(&Path, &Placed, From<'_>) -> Result<()> + 't;

/// Reads a file of the machine and all below it. `name` is what it is called; links are not followed.
pub(super) fn read(path: &Path, name: &Path, take: &mut Take<'_>) -> Result<()> {
    read_below(path, name, &mut HashMap::new(), take)
}

fn read_below(
    path: &Path,
    name: &Path,
    first_names: &mut HashMap<(u64, u64), PathBuf>,
    take: &mut Take<'_>,
) -> Result<()> {
    let failed = |action| SpecialError::outside(action, path);
    let found = fs::symlink_metadata(path).map_err(failed("find"))?;
    let placed = Placed {
        meta: meta(&found),
        xattrs: xattrs(path),
    };
    if found.nlink() > 1 && !found.is_dir() {
        let key = (found.dev(), found.ino());
        if let Some(first) = first_names.get(&key) {
            return take(name, &placed, From::Name(first.clone()));
        }
        first_names.insert(key, name.to_owned());
    }
    if found.is_file() {
        let mut file = File::open(path).map_err(failed("open"))?;
        return take(name, &placed, From::Data(&mut file));
    }
    if found.is_symlink() {
        let text = fs::read_link(path).map_err(failed("read"))?;
        return take(name, &placed, From::Text(text));
    }
    take(name, &placed, From::Nothing)?;
    if found.is_dir() {
        let entries: io::Result<Vec<OsString>> = fs::read_dir(path).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect()
        });
        let mut names = entries.map_err(failed("list"))?;
        names.sort();
        for child in names {
            read_below(&path.join(&child), &name.join(&child), first_names, take)?;
        }
    }
    Ok(())
}

fn meta(found: &Metadata) -> Meta {
    let kind = found.file_type();
    let device = || (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
    let kind = if kind.is_dir() {
        FileType::Directory
    } else if kind.is_symlink() {
        FileType::Symlink
    } else if kind.is_fifo() {
        FileType::Fifo
    } else if kind.is_socket() {
        FileType::Socket
    } else if kind.is_char_device() {
        let (major, minor) = device();
        FileType::CharDevice { major, minor }
    } else if kind.is_block_device() {
        let (major, minor) = device();
        FileType::BlockDevice { major, minor }
    } else {
        FileType::Regular
    };
    Meta {
        kind,
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        mtime: Timestamp {
            sec: found.mtime(),
            nsec: u32::try_from(found.mtime_nsec()).unwrap_or(0),
        },
    }
}

/// Returns the extended attributes of a file that `tar --xattrs` would take; none where they cannot be read.
fn xattrs(path: &Path) -> Vec<(OsString, Vec<u8>)> {
    let mut names = vec![0; 1 << 16];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names) else {
        return Vec::new();
    };
    let names = names.get(..length).unwrap_or_default().split(|byte| *byte == 0);
    let wanted = names.filter(|name| name.starts_with(b"user.") || *name == b"security.capability");
    wanted
        // What this program keeps there is not the file's own.
        .filter(|name| !name.starts_with(b"user.containers.") && !name.starts_with(b"user.rootless-install."))
        .filter_map(|name| {
            let mut value = vec![0; 1 << 16];
            let name = OsStr::from_bytes(name);
            let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
            value.truncate(length);
            Some((name.to_owned(), value))
        })
        .collect()
}

/// Makes a directory of the machine, and those on the way.
pub(super) fn make_directories(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(SpecialError::outside("make the directory", path))
}

/// Copies out of the target, as `tar --extract` does for an ordinary user: everything belongs to the user.
pub(super) struct Outside<'t> {
    target: &'t Target,
    first_names: HashMap<u64, PathBuf>,
    /// Directories, whose attributes are set at the end.
    directories: Vec<(PathBuf, Meta)>,
}

impl<'t> Outside<'t> {
    pub(super) fn new(target: &'t Target) -> Self {
        Self {
            target,
            first_names: HashMap::new(),
            directories: Vec::new(),
        }
    }

    /// Copies a file of the target, and all below it, to a path of the machine.
    pub(super) fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        let stat = self.target.stat(from)?;
        let failed = |action| SpecialError::outside(action, to);
        let mode = stat.meta.mode & 0o777;
        if stat.meta.kind == FileType::Directory {
            match fs::symlink_metadata(to) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    fs::remove_file(to).map_err(failed("replace"))?;
                    fs::create_dir(to).map_err(failed("make the directory"))?;
                }
                Err(_) => fs::create_dir(to).map_err(failed("make the directory"))?,
            }
            let mut names = self.target.read_dir(from)?;
            names.sort();
            for name in names {
                self.copy(&from.join(&name), &to.join(&name))?;
            }
            self.directories.push((to.to_owned(), stat.meta));
            return Ok(());
        }
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace")(error)),
            _ => {}
        }
        if let Some(first) = self.first_names.get(&stat.ino).filter(|_| stat.nlink > 1) {
            return fs::hard_link(first, to).map_err(failed("link"));
        }
        match stat.meta.kind {
            FileType::Regular => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(to)
                    .map_err(failed("write"))?;
                io::copy(&mut self.target.open_file(from)?, &mut file).map_err(failed("write"))?;
            }
            FileType::Symlink => {
                std::os::unix::fs::symlink(self.target.read_link(from)?, to)
                    .map_err(failed("make the link"))?;
            }
            FileType::Fifo => nix::unistd::mkfifo(to, nix::sys::stat::Mode::from_bits_truncate(mode))
                .map_err(|errno| failed("make the pipe")(errno.into()))?,
            FileType::CharDevice { .. } | FileType::BlockDevice { .. } => {
                return Err(failed("make the device")(io::ErrorKind::PermissionDenied.into()));
            }
            FileType::Directory | FileType::Socket => return Ok(()),
        }
        self.first_names.insert(stat.ino, to.to_owned());
        set_time(to, stat.meta.mtime).map_err(failed("set the time of"))
    }

    /// Sets the attributes of directories.
    pub(super) fn finish(self) -> Result<()> {
        for (path, meta) in self.directories {
            let failed = |action| SpecialError::outside(action, &path);
            let mask = nix::sys::stat::Mode::from_bits_truncate(0o022).bits();
            let mode = Mode::from_raw_mode(meta.mode & 0o777 & !mask);
            rustix::fs::chmodat(CWD, &path, mode, AtFlags::empty())
                .map_err(|errno| failed("set the mode of")(errno.into()))?;
            set_time(&path, meta.mtime).map_err(failed("set the time of"))?;
        }
        Ok(())
    }
}

fn set_time(path: &Path, time: Timestamp) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: time.sec,
            tv_nsec: time.nsec.into(),
        },
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}
