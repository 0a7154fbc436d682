//! Unpacked packages of the store, each with a digest beside it, by which damage is found.

use crate::tree_digest;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the path of the digest of a directory.
fn beside(directory: &Path) -> PathBuf {
    directory.with_extension("digest")
}

/// Notes the digest of a directory that has just been made.
///
/// # Errors
/// It cannot be read, or the digest cannot be written.
pub(super) fn seal(directory: &Path) -> io::Result<()> {
    let path = beside(directory);
    let parent = path.parent().unwrap_or(directory);
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    io::Write::write_all(&mut file, tree_digest::of_contents(directory)?.as_bytes())?;
    file.persist(&path)?;
    Ok(())
}

/// Whether the directory of an unpacked native package in the cache is as it was made. Those of older versions have no
/// digest, and are not.
pub fn is_whole(directory: &Path) -> bool {
    let known = fs::read_to_string(beside(directory)).ok();
    known.is_some() && directory.is_dir() && known == tree_digest::of_contents(directory).ok()
}

/// Removes a directory that is not as it was made. Only while no other run has the lock of the store.
///
/// # Errors
/// It cannot be removed.
pub(super) fn discard(directory: &Path) -> io::Result<()> {
    if directory.symlink_metadata().is_err() {
        return Ok(());
    }
    if beside(directory).exists() {
        tracing::warn!(target: task_progress::trace::WARNING, "{} in the cache is damaged: its package is unpacked anew",
            directory.display()
        );
    }
    rootless_install_fs::remove_tree(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_without_a_digest_is_not_whole() {
        let tmp = tempfile::tempdir().unwrap();
        let directory = tmp.path().join("abcd");
        let make = || {
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("program"), "text").unwrap();
            seal(&directory).unwrap();
            assert!(is_whole(&directory));
        };
        let damages: [&dyn Fn(); 2] = [&|| fs::write(directory.join("program"), "Text").unwrap(), &|| {
            fs::remove_file(beside(&directory)).unwrap()
        }];
        for damage in damages {
            make();
            damage();
            assert!(!is_whole(&directory));
            discard(&directory).unwrap();
            assert!(!directory.exists());
        }
    }
}
