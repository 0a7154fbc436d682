//! The seal of a native root in the cache, by which damage is found: an attribute of its directory, so that it comes and
//! goes with it.
//!
//! It has two digests. One is of what stat(2) says of each file, which is quickly made; where it differs, as in a copy of
//! the cache, the other one, of all contents, decides.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, lgetxattr, llistxattr, setxattr};
use sha2::{Digest, Sha256};

use deb_types::hex;

/// The attribute; the target's own files have none of this name.
const SEAL: &str = "user.rootless-install.seal";
/// Bytes of the seal: two digests in hexadecimal, and a blank.
const LENGTH: usize = 64 + 1 + 64;

/// Seals a root filesystem that has just been made. Whatever is in it may not be changed any more; the directory may
/// get another name.
///
/// # Errors
/// It cannot be read, or its filesystem has no such attributes.
pub(super) fn seal(root: &Path) -> io::Result<()> {
    write(root, &digest(root, add_look)?, &digest(root, add_content)?)
}

fn write(root: &Path, look: &str, content: &str) -> io::Result<()> {
    let seal = format!("{look} {content}");
    Ok(setxattr(root, SEAL, seal.as_bytes(), XattrFlags::empty())?)
}

/// Whether a root filesystem is as it was sealed.
pub(super) fn is_whole(root: &Path) -> bool {
    let mut seal = [0; LENGTH];
    let Ok(LENGTH) = getxattr(root, SEAL, &mut seal[..]) else {
        return false;
    };
    let Some((look, content)) = std::str::from_utf8(&seal)
        .ok()
        .and_then(|seal| seal.split_once(' '))
    else {
        return false;
    };
    let Ok(now) = digest(root, add_look) else {
        return false;
    };
    if now == look {
        return true;
    }
    let whole = digest(root, add_content).is_ok_and(|found| found == content);
    if whole && let Err(error) = write(root, &now, content) {
        tracing::debug!("a native root will be read again: {error}");
    }
    whole
}

/// Adds a file, which is no directory, to a digest.
type Add = fn(&Path, &fs::Metadata, &mut Sha256) -> io::Result<()>;

fn digest(root: &Path, add: Add) -> io::Result<String> {
    let mut all = Sha256::new();
    directory(root, add, &mut all)?;
    Ok(hex(&all.finalize()))
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

fn add_look(_: &Path, found: &fs::Metadata, all: &mut Sha256) -> io::Result<()> {
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

fn add_content(path: &Path, found: &fs::Metadata, all: &mut Sha256) -> io::Result<()> {
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
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 1 << 17];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                length => all.update(buffer.get(..length).unwrap_or_default()),
            }
        }
    }
    Ok(())
}

/// Returns the user extended attributes of a file, which the records of owners are among, sorted.
fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; 1 << 16];
    let length = llistxattr(path, &mut names[..])?;
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
    use std::os::unix::fs::symlink;

    #[test]
    fn every_damage_is_found() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("root");
        let program = root.join("bin/program");
        let make = || {
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(root.join("bin")).unwrap();
            fs::write(&program, "text").unwrap();
            symlink("program", root.join("bin/link")).unwrap();
            assert!(!is_whole(&root));
            seal(&root).unwrap();
            assert!(is_whole(&root));
        };
        let damages: [&dyn Fn(); 6] = [
            &|| fs::write(&program, "Text").unwrap(),
            &|| fs::write(&program, "").unwrap(),
            &|| fs::remove_file(&program).unwrap(),
            &|| fs::write(root.join("more"), "").unwrap(),
            &|| symlink("elsewhere", root.join("bin/other")).unwrap(),
            &|| setxattr(&program, "user.record", b"1", XattrFlags::empty()).unwrap(),
        ];
        for damage in damages {
            make();
            damage();
            assert!(!is_whole(&root));
        }
        // Another name, and a change that is none, are no damage.
        make();
        let other = tmp.path().join("other");
        fs::rename(&root, &other).unwrap();
        fs::write(other.join("bin/program"), "text").unwrap();
        assert!(is_whole(&other));
        let mut seal = [0; LENGTH];
        getxattr(&other, SEAL, &mut seal[..]).unwrap();
        assert!(seal.starts_with(digest(&other, add_look).unwrap().as_bytes()));
    }
}
