//! The lock of a target: several programs may read it at a time, or one changes it.
//!
//! It is on the directory itself (flock(2)), so nothing is written for it, and it goes with the process.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The use that is made of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is only read.
    Read,
    /// It may be changed.
    Change,
}

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct TargetLock(#[allow(dead_code, reason = "it is held")] OwnedFd);

/// Reason why a target is not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program works in it.
    #[error("{} is in use: another command of this program {}", path.display(), if *changed { "works in it" } else { "reads or changes it" })]
    InUse {
        /// The target.
        path: PathBuf,
        /// Whether the other one changes it, as far as that can be told.
        changed: bool,
    },
    /// It cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The target.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl TargetLock {
    /// Locks a target for a use.
    ///
    /// # Errors
    /// Another program has it for a use that does not go together with this one.
    pub(crate) fn take(path: &Path, wanted: Use) -> Result<Self, LockError> {
        let failed = |errno: rustix::io::Errno| LockError::Open {
            path: path.to_owned(),
            source: errno.into(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(path, flags, Mode::empty()).map_err(failed)?;
        let operation = match wanted {
            Use::Read => FlockOperation::NonBlockingLockShared,
            Use::Change => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&directory, operation) {
            Ok(()) => Ok(Self(directory)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::InUse {
                path: path.to_owned(),
                changed: wanted == Use::Read,
            }),
            Err(errno) => Err(failed(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_read_or_one_changes() {
        let directory = tempfile::tempdir().unwrap();
        let take = |wanted| TargetLock::take(directory.path(), wanted);
        let readers = [take(Use::Read).unwrap(), take(Use::Read).unwrap()];
        assert!(matches!(
            take(Use::Change),
            Err(LockError::InUse { changed: false, .. })
        ));
        drop(readers);
        let writer = take(Use::Change).unwrap();
        assert!(matches!(
            take(Use::Read),
            Err(LockError::InUse { changed: true, .. })
        ));
        drop(writer);
        assert!(take(Use::Read).is_ok());
    }
}
