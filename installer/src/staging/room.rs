//! Room for files: space, inodes and quotas of a filesystem.

use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, fstatfs, statvfs};

use super::Error;
use crate::sys::{self, Quota};
use task_progress::summary::ByteCount;

/// What a number of files needs of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
}

impl Room {
    /// Least room with which a run can begin to work.
    pub const LEAST: Self = Self {
        bytes: 4 << 20,
        files: 256,
    };

    /// Returns the room for unpacked packages, by their number and the size that their maintainers estimate. Of the
    /// number of files nothing is known; this is half of what packages have on the average.
    pub fn of_packages(packages: usize, bytes: u64) -> Self {
        let of_dpkg = u64::try_from(packages).unwrap_or(u64::MAX).saturating_mul(3);
        Self {
            bytes,
            files: (bytes / (48 << 10)).saturating_add(of_dpkg),
        }
    }

    /// Returns the room for both.
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            files: self.files.saturating_add(other.files),
        }
    }
}

/// Type of tmpfs (statfs(2)), where space that is reserved is memory.
const TMPFS: i128 = 0x0102_1994;

/// Checks that the filesystem of `directory` has room that the user may take.
///
/// # Errors
/// [`Error::NoSpace`], [`Error::NoInodes`] and [`Error::Quota`] where it has not.
pub fn check_room(directory: &Path, needed: Room) -> Result<(), Error> {
    let found = statvfs(directory).map_err(|errno| Error::at(directory, errno.into()))?;
    let path = || directory.to_owned();
    // Filesystems that do not count have 0 blocks or files in all.
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if found.f_blocks > 0 && free < needed.bytes {
        return Err(Error::NoSpace {
            path: path(),
            needed: needed.bytes,
            free,
        });
    }
    if found.f_files > 0 && found.f_favail < needed.files {
        return Err(Error::NoInodes {
            path: path(),
            needed: needed.files,
            free: found.f_favail,
        });
    }
    let file = tempfile::tempfile_in(directory).map_err(|source| Error::creating(directory, source))?;
    for quota in sys::quotas(&file) {
        if let Some(what) = lack(quota, needed) {
            return Err(Error::Quota { path: path(), what });
        }
    }
    // Quotas of other kinds show when the space is reserved.
    let in_memory = fstatfs(&file).is_ok_and(|found| i128::from(found.f_type) == TMPFS);
    if in_memory || needed.bytes == 0 {
        return Ok(());
    }
    let reserved = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, needed.bytes).map_err(io::Error::from);
    match reserved.map_err(|error| error.kind()) {
        Err(io::ErrorKind::QuotaExceeded) => Err(Error::Quota {
            path: path(),
            what: format!("{} are needed", ByteCount(needed.bytes)),
        }),
        Err(io::ErrorKind::StorageFull) => Err(Error::NoSpace {
            path: path(),
            needed: needed.bytes,
            free,
        }),
        // One that cannot reserve space says nothing.
        _ => Ok(()),
    }
}

/// Whether the filesystem of `directory` has so little room that a script may have failed for want of it.
pub fn is_full(directory: &Path) -> bool {
    let little = Room {
        bytes: 64 << 10,
        files: 4,
    };
    let lacks = |error| {
        matches!(
            error,
            Error::NoSpace { .. } | Error::NoInodes { .. } | Error::Quota { .. } | Error::Full { .. }
        )
    };
    check_room(directory, little).is_err_and(lacks)
}

/// Returns what of the needed room a quota does not leave, in words.
fn lack(quota: Quota, needed: Room) -> Option<String> {
    let free = quota.bytes.saturating_sub(quota.used_bytes);
    if quota.bytes > 0 && free < needed.bytes {
        return Some(format!(
            "{} are needed, {} are left",
            ByteCount(needed.bytes),
            ByteCount(free)
        ));
    }
    let free = quota.files.saturating_sub(quota.used_files);
    (quota.files > 0 && free < needed.files)
        .then(|| format!("{} files are needed, {free} are left", needed.files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_without_limits_leave_everything() {
        let needed = Room {
            bytes: 1 << 20,
            files: 100,
        };
        assert_eq!(lack(Quota::default(), needed), None);
        let quota = Quota {
            bytes: 3 << 20,
            used_bytes: 1 << 20,
            files: 300,
            used_files: 200,
        };
        assert_eq!(lack(quota, needed), None);
        let fuller = Quota {
            used_files: 201,
            ..quota
        };
        assert_eq!(
            lack(fuller, needed).as_deref(),
            Some("100 files are needed, 99 are left")
        );
        let over = Quota {
            used_bytes: 4 << 20,
            ..quota
        };
        assert!(lack(over, needed).is_some_and(|what| what.contains("are left")));
    }

    #[test]
    fn no_room() {
        let dir = tempfile::tempdir().unwrap();
        let with = |bytes, files| check_room(dir.path(), Room { bytes, files });
        assert!(with(1, 1).is_ok());
        let error = with(u64::MAX, 0).unwrap_err();
        assert!(
            matches!(error, Error::NoSpace { .. }) && error.hint().is_some(),
            "{error}"
        );
    }
}
