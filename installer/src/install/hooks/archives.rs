//! Package files where hooks look for them: in apt's directory of archives, by apt's names.
//!
//! The files themselves are links in the private directory, which scripts cannot write to; the target has symbolic links to
//! them for the time of the call.

use super::super::{InstallError, Result};
use super::information::quoted;
use apt_solve::Package;
use rootless_install_fs::{FileType, Meta, Target};
use script_host::Session;
use shim_protocol::{names, paths};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Package files that the target has for the time of a call.
pub(super) struct Archives {
    directory: PathBuf,
    private: PathBuf,
    links: Vec<PathBuf>,
}

impl Archives {
    /// Places package files in `directory` of the target, each with its name.
    ///
    /// # Errors
    /// The target or the private directory cannot be written.
    pub(super) fn place<'p>(
        target: &Target,
        session: &Session<'_>,
        directory: PathBuf,
        files: impl Iterator<Item = (String, &'p Path)>,
    ) -> Result<Self> {
        let private = session.private().join(names::ARCHIVES);
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| InstallError::Write { path, source }
        };
        fs::create_dir(&private)
            .and_then(|()| fs::set_permissions(&private, fs::Permissions::from_mode(0o755)))
            .map_err(failed(&private))?;
        let mut archives = Self {
            directory,
            private,
            links: Vec::new(),
        };
        for (name, file) in files {
            let copy = archives.private.join(&name);
            link_or_copy(file, &copy).map_err(failed(&copy))?;
            let link = archives.directory.join(&name);
            let meta = Meta::of_root(FileType::Symlink, 0o777);
            target.make_symlink(&link, &Path::new(paths::ARCHIVES).join(&name), &meta)?;
            archives.links.push(link);
        }
        Ok(archives)
    }

    /// Returns the directory of the target in which they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes them. One that a hook has removed is no mistake.
    ///
    /// # Errors
    /// As [`place`](Self::place).
    pub(super) fn remove(self, target: &Target) -> Result<()> {
        for link in &self.links {
            match target.remove(link) {
                Err(error) if error.is_not_found() => {}
                removed => removed?,
            }
        }
        fs::remove_dir_all(&self.private).map_err(|source| InstallError::Write {
            path: self.private.clone(),
            source,
        })
    }
}

fn link_or_copy(file: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(file, to) {
        Ok(()) => Ok(()),
        // Another filesystem, too many links, or a kernel that protects links to files of others.
        Err(_) => fs::copy(file, to).map(drop),
    }
}

/// Returns the name of a package's file in apt's directory of archives (`pkgAcqArchive` in apt's source).
pub(crate) fn name(package: &Package<'_>) -> String {
    format!(
        "{}_{}_{}.deb",
        quoted(package.name, "_:"),
        quoted(package.version, "_:"),
        quoted(package.architecture, "_:.")
    )
}
