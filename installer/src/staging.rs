//! The work directory of a run, in which the result is made, and from which it is renamed when it is complete.
//!
//! Model: a run owns a directory `.NAME.rootless-install-XXXXXX` beside its target
//! (for standard output: in the directory for temporary files). It holds
//!
//! * `lock`, a marker that identifies the directory, which the run keeps locked with flock(2) as long as it lives,
//! * `root`, the target while it is being made,
//! * `output`, the archive while it is being written,
//! * `view`, the mount point of the view.
//!
//! Invariants:
//!
//! * The result gets the target's name when it is complete. A run that did not finish leaves at most a work
//!   directory.
//! * Another run removes a work directory only if it has the right name, belongs to the user, has the marker, and
//!   the marker is not locked: its run is dead. The marker gets its name only when it is locked, so a living run
//!   never looks dead.
//! * A living run for the same target is noticed before anything is done.

mod error;
mod handed_over;
mod leftover;
mod limits;
mod preflight;
mod room;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

pub use error::Error;
pub use handed_over::{end_late, entry};
pub use limits::{check_limits, check_machine};
pub use preflight::{check_cache, check_xattrs};
pub use room::{Room, check_room, is_full};

use crate::target_spec::TargetSpec;

/// Part of a work directory's name between the target's name and the random part.
const INFIX: &str = ".rootless-install-";
/// Name of the marker.
const LOCK: &str = "lock";
/// Name of the marker before it is locked.
const NEW_LOCK: &str = "lock.new";
/// Name of the mount point of the view.
const VIEW: &str = "view";
/// Directory that a new filesystem has.
const LOST_AND_FOUND: &str = "lost+found";
/// Content of the marker.
const MARKER: &[u8] = b"work directory of rootless-install; it may be removed when no run is using it\n";

/// Destination of a result. Paths are absolute, so that they do not depend on the current directory later.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Destination {
    /// The target itself.
    Directory(PathBuf),
    /// A directory that is made of the target.
    OutputDirectory(PathBuf),
    File(PathBuf),
    Stdout,
}

/// The work directory of a run; removed with all its files when dropped.
#[derive(Debug)]
pub struct Staging {
    directory: PathBuf,
    destination: Destination,
    /// Whether it stays when it is dropped.
    keep: bool,
    /// The marker, held for its lock. Child processes inherit it, so the directory is not taken for a dead run's
    /// while they write to it.
    _lock: File,
}

/// Removes the scratch directories of dead runs in `parent`; those of runs that live have a lock.
///
/// # Errors
/// Those of removing.
pub fn remove_dead_runs(parent: &Path) -> Result<(), Error> {
    match parent.is_dir() {
        true => leftover::remove(parent, &prefix(OsStr::new("run")), false),
        false => Ok(()),
    }
}

impl Staging {
    /// Checks that `target` can be made, removes the work directories of dead runs for it, and creates one. Its parent
    /// is that of the target, or `temporary` when the target is standard output.
    ///
    /// # Errors
    /// An error for each obstacle; nothing is left behind then.
    pub fn create(target: &TargetSpec, temporary: &Path) -> Result<Self, Error> {
        Self::make(target, temporary, true)
    }

    /// As [`Staging::create`], for an archive or an image of a target that is elsewhere: any filesystem will do.
    ///
    /// # Errors
    /// Those of [`Staging::create`].
    pub fn for_output(target: &TargetSpec, temporary: &Path) -> Result<Self, Error> {
        Self::make(target, temporary, false)
    }

    fn make(target: &TargetSpec, temporary: &Path, holds_target: bool) -> Result<Self, Error> {
        let (destination, parent, name) = match target {
            TargetSpec::Directory(path) => {
                let (parent, name) = preflight::locate(path)?;
                preflight::check_directory(&parent.join(&name))?;
                (Destination::Directory(parent.join(&name)), parent, name)
            }
            TargetSpec::File { path, format } if format.is_directory() => {
                let (parent, name) = preflight::locate(path)?;
                preflight::check_directory(&parent.join(&name))?;
                (Destination::OutputDirectory(parent.join(&name)), parent, name)
            }
            TargetSpec::File { path, .. } => {
                let (parent, name) = preflight::locate(path)?;
                preflight::check_file(&parent.join(&name))?;
                (Destination::File(parent.join(&name)), parent, name)
            }
            TargetSpec::Stdout { .. } | TargetSpec::Stream { .. } | TargetSpec::Nothing => {
                let parent = fs::canonicalize(temporary).map_err(|source| Error::Temporary {
                    path: temporary.to_owned(),
                    source,
                })?;
                (Destination::Stdout, parent, OsString::from("stdout"))
            }
        };
        preflight::check_attributes(&parent)?;
        if destination != Destination::Stdout {
            preflight::check_attributes(&parent.join(&name))?;
        }
        let prefix = prefix(&name);
        leftover::remove(&parent, &prefix, destination != Destination::Stdout)?;
        if holds_target {
            check_xattrs(&parent)?;
        }
        check_room(&parent, Room::LEAST)?;
        let (directory, lock) = make_directory(&parent, &prefix)?;
        let staging = Self {
            directory,
            destination,
            keep: false,
            _lock: lock,
        };
        fs::create_dir(staging.root()).map_err(|source| Error::at(&parent, source))?;
        Ok(staging)
    }

    /// Makes a work directory in `parent` for temporary files, on any filesystem.
    ///
    /// # Errors
    /// Those of making it, and of removing the work directories of dead runs.
    pub fn scratch(parent: &Path) -> Result<Self, Error> {
        fs::create_dir_all(parent).map_err(|source| Error::creating(parent, source))?;
        let prefix = prefix(OsStr::new("run"));
        leftover::remove(parent, &prefix, false)?;
        let (directory, lock) = make_directory(parent, &prefix)?;
        Ok(Self {
            directory,
            destination: Destination::Stdout,
            keep: false,
            _lock: lock,
        })
    }

    /// Makes a work directory in `parent` for a target that is thrown away.
    ///
    /// # Errors
    /// Those of [`Staging::scratch`], and one for a filesystem without extended attributes.
    pub fn throw_away(parent: &Path) -> Result<Self, Error> {
        let staging = Self::scratch(parent)?;
        check_xattrs(parent)?;
        fs::create_dir(staging.root()).map_err(|source| Error::at(parent, source))?;
        Ok(staging)
    }

    /// Returns the path of the directory that becomes the target.
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Returns the path of the mount point of the view, which is not there yet.
    pub fn view(&self) -> PathBuf {
        self.directory.join(VIEW)
    }

    /// Returns the path of the work directory, in which the run may make other files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Checks that there is room for the target, and for what the cache gets in the directory `cache`.
    ///
    /// # Errors
    /// Those of [`check_room`].
    pub fn check_room(&self, target: Room, cache: &Path, fetched: Room) -> Result<(), Error> {
        use std::os::unix::fs::MetadataExt as _;
        let filesystem = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        if filesystem(&self.directory) == filesystem(cache) {
            return check_room(&self.directory, target.and(fetched));
        }
        check_room(cache, fetched)?;
        check_room(&self.directory, target)
    }

    /// Makes a directory for files of this run.
    ///
    /// # Errors
    /// Those of making it.
    pub fn make_scratch(&self) -> Result<PathBuf, Error> {
        let path = self.directory.join("scratch");
        fs::create_dir(&path).map_err(|source| Error::at(&path, source))?;
        Ok(path)
    }

    /// Keeps the work directory of a run that fails: it stays when this is dropped before [`Staging::commit`].
    pub fn keep(&mut self) {
        handed_over::forget(&self.directory);
        self.keep = true;
    }

    /// Renames the result to its name, and removes the rest. Returns the path of the result; none for standard output.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] and the like where something has got that name meanwhile.
    pub fn commit(mut self) -> Result<Option<PathBuf>, Error> {
        let (from, to) = match &self.destination {
            Destination::Directory(path) => (self.root(), path),
            Destination::OutputDirectory(path) | Destination::File(path) => (self.output(), path),
            Destination::Stdout => return Ok(None),
        };
        // rename(2) replaces a directory only if it is empty, and never anything
        // else by a directory: no check is needed that could be overtaken.
        let renamed = fs::rename(&from, to).or_else(|error| match &self.destination {
            // It can be removed where it is empty only.
            Destination::Directory(_) | Destination::OutputDirectory(_)
                if fs::remove_dir(to.join(LOST_AND_FOUND)).is_ok() =>
            {
                fs::rename(&from, to)
            }
            _ => Err(error),
        });
        renamed.map_err(|source| match source.raw_os_error() {
            Some(libc::ENOTEMPTY | libc::EEXIST) => Error::NotEmpty { path: to.clone() },
            Some(libc::ENOTDIR) => Error::NotADirectory { path: to.clone() },
            Some(libc::EISDIR) => Error::IsADirectory { path: to.clone() },
            Some(libc::EBUSY) => Error::MountPoint { path: to.clone() },
            _ => Error::Rename {
                path: to.clone(),
                source,
            },
        })?;
        let to = to.clone();
        self.keep = false;
        Ok(Some(to))
    }

    /// Returns the path of what becomes the result where that is not the target itself; nothing is there yet.
    pub fn output(&self) -> PathBuf {
        self.directory.join("output")
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            leftover::remove_work_directory(&self.directory);
            handed_over::forget(&self.directory);
        }
    }
}

/// Returns the beginning of the names of all work directories for a target of that name.
fn prefix(name: &OsStr) -> OsString {
    // A file name has at most 255 bytes (NAME_MAX), and the rest needs 25.
    let name = name.as_bytes();
    let mut prefix = vec![b'.'];
    prefix.extend_from_slice(name.get(..200).unwrap_or(name));
    prefix.extend_from_slice(INFIX.as_bytes());
    OsString::from_vec(prefix)
}

/// Makes a directory that only the user can enter, with a locked marker in it. Returns its path and the marker.
fn make_directory(parent: &Path, prefix: &OsStr) -> Result<(PathBuf, File), Error> {
    let made = tempfile::Builder::new()
        .prefix(prefix)
        .rand_bytes(6)
        .tempdir_in(parent)
        .map_err(|source| Error::creating(parent, source))?;
    let lock = lock(made.path()).map_err(|source| Error::at(parent, source))?;
    let made = made.keep();
    handed_over::add(&made);
    Ok((made, lock))
}

/// Makes the marker of a work directory.
fn lock(directory: &Path) -> io::Result<File> {
    let new = directory.join(NEW_LOCK);
    let mut file = File::create_new(&new)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.write_all(MARKER)?;
    fs::rename(&new, directory.join(LOCK))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
