//! Counts of what a server has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Work that a server has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests answered.
    pub requests: u64,
    /// Executions of foreign ELF files that were given to the interpreter.
    pub redirected: u64,
    /// Executions of native ELF files of the target, which ran themselves.
    pub native: u64,
    /// Executions of files that are not ELF: scripts.
    pub scripts: u64,
    /// Files and directories brought to the disk.
    pub syncs: u64,
}

/// The counts while the server runs.
#[derive(Debug, Default)]
pub(super) struct RunningCounters {
    pub(super) requests: Count,
    pub(super) redirected: Count,
    pub(super) native: Count,
    pub(super) scripts: Count,
    pub(super) syncs: Count,
}

/// A count that several threads raise.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub(super) fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl RunningCounters {
    /// Returns the counts of this moment.
    pub(super) fn now(&self) -> Counters {
        Counters {
            requests: self.requests.get(),
            redirected: self.redirected.get(),
            native: self.native.get(),
            scripts: self.scripts.get(),
            syncs: self.syncs.get(),
        }
    }
}
