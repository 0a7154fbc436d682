//! A root directory in the target, at which paths and absolute links start: the target's own or that of `ldconfig -r`.
//!
//! Links are followed here and not by the target, since below another root an absolute link starts at that root.

use rootless_install_fs::{Error, FileType, Stat, Target};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Most links followed for one path, which is the kernel's limit.
const MOST_LINKS: u32 = 40;

/// A directory of the target that is taken as the root, and the caller's working directory below it.
pub(crate) struct Root<'a> {
    target: &'a Target,
    /// The root's path in the target.
    prefix: PathBuf,
    /// The working directory.
    directory: Vec<u8>,
}

impl<'a> Root<'a> {
    /// Opens the root `root` (`/` if empty), for a caller in `directory`.
    pub(crate) fn open(target: &'a Target, directory: &Path, root: &[u8]) -> Result<Self, Error> {
        let directory = directory.as_os_str().as_bytes().to_vec();
        let whole = Self {
            target,
            prefix: PathBuf::from("/"),
            directory,
        };
        if root.is_empty() {
            return Ok(whole);
        }
        let prefix = whole.find(root)?;
        // The program changes to the root it is given.
        Ok(Self {
            target,
            prefix,
            directory: b"/".to_vec(),
        })
    }

    /// Returns the caller's working directory.
    pub(crate) fn directory(&self) -> &[u8] {
        &self.directory
    }

    /// Returns the target.
    pub(crate) fn target(&self) -> &'a Target {
        self.target
    }

    /// Returns the path in the target that a path leads to, all links followed.
    pub(crate) fn find(&self, path: &[u8]) -> Result<PathBuf, Error> {
        let mut ahead: VecDeque<OsString> = components(path).collect();
        if path.first() != Some(&b'/') {
            for component in components(&self.directory).collect::<Vec<_>>().into_iter().rev() {
                ahead.push_front(component);
            }
        }
        let mut found: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(component) = ahead.pop_front() {
            match component.as_bytes() {
                b"." => continue,
                b".." => {
                    found.pop();
                    continue;
                }
                _ => found.push(component),
            }
            let path = self.join(&found);
            if self.target.stat(&path)?.meta.kind != FileType::Symlink {
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(Error::Io {
                    action: "follow the links of",
                    path,
                    source: std::io::Error::from_raw_os_error(libc::ELOOP),
                });
            }
            let text = self.target.read_link(&path)?.into_os_string().into_vec();
            found.pop();
            if text.first() == Some(&b'/') {
                found.clear();
            }
            for component in components(&text).collect::<Vec<_>>().into_iter().rev() {
                ahead.push_front(component);
            }
        }
        Ok(self.join(&found))
    }

    /// Returns the path in the target of a path whose last component is not followed.
    pub(crate) fn beside(&self, path: &[u8]) -> Result<PathBuf, Error> {
        let split = path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        let (directory, name) = path.split_at_checked(split).unwrap_or_default();
        let directory = self.find(if directory.is_empty() { b"." } else { directory })?;
        Ok(directory.join(OsString::from_vec(name.to_vec())))
    }

    /// Returns the attributes of the file that a path leads to.
    pub(crate) fn stat(&self, path: &[u8]) -> Result<Stat, Error> {
        self.target.stat(&self.find(path)?)
    }

    /// Opens the regular file that a path leads to.
    pub(crate) fn open_file(&self, path: &[u8]) -> Result<File, Error> {
        self.target.open_file(&self.find(path)?)
    }

    /// Returns the names in the directory that a path leads to.
    pub(crate) fn list(&self, path: &[u8]) -> Result<Vec<OsString>, Error> {
        self.target.read_dir(&self.find(path)?)
    }

    fn join(&self, components: &[OsString]) -> PathBuf {
        let mut path = self.prefix.clone();
        path.extend(components);
        path
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = OsString> + '_ {
    path.split(|&b| b == b'/')
        .filter(|c| !c.is_empty())
        .map(|c| OsString::from_vec(c.to_vec()))
}

/// Returns `DIRECTORY/NAME`.
pub(crate) fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    [directory, b"/", name].concat()
}
