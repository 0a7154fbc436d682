//! Claims of a batch's packages to paths. They show which paths several packages ship, so that the result never
//! depends on which thread came first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 64;

type Shard = HashMap<(u64, OsString), (usize, bool)>;

/// Claims to names, by the inode of the directory they are in, so that a path through a link and the
/// one it leads to are the same.
pub(super) struct Claims {
    shards: Vec<Mutex<Shard>>,
    hasher: std::collections::hash_map::RandomState,
}

impl Claims {
    pub(super) fn new() -> Claims {
        Claims {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: Default::default(),
        }
    }

    /// Claims a name for a package of the batch, and returns whether it may have it. Packages may share
    /// directories, nothing else.
    pub(super) fn claim(&self, package: usize, parent: u64, name: &OsStr, directory: bool) -> bool {
        let key = (parent, name.to_owned());
        let index = usize::try_from(self.hasher.hash_one(&key) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(index) else {
            return false;
        };
        match shard.lock().unwrap_or_else(PoisonError::into_inner).entry(key) {
            Entry::Vacant(free) => {
                free.insert((package, directory));
                true
            }
            Entry::Occupied(have) => {
                let (owner, is_directory) = *have.get();
                owner == package || (directory && is_directory)
            }
        }
    }
}
