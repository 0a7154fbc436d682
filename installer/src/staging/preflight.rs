//! Checks before anything is done.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{XattrFlags, fremovexattr, fsetxattr, statvfs};

use super::room::{Room, check_room};
use super::{Error, LOST_AND_FOUND};

/// Returns the parent of a target, absolute and without links, and its name.
pub(super) fn locate(target: &Path) -> Result<(PathBuf, OsString), Error> {
    let unusable = || Error::Unusable {
        path: target.to_owned(),
    };
    let named;
    let path = match target.components().next_back() {
        Some(Component::Normal(_)) => target,
        // The name of a path that ends in `.` or `..` is known to the kernel only.
        _ => {
            named = fs::canonicalize(target).map_err(|source| Error::at(target, source))?;
            &named
        }
    };
    let name = path.file_name().ok_or_else(unusable)?.to_owned();
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(unusable()),
    };
    match fs::canonicalize(parent) {
        Ok(found) if found.is_dir() => Ok((found, name)),
        Ok(_) => Err(Error::ParentNotADirectory {
            target: target.to_owned(),
            parent: parent.to_owned(),
        }),
        Err(source) => Err(match source.kind() {
            io::ErrorKind::NotFound => Error::NoParent {
                target: target.to_owned(),
                parent: parent.to_owned(),
            },
            io::ErrorKind::NotADirectory => Error::ParentNotADirectory {
                target: target.to_owned(),
                parent: parent.to_owned(),
            },
            io::ErrorKind::PermissionDenied => Error::Permission {
                path: parent.to_owned(),
            },
            _ => Error::at(parent, source),
        }),
    }
}

/// Checks that a directory target does not exist, or is an empty directory and no mount point.
pub(super) fn check_directory(path: &Path) -> Result<(), Error> {
    let Some(found) = stat(path)? else {
        return Ok(());
    };
    let path = path.to_owned();
    if found.is_symlink() {
        return Err(Error::Symlink { path });
    }
    if !found.is_dir() {
        return Err(Error::NotADirectory { path });
    }
    for entry in fs::read_dir(&path).map_err(|source| Error::at(&path, source))? {
        let entry = entry.map_err(|source| Error::at(&path, source))?;
        if entry.file_name() != LOST_AND_FOUND || !is_empty(&entry.path()) {
            return Err(Error::NotEmpty { path });
        }
    }
    let parent = path.parent().unwrap_or(&path);
    let above = fs::metadata(parent).map_err(|source| Error::at(parent, source))?;
    if above.dev() != found.dev() {
        return Err(Error::MountPoint { path });
    }
    Ok(())
}

/// Whether a directory has nothing in it, as far as the user may see.
fn is_empty(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// Checks that an archive does not exist, or is a regular file, which will be replaced.
pub(super) fn check_file(path: &Path) -> Result<(), Error> {
    let Some(found) = stat(path)? else {
        return Ok(());
    };
    let path = path.to_owned();
    if found.is_symlink() {
        Err(Error::Symlink { path })
    } else if found.is_dir() {
        Err(Error::IsADirectory { path })
    } else if !found.is_file() {
        Err(Error::NotAFile { path })
    } else {
        Ok(())
    }
}

/// Checks the cache directory, which is made where it is not there; `executes` says whether programs in it are executed.
///
/// # Errors
/// [`Error::NoExec`], [`Error::Attribute`], [`Error::Cache`], and those of making it.
pub fn check_cache(cache: &Path, executes: bool) -> Result<(), Error> {
    let unusable = |source: io::Error| match Error::at(cache, source) {
        Error::Io { path, source } => Error::Cache { path, source },
        other => other,
    };
    fs::create_dir_all(cache).map_err(unusable)?;
    check_attributes(cache)?;
    // A run as root may have left it to root.
    tempfile::tempfile_in(cache).map_err(unusable)?;
    check_room(cache, Room::LEAST)?;
    let found = statvfs(cache).map_err(|errno| Error::at(cache, errno.into()))?;
    if executes && libc::c_ulong::from_ne_bytes(found.f_flag.bits().to_ne_bytes()) & libc::ST_NOEXEC != 0 {
        return Err(Error::NoExec {
            path: cache.to_owned(),
        });
    }
    Ok(())
}

/// Checks that a directory or file, if it is there, has no attribute that forbids changes (statx(2)).
///
/// # Errors
/// [`Error::Attribute`].
pub(super) fn check_attributes(path: &Path) -> Result<(), Error> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    // A kernel or filesystem that does not say has no such attributes.
    let Ok(found) = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) else {
        return Ok(());
    };
    for (attribute, name) in [
        (StatxAttributes::IMMUTABLE, "immutable"),
        (StatxAttributes::APPEND, "append-only"),
    ] {
        if found.stx_attributes.contains(attribute) {
            return Err(Error::Attribute {
                path: path.to_owned(),
                attribute: name,
            });
        }
    }
    Ok(())
}

fn stat(path: &Path) -> Result<Option<fs::Metadata>, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::at(path, source)),
    }
}

/// Checks that files in `directory` can have user extended attributes, by setting one of a file without a name.
///
/// # Errors
/// [`Error::NoUserXattrs`] where they cannot.
pub fn check_xattrs(directory: &Path) -> Result<(), Error> {
    const NAME: &str = "user.rootless-install.probe";
    let file = tempfile::tempfile_in(directory).map_err(|source| Error::creating(directory, source))?;
    fsetxattr(&file, NAME, b"1", XattrFlags::CREATE)
        .and_then(|()| fremovexattr(&file, NAME))
        .map_err(|errno| match io::Error::from(errno) {
            full if full.kind() == io::ErrorKind::StorageFull => Error::at(directory, full),
            source => Error::NoUserXattrs {
                path: directory.to_owned(),
                source,
            },
        })
}
