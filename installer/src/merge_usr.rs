//! Merging /usr: `/bin`, `/sbin` and `/lib*` as links to the directories of the
//! same name in `/usr`.
//!
//! Since Debian 13 base-files ships the links. Debian 12 leaves the merging to the
//! package usrmerge, whose script does it after everything is unpacked. What is
//! done here is for targets that are to be merged, or to stay as they are, without
//! that package: the links are made before the essential packages are unpacked, so
//! that everything is put where it belongs, as debootstrap used to do it and as
//! mmdebstrap's hooks do. Whether the packages allow it is found out first
//! ([`check`]), by the rules by which debootstrap merges afterwards: no path may
//! mean two things, and no link may mean another thing.

mod check;
#[cfg(test)]
mod tests;

use apt_solve::Universe;
use deb_arch::Architecture;
use deb_unpack::{DebError, Job};
use dpkg_db::DpkgError;
use rootless_install_fs::{Error as TargetError, FileType, Meta, Target, Timestamp};
use std::path::{Path, PathBuf};

/// The package that says /usr is merged, or meant not to be, so that usrmerge is not
/// needed.
pub const PACKAGE: &str = "usr-is-merged";

/// Kept by usrmerge and usr-is-merged alike: leave the target as it is.
const SKIP: &str = "/etc/unsupported-skip-usrmerge-conversion";
/// What is in it.
const SKIP_TEXT: &[u8] = b"this system will not be supported in the future\n";

/// All directories that may be links; Debian has no others.
const DIRECTORIES: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];
/// Those that every architecture has.
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
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// Why /usr cannot be as it is to be.
#[derive(Debug, thiserror::Error)]
pub enum MergeUsrError {
    /// The packages bring the links.
    #[error("packages of this suite bring /usr merged ({package}), so it cannot be left as it was")]
    Merged {
        /// Which does.
        package: String,
    },
    /// A package has a link in the place of a directory, but another one.
    #[error("package {package}: {} is a link to '{}' and not to the directory in /usr", path.display(), text.display())]
    OtherLink {
        /// The package.
        package: String,
        /// The directory's path.
        path: PathBuf,
        /// What the link says.
        text: PathBuf,
    },
    /// The place in /usr is a link.
    #[error("package {package}: {} cannot be moved into /usr: {} is a link there (of package {other})", path.display(), canonical.display())]
    Link {
        /// The package.
        package: String,
        /// The path.
        path: PathBuf,
        /// Where it belongs.
        canonical: PathBuf,
        /// Whose link that is.
        other: String,
    },
    /// Both places have something, and not both are directories.
    #[error("package {package}: {} cannot be moved into /usr: {} exists there (of package {other})", path.display(), canonical.display())]
    Exists {
        /// The package.
        package: String,
        /// The path.
        path: PathBuf,
        /// Where it belongs.
        canonical: PathBuf,
        /// Whose that is.
        other: String,
    },
    /// A relative link climbs out of the directory.
    #[error("package {package}: the link {} cannot be moved into /usr: '{}' leads out of {}", path.display(), text.display(), directory.display())]
    Crosses {
        /// The package.
        package: String,
        /// The link.
        path: PathBuf,
        /// What it says.
        text: PathBuf,
        /// The directory that is to be in /usr.
        directory: PathBuf,
    },
    /// A package cannot be read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The control data of a package makes no sense.
    #[error(transparent)]
    Control(#[from] DpkgError),
    /// The target cannot be written.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl MergeUsrError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Merged { .. } => Some("--merged-usr=no is for suites up to Debian 12 (bookworm)".into()),
            Self::Deb(_) | Self::Control(_) | Self::Target(_) => None,
            _ => Some("--merged-usr=auto leaves it to the packages".into()),
        }
    }
}

/// Whether the packages of a suite bring the links: base-files says so in its
/// `Provides`.
fn by_packages(universe: &Universe<'_>) -> bool {
    universe
        .candidates("base-files")
        .map(|id| universe.package(id))
        .any(|package| package.provides.iter().any(|provided| provided.name == PACKAGE))
}

/// The package to be taken as installed when packages are chosen, so that usrmerge
/// is not.
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

/// Makes an empty target ready for the packages that are unpacked first.
///
/// # Errors
/// See [`MergeUsrError`]. Nothing is written unless the packages have been looked
/// through.
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
