//! Work happens beside the target and is renamed into place when it is whole.
//!
//! Model: a run owns a directory `.NAME.rootless-install-XXXXXX` beside its target
//! (for standard output: in the directory for temporary files). It holds
//!
//! * `lock`, a marker that says what the directory is and that the run keeps locked
//!   with flock(2) as long as it lives,
//! * `root`, the target while it is being made,
//! * `output`, the archive while it is being written.
//!
//! Invariants:
//!
//! * What has the target's name was renamed there whole. A run that did not finish
//!   leaves at most a work directory.
//! * A work directory is removed by someone else only if it has the right name, is
//!   ours, has the marker, and the marker is not locked: its run is dead. The marker
//!   gets its name only when it is locked, so there is no moment in which a
//!   living run looks dead.
//! * A live run for the same target is noticed before anything is done.

mod error;
mod leftover;
mod preflight;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

pub use error::Error;
pub use preflight::{check_space, check_xattrs};

use crate::target_spec::TargetSpec;

/// Between the target's name and the random part of a work directory's.
const INFIX: &str = ".rootless-install-";
/// The marker's name, and its name before it is locked.
const LOCK: &str = "lock";
const NEW_LOCK: &str = "lock.new";
/// Name of the directory on which the target is mounted for scripts.
const VIEW: &str = "view";
/// What the marker says.
const MARKER: &[u8] = b"work directory of rootless-install; it may be removed when no run is using it\n";

/// Where a result goes, made absolute once, so that it does not depend on the
/// current directory later.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    File(PathBuf),
    Stdout,
}

/// The work directory of a run. Dropping it removes it with all that is in it.
#[derive(Debug)]
pub struct Staging {
    directory: PathBuf,
    place: Place,
    keep: bool,
    /// Held for its lock. Children that inherit it keep the directory from being
    /// taken for a dead run's while they write to it.
    _lock: File,
}

impl Staging {
    /// Checks that `target` can be made, removes what dead runs for it have left,
    /// and creates the work directory. `temporary` is where that goes when the
    /// target is standard output.
    ///
    /// # Errors
    /// One for each thing that can be in the way; nothing is left behind then.
    pub fn create(target: &TargetSpec, temporary: &Path) -> Result<Self, Error> {
        let (place, parent, name) = match target {
            TargetSpec::Directory(path) => {
                let (parent, name) = preflight::locate(path)?;
                preflight::check_directory(&parent.join(&name))?;
                (Place::Directory(parent.join(&name)), parent, name)
            }
            TargetSpec::Tar { path, .. } => {
                let (parent, name) = preflight::locate(path)?;
                preflight::check_file(&parent.join(&name))?;
                (Place::File(parent.join(&name)), parent, name)
            }
            TargetSpec::Stdout => {
                let parent = fs::canonicalize(temporary).map_err(|source| Error::Temporary {
                    path: temporary.to_owned(),
                    source,
                })?;
                (Place::Stdout, parent, OsString::from("stdout"))
            }
        };
        let prefix = prefix(&name);
        leftover::remove(&parent, &prefix, place != Place::Stdout)?;
        check_xattrs(&parent)?;
        let (directory, lock) = make_directory(&parent, &prefix)?;
        let staging = Self {
            directory,
            place,
            keep: false,
            _lock: lock,
        };
        fs::create_dir(staging.root()).map_err(|source| Error::at(&parent, source))?;
        Ok(staging)
    }

    /// Makes a work directory in `parent` for files that no result is made of.
    /// Nothing is asked of its filesystem.
    ///
    /// # Errors
    /// Those of making it, and of removing what killed runs left there.
    pub fn scratch(parent: &Path) -> Result<Self, Error> {
        fs::create_dir_all(parent).map_err(|source| Error::creating(parent, source))?;
        let prefix = prefix(OsStr::new("run"));
        leftover::remove(parent, &prefix, false)?;
        let (directory, lock) = make_directory(parent, &prefix)?;
        Ok(Self {
            directory,
            place: Place::Stdout,
            keep: false,
            _lock: lock,
        })
    }

    /// As [`Staging::scratch`], for a target that nobody keeps.
    ///
    /// # Errors
    /// As there, and for a filesystem that has no extended attributes.
    pub fn throw_away(parent: &Path) -> Result<Self, Error> {
        let staging = Self::scratch(parent)?;
        check_xattrs(parent)?;
        fs::create_dir(staging.root()).map_err(|source| Error::at(parent, source))?;
        Ok(staging)
    }

    /// The directory that becomes the target: empty at first.
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Where the target is mounted for scripts.
    pub fn view(&self) -> PathBuf {
        self.directory.join(VIEW)
    }

    /// The work directory itself; other files of the run can be put there.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Checks that the filesystem has room for `needed` more bytes.
    ///
    /// # Errors
    /// [`Error::NoSpace`] where it has not.
    pub fn check_space(&self, needed: u64) -> Result<(), Error> {
        check_space(&self.directory, needed)
    }

    /// Opens the file that becomes the archive.
    ///
    /// # Errors
    /// Those of creating it.
    pub fn create_output(&self) -> Result<File, Error> {
        let path = self.output();
        File::create_new(&path).map_err(|source| Error::at(&path, source))
    }

    /// Leaves the work directory when this is dropped without [`Staging::commit`].
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Gives the result its name, all at once, and removes the rest. Nothing is
    /// named for standard output. Returns where the result is.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] and its like when somebody has put something there
    /// meanwhile.
    pub fn commit(mut self) -> Result<Option<PathBuf>, Error> {
        let (from, to) = match &self.place {
            Place::Directory(path) => (self.root(), path),
            Place::File(path) => (self.output(), path),
            Place::Stdout => return Ok(None),
        };
        // rename(2) replaces a directory only if it is empty, and never anything
        // else by a directory: no check is needed that could be overtaken.
        fs::rename(&from, to).map_err(|source| match source.raw_os_error() {
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

    fn output(&self) -> PathBuf {
        self.directory.join("output")
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            leftover::remove_work_directory(&self.directory);
        }
    }
}

/// The beginning of the names of all work directories for a target of that name.
fn prefix(name: &OsStr) -> OsString {
    // A file name has 255 bytes at most, and the rest of it needs 25.
    let name = name.as_bytes();
    let mut prefix = vec![b'.'];
    prefix.extend_from_slice(name.get(..200).unwrap_or(name));
    prefix.extend_from_slice(INFIX.as_bytes());
    OsString::from_vec(prefix)
}

/// Makes a directory that only the user can enter, with a locked marker in it.
fn make_directory(parent: &Path, prefix: &OsStr) -> Result<(PathBuf, File), Error> {
    let made = tempfile::Builder::new()
        .prefix(prefix)
        .rand_bytes(6)
        .tempdir_in(parent)
        .map_err(|source| Error::creating(parent, source))?;
    let lock = lock(made.path()).map_err(|source| Error::at(parent, source))?;
    Ok((made.keep(), lock))
}

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
