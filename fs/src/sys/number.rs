//! Numbers by which files of a target are told apart.
//!
//! On most filesystems that is the inode number. An overlay over several filesystems gives files the number that they have on
//! theirs, and directories numbers of its own (Documentation/filesystems/overlayfs.rst, "Inode properties"); btrfs counts in
//! each subvolume anew. What tells such files apart is the device besides, as stat(2) says it.

use std::sync::{OnceLock, PoisonError, RwLock};

/// The device of the first file that was looked at: on most machines that of all.
static FIRST: OnceLock<u64> = OnceLock::new();

/// Other devices.
static OTHERS: RwLock<Vec<u64>> = RwLock::new(Vec::new());

/// Bits for the number of the device, below those that the server has for itself; inode numbers are smaller.
const SHIFT: u32 = 52;
/// Most numbers of devices.
const MOST: u64 = 255;

/// Returns the number of a file: its inode number, and for files on another device than the first that of the device in
/// the high bits.
pub(super) fn number(device: u64, ino: u64) -> u64 {
    if device == *FIRST.get_or_init(|| device) {
        return ino;
    }
    let known = |others: &[u64]| others.iter().position(|other| *other == device);
    let read = known(&OTHERS.read().unwrap_or_else(PoisonError::into_inner));
    let place = read.unwrap_or_else(|| {
        let mut others = OTHERS.write().unwrap_or_else(PoisonError::into_inner);
        known(&others).unwrap_or_else(|| {
            others.push(device);
            others.len() - 1
        })
    });
    ino ^ ((place as u64 % MOST + 1) << SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_tell_files_apart() {
        let first = number(1 << 40, 7);
        let all = [first, number(2 << 40, 7), number(3 << 40, 7), number(2 << 40, 8)];
        let mut different = all.to_vec();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), all.len(), "{all:?}");
        assert_eq!(number(2 << 40, 7), all[1]);
        assert!(all.iter().all(|number| *number < 1 << 60));
    }
}
