//! The system calls below everything else: one file, named by the descriptor of its directory and a
//! single component, or by its own descriptor. Nothing here follows a link in the last component.

pub(crate) mod access;
mod attr;
mod fd_path;
mod getxattr;
mod number;

pub(crate) use attr::{Attr, AttrError, DiskStat, attr_at, attr_of, birth_at, birth_of, stat_at};
pub(crate) use fd_path::FdPath;
pub(crate) use getxattr::getxattr_at;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags};
use rustix::io::Errno;

use crate::encoding::{self, OVERRIDE_XATTR, Override};
use crate::meta::{FileType, Meta, Timestamp};

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

/// Returns the times for `utimensat` that set the modification time only.
pub(crate) fn only_mtime(mtime: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: timespec(mtime),
    }
}

/// Returns `time` as the system wants it.
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
