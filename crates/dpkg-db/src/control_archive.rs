//! The control information of a package file as it goes into the database: the control file, maintainer
//! scripts and the other files of `info/`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rootless_install_fs::{FileType, Meta, Target};

use super::error::DpkgError;
use super::files::{failed, remove_optional};
use super::package::Package;
use super::triggers::Declarations;

/// A file of the control member.
#[derive(Clone, Debug)]
pub struct ControlFile {
    /// Contents; the text of a symbolic link.
    pub data: Vec<u8>,
    /// Owner, mode and time as they are in the archive, and so in `info/`.
    pub meta: Meta,
}

impl ControlFile {
    /// Writes the file, or makes the link, in the target, in the place of what is there.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn write(&self, target: &Target, path: &Path) -> Result<(), DpkgError> {
        if self.meta.kind != FileType::Symlink {
            return target.write(path, &self.data, &self.meta).map_err(failed(path));
        }
        remove_optional(target, path)?;
        let text = Path::new(OsStr::from_bytes(&self.data));
        let meta = Meta {
            mode: 0o777,
            ..self.meta
        };
        target.make_symlink(path, text, &meta).map_err(failed(path))
    }
}

/// The unpacked control member.
#[derive(Clone, Debug)]
pub struct ControlArchive {
    /// The control file (deb-control(5)).
    pub control: String,
    /// The other files by name: `preinst`, `postinst`, `conffiles`, `triggers`, `md5sums` ...
    pub files: BTreeMap<String, ControlFile>,
    /// Whether versions need not be valid (dpkg(1), `--force-bad-version`).
    pub bad_versions: bool,
}

/// Length of a buffer in which dpkg reads a line of `conffiles`, without its end (`MAXCONFFILENAME` in its source).
const LONGEST_CONFFILE: usize = 997;

impl ControlArchive {
    /// Returns the package that the control file describes, not yet installed.
    ///
    /// # Errors
    /// A control file that dpkg would not accept.
    pub fn package(&self) -> Result<Package, DpkgError> {
        Package::parse_control(&self.control, self.bad_versions)
    }

    /// Returns the declared triggers (deb-triggers(5)); none without a `triggers` file.
    ///
    /// # Errors
    /// A malformed `triggers` file.
    pub fn triggers(&self) -> Result<Declarations, DpkgError> {
        let Some(file) = self.files.get("triggers") else {
            return Ok(Declarations::default());
        };
        let package = self.package()?.name;
        let text = std::str::from_utf8(&file.data);
        let text = text.map_err(|_| DpkgError::Triggers {
            package: package.clone(),
            problem: "is not UTF-8".to_owned(),
        })?;
        Declarations::parse(text, &package)
    }

    /// Returns the conffiles (deb-conffiles(5)) in order: absolute path, and whether it is marked
    /// `remove-on-upgrade`. The checks are dpkg's (`deb_parse_conffiles` in its source).
    ///
    /// # Errors
    /// A malformed line.
    pub fn conffiles(&self) -> Result<Vec<(String, bool)>, DpkgError> {
        let Some(file) = self.files.get("conffiles") else {
            return Ok(Vec::new());
        };
        let package = self.package()?.name;
        let malformed = |line: &[u8], problem: &str| DpkgError::Conffile {
            package: package.clone(),
            path: String::from_utf8_lossy(line).into_owned(),
            problem: problem.to_owned(),
        };
        let mut conffiles = Vec::new();
        for line in file.data.split_inclusive(|b| *b == b'\n') {
            let text = line
                .strip_suffix(b"\n")
                .filter(|text| text.len() < LONGEST_CONFFILE);
            let Some(text) = text.filter(|text| !text.contains(&0)) else {
                let start = line.get(..80).unwrap_or(line).trim_ascii();
                return Err(malformed(
                    start,
                    "its line is too long, or has no newline at its end",
                ));
            };
            let Ok(text) = std::str::from_utf8(text.trim_ascii_end()) else {
                return Err(malformed(text, "is not UTF-8"));
            };
            if text.is_empty() {
                continue;
            }
            let (path, remove) = match text.split_once(' ') {
                _ if text.starts_with('/') => (text, false),
                Some((flag, "")) => return Err(malformed(flag.as_bytes(), "no name follows the flag")),
                Some(("remove-on-upgrade", path)) if path.starts_with('/') => (path, true),
                Some((flag, path)) if path.starts_with('/') => {
                    let problem = format!("has the unknown flag '{flag}'");
                    return Err(malformed(path.as_bytes(), &problem));
                }
                _ => return Err(malformed(text.as_bytes(), "is not an absolute path")),
            };
            if path.split('/').any(|part| part == "..") {
                return Err(malformed(path.as_bytes(), "leads through '..'"));
            }
            conffiles.push((path.to_owned(), remove));
        }
        Ok(conffiles)
    }

    /// Returns a maintainer script by name (`preinst`, `postinst`, `prerm`, `postrm`, `config`).
    pub fn script(&self, name: &str) -> Option<&ControlFile> {
        self.files.get(name)
    }
}

#[cfg(test)]
mod tests;
