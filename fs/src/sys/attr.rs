//! Attributes of a file: those on disk, and those that the target's users see.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::getxattr::getxattr_at;
use crate::encoding::{OVERRIDE_MAX, OVERRIDE_XATTR, Override};
use crate::error::Error;
use crate::meta::{FileType, Meta, Stat, Timestamp};

/// Reason why a file's attributes cannot be read.
#[derive(Debug)]
pub(crate) enum AttrError {
    /// The system refused.
    Os(Errno),
    /// The record of fake ownership is damaged; its value.
    Damaged(Vec<u8>),
}

impl From<Errno> for AttrError {
    fn from(errno: Errno) -> Self {
        Self::Os(errno)
    }
}

impl AttrError {
    /// Returns the error for users of [`crate::Target`].
    pub(crate) fn into_error(self, action: &'static str, path: &Path) -> Error {
        match self {
            Self::Os(errno) => Error::io(action, path, errno),
            Self::Damaged(value) => Error::DamagedOverride {
                path: path.to_owned(),
                value: String::from_utf8_lossy(&value).into_owned(),
            },
        }
    }

    /// Returns the error for processes in the view.
    pub(crate) fn errno(&self) -> Errno {
        match self {
            Self::Os(errno) => *errno,
            Self::Damaged(_) => Errno::IO,
        }
    }
}

/// Attributes of a file on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskStat {
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) nlink: u32,
    /// Number by which the file is told apart; the inode number on most filesystems.
    pub(crate) ino: u64,
    pub(crate) size: u64,
    pub(crate) blocks: u64,
    pub(crate) atime: Timestamp,
    pub(crate) mtime: Timestamp,
    pub(crate) ctime: Timestamp,
}

// The types of the fields differ between architectures.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
impl From<fs::Stat> for DiskStat {
    fn from(stat: fs::Stat) -> Self {
        let rdev = stat.st_rdev as u64;
        let (major, minor) = (fs::major(rdev), fs::minor(rdev));
        let kind = match fs::FileType::from_raw_mode(stat.st_mode as u32) {
            fs::FileType::Directory => FileType::Directory,
            fs::FileType::Symlink => FileType::Symlink,
            fs::FileType::Fifo => FileType::Fifo,
            fs::FileType::Socket => FileType::Socket,
            fs::FileType::CharacterDevice => FileType::CharDevice { major, minor },
            fs::FileType::BlockDevice => FileType::BlockDevice { major, minor },
            _ => FileType::Regular,
        };
        let time = |sec: i64, nsec: u64| Timestamp {
            sec,
            nsec: u32::try_from(nsec).unwrap_or(0),
        };
        Self {
            kind,
            mode: stat.st_mode as u32 & 0o7777,
            nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            ino: super::number::number(stat.st_dev as u64, stat.st_ino as u64),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: stat.st_blocks as u64,
            atime: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

/// Attributes of a file as the target's users see them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attr {
    pub(crate) meta: Meta,
    pub(crate) on_disk: FileType,
    pub(crate) disk_mode: u32,
    /// Whether there is a record of fake ownership.
    pub(crate) recorded: bool,
    pub(crate) size: u64,
    pub(crate) blocks: u64,
    pub(crate) nlink: u32,
    pub(crate) ino: u64,
    pub(crate) atime: Timestamp,
    pub(crate) ctime: Timestamp,
}

impl Attr {
    fn new(disk: DiskStat, value: Option<&[u8]>) -> Result<Self, AttrError> {
        let mut meta = Meta {
            kind: disk.kind,
            mode: disk.mode,
            uid: 0,
            gid: 0,
            mtime: disk.mtime,
        };
        if let Some(value) = value {
            let damaged = || AttrError::Damaged(value.to_vec());
            let record = Override::parse(value).ok_or_else(damaged)?;
            meta.kind = record.kind_on(disk.kind).ok_or_else(damaged)?;
            (meta.uid, meta.gid, meta.mode) = (record.uid, record.gid, record.mode);
        }
        Ok(Self {
            meta,
            on_disk: disk.kind,
            disk_mode: disk.mode,
            recorded: value.is_some(),
            size: disk.size,
            blocks: disk.blocks,
            nlink: disk.nlink,
            ino: disk.ino,
            atime: disk.atime,
            ctime: disk.ctime,
        })
    }
}

impl From<Attr> for Stat {
    fn from(attr: Attr) -> Self {
        Self {
            meta: attr.meta,
            size: attr.size,
            nlink: attr.nlink,
            ino: attr.ino,
        }
    }
}

/// Returns the attributes of a file on disk.
pub(crate) fn stat_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<DiskStat, Errno> {
    fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(DiskStat::from)
}

/// Returns the time at which a file on disk was made, where the filesystem keeps it (statx(2)).
pub(crate) fn birth_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Timestamp>, Errno> {
    fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).map(|found| birth(&found))
}

/// Returns the time at which an open file was made, where the filesystem keeps it.
pub(crate) fn birth_of(file: BorrowedFd<'_>) -> Result<Option<Timestamp>, Errno> {
    fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).map(|found| birth(&found))
}

fn birth(found: &Statx) -> Option<Timestamp> {
    let told = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    told.then_some(Timestamp {
        sec: found.stx_btime.tv_sec,
        nsec: found.stx_btime.tv_nsec,
    })
}

/// Returns the attributes of a file as the target's users see them.
pub(crate) fn attr_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Attr, AttrError> {
    let disk = stat_at(dir, name)?;
    let mut value = [0; OVERRIDE_MAX];
    let value = match disk.kind {
        // A link can carry no user attribute.
        FileType::Symlink => None,
        _ => present(getxattr_at(dir, name, OVERRIDE_XATTR, &mut value))?
            .map(|len| value.get(..len).unwrap_or_default()),
    };
    Attr::new(disk, value)
}

/// Returns the attributes of an open file as the target's users see them. `file` must not be an `O_PATH` descriptor.
pub(crate) fn attr_of(file: BorrowedFd<'_>) -> Result<Attr, AttrError> {
    let disk = DiskStat::from(fs::fstat(file)?);
    let mut value = [0; OVERRIDE_MAX];
    let value = present(fs::fgetxattr(file, OVERRIDE_XATTR, &mut value[..]))?
        .map(|len| value.get(..len).unwrap_or_default());
    Attr::new(disk, value)
}

/// Tells a missing attribute from a failure. A value that is too long to be a record is damage.
fn present(result: Result<usize, Errno>) -> Result<Option<usize>, AttrError> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(Errno::RANGE) => Err(AttrError::Damaged(b"(too long)".to_vec())),
        Err(errno) => Err(errno.into()),
    }
}
