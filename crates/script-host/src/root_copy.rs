//! Copies of a root filesystem on disk, such as the copy of the native root that each run has: scripts may write to
//! it, and it is thrown away.

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use std::ffi::CStr;
use std::fs::{self, FileTimes};
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// Makes `to`, which must not be there, a copy of a directory in which the user owns everything:
/// contents, modes on disk, times, extended attributes and links between files.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    Copier::default().directory(from, to)
}

#[derive(Default)]
struct Copier {
    /// The first copy of each file with several names, by device and inode.
    linked: std::collections::HashMap<(u64, u64), PathBuf>,
}

impl Copier {
    fn directory(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.directory(&from, &to)?;
            } else if kind.is_symlink() {
                symlink(fs::read_link(&from)?, &to)?;
            } else if kind.is_file() {
                self.file(&from, &to)?;
            }
        }
        finish(from, to)
    }

    fn file(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let meta = fs::symlink_metadata(from)?;
        if meta.nlink() > 1 {
            let known = (meta.dev(), meta.ino());
            if let Some(first) = self.linked.get(&known) {
                return fs::hard_link(first, to);
            }
            self.linked.insert(known, to.to_owned());
        }
        // copy_file_range(2), which shares blocks where it can.
        fs::copy(from, to)?;
        finish(from, to)
    }
}

/// Copies attributes, mode and times, times last.
fn finish(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = [0_u8; 4096];
    let length = llistxattr(from, &mut names)?;
    let mut rest = names.get(..length).unwrap_or_default();
    while let Ok(name) = CStr::from_bytes_until_nul(rest) {
        let mut value = [0_u8; 4096];
        let length = lgetxattr(from, name, &mut value)?;
        let value = value.get(..length).unwrap_or_default();
        // Labels of the machine's security modules are its own business.
        if name.to_bytes().starts_with(b"user.") {
            lsetxattr(to, name, value, XattrFlags::empty())?;
        }
        rest = rest.get(name.count_bytes() + 1..).unwrap_or_default();
    }
    let meta = fs::symlink_metadata(from)?;
    fs::set_permissions(to, meta.permissions())?;
    let times = FileTimes::new()
        .set_accessed(meta.accessed()?)
        .set_modified(meta.modified()?);
    fs::File::open(to)?.set_times(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta, Target};

    #[test]
    fn a_copy_is_the_same_and_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        fs::create_dir(&from).unwrap();
        let target = Target::open(&from).unwrap();
        let mut owned = Meta::of_root(FileType::Regular, 0o4755);
        (owned.uid, owned.gid) = (7, 8);
        target.write(Path::new("/a"), b"text", &owned).unwrap();
        target.link(Path::new("/a"), Path::new("/b")).unwrap();
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target
            .make_symlink(Path::new("/l"), Path::new("a"), &link)
            .unwrap();
        let to = directory.path().join("to");
        copy(&from, &to).unwrap();
        let copied = Target::open(&to).unwrap();
        for name in ["/a", "/b"] {
            let (before, after) = (
                target.stat(Path::new(name)).unwrap(),
                copied.stat(Path::new(name)).unwrap(),
            );
            assert_eq!(before.meta, after.meta, "{name}");
            assert_eq!(after.nlink, 2);
        }
        assert_eq!(copied.read_link(Path::new("/l")).unwrap(), Path::new("a"));
        copied.write(Path::new("/a"), b"other", &owned).unwrap();
        assert_eq!(fs::read(from.join("a")).unwrap(), b"text");
    }
}
