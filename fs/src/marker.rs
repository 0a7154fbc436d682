//! The marker of a target: a file in its directory for those who come upon it, which is not in the target.
//!
//! Programs that know nothing of fake ownership (tar(1), cp(1), mkfs(8)) see a directory of the user's own files, and make
//! something of it that is not what the target's users see. They copy this file with the others, so that whoever looks
//! at the result finds out.
//!
//! Invariant: the name [`MARKER`] in the root of a target is nothing that [`Target`](crate::Target) or the
//! view can name: it is not listed, looked up, made or removed there. It is the user's, on disk only.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// Name of the marker in the root of a target's directory.
pub const MARKER: &str = "README.rootless-install";

/// First line, by which the marker is known.
const FIRST_LINE: &str = "This directory is a root filesystem made by rootless-install.";

const TEXT: &str = "
Everything in it belongs to whoever made it. The owners, modes, devices and
capabilities that its own users are to see are kept in extended attributes of
the files (user.containers.override_stat, user.rootless-install.*), so

  tar, cp, rsync, mkfs -d, mksquashfs, docker build ...

called on this directory, also by root, take the wrong owners and modes, and
plain files for devices. Use instead:

  rootless-install pack DIRECTORY NAME.tar     (.squashfs, .ext4, .cpio, ...)
  rootless-install stat DIRECTORY/PATH         what its users see
  rootless-install chown|chmod|mknod|setcap    change that
  rootless-install mount DIRECTORY DIR         all of it, as a filesystem
  rootless-install check DIRECTORY             whether it is whole
  rootless-install rm DIRECTORY                remove it

Where you find this file in an archive, an image or a copy, that was not made
so, and the owners in it are wrong. This file is not part of the root
filesystem.
";

/// The marker of one directory.
#[derive(Debug)]
pub struct Marker;

impl Marker {
    /// Writes the marker into a directory, whose time stays.
    ///
    /// # Errors
    /// Those of writing, also where something else has that name.
    pub fn write(directory: &Path) -> io::Result<()> {
        if Self::is_in(directory) {
            return Ok(());
        }
        let before = fs::metadata(directory)?;
        let path = directory.join(MARKER);
        let mut file = fs::File::create_new(&path)?;
        let written = file.write_all(format!("{FIRST_LINE}\n{TEXT}").as_bytes());
        if let Err(error) = written {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(before.atime(), before.atime_nsec()),
            last_modification: time(before.mtime(), before.mtime_nsec()),
        };
        Ok(utimensat(CWD, directory, &times, AtFlags::empty())?)
    }

    /// Whether a directory has the marker.
    pub fn is_in(directory: &Path) -> bool {
        let path = directory.join(MARKER);
        let plain = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        plain && fs::read(&path).is_ok_and(|text| text.starts_with(FIRST_LINE.as_bytes()))
    }
}

/// Returns the directory with a marker that `path` is in or is, and the rest of the path: of several the innermost. Links
/// on the way are not followed into a target, so that the rest is a path of the target's.
pub fn find_target(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut above = Some(path);
    while let Some(directory) = above {
        let named = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        if Marker::is_in(named) {
            let rest = path.strip_prefix(directory).unwrap_or(Path::new(""));
            return Some((named.to_owned(), Path::new("/").join(rest)));
        }
        above = directory.parent();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileType, Meta, Target};

    #[test]
    fn the_target_does_not_have_it() {
        let directory = tempfile::tempdir().unwrap();
        let old = rustix::fs::Timespec {
            tv_sec: 1_000_000,
            tv_nsec: 5,
        };
        let times = Timestamps {
            last_access: old,
            last_modification: old,
        };
        utimensat(CWD, directory.path(), &times, AtFlags::empty()).unwrap();
        Marker::write(directory.path()).unwrap();
        Marker::write(directory.path()).unwrap();
        let found = fs::metadata(directory.path()).unwrap();
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_000_000, 5));
        let target = Target::open(directory.path()).unwrap();
        assert_eq!(target.walk().count(), 1);
        let name = Path::new(MARKER);
        let file = Meta::of_root(FileType::Regular, 0o644);
        assert!(target.stat(name).is_err() && target.read(name).is_err());
        assert!(target.write(name, b"x", &file).is_err() && target.remove(name).is_err());
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target.make_symlink(Path::new("/l"), name, &link).unwrap();
        assert!(target.read(Path::new("/l")).is_err());
        assert!(Marker::is_in(directory.path()));
        // Elsewhere the name is one as any other.
        target
            .make_dir(Path::new("/d"), &Meta::of_root(FileType::Directory, 0o755))
            .unwrap();
        target.write(&Path::new("/d").join(MARKER), b"x", &file).unwrap();
        assert_eq!(target.read_dir(Path::new("/d")).unwrap(), [MARKER]);
    }

    #[test]
    fn targets_are_found_from_below() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert_eq!(find_target(&root.join("a/b")), None);
        Marker::write(root).unwrap();
        let found = find_target(&root.join("a/b"));
        assert_eq!(found, Some((root.to_owned(), PathBuf::from("/a/b"))));
        assert_eq!(find_target(root), Some((root.to_owned(), PathBuf::from("/"))));
        // Something else of that name is no marker.
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d").join(MARKER), b"mine").unwrap();
        assert!(!Marker::is_in(&root.join("d")));
        assert!(Marker::write(&root.join("d")).is_err());
    }
}
