//! Finished targets: directories that hold a root filesystem, as commands on them are given them.

use deb_arch::Architecture;
use dpkg_db::ADMIN;
use rootless_install_fs::encoding::OVERRIDE_XATTR;
use rootless_install_fs::{Marker, Target, Writing, find_target};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Reason why a directory is no finished target that can be worked on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishedError {
    /// There is no such directory.
    #[error("there is no directory {path}")]
    Missing {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file stands there.
    #[error("{path} is a file, and no directory")]
    File {
        /// The path.
        path: PathBuf,
    },
    /// The directory is no target.
    #[error(
        "{path} is not a root filesystem made by this program: it has neither a README.rootless-install nor dpkg's database"
    )]
    NotOne {
        /// The path.
        path: PathBuf,
    },
    /// A path is in no target.
    #[error(
        "{path} is not in a root filesystem made by this program: no directory above it has a README.rootless-install"
    )]
    Outside {
        /// The path.
        path: PathBuf,
    },
    /// A path leads out of its target.
    #[error("{path} has a `..` below the directory of its root filesystem")]
    Dots {
        /// The path.
        path: PathBuf,
    },
    /// Another process works on the target.
    #[error("another process is working on {path}")]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// The target could not be opened.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// The database is for an architecture that does not exist.
    #[error("{path} is for the architecture {name}, which is not known; --arch-table describes one")]
    Architecture {
        /// The target.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

impl FinishedError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotOne { path } => Some(format!(
                "give the directory of a target; what another program made is taken over by `rootless-install adopt {}`",
                path.display()
            )),
            Self::File { .. } => {
                Some("an archive becomes a target by `rootless-install unpack ARCHIVE DIR`".to_owned())
            }
            Self::Outside { .. } => Some("name the root filesystem with --root".to_owned()),
            Self::Busy { .. } => Some(
                "wait until it has ended; a mounted target is unmounted by `rootless-install umount`"
                    .to_owned(),
            ),
            Self::Missing { .. } | Self::Dots { .. } | Self::Target(_) | Self::Architecture { .. } => None,
        }
    }
}

/// Opens the target in a directory, which must be one.
///
/// # Errors
/// [`FinishedError`].
pub fn open(path: &Path) -> Result<Target, FinishedError> {
    let found = std::fs::metadata(path).map_err(|source| FinishedError::Missing {
        path: path.to_owned(),
        source,
    })?;
    if !found.is_dir() {
        return Err(FinishedError::File {
            path: path.to_owned(),
        });
    }
    if !is_target(path) {
        return Err(FinishedError::NotOne {
            path: path.to_owned(),
        });
    }
    Ok(Target::open(path)?)
}

/// Whether a directory is a target: by its marker, or, where an older release made it, by what must be in it.
pub fn is_target(path: &Path) -> bool {
    let recorded = || {
        // Files that everybody's system has and that belong to other users than root.
        let paths = ["var/mail", "etc/shadow", "var/lib/dpkg/lock-frontend", "tmp"];
        paths.iter().any(|name| {
            let mut value = [0; 256];
            rustix::fs::lgetxattr(path.join(name), OVERRIDE_XATTR, &mut value).is_ok()
        })
    };
    Marker::is_in(path) || (path.join("var/lib/dpkg/status").is_file() && recorded())
}

/// Opens the target that a path of the machine is in. Returns it with the path in it. With `root` the path is one of that target.
///
/// # Errors
/// [`FinishedError`].
pub fn of_path(root: Option<&Path>, path: &Path) -> Result<(Target, PathBuf), FinishedError> {
    if let Some(root) = root {
        return Ok((open(root)?, Path::new("/").join(path)));
    }
    // Of a path without `/` the directories above are those of the working directory.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some((directory, inside)) = find_target(&absolute) else {
        return Err(FinishedError::Outside {
            path: path.to_owned(),
        });
    };
    if inside
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        return Err(FinishedError::Dots {
            path: path.to_owned(),
        });
    }
    Ok((Target::open(&directory)?, inside))
}

/// Returns the target's own architecture: that of its database (`arch-native`, the first line of `arch`, the package dpkg).
///
/// # Errors
/// [`FinishedError::Architecture`]. Without a database there is none.
pub fn architecture(target: &Target) -> Result<Option<&'static Architecture>, FinishedError> {
    let text = |name: &str| {
        let text = target.read(&Path::new(ADMIN).join(name)).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let first_line = |text: String| text.lines().next().map(str::trim).unwrap_or_default().to_owned();
    let of_dpkg = || {
        let status = text("status");
        let mut stanzas = status.split("\n\n");
        let own = stanzas.find(|stanza| stanza.lines().any(|line| line == "Package: dpkg"))?;
        own.lines()
            .find_map(|line| line.strip_prefix("Architecture: "))
            .map(str::to_owned)
    };
    let known = [first_line(text("arch-native")), first_line(text("arch"))];
    let Some(name) = known.into_iter().find(|name| !name.is_empty()).or_else(of_dpkg) else {
        return Ok(None);
    };
    match Architecture::by_name(&name) {
        Some(found) => Ok(Some(found)),
        None => Err(FinishedError::Architecture {
            path: target.root_path().to_owned(),
            name,
        }),
    }
}

/// The right to work on a target, held until dropped: several may read one, one writes.
#[derive(Debug)]
pub struct Hold {
    // Before others may write.
    _writing: Option<Writing>,
    _lock: File,
}

/// Takes the right to read a target, or, with `writes`, to change it; then what a run that was killed has left is removed.
///
/// # Errors
/// [`FinishedError::Busy`].
pub fn hold(target: &Target, writes: bool) -> Result<Hold, FinishedError> {
    let path = target.root_path();
    let failed = |source| FinishedError::Missing {
        path: path.to_owned(),
        source,
    };
    let directory = File::open(path).map_err(failed)?;
    let how = match writes {
        true => FlockOperation::NonBlockingLockExclusive,
        false => FlockOperation::NonBlockingLockShared,
    };
    match flock(&directory, how) {
        Ok(()) => Ok(Hold {
            _writing: writes.then(|| target.begin_writing()),
            _lock: directory,
        }),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(FinishedError::Busy {
            path: path.to_owned(),
        }),
        Err(errno) => Err(failed(errno.into())),
    }
}
