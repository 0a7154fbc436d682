//! The system calls below everything else: one file, named by the descriptor of its directory and a
//! single component, or by its own descriptor. Nothing here follows a link in the last component.

pub(crate) mod access;
mod getxattr;

pub(crate) use getxattr::getxattr_at;

use std::ffi::{CStr, OsStr};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags};
use rustix::io::Errno;

use crate::encoding::{self, OVERRIDE_MAX, OVERRIDE_XATTR, Override};
use crate::error::Error;
use crate::meta::{FileType, Meta, Stat, Timestamp};

/// Why a file's attributes could not be had.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The system refused.
    Os(Errno),
    /// The record of fake ownership is not one; its value.
    Damaged(Vec<u8>),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Os(errno)
    }
}

impl Trouble {
    /// The error to give to a user of [`crate::Target`].
    pub(crate) fn into_error(self, action: &'static str, path: &Path) -> Error {
        match self {
            Self::Os(errno) => Error::io(action, path, errno),
            Self::Damaged(value) => Error::DamagedOverride {
                path: path.to_owned(),
                value: String::from_utf8_lossy(&value).into_owned(),
            },
        }
    }

    /// The error to give to a process in the view.
    pub(crate) fn errno(&self) -> Errno {
        match self {
            Self::Os(errno) => *errno,
            Self::Damaged(_) => Errno::IO,
        }
    }
}

/// `/proc/self/fd/N/NAME`: the way to the calls that take only a path (extended attributes, chmod).
pub(crate) struct FdPath {
    text: [u8; 24 + 256 + 1],
    /// Where NAME begins.
    name: usize,
}

impl FdPath {
    /// The path of `name` in the directory `dir`.
    pub(crate) fn new(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Self, Errno> {
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG);
        }
        if name.as_bytes().iter().any(|b| *b == 0 || *b == b'/') {
            return Err(Errno::INVAL);
        }
        let mut text = [0; 24 + 256 + 1];
        let mut rest = &mut text[..];
        let all = rest.len();
        write!(rest, "/proc/self/fd/{}/", dir.as_raw_fd()).map_err(|_| Errno::NAMETOOLONG)?;
        let begin = all - rest.len();
        rest.write_all(name.as_bytes()).map_err(|_| Errno::NAMETOOLONG)?;
        Ok(Self { text, name: begin })
    }

    /// The path of the file behind `file`; to be followed.
    pub(crate) fn of(file: BorrowedFd<'_>) -> Self {
        let mut text = [0; 24 + 256 + 1];
        // Always fits; if it did not, the path would name nothing.
        let _ = write!(&mut text[..], "/proc/self/fd/{}", file.as_raw_fd());
        Self { text, name: 0 }
    }

    /// NAME alone.
    pub(crate) fn name(&self) -> &CStr {
        let name = self.text.get(self.name..).unwrap_or_default();
        CStr::from_bytes_until_nul(name).unwrap_or_default()
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.text).unwrap_or_default()
    }
}

/// A file as it is on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskStat {
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) nlink: u32,
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
            ino: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: stat.st_blocks as u64,
            atime: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

/// A file as the target's users see it.
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
    fn new(disk: DiskStat, value: Option<&[u8]>) -> Result<Self, Trouble> {
        let mut meta = Meta {
            kind: disk.kind,
            mode: disk.mode,
            uid: 0,
            gid: 0,
            mtime: disk.mtime,
        };
        if let Some(value) = value {
            let damaged = || Trouble::Damaged(value.to_vec());
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

/// The file on disk.
pub(crate) fn stat_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<DiskStat, Errno> {
    fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(DiskStat::from)
}

/// The file as the target's users see it.
pub(crate) fn attr_at(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Attr, Trouble> {
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

/// The open file as the target's users see it. `file` must not be an `O_PATH` descriptor.
pub(crate) fn attr_of(file: BorrowedFd<'_>) -> Result<Attr, Trouble> {
    let disk = DiskStat::from(fs::fstat(file)?);
    let mut value = [0; OVERRIDE_MAX];
    let value = present(fs::fgetxattr(file, OVERRIDE_XATTR, &mut value[..]))?
        .map(|len| value.get(..len).unwrap_or_default());
    Attr::new(disk, value)
}

/// Tells a missing attribute from a failure. A value that is too long to be a record is damage.
fn present(result: Result<usize, Errno>) -> Result<Option<usize>, Trouble> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(Errno::RANGE) => Err(Trouble::Damaged(b"(too long)".to_vec())),
        Err(errno) => Err(errno.into()),
    }
}

/// Records fake ownership for `name`, or removes a record there is.
pub(crate) fn set_record_at(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    record: Option<&Override>,
    recorded: bool,
) -> Result<(), Errno> {
    let path = FdPath::new(dir, name)?;
    match record {
        Some(record) => {
            let value = record.format();
            fs::lsetxattr(
                path.as_c_str(),
                OVERRIDE_XATTR,
                value.as_bytes(),
                XattrFlags::empty(),
            )
        }
        None if recorded => match fs::lremovexattr(path.as_c_str(), OVERRIDE_XATTR) {
            Err(Errno::NODATA) => Ok(()),
            result => result,
        },
        None => Ok(()),
    }
}

/// Records fake ownership for the open file, or removes a record there is.
pub(crate) fn set_record_of(
    file: BorrowedFd<'_>,
    record: Option<&Override>,
    recorded: bool,
) -> Result<(), Errno> {
    match record {
        Some(record) => fs::fsetxattr(
            file,
            OVERRIDE_XATTR,
            record.format().as_bytes(),
            XattrFlags::empty(),
        ),
        None if recorded => match fs::fremovexattr(file, OVERRIDE_XATTR) {
            Err(Errno::NODATA) => Ok(()),
            result => result,
        },
        None => Ok(()),
    }
}

/// Changes the mode on disk of a file or directory, never through a link.
pub(crate) fn chmod_at(dir: BorrowedFd<'_>, name: &OsStr, mode: u32) -> Result<(), Errno> {
    let file = fs::openat(
        dir,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // On an O_PATH descriptor of a link this fails with EOPNOTSUPP instead of following it.
    fs::chmod(FdPath::of(file.as_fd()).as_c_str(), Mode::from_raw_mode(mode))
}

/// Gives `name` the mode and owner of `meta`, which its type on disk must allow, given what it has now.
pub(crate) fn store_at(dir: BorrowedFd<'_>, name: &OsStr, now: &Attr, meta: &Meta) -> Result<(), Errno> {
    if now.on_disk == FileType::Symlink {
        return Ok(());
    }
    let record =
        encoding::record(meta.kind, meta.mode, meta.uid, meta.gid).or_else(|| kept_record(now, meta));
    if record.is_some() || now.recorded {
        set_record_at(dir, name, record.as_ref(), now.recorded)?;
    }
    if access::concerns(now, meta) {
        access::follow_at(dir, name, meta.mode)?;
    }
    let mode = encoding::disk_mode(meta.kind, meta.mode);
    if mode != now.disk_mode {
        chmod_at(dir, name, mode)
    } else {
        Ok(())
    }
}

/// As [`store_at`], for an open file.
pub(crate) fn store_of(file: BorrowedFd<'_>, now: &Attr, meta: &Meta) -> Result<(), Errno> {
    let record =
        encoding::record(meta.kind, meta.mode, meta.uid, meta.gid).or_else(|| kept_record(now, meta));
    if record.is_some() || now.recorded {
        set_record_of(file, record.as_ref(), now.recorded)?;
    }
    if access::concerns(now, meta) {
        access::follow_of(file, meta.mode)?;
    }
    let mode = encoding::disk_mode(meta.kind, meta.mode);
    if mode != now.disk_mode {
        fs::fchmod(file, Mode::from_raw_mode(mode))
    } else {
        Ok(())
    }
}

/// A link that is encoded as a file stays one when it comes to belong to 0:0, so it needs its record.
fn kept_record(now: &Attr, meta: &Meta) -> Option<Override> {
    (meta.kind != now.on_disk).then_some(Override {
        uid: meta.uid,
        gid: meta.gid,
        mode: meta.mode,
        kind: Some(meta.kind),
    })
}

/// The times for `utimensat` that set the modification time only.
pub(crate) fn only_mtime(mtime: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: timespec(mtime),
    }
}

/// `time` as the system wants it.
pub(crate) fn timespec(time: Timestamp) -> Timespec {
    Timespec {
        tv_sec: time.sec,
        tv_nsec: time.nsec.min(999_999_999).into(),
    }
}

/// Sets the modification time of `name`.
pub(crate) fn set_mtime_at(dir: BorrowedFd<'_>, name: &OsStr, mtime: Timestamp) -> Result<(), Errno> {
    fs::utimensat(dir, name, &only_mtime(mtime), AtFlags::SYMLINK_NOFOLLOW)
}
