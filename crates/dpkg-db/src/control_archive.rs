//! The control information of a package file as it goes into the database: the control file, maintainer
//! scripts and the other files of `info/`.

use std::collections::BTreeMap;

use rootless_install_fs::Meta;

use super::error::DpkgError;
use super::package::Package;
use super::triggers::Declarations;

/// A file of the control member.
#[derive(Clone, Debug)]
pub struct ControlFile {
    /// Contents.
    pub data: Vec<u8>,
    /// Owner, mode and time as they are in the archive, and so in `info/`.
    pub meta: Meta,
}

/// The unpacked control member.
#[derive(Clone, Debug)]
pub struct ControlArchive {
    /// The control file (deb-control(5)).
    pub control: String,
    /// The other files by name: `preinst`, `postinst`, `conffiles`, `triggers`, `md5sums` ...
    pub files: BTreeMap<String, ControlFile>,
}

impl ControlArchive {
    /// Returns the package that the control file describes, not yet installed.
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

    /// Returns the declared triggers (deb-triggers(5)); none without a `triggers` file.
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

    /// Returns the conffiles (deb-conffiles(5)) in order: absolute path, and whether it is marked
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

    /// Returns a maintainer script by name (`preinst`, `postinst`, `prerm`, `postrm`, `config`).
    pub fn script(&self, name: &str) -> Option<&ControlFile> {
        self.files.get(name)
    }
}
