//! Unpacked packages of the store, each with a digest beside it, by which damage is found.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two tries to lock the store.
const PATIENCE: Duration = Duration::from_millis(10);

/// Returns the path of the digest of a directory.
fn beside(directory: &Path) -> PathBuf {
    directory.with_extension("sha256")
}

/// Notes the digest of a directory that has just been made.
///
/// # Errors
/// It cannot be read, or the digest cannot be written.
pub(super) fn seal(directory: &Path) -> io::Result<()> {
    let path = beside(directory);
    let parent = path.parent().unwrap_or(directory);
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    io::Write::write_all(&mut file, digest(directory)?.as_bytes())?;
    file.persist(&path)?;
    Ok(())
}

/// Whether a directory is as it was made. Those of older versions have no digest, and are not.
pub(super) fn is_whole(directory: &Path) -> bool {
    let known = fs::read_to_string(beside(directory)).ok();
    known.is_some() && directory.is_dir() && known == digest(directory).ok()
}

/// Removes a directory that is not as it was made. Only while the store is [locked](lock) for writing.
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

/// Locks the store: for all who look whether packages are whole, or for the one who removes and unpacks them.
/// Waits for other runs, until `stopped` returns true.
///
/// # Errors
/// The store cannot be written, or the wait was stopped.
pub(super) fn lock(store: &Path, writes: bool, stopped: &dyn Fn() -> bool) -> io::Result<File> {
    fs::create_dir_all(store)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(store.join("lock"))?;
    let operation = match writes {
        true => FlockOperation::NonBlockingLockExclusive,
        false => FlockOperation::NonBlockingLockShared,
    };
    while let Err(error) = flock(&file, operation) {
        if error != Errno::WOULDBLOCK && error != Errno::INTR {
            return Err(error.into());
        }
        if stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        std::thread::sleep(PATIENCE);
    }
    Ok(file)
}

/// Returns a digest of names, kinds, rights of execution and contents.
fn digest(directory: &Path) -> io::Result<String> {
    let mut all = Sha256::new();
    add(directory, &mut all)?;
    Ok(deb_types::hex(&all.finalize()))
}

fn add(directory: &Path, all: &mut Sha256) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (kind, path) = (entry.file_type()?, entry.path());
        all.update(entry.file_name().as_bytes());
        all.update([0]);
        if kind.is_dir() {
            all.update(b"directory");
            add(&path, all)?;
            all.update(b"..");
        } else if kind.is_symlink() {
            all.update(b"link");
            all.update(fs::read_link(&path)?.as_os_str().as_bytes());
        } else {
            let mut file = File::open(&path)?;
            let meta = file.metadata()?;
            all.update(meta.len().to_le_bytes());
            all.update([u8::from(meta.permissions().mode() & 0o111 != 0)]);
            let mut buffer = vec![0; 1 << 17];
            loop {
                match io::Read::read(&mut file, &mut buffer)? {
                    0 => break,
                    length => all.update(buffer.get(..length).unwrap_or_default()),
                }
            }
        }
        all.update([0]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_is_found() {
        let tmp = tempfile::tempdir().unwrap();
        let directory = tmp.path().join("abcd");
        let program = directory.join("bin/program");
        let make = || {
            fs::create_dir_all(directory.join("bin")).unwrap();
            fs::write(&program, "text").unwrap();
            std::os::unix::fs::symlink("program", directory.join("bin/link")).unwrap();
            seal(&directory).unwrap();
            assert!(is_whole(&directory));
        };
        let damages: [&dyn Fn(); 5] = [
            &|| fs::write(&program, "Text").unwrap(),
            &|| fs::write(&program, "").unwrap(),
            &|| fs::remove_file(&program).unwrap(),
            &|| fs::write(directory.join("more"), "").unwrap(),
            &|| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap(),
        ];
        for damage in damages {
            make();
            damage();
            assert!(!is_whole(&directory));
            discard(&directory).unwrap();
            assert!(!directory.exists());
        }
        // One without a digest is of an older version, or was not finished.
        make();
        fs::remove_file(beside(&directory)).unwrap();
        assert!(!is_whole(&directory));
    }

    /// Two runs that find the same damage would remove each other's work.
    #[test]
    fn one_run_at_a_time_writes() {
        let tmp = tempfile::tempdir().unwrap();
        let never = || false;
        let stopped = || true;
        let first = lock(tmp.path(), false, &never).unwrap();
        let second = lock(tmp.path(), false, &never).unwrap();
        assert!(lock(tmp.path(), true, &stopped).is_err());
        drop((first, second));
        let writer = lock(tmp.path(), true, &never).unwrap();
        assert!(lock(tmp.path(), false, &stopped).is_err());
        drop(writer);
        assert!(lock(tmp.path(), false, &stopped).is_ok());
    }
}
