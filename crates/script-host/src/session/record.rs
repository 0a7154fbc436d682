//! Records of the chrootless wrappers: owners, devices and capabilities that the kernel refuses an ordinary user to
//! set ([`shim_protocol::Record`]).

use super::{ScriptRoot, answers::inside, disk_modes::take_over, shared::Shared};
use rootless_install_fs::{FileType, Meta, Stat, Target};
use shim_protocol::{Device, Record};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, String>;

impl Shared<'_> {
    /// Records a change that the kernel refused. The error is a reason in words.
    pub(super) fn record(&self, record: &Record<'_>) -> Result<()> {
        if matches!(self.options.root, ScriptRoot::Target) {
            return Err("nothing is recorded in this mode: the kernel lets a script do it".to_owned());
        }
        let failed = |error: rootless_install_fs::Error| error.to_string();
        match *record {
            Record::Owner {
                path,
                uid,
                gid,
                follow,
            } => {
                let (target, path) = self.recorded_at(path)?;
                let (path, now) = find(target, &path, follow)?;
                let (uid, gid) = (uid.unwrap_or(now.meta.uid), gid.unwrap_or(now.meta.gid));
                target.set_owner(&path, uid, gid).map_err(failed)
            }
            Record::OwnerOf {
                path,
                reference,
                group_only,
                follow,
            } => {
                let (target, reference) = self.recorded_at(reference)?;
                let (_, from) = find(target, &reference, true)?;
                let (target, path) = self.recorded_at(path)?;
                let (path, now) = find(target, &path, follow)?;
                let uid = if group_only { now.meta.uid } else { from.meta.uid };
                target.set_owner(&path, uid, from.meta.gid).map_err(failed)
            }
            Record::Node {
                path,
                device,
                major,
                minor,
                mode,
            } => {
                let kind = match device {
                    Device::Block => FileType::BlockDevice { major, minor },
                    Device::Character => FileType::CharDevice { major, minor },
                };
                let (target, path) = self.recorded_at(path)?;
                target
                    .make_node(&path, &Meta::of_root(kind, mode))
                    .map_err(failed)
            }
            Record::Capability { path, value } => {
                let (target, path) = self.recorded_at(path)?;
                let (path, _) = find(target, &path, true)?;
                let name = OsStr::new("security.capability");
                match value {
                    [] => target.remove_xattr(&path, name).map_err(failed),
                    value => target.set_xattr(&path, name, value).map_err(failed),
                }
            }
        }
    }
}

impl<'s> Shared<'s> {
    /// Returns what holds a path that scripts see, and the path there: the target, or an administrative directory outside of
    /// it.
    fn recorded_at(&self, path: &[u8]) -> Result<(&'s Target, PathBuf)> {
        let path = Path::new(OsStr::from_bytes(path));
        if let Some(admin) = self.admin_outside()
            && let Ok(below) = path.strip_prefix(self.admin_directory())
        {
            return Ok((admin, Path::new("/").join(below)));
        }
        match inside(&self.dpkg_root(), path) {
            Some(path) => Ok((self.options.target, path.to_owned())),
            None => Err(format!("{} is not in the root", path.display())),
        }
    }
}

/// Finds a file. With `follow`, a link at the end of the path is followed, and the path returned is the file's own.
fn find(target: &Target, path: &Path, follow: bool) -> Result<(PathBuf, Stat)> {
    /// The kernel's limit (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let failed = |error: rootless_install_fs::Error| error.to_string();
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let stat = target.stat(&path).map_err(failed)?;
        if !follow || stat.meta.kind != FileType::Symlink {
            // What is recorded now would take its mode back.
            take_over(target, &path, &stat).map_err(failed)?;
            let stat = target.stat(&path).map_err(failed)?;
            return Ok((path, stat));
        }
        let text = target.read_link(&path).map_err(failed)?;
        path = path.parent().unwrap_or(Path::new("/")).join(text);
    }
    Err(format!("too many links at {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let file = Meta::of_root(FileType::Regular, 0o644);
        target.write(Path::new("/a"), b"", &file).unwrap();
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target
            .make_symlink(Path::new("/l"), Path::new("/a"), &link)
            .unwrap();
        target
            .make_symlink(Path::new("/loop"), Path::new("loop"), &link)
            .unwrap();
        assert_eq!(find(&target, Path::new("/l"), true).unwrap().0, Path::new("/a"));
        assert_eq!(find(&target, Path::new("/l"), false).unwrap().0, Path::new("/l"));
        assert!(find(&target, Path::new("/loop"), true).is_err());
    }
}
