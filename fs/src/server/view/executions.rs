//! Executions that are redirected, while they are open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Scripts that are read instead of programs that are executed, by handle. All other files have the handle 0 and are
/// known by their node.
#[derive(Debug, Default)]
pub(super) struct Executions {
    open: RwLock<HashMap<u64, Arc<[u8]>>>,
    last: AtomicU64,
}

impl Executions {
    pub(super) fn insert(&self, script: Arc<[u8]>) -> u64 {
        let fh = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(fh, script);
        fh
    }

    pub(super) fn get(&self, fh: u64) -> Option<Arc<[u8]>> {
        if fh == 0 {
            return None;
        }
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&fh).cloned()
    }

    pub(super) fn remove(&self, fh: u64) {
        if fh != 0 {
            self.open
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&fh);
        }
    }
}
