//! dpkg's administrative directory as scripts see it (dpkg(1), `--admindir`, `DPKG_ADMINDIR`).
//!
//! As a rule it is `/var/lib/dpkg` of the target. One that is elsewhere below the target's root is seen where it is. One
//! outside of it has a view of its own, so that its owners are the target's and what scripts write to it is seen at once.

use super::ScriptRoot;
use super::shared::Shared;
use crate::view::admin_mount_point;
use dpkg_db::ADMIN;
use rootless_install_fs::{SERVED, Target};
use shim_protocol::paths;
use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

/// Place of the administrative directory.
enum Place<'t> {
    /// This path of the target.
    Inside(PathBuf),
    /// A directory outside of the target.
    Outside(&'t Target),
}

impl<'s> Shared<'s> {
    fn admin_place(&self) -> Place<'s> {
        let target = self.options.target;
        let Some(elsewhere) = target.elsewhere() else {
            return Place::Inside(PathBuf::from(ADMIN));
        };
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (root, directory) = (real(target.root_path()), real(elsewhere.root_path()));
        match directory.strip_prefix(&root) {
            Ok(below) => Place::Inside(Path::new("/").join(below)),
            Err(_) => Place::Outside(elsewhere),
        }
    }

    /// Returns the administrative directory where it needs a view of its own.
    pub(super) fn admin_outside(&self) -> Option<&'s Target> {
        match self.admin_place() {
            Place::Inside(_) => None,
            Place::Outside(target) => Some(target),
        }
    }

    /// Returns the administrative directory as scripts see it.
    pub(super) fn admin_directory(&self) -> PathBuf {
        let target = match self.admin_place() {
            Place::Inside(path) => {
                let path = path.strip_prefix("/").unwrap_or(&path);
                let root = self.dpkg_root();
                return if root.as_os_str().is_empty() {
                    Path::new("/").join(path)
                } else {
                    root.join(path)
                };
            }
            Place::Outside(target) => target,
        };
        match self.options.root {
            ScriptRoot::Target | ScriptRoot::Native { .. } => PathBuf::from(paths::ADMIN),
            ScriptRoot::Machine { fuse: true } => admin_mount_point(&self.options.mount_point).join(SERVED),
            ScriptRoot::Machine { fuse: false } => target.root_path().to_owned(),
        }
    }

    /// Returns the path at which scripts see a path of the target.
    pub(super) fn seen(&self, path: &Path) -> PathBuf {
        if let Ok(below) = path.strip_prefix(ADMIN) {
            return self.admin_directory().join(below);
        }
        let root = self.dpkg_root();
        match path.strip_prefix("/") {
            Ok(path) if !root.as_os_str().is_empty() => root.join(path),
            _ => path.to_owned(),
        }
    }

    /// Returns a path of the administrative directory, as scripts whose root directory is the target see it, as one of the
    /// target; others stay.
    pub(super) fn with_admin<'p>(&self, path: &'p Path) -> Cow<'p, Path> {
        let seen = match self.admin_place() {
            Place::Inside(seen) => seen,
            Place::Outside(_) => PathBuf::from(paths::ADMIN),
        };
        match path.strip_prefix(&seen) {
            Ok(below) => Cow::Owned(Path::new(ADMIN).join(below)),
            Err(_) => Cow::Borrowed(path),
        }
    }
}
