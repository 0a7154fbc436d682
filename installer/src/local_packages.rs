//! Package files of the user's own as indexes, as `apt-get install ./FILE.deb` has them.

mod source;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use url::Url;

use deb_archive::Index;
use deb_index::{Malformed, Packages};
use deb_types::control::paragraphs;
use deb_unpack::{DebError, DebFile};
use dpkg_db::Database;
use rootless_install_fs::Target;

pub use source::{LocalSource, packages_of_directory};

/// Suite and component of such an index.
const LOCAL: &str = "local";

/// Priority of such an index, higher than that of any source: apt prefers its version even where it is older
/// (apt_preferences(5)).
const LOCAL_PRIORITY: i16 = 1001;

/// Suite and component of what is installed, as apt calls it, and its priority (apt_preferences(5)).
const INSTALLED: &str = "now";
const INSTALLED_PRIORITY: i16 = 100;

/// Reason why a file cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The target's database cannot be read.
    #[error(transparent)]
    Database(#[from] dpkg_db::DpkgError),
    /// The file is no package.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// Its control file lacks a field that identifies the package.
    #[error("{path}: its control file has no field {field}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// Its control file cannot be part of an index.
    #[error("{path}: its control file cannot be understood")]
    Control {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Malformed,
    },
    /// A directory has no package file.
    #[error("{path}: there is no .deb file in this directory")]
    NoPackages {
        /// The directory.
        path: PathBuf,
    },
    /// The package files of a directory are for other architectures.
    #[error("{path}: no package in this directory is for the architectures of the target")]
    NoneFits {
        /// The directory.
        path: PathBuf,
    },
    /// Its path cannot be written as a URL, or has blanks.
    #[error("{path}: a package file's name has no blanks or control characters")]
    Name {
        /// The file.
        path: PathBuf,
    },
}

/// A package file.
#[derive(Clone, Debug)]
pub struct LocalPackage {
    /// An index with this package alone.
    pub index: Index,
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
}

/// Reads a package file. Its hash is computed here: no archive vouches for a file of the user's.
///
/// # Errors
/// [`LocalError`].
pub fn local_package(path: &Path) -> Result<LocalPackage, LocalError> {
    let described = Described::read(path)?;
    let absolute = std::path::absolute(path).map_err(|source| LocalError::Read {
        path: path.to_owned(),
        source,
    })?;
    let bad_name = || LocalError::Name {
        path: path.to_owned(),
    };
    let file = absolute.file_name().and_then(|name| name.to_str());
    let file = file.filter(|name| is_plain(name)).ok_or_else(bad_name)?;
    let directory = absolute.parent().unwrap_or(Path::new("/"));
    let base = Url::from_directory_path(directory).map_err(|()| bad_name())?;
    let packages = Packages::parse(described.stanza(file)).map_err(|source| LocalError::Control {
        path: path.to_owned(),
        source,
    })?;
    let index = Index {
        source: usize::MAX,
        base,
        suite: LOCAL.to_owned(),
        codename: LOCAL.to_owned(),
        release_archive: LOCAL.to_owned(),
        component: LOCAL.to_owned(),
        architecture: described.architecture.clone(),
        priority: LOCAL_PRIORITY,
        authenticated: true,
        release: None,
        files: Vec::new(),
        packages,
    };
    Ok(LocalPackage {
        index,
        name: described.name,
        version: described.version,
        architecture: described.architecture,
    })
}

/// Whether a path can be that of a file in an index: without blanks and control characters.
fn is_plain(path: &str) -> bool {
    !path
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
}

/// What an index says of a package file.
struct Described {
    control: String,
    name: String,
    version: String,
    architecture: String,
    size: u64,
    sha256: String,
}

impl Described {
    fn read(path: &Path) -> Result<Self, LocalError> {
        let failed = |source| LocalError::Read {
            path: path.to_owned(),
            source,
        };
        let absolute = std::path::absolute(path).map_err(failed)?;
        let mut hasher = Sha256::new();
        let size = io::copy(
            &mut File::open(&absolute).map_err(failed)?,
            &mut Hashed(&mut hasher),
        )
        .map_err(failed)?;
        let control = DebFile::open_as(&absolute, path)?.control()?.control;
        let paragraph = paragraphs(&control).next().and_then(Result::ok);
        let field = |field: &'static str| {
            let value = paragraph.and_then(|paragraph| paragraph.get(field));
            value
                .map(str::to_owned)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| LocalError::Field {
                    path: path.to_owned(),
                    field,
                })
        };
        let (name, version, architecture) = (field("Package")?, field("Version")?, field("Architecture")?);
        Ok(Self {
            name,
            version,
            architecture,
            size,
            sha256: deb_types::hex(hasher.finalize().as_slice()),
            control,
        })
    }

    /// Returns its paragraph, in an index of which the file is at `below` the root.
    fn stanza(&self, below: &str) -> String {
        format!(
            "{}\nFilename: {below}\nSize: {}\nSHA256: {}\n",
            self.control.trim_end(),
            self.size,
            self.sha256
        )
    }
}

/// Returns the packages that a target's dpkg has installed. None of them is fetched: they are there.
///
/// # Errors
/// [`LocalError`].
pub fn installed_packages(target: &Target, native: &str) -> Result<Vec<LocalPackage>, LocalError> {
    let database = Database::load(target, native)?;
    let installed = database
        .packages()
        .filter(|package| package.status == dpkg_db::Status::Installed);
    installed
        .map(|package| {
            let key = package.key();
            let stanza = database.stanza(package);
            let fields = paragraphs(&stanza).next().and_then(Result::ok);
            let version = fields.and_then(|fields| fields.get("Version")).unwrap_or("");
            // An index has these of every package.
            let text = format!(
                "{}\nFilename: ./{}\nSize: 0\nSHA256: {}\n",
                stanza.trim_end(),
                key.name,
                "0".repeat(64)
            );
            let path = PathBuf::from(format!("/var/lib/dpkg/status, {}", key.name));
            let packages = Packages::parse(text).map_err(|source| LocalError::Control { path, source })?;
            let index = Index {
                source: usize::MAX,
                base: Url::from_directory_path("/").map_err(|()| LocalError::Name { path: "/".into() })?,
                suite: INSTALLED.to_owned(),
                codename: INSTALLED.to_owned(),
                release_archive: INSTALLED.to_owned(),
                component: INSTALLED.to_owned(),
                architecture: key.architecture.clone(),
                priority: INSTALLED_PRIORITY,
                authenticated: true,
                release: None,
                files: Vec::new(),
                packages,
            };
            Ok(LocalPackage {
                index,
                name: key.name.clone(),
                version: version.to_owned(),
                architecture: key.architecture,
            })
        })
        .collect()
}

/// A writer that hashes.
struct Hashed<'a>(&'a mut Sha256);

impl io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_solve::{IndexInput, Universe};
    use deb_testing::{Data, Deb};

    fn input(packages: &Packages, priority: i16) -> IndexInput<'_> {
        IndexInput {
            packages,
            suite: "stable",
            codename: "trixie",
            component: "main",
            architecture: "riscv64",
            priority,
        }
    }

    #[test]
    fn a_file_comes_before_what_archives_have() {
        let directory = tempfile::tempdir().unwrap();
        let deb = Deb::new("own", Data::default()).field("Depends: other (>= 2)");
        let path = deb.write(directory.path(), "own_1.0_riscv64.deb");
        let local = local_package(&path).unwrap();
        assert_eq!((local.name.as_str(), local.version.as_str()), ("own", "1.0"));
        let archive = "Package: own\nVersion: 2.0\nArchitecture: riscv64\nFilename: pool/own.deb\nSize: 1\n";
        let archive = Packages::parse(format!("{archive}SHA256: {}\n", "1".repeat(64))).unwrap();
        let inputs = [
            input(&archive, deb_index::DEFAULT_PRIORITY),
            input(&local.index.packages, local.index.priority),
        ];
        let universe = Universe::new(&inputs, "riscv64", &[]);
        let id = universe.candidate("own", "riscv64").unwrap();
        let package = universe.package(id);
        assert_eq!((package.version, package.malformed), ("1.0", None));
        assert_eq!(package.depends.len(), 1);
        let file = local
            .index
            .package_file("own", package.filename, package.size, package.hash.unwrap());
        let url = file.unwrap().urls.remove(0);
        assert_eq!(url.to_file_path().unwrap(), path);
    }

    #[test]
    fn what_is_no_package_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.deb");
        assert!(matches!(local_package(&path), Err(LocalError::Read { .. })));
        std::fs::write(&path, "no package").unwrap();
        assert!(matches!(local_package(&path), Err(LocalError::Deb(_))));
        let mut deb = Deb::new("own", Data::default());
        deb.control = "Package: own\nArchitecture: all\n".into();
        let path = deb.write(directory.path(), "y.deb");
        let missing = local_package(&path);
        assert!(matches!(missing, Err(LocalError::Field { field: "Version", .. })));
        let blank = Deb::new("own", Data::default()).write(directory.path(), "a b.deb");
        assert!(matches!(local_package(&blank), Err(LocalError::Name { .. })));
    }
}
