//! Caches of fontconfig, which are structures in memory: their names tell the byte order,
//! word size and alignment of a double.
//!
//! The native fc-cache makes those of this machine. Programs of a target of another
//! kind never look at them; they make their own when they first need one, as they
//! do for every directory without a cache.

use deb_arch::Architecture;
use rootless_install_fs::{Error as TargetError, Target};
use std::path::Path;

/// Directory of the system's caches (fonts.conf(5), `cachedir`).
const DIRECTORY: &str = "/var/cache/fontconfig";

/// Removes the caches that the target cannot use.
///
/// # Errors
/// The directory cannot be read or changed.
pub(crate) fn remove_foreign(target: &Target, arch: &Architecture) -> Result<(), TargetError> {
    remove(
        target,
        Architecture::native().fontconfig_name(),
        arch.fontconfig_name(),
    )
}

fn remove(target: &Target, made: &str, used: &str) -> Result<(), TargetError> {
    if made == used {
        return Ok(());
    }
    let names = match target.read_dir(Path::new(DIRECTORY)) {
        Err(error) if error.is_not_found() => return Ok(()),
        names => names?,
    };
    let mark = format!("-{made}.cache-");
    for name in names {
        if name.to_string_lossy().contains(&mark) {
            target.remove(&Path::new(DIRECTORY).join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta};

    #[test]
    fn caches_of_another_kind_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        remove(&target, "le64", "be64").unwrap();
        for directory in ["/var", "/var/cache", DIRECTORY] {
            target
                .make_dir(Path::new(directory), &Meta::of_root(FileType::Directory, 0o755))
                .unwrap();
        }
        let names = ["00-le64.cache-9", "11-be64.cache-9", "CACHEDIR.TAG"];
        for name in names {
            let path = Path::new(DIRECTORY).join(name);
            target
                .write(&path, b"x", &Meta::of_root(FileType::Regular, 0o644))
                .unwrap();
        }
        let left = || target.read_dir(Path::new(DIRECTORY)).unwrap();
        remove(&target, "le64", "le64").unwrap();
        assert_eq!(left(), names);
        remove(&target, "le64", "be64").unwrap();
        assert_eq!(left(), ["11-be64.cache-9", "CACHEDIR.TAG"]);
    }
}
