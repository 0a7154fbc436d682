//! Digests of directories in the cache, by which damage is found.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use sha2::{Digest, Sha256};

/// Returns the SHA-256, in hexadecimal, of names, modes and contents below a directory, extended attributes of the user
/// included.
///
/// # Errors
/// A file cannot be read.
pub fn of_contents(root: &Path) -> io::Result<String> {
    digest(root, add_content)
}

/// Returns the SHA-256, in hexadecimal, of names and of what stat(2) says of each file: nothing is read, and what
/// differs need not be damaged.
///
/// # Errors
/// A directory cannot be read.
pub fn of_stat(root: &Path) -> io::Result<String> {
    digest(root, add_stat)
}

/// Adds a file or directory to a digest.
type Add = fn(&Path, &Metadata, &mut Sha256) -> io::Result<()>;

fn digest(root: &Path, add: Add) -> io::Result<String> {
    let mut all = Sha256::new();
    directory(root, add, &mut all)?;
    Ok(deb_types::hex(&all.finalize()))
}

fn directory(path: &Path, add: Add, all: &mut Sha256) -> io::Result<()> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, found) = (entry.path(), entry.metadata()?);
        all.update(entry.file_name().as_bytes());
        all.update([0]);
        all.update(found.mode().to_le_bytes());
        add(&path, &found, all)?;
        if found.is_dir() {
            directory(&path, add, all)?;
            all.update(b"/");
        }
    }
    Ok(())
}

fn add_stat(_: &Path, found: &Metadata, all: &mut Sha256) -> io::Result<()> {
    for number in [found.dev(), found.ino(), found.len()] {
        all.update(number.to_le_bytes());
    }
    for time in [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ] {
        all.update(time.to_le_bytes());
    }
    Ok(())
}

fn add_content(path: &Path, found: &Metadata, all: &mut Sha256) -> io::Result<()> {
    for (name, value) in attributes(path)? {
        for part in [name, value] {
            all.update(part.len().to_le_bytes());
            all.update(part);
        }
    }
    all.update([0]);
    if found.is_symlink() {
        all.update(fs::read_link(path)?.as_os_str().as_bytes());
    } else if found.is_file() {
        all.update(found.len().to_le_bytes());
        let mut file = BufReader::with_capacity(1 << 17, File::open(path)?);
        loop {
            let part = file.fill_buf()?;
            if part.is_empty() {
                break;
            }
            let length = part.len();
            all.update(part);
            file.consume(length);
        }
    }
    Ok(())
}

/// Returns the user extended attributes of a file, which the records of owners are among, sorted; none where its
/// filesystem has no such attributes.
fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; 1 << 16];
    let length = match llistxattr(path, &mut names[..]) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(Vec::new()),
        length => length?,
    };
    names.truncate(length);
    let mut all = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        if !name.starts_with(b"user.") {
            continue;
        }
        let mut value = vec![0; 1 << 16];
        let length = lgetxattr(path, name, &mut value[..])?;
        value.truncate(length);
        all.push((name.to_vec(), value));
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{XattrFlags, setxattr};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn every_damage_changes_them() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("root");
        let program = root.join("bin/program");
        let make = || {
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(root.join("bin")).unwrap();
            fs::write(&program, "text").unwrap();
            symlink("program", root.join("bin/link")).unwrap();
            (of_contents(&root).unwrap(), of_stat(&root).unwrap())
        };
        let damages: [&dyn Fn(); 7] = [
            &|| fs::write(&program, "Text").unwrap(),
            &|| fs::write(&program, "").unwrap(),
            &|| fs::remove_file(&program).unwrap(),
            &|| fs::write(root.join("more"), "").unwrap(),
            &|| symlink("elsewhere", root.join("bin/other")).unwrap(),
            &|| fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap(),
            &|| setxattr(&program, "user.record", b"1", XattrFlags::empty()).unwrap(),
        ];
        for damage in damages {
            let (contents, stat) = make();
            // The clock of inodes is no finer than the kernel's timer.
            std::thread::sleep(std::time::Duration::from_millis(20));
            damage();
            assert_ne!(of_contents(&root).unwrap(), contents);
            assert_ne!(of_stat(&root).unwrap(), stat);
        }
        // Another name, and a change that is none.
        let (contents, stat) = make();
        let other = tmp.path().join("other");
        fs::rename(&root, &other).unwrap();
        assert_eq!(of_stat(&other).unwrap(), stat);
        fs::write(other.join("bin/program"), "text").unwrap();
        assert_eq!(of_contents(&other).unwrap(), contents);
    }
}
