//! Locks of the cache's files, for which runs wait that can be stopped.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{ArchiveError, Result};

/// Time between two tries.
const INTERVAL: Duration = Duration::from_millis(10);

/// The others that may have a lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Those who share it, too.
    Shared,
    /// Nobody.
    Exclusive,
}

/// Opens a file, which is made where it is missing, and locks it until it is closed (flock(2)). Waits while other runs or
/// threads have the lock.
///
/// # Errors
/// [`ArchiveError::Io`]; [`ArchiveError::Interrupted`] when `stop` returns true.
pub fn lock_file(path: &Path, kind: Lock, stop: &dyn Fn() -> bool) -> Result<File> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(ArchiveError::io("create", directory))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(ArchiveError::io("create", path))?;
    lock(&file, path, kind, stop)?;
    Ok(file)
}

/// Locks an open file as [`lock_file`] does.
pub(super) fn lock(file: &File, path: &Path, kind: Lock, stop: &dyn Fn() -> bool) -> Result<()> {
    let operation = match kind {
        Lock::Shared => FlockOperation::NonBlockingLockShared,
        Lock::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    while let Err(error) = flock(file, operation) {
        if error != Errno::WOULDBLOCK && error != Errno::INTR {
            return Err(ArchiveError::io("lock", path)(error.into()));
        }
        if stop() {
            return Err(ArchiveError::Interrupted);
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_or_many_read() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("directory/lock");
        let never = || false;
        let stopped = || true;
        let first = lock_file(&path, Lock::Shared, &never).unwrap();
        let second = lock_file(&path, Lock::Shared, &never).unwrap();
        let refused = lock_file(&path, Lock::Exclusive, &stopped).unwrap_err();
        assert!(matches!(refused, ArchiveError::Interrupted));
        drop((first, second));
        let writer = lock_file(&path, Lock::Exclusive, &never).unwrap();
        assert!(lock_file(&path, Lock::Shared, &stopped).is_err());
        // Whoever waits has it as soon as it is free.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lock_file(&path, Lock::Shared, &never).map(drop));
            drop(writer);
            waiting.join().unwrap().unwrap();
        });
    }
}
