//! Why a plan could not be carried out.

use crate::configure::ConfigureError;
use crate::merge_usr::MergeUsrError;
use crate::preseed::PreseedError;
use crate::staging::{self};
use apt_solve::SolveError;
use deb_archive::ArchiveError;
use deb_unpack::DebError;
use dpkg_db::DpkgError;
use progress::Cancelled;
use rootless_install_fs::Error as TargetError;
use script_host::SessionError;
use std::path::PathBuf;

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A package could not be unpacked.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// dpkg's database could not be read or written.
    #[error(transparent)]
    Dpkg(#[from] DpkgError),
    /// /usr cannot be merged, or left as it was.
    #[error(transparent)]
    MergeUsr(#[from] MergeUsrError),
    /// A script failed.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// No session could be opened, or it was lost.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Packages for the native root could not be chosen.
    #[error("cannot choose packages for the native root")]
    Solve(#[from] SolveError),
    /// Packages for the native root could not be had.
    #[error("cannot fetch packages for the native root")]
    Archive(#[from] ArchiveError),
    /// A directory of the run could not be made.
    #[error(transparent)]
    Staging(#[from] staging::Error),
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Answers for debconf could not be given.
    #[error(transparent)]
    Preseed(#[from] PreseedError),
    /// A file of the run could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The native root could not be copied.
    #[error("cannot copy the native root {}", path.display())]
    NativeRoot {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `--native-sysroot=/` in chrootless mode.
    #[error("this machine's own root directory cannot be copied for scripts to write to")]
    MachineAsNativeRoot,
    /// The target's filesystem is full, or the user's part of it.
    #[error("no space left for the target in {}", directory.display())]
    NoSpace {
        /// Where the target is being made.
        directory: PathBuf,
        /// What could not be written.
        #[source]
        source: Box<InstallError>,
    },
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl InstallError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Configure(error) => error.hint(),
            Self::MachineAsNativeRoot => Some(
                "leave --native-sysroot out to have a native root made, or name a directory that is one"
                    .into(),
            ),
            Self::MergeUsr(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Staging(error) => error.hint(),
            Self::Preseed(error) => error.hint().map(str::to_owned),
            Self::NoSpace { .. } => Some("make room there, or make the target on another filesystem".into()),
            _ => None,
        }
    }

    /// Whether the error itself says where something could not be written, outside of the target.
    pub(super) fn names_its_place(&self) -> bool {
        matches!(
            self,
            Self::Session(SessionError::Sysroot(_) | SessionError::Write { .. })
                | Self::Staging(_)
                | Self::Write { .. }
        )
    }

    /// Whether the user stopped the run.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_)
                | Self::Session(SessionError::Cancelled(_))
                | Self::Configure(ConfigureError::Session(SessionError::Cancelled(_)))
                | Self::Configure(ConfigureError::Cancelled(_))
        )
    }
}

/// The kind of the system error at the bottom of an error.
pub(super) fn system_error(error: &InstallError) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut kind = None;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            kind = Some(error.kind());
        }
        cause = error.source();
    }
    kind
}
