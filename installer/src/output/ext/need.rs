//! Blocks and inodes that a target takes in a filesystem.

use super::super::{Error, Files, Source};
use super::{BLOCK, Generation};
use rootless_install_fs::{FileType, Stat};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Blocks and inodes that the content of a filesystem takes, at most; without what the filesystem itself takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Number of blocks.
    pub(super) blocks: u64,
    /// Number of inodes.
    pub(super) inodes: u64,
}

/// Bytes of a block of a directory that entries have.
const DIRECTORY: u64 = BLOCK - 12;
/// Greatest length of a link's text that its inode holds.
const FAST_LINK: u64 = 59;

impl Need {
    pub(super) fn of(generation: Generation, source: &Source<'_>, files: &Files) -> Result<Self, Error> {
        let mut need = Self::default();
        // Bytes of the entries of each directory.
        let mut entries: HashMap<&Path, u64> = HashMap::new();
        for (path, stat) in &files.found {
            if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                let length = 8 + name.as_bytes().len().next_multiple_of(4) as u64;
                *entries.entry(parent).or_default() += length;
            }
            if files.is_first(path, stat) {
                need.inodes += 1;
                need.blocks += blocks(generation, source, path, stat)?;
                if !source.target.xattrs(path)?.is_empty() {
                    need.blocks += 1;
                }
            }
        }
        // The end of a block that the next entry does not fit into stays empty.
        let taken = |bytes: &u64| (bytes * 9 / 8).div_ceil(DIRECTORY).max(1);
        need.blocks += entries.values().map(taken).sum::<u64>();
        // Directories without entries, and the root's own.
        need.blocks += files.directories() + 1;
        need.blocks += need.blocks / 200 + 16;
        Ok(need)
    }
}

/// Returns the blocks of a file's content, and of what says where they are.
fn blocks(generation: Generation, source: &Source<'_>, path: &Path, stat: &Stat) -> Result<u64, Error> {
    let data = match stat.meta.kind {
        FileType::Regular => {
            let data = source.data(path, stat)?;
            let blocks = data
                .iter()
                .map(|range| range.end.div_ceil(BLOCK) - range.start / BLOCK);
            blocks.sum()
        }
        FileType::Symlink if stat.size > FAST_LINK => 1,
        _ => 0,
    };
    let map = match generation {
        _ if data <= 4 => 0,
        // Blocks of zeroes are left out, so that there may be more extents than an inode holds.
        Generation::Ext4 => 1 + data / 256,
        Generation::Ext2 | Generation::Ext3 if data <= 12 && stat.size <= 12 * BLOCK => 0,
        Generation::Ext2 | Generation::Ext3 => 3 + data / 512,
    };
    Ok(data + map)
}
