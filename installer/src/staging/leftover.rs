//! Work directories of runs that were killed.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel;
use rustix::fs::{FlockOperation, flock};

use super::{Error, LOCK, MARKER, NEW_LOCK, VIEW};

/// Time that the last child processes of a killed run may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Removes the work directories of dead runs in `parent` whose names begin with `prefix`.
///
/// # Errors
/// [`Error::Busy`] where a run is alive and `exclusive`; those of removing.
pub(super) fn remove(parent: &Path, prefix: &OsStr, exclusive: bool) -> Result<(), Error> {
    let entries = fs::read_dir(parent).map_err(|source| Error::creating(parent, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| Error::at(parent, source))?;
        let name = entry.file_name();
        let Some(random) = name.as_bytes().strip_prefix(prefix.as_bytes()) else {
            continue;
        };
        if random.len() != 6 || !random.iter().all(u8::is_ascii_alphanumeric) {
            continue;
        }
        let path = entry.path();
        if !is_ours(&path) {
            continue;
        }
        match state(&path, exclusive) {
            State::Foreign => {}
            State::Alive if exclusive => return Err(Error::Busy { directory: path }),
            State::Alive => {}
            // What cannot be removed is in nobody's way: this run has another name for its own.
            State::Dead(_lock) => {
                if let Err(error) = remove_with_view(&path) {
                    tracing::warn!(target: task_progress::trace::WARNING, "cannot remove {}, which an earlier run has left: {error}",
                        path.display()
                    );
                }
            }
            State::Unborn => {
                // The run was killed before it named the marker. If it lives after all, it fails for want of its
                // directory.
                let _ = fs::remove_file(path.join(NEW_LOCK));
                let _ = fs::remove_dir(&path);
            }
        }
    }
    Ok(())
}

/// Removes the work directory of a run that has just ended.
///
/// # Errors
/// Those of removing.
pub(super) fn remove_dead(directory: &Path) -> io::Result<()> {
    match state(directory, true) {
        State::Dead(_lock) if is_ours(directory) => remove_with_view(directory),
        _ => Ok(()),
    }
}

/// Removes a work directory. A view that was mounted without namespaces outlives its run.
fn remove_with_view(directory: &Path) -> io::Result<()> {
    let view = directory.join(VIEW);
    for mount_point in [script_host::view::admin_mount_point(&view), view] {
        script_host::view::unmount_stale(&mount_point);
    }
    remove_tree(directory)
}

/// State of a directory with the name of a work directory.
enum State {
    /// Not a work directory.
    Foreign,
    /// Its run lives.
    Alive,
    /// Its run is dead; the lock is held here, so that no other run removes it too.
    Dead(#[allow(dead_code, reason = "held for its lock")] File),
    /// Its run ended before it made the marker: it is old, and empty but for a marker without its name.
    Unborn,
}

/// Whether a path is a directory, and no link, of this user: other users can make names in /var/tmp.
fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

/// Returns the state of a directory. `patient` waits for child processes of a killed run.
fn state(directory: &Path, patient: bool) -> State {
    let lock = match OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(directory.join(LOCK))
    {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_unborn(directory) => {
            return State::Unborn;
        }
        Err(_) => return State::Foreign,
    };
    if !is_marker(&lock) {
        return State::Foreign;
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return State::Dead(lock),
            Err(_) if patient && Instant::now() < until => thread::sleep(Duration::from_millis(50)),
            Err(_) => return State::Alive,
        }
    }
}

fn is_marker(mut lock: &File) -> bool {
    let mut text = Vec::new();
    let limit = MARKER.len() as u64 + 1;
    io::Read::read_to_end(&mut io::Read::take(&mut lock, limit), &mut text).is_ok() && text == MARKER
}

/// Whether a directory has been empty, but for a marker without its name, for more than a minute.
fn is_unborn(directory: &Path) -> bool {
    let Ok(found) = fs::metadata(directory) else {
        return false;
    };
    let old = found
        .modified()
        .ok()
        .and_then(|time| time.elapsed().ok())
        .is_some_and(|age| age > Duration::from_secs(60));
    old && fs::read_dir(directory)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == NEW_LOCK)))
}

/// Removes the work directory of this run. The marker goes last, so that the next run finishes a removal that was
/// interrupted.
pub(super) fn remove_work_directory(directory: &Path) {
    // This is part of a drop, which cannot fail; the next run removes the rest.
    if let Err(error) = remove_tree(directory) {
        tracing::warn!(target: task_progress::trace::WARNING, "cannot remove {}: {error}", directory.display());
    }
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove_in_parallel(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    // The marker is the last.
    rootless_install_fs::remove_tree(directory)
}

/// Removes a directory and all in it on two threads: a root filesystem has tens of thousands of files, and the user
/// waits for it where the result is an archive.
fn remove_in_parallel(directory: &Path) -> io::Result<()> {
    let (sender, parts) = channel::unbounded();
    // The larger directories of a root filesystem are at this depth: /usr/share/doc, /usr/lib/TRIPLET.
    list(directory, 3, &|part| {
        // Its receivers outlive it.
        let _ = sender.send(part);
    })?;
    drop(sender);
    thread::scope(|scope| {
        for _ in 0..2 {
            let parts = parts.clone();
            // Files that are left are removed below, or are an error there.
            scope.spawn(move || {
                parts
                    .iter()
                    .for_each(|part| drop(rootless_install_fs::remove_tree(&part)))
            });
        }
    });
    rootless_install_fs::remove_tree(directory)
}

/// Calls `give` with each directory `depth` levels below one.
fn list(directory: &Path, depth: u32, give: &dyn Fn(PathBuf)) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match depth {
                0 | 1 => give(entry.path()),
                _ => list(&entry.path(), depth - 1, give)?,
            }
        }
    }
    Ok(())
}
