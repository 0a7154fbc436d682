//! The control member: the control file, maintainer scripts and the other files for `info/`.

use std::collections::BTreeMap;
use std::path::Path;

use rootless_install_fs::{FileType, Meta, Timestamp};

use super::entries::EntryKind;
use super::error::DebError;
use crate::dpkg::{Declarations, DpkgError, Package};

/// A file of the control member.
#[derive(Clone, Debug)]
pub struct ControlFile {
    /// its contents
    pub data: Vec<u8>,
    /// owner, mode and time as they are in the archive, and so in `info/`
    pub meta: Meta,
}

/// The unpacked control member.
#[derive(Clone, Debug)]
pub struct ControlArchive {
    /// the control file (deb-control(5))
    pub control: String,
    /// the other files by name: `preinst`, `postinst`, `conffiles`, `triggers`, `md5sums` ...
    pub files: BTreeMap<String, ControlFile>,
}

/// A package as the index promised it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `Package`
    pub name: String,
    /// `Version`
    pub version: String,
    /// `Architecture`
    pub architecture: String,
}

impl Expected {
    /// The usual name of the package file, `NAME_VERSION_ARCH.deb`.
    pub fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version, self.architecture)
    }
}

impl ControlArchive {
    pub(super) fn add(&mut self, entry: &super::entries::Entry, data: Vec<u8>) -> Result<(), String> {
        let name = entry
            .path
            .strip_prefix("/")
            .ok()
            .and_then(Path::to_str)
            .unwrap_or_default();
        match entry.kind {
            EntryKind::Directory if name.is_empty() => Ok(()),
            EntryKind::File if !name.is_empty() && !name.contains('/') => {
                if name == "control" {
                    if !self.control.is_empty() {
                        return Err("it appears twice".to_owned());
                    }
                    self.control = String::from_utf8(data).map_err(|_| "it is not UTF-8".to_owned())?;
                    return Ok(());
                }
                let mtime = Timestamp {
                    sec: entry.mtime,
                    nsec: 0,
                };
                let meta = Meta {
                    kind: FileType::Regular,
                    mode: entry.mode,
                    uid: entry.uid,
                    gid: entry.gid,
                    mtime,
                };
                match self.files.insert(name.to_owned(), ControlFile { data, meta }) {
                    None => Ok(()),
                    Some(_) => Err("it appears twice".to_owned()),
                }
            }
            _ => Err("it is not a plain file at the top of the control member".to_owned()),
        }
    }

    /// The package the control file describes, not yet installed.
    ///
    /// # Errors
    /// A control file that dpkg would not accept.
    pub fn package(&self) -> Result<Package, DpkgError> {
        let package = Package::parse(&self.control)?;
        if package.version.is_empty() || package.architecture.is_empty() {
            return Err(DpkgError::Stanza {
                package: package.name,
                field: "Version or Architecture".to_owned(),
                problem: "is missing".to_owned(),
            });
        }
        Ok(package)
    }

    /// The declared triggers (deb-triggers(5)); none without a `triggers` file.
    ///
    /// # Errors
    /// A malformed `triggers` file.
    pub fn triggers(&self) -> Result<Declarations, DpkgError> {
        let Some(file) = self.files.get("triggers") else {
            return Ok(Declarations::default());
        };
        let package = Package::parse(&self.control)?.name;
        let text = std::str::from_utf8(&file.data);
        let text = text.map_err(|_| DpkgError::Triggers {
            package: package.clone(),
            problem: "is not UTF-8".to_owned(),
        })?;
        Declarations::parse(text, &package)
    }

    /// The conffiles (deb-conffiles(5)) in order: absolute path, and whether it is marked
    /// `remove-on-upgrade`.
    ///
    /// # Errors
    /// A malformed line.
    pub fn conffiles(&self) -> Result<Vec<(String, bool)>, DpkgError> {
        let Some(file) = self.files.get("conffiles") else {
            return Ok(Vec::new());
        };
        let package = Package::parse(&self.control)?.name;
        let malformed = |line: &str| DpkgError::Conffile {
            package: package.clone(),
            path: line.to_owned(),
            problem: "is a malformed line of the conffiles file".to_owned(),
        };
        let text = std::str::from_utf8(&file.data).map_err(|_| malformed(""))?;
        let mut conffiles = Vec::new();
        for line in text
            .lines()
            .map(str::trim_ascii_end)
            .filter(|line| !line.is_empty())
        {
            let (path, remove) = match line.strip_prefix("remove-on-upgrade ") {
                Some(path) => (path.trim_ascii_start(), true),
                None => (line, false),
            };
            if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return Err(malformed(line));
            }
            conffiles.push((path.to_owned(), remove));
        }
        Ok(conffiles)
    }

    /// A maintainer script by name (`preinst`, `postinst`, `prerm`, `postrm`, `config`).
    pub fn script(&self, name: &str) -> Option<&ControlFile> {
        self.files.get(name)
    }

    /// Checks that this is the package the index promised.
    ///
    /// # Errors
    /// [`DebError::Mismatch`].
    pub fn check(&self, expected: &Expected, path: &Path) -> Result<(), DebError> {
        let package = self.package().map_err(|source| DebError::Database {
            path: path.to_owned(),
            source,
        })?;
        // An epoch of zero may be written or not.
        let version = expected.version.strip_prefix("0:").unwrap_or(&expected.version);
        let pairs = [
            ("Package", expected.name.as_str(), package.name.as_str()),
            ("Version", version, package.version.as_str()),
            (
                "Architecture",
                expected.architecture.as_str(),
                package.architecture.as_str(),
            ),
        ];
        for (field, expected, found) in pairs {
            if expected != found {
                return Err(DebError::Mismatch {
                    path: path.to_owned(),
                    field,
                    expected: expected.to_owned(),
                    found: found.to_owned(),
                });
            }
        }
        Ok(())
    }
}
