//! Merging /usr: `/bin`, `/sbin` and `/lib*` become links to the directories of the same name in `/usr`.
//!
//! Since Debian 13 base-files has the links. Debian 12 leaves the merging to the package usrmerge, whose script does
//! it after everything is unpacked. This module is for targets that are merged, or stay unmerged, without that
//! package: the links are made before the essential packages are unpacked, so that their files go to the right
//! directories, as debootstrap used to do it and as mmdebstrap's hooks do. The packages are checked first
//! (`check`), by the rules by which debootstrap merges afterwards: no two files may get one path, and no link may
//! lead elsewhere.

mod check;
#[cfg(test)]
mod tests;

use apt_solve::Universe;
use deb_arch::Architecture;
use deb_unpack::{DebError, Job};
use dpkg_db::DpkgError;
use rootless_install_fs::{Error as TargetError, FileType, Meta, Target, Timestamp};
use std::path::{Path, PathBuf};

/// The package that declares /usr merged, or unmerged on purpose, so that usrmerge is not needed.
pub const PACKAGE: &str = "usr-is-merged";

/// The file that makes usrmerge and usr-is-merged leave the target unmerged.
const SKIP: &str = "/etc/unsupported-skip-usrmerge-conversion";
/// Content of that file.
const SKIP_TEXT: &[u8] = b"this system will not be supported in the future\n";

/// All directories that may become links in Debian.
const DIRECTORIES: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];
/// Number of those, from the first, that each architecture has.
const ALWAYS: usize = 3;

/// `--merged-usr`: whether /usr is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergedUsr {
    /// As the packages of the suite have it.
    #[default]
    Auto,
    /// Merged, without the package usrmerge.
    Yes,
    /// Not merged; for suites up to Debian 12.
    No,
}

impl MergedUsr {
    /// Returns the value of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::Yes, Self::No]
            .into_iter()
            .find(|value| value.name() == name)
    }

    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// Reason why /usr cannot be merged, or stay unmerged.
#[derive(Debug, thiserror::Error)]
pub enum MergeUsrError {
    /// Packages have the links, so /usr cannot stay unmerged.
    #[error("packages of this suite bring /usr merged ({package}), so it cannot be left as it was")]
    Merged {
        /// Such a package.
        package: String,
    },
    /// A package has a link for one of the directories that leads elsewhere.
    #[error("package {package}: {} is a link to '{}' and not to the directory in /usr", path.display(), text.display())]
    OtherLink {
        /// The package.
        package: String,
        /// The directory's path.
        path: PathBuf,
        /// Text of the link.
        text: PathBuf,
    },
    /// The path in /usr is a link.
    #[error("package {package}: {} cannot be moved into /usr: {} is a link there (of package {other})", path.display(), canonical.display())]
    Link {
        /// The package.
        package: String,
        /// The path.
        path: PathBuf,
        /// Its path in /usr.
        canonical: PathBuf,
        /// The package with that link.
        other: String,
    },
    /// Both paths exist, and not both are directories.
    #[error("package {package}: {} cannot be moved into /usr: {} exists there (of package {other})", path.display(), canonical.display())]
    Exists {
        /// The package.
        package: String,
        /// The path.
        path: PathBuf,
        /// Its path in /usr.
        canonical: PathBuf,
        /// The package with the path in /usr.
        other: String,
    },
    /// A relative link leads out of the directory.
    #[error("package {package}: the link {} cannot be moved into /usr: '{}' leads out of {}", path.display(), text.display(), directory.display())]
    Crosses {
        /// The package.
        package: String,
        /// The link.
        path: PathBuf,
        /// Its text.
        text: PathBuf,
        /// The directory that is moved into /usr.
        directory: PathBuf,
    },
    /// A package cannot be read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The control data of a package is malformed.
    #[error(transparent)]
    Control(#[from] DpkgError),
    /// The target cannot be written.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl MergeUsrError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Merged { .. } => Some("--merged-usr=no is for suites up to Debian 12 (bookworm)".into()),
            Self::Deb(_) | Self::Control(_) | Self::Target(_) => None,
            _ => Some("--merged-usr=auto leaves it to the packages".into()),
        }
    }
}

/// Whether packages of a suite have the links: base-files provides [`PACKAGE`] then.
fn by_packages(universe: &Universe<'_>) -> bool {
    universe
        .candidates("base-files")
        .map(|id| universe.package(id))
        .any(|package| package.provides.iter().any(|provided| provided.name == PACKAGE))
}

/// Returns the package to be assumed as installed when packages are chosen, so that usrmerge is not chosen.
///
/// # Errors
/// [`MergeUsrError::Merged`].
pub fn assumed(universe: &Universe<'_>, wanted: MergedUsr) -> Result<Option<&'static str>, MergeUsrError> {
    if wanted == MergedUsr::No && by_packages(universe) {
        let package = "base-files".into();
        return Err(MergeUsrError::Merged { package });
    }
    let known = universe.candidates(PACKAGE).next().is_some();
    Ok((wanted != MergedUsr::Auto && known).then_some(PACKAGE))
}

/// Prepares an empty target for the packages that are unpacked first.
///
/// # Errors
/// [`MergeUsrError`]. Nothing is written where the packages do not pass the check.
pub fn prepare(
    target: &Target,
    arch: &Architecture,
    wanted: MergedUsr,
    jobs: &[Job],
) -> Result<(), MergeUsrError> {
    if wanted == MergedUsr::Auto {
        return Ok(());
    }
    let contents = check::Contents::read(jobs)?;
    if wanted == MergedUsr::No {
        if let Some(package) = contents.merged_by() {
            return Err(MergeUsrError::Merged { package });
        }
        ensure_directory(target, Path::new("/etc"))?;
        return Ok(target.write(Path::new(SKIP), SKIP_TEXT, &meta(FileType::Regular))?);
    }
    let links = contents.links(arch)?;
    for name in links {
        let directory = Path::new("/usr").join(name);
        ensure_directory(target, Path::new("/usr"))?;
        ensure_directory(target, &directory)?;
        let text = Path::new("usr").join(name);
        target.make_symlink(&Path::new("/").join(name), &text, &meta(FileType::Symlink))?;
    }
    Ok(())
}

fn ensure_directory(target: &Target, path: &Path) -> Result<(), TargetError> {
    match target.make_dir(path, &meta(FileType::Directory)) {
        Err(error) if error.is_already_exists() => Ok(()),
        done => done,
    }
}

fn meta(kind: FileType) -> Meta {
    Meta {
        kind,
        mode: match kind {
            FileType::Directory => 0o755,
            FileType::Symlink => 0o777,
            _ => 0o644,
        },
        uid: 0,
        gid: 0,
        mtime: Timestamp::now(),
    }
}
