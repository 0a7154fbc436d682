//! The seal of a native root in the cache, by which damage is found: an attribute of its directory, so that it comes and
//! goes with it.
//!
//! It has two digests. One is of what stat(2) says of each file, which is quickly made; where it differs, as in a copy of
//! the cache, the other one, of all contents, decides.

use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use script_host::tree_digest::{of_contents, of_stat};

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
    write(root, &of_stat(root)?, &of_contents(root)?)
}

fn write(root: &Path, look: &str, content: &str) -> io::Result<()> {
    let seal = format!("{look} {content}");
    Ok(setxattr(root, SEAL, seal.as_bytes(), XattrFlags::empty())?)
}

/// Whether a root filesystem is as it was sealed.
pub fn is_whole(root: &Path) -> bool {
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
    let Ok(now) = of_stat(root) else {
        return false;
    };
    if now == look {
        return true;
    }
    let whole = of_contents(root).is_ok_and(|found| found == content);
    if whole && let Err(error) = write(root, &now, content) {
        tracing::debug!("a native root will be read again: {error}");
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn damage_is_found_and_a_copy_is_whole() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("root");
        let program = root.join("program");
        fs::create_dir(&root).unwrap();
        fs::write(&program, "text").unwrap();
        assert!(!is_whole(&root));
        seal(&root).unwrap();
        assert!(is_whole(&root));
        fs::write(&program, "Text").unwrap();
        assert!(!is_whole(&root));
        // The same contents in another file: read once, and not again.
        fs::remove_file(&program).unwrap();
        fs::write(&program, "text").unwrap();
        assert!(is_whole(&root));
        let mut seal = [0; LENGTH];
        getxattr(&root, SEAL, &mut seal[..]).unwrap();
        assert!(seal.starts_with(of_stat(&root).unwrap().as_bytes()));
    }
}
