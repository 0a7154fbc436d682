//! Modes that scripts have set on the disk, where the target is not mounted for them.

use rootless_install_fs::{Error, FileType, Stat, Target, encoding};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Takes over the mode of a file that a script has set on the disk, where it differs from the recorded one.
///
/// # Errors
/// The file cannot be read or changed.
pub(super) fn take_over(target: &Target, path: &Path, stat: &Stat) -> Result<(), Error> {
    if !matches!(stat.meta.kind, FileType::Regular | FileType::Directory) {
        return Ok(());
    }
    // No link leads there: the target's own resolution has found the file at this path.
    let relative = path.strip_prefix("/").unwrap_or(path);
    let Ok(disk) = std::fs::symlink_metadata(target.root_path().join(relative)) else {
        return Ok(());
    };
    let mode = disk.permissions().mode() & 0o7777;
    let ours = encoding::disk_mode(stat.meta.kind, stat.meta.mode);
    if disk.is_symlink() || mode == ours || mode == stat.meta.mode && mode & !ours == 0 {
        return Ok(());
    }
    target.set_mode(path, mode)
}

/// Takes over the modes of all files.
///
/// # Errors
/// Those of [`take_over`].
pub(super) fn take_over_all(target: &Target) -> Result<(), Error> {
    for entry in target.walk() {
        let (path, stat) = entry?;
        take_over(target, &path, &stat)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::Meta;
    use std::fs::{Permissions, set_permissions};

    #[test]
    fn what_chmod_does_on_the_disk_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let path = Path::new("/a");
        let mut meta = Meta::of_root(FileType::Regular, 0o644);
        (meta.uid, meta.gid) = (0, 42);
        target.write(path, b"", &meta).unwrap();
        for mode in [0o640, 0o4755, 0o664, 0o400, 0o644] {
            set_permissions(directory.path().join("a"), Permissions::from_mode(mode)).unwrap();
            take_over_all(&target).unwrap();
            let stat = target.stat(path).unwrap();
            assert_eq!((stat.meta.mode, stat.meta.gid), (mode, 42), "{mode:o}");
            let disk = std::fs::metadata(directory.path().join("a")).unwrap();
            assert_eq!(disk.permissions().mode() & 0o7022, 0, "{mode:o}");
        }
    }
}
