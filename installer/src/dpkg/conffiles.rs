//! Conffiles at configuring: `NAME.dpkg-new` takes its place.

use std::io::Read;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use rootless_install_fs::{FileType, Meta, Target};

use super::database::Database;
use super::error::DpkgError;
use super::files::{failed, remove_optional};
use super::package::{Conffile, NEW_CONFFILE, PackageKey};
use super::redirections::Diversions;
use super::states::Status;

/// Suffix of a conffile that waits to be installed.
pub const DPKG_NEW: &str = ".dpkg-new";
/// How many links dpkg follows from a conffile.
const MAX_LINKS: usize = 25;

impl Database {
    /// Installs the conffiles of an unpacked package as dpkg does before `postinst configure`: each
    /// `.dpkg-new` takes its place where nothing is yet or what is there is the version installed
    /// last, and its MD5 is recorded. Fires the file triggers of the conffiles.
    ///
    /// # Errors
    /// A conffile that is there already with other contents: dpkg would ask.
    pub fn install_conffiles(
        &mut self,
        target: &Target,
        key: &PackageKey,
        diversions: &Diversions,
    ) -> Result<(), DpkgError> {
        let package = self.get(key).ok_or_else(|| DpkgError::NoPackage {
            package: key.to_string(),
        })?;
        let conffiles = package.conffiles.clone();
        // As dpkg does at the start of configuring.
        self.note(key);
        for (index, conffile) in conffiles.iter().enumerate() {
            if conffile.obsolete || conffile.remove_on_upgrade {
                continue;
            }
            let hash = self.install_conffile(target, key, diversions, conffile)?;
            if let Some(hash) = hash.filter(|hash| *hash != conffile.hash) {
                self.update(key, |package| {
                    if let Some(conffile) = package.conffiles.get_mut(index) {
                        conffile.hash = hash;
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Installs one conffile; the hash to record, if any.
    fn install_conffile(
        &mut self,
        target: &Target,
        key: &PackageKey,
        diversions: &Diversions,
        conffile: &Conffile,
    ) -> Result<Option<String>, DpkgError> {
        let name = diversions.used(Path::new(&conffile.path), &key.name).to_owned();
        let Some(place) = dereference(target, &name)? else {
            return Ok(Some("-".to_owned()));
        };
        let new = with_suffix(&place, DPKG_NEW);
        let Some(new_meta) = existing(target, &new)? else {
            return Ok(self.hash_of_other_instance(key, &conffile.path));
        };
        let new_hash = md5_of(target, &new)?;
        let current = existing(target, &place)?;
        let current_hash = current.map(|_| md5_of(target, &place)).transpose()?;
        if let Some(current) = current {
            let meta = Meta {
                mode: current.mode,
                uid: current.uid,
                gid: current.gid,
                ..new_meta
            };
            if meta != new_meta {
                target.set_meta(&new, &meta).map_err(failed(&new))?;
            }
        }
        let install = match current_hash.as_deref() {
            Some(current) if current == new_hash => false,
            None if conffile.hash == NEW_CONFFILE => true,
            // deleted by the administrator: stays deleted unless the package changed it, then dpkg asks
            None if conffile.hash == new_hash => false,
            Some(current) if conffile.hash == current => true,
            Some(_) if conffile.hash == new_hash => false,
            _ => {
                return Err(DpkgError::Conffile {
                    package: key.name.clone(),
                    path: conffile.path.clone(),
                    problem:
                        "exists with other contents, and dpkg would ask which to keep; have nothing write it \
                              before the package is configured"
                            .to_owned(),
                });
            }
        };
        if install {
            if let Some(name) = name.to_str() {
                self.activate(name, Some(key));
            }
            target.rename(&new, &place).map_err(failed(&place))?;
        } else {
            remove_optional(target, &new)?;
        }
        Ok(Some(new_hash))
    }

    /// The hash that another architecture's instance recorded when it installed the shared conffile.
    fn hash_of_other_instance(&self, key: &PackageKey, path: &str) -> Option<String> {
        let others = self.packages().filter(|p| p.name == key.name && p.key() != *key);
        let conffiles = others
            .filter(|p| p.status > Status::HalfConfigured)
            .flat_map(|p| &p.conffiles);
        conffiles
            .filter(|c| !c.obsolete && !c.remove_on_upgrade)
            .find(|c| c.path == path)
            .map(|c| c.hash.clone())
    }
}

/// Where a conffile really is: its links followed in the target. `None` for a loop or what is no file.
///
/// # Errors
/// The target cannot be read.
pub(crate) fn dereference(target: &Target, path: &Path) -> Result<Option<PathBuf>, DpkgError> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        match existing(target, &place)?.map(|meta| meta.kind) {
            None | Some(FileType::Regular) => return Ok(Some(place)),
            Some(FileType::Symlink) => {
                let link = target.read_link(&place).map_err(failed(&place))?;
                place.pop();
                // an absolute link replaces the path
                place.push(link);
            }
            Some(_) => return Ok(None),
        }
    }
    Ok(None)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn existing(target: &Target, path: &Path) -> Result<Option<Meta>, DpkgError> {
    match target.stat(path) {
        Ok(stat) => Ok(Some(stat.meta)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

fn md5_of(target: &Target, path: &Path) -> Result<String, DpkgError> {
    let mut file = target.open_file(path).map_err(failed(path))?;
    let mut digest = Md5::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(|source| DpkgError::Read {
            path: path.to_owned(),
            source,
        })?;
        if read == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
