//! Errors of carrying out a plan.

use crate::configure::ConfigureError;
use crate::customization::CustomizationError;
use crate::hooks::moments::MomentError;
use crate::merge_usr::MergeUsrError;
use crate::preseed::PreseedError;
use deb_unpack::DebError;
use dpkg_db::DpkgError;
use rootless_install_fs::Error as TargetError;
use script_host::SessionError;
use std::path::PathBuf;
use task_progress::{Cancelled, escape};

/// A hook that failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the hook `{}` of {list} in the target's configuration of apt {ended}{last_lines}",
    escape(command)
)]
pub struct HookError {
    /// The list of hooks.
    pub(super) list: String,
    /// The command.
    pub(super) command: String,
    /// Its end, in words.
    pub(super) ended: String,
    /// Last lines of its output, each after a newline.
    pub(super) last_lines: String,
}

/// Reason why a plan could not be carried out.
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
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Answers for debconf could not be given.
    #[error(transparent)]
    Preseed(#[from] PreseedError),
    /// A hook of the target's apt failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A hook of the user's failed.
    #[error(transparent)]
    UserHook(#[from] MomentError),
    /// The system could not be customized.
    #[error(transparent)]
    Customize(#[from] CustomizationError),
    /// A package file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A file of the run could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The target's filesystem is full, or the user's quota on it.
    #[error("no space left for the target in {}", directory.display())]
    NoSpace {
        /// Directory of the target.
        directory: PathBuf,
        /// The write that failed.
        #[source]
        source: Box<InstallError>,
    },
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl InstallError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Configure(error) => error.hint(),
            Self::MergeUsr(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Preseed(error) => error.hint().map(str::to_owned),
            Self::Customize(error) => error.hint(),
            Self::Hook(_) => Some("apt would end here as well; the output of the hook is in the log".into()),
            Self::NoSpace { .. } => Some("make room there, or make the target on another filesystem".into()),
            _ => None,
        }
    }

    /// Whether the error names a file that could not be written outside of the target.
    pub(super) fn names_directory(&self) -> bool {
        matches!(
            self,
            Self::Session(SessionError::Sysroot(_) | SessionError::Write { .. }) | Self::Write { .. }
        )
    }

    /// Whether the user stopped the run.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_)
                | Self::Session(SessionError::Cancelled(_))
                | Self::UserHook(MomentError::Session(SessionError::Cancelled(_)))
                | Self::Customize(CustomizationError::Session(SessionError::Cancelled(_)))
                | Self::Configure(ConfigureError::Session(SessionError::Cancelled(_)))
                | Self::Configure(ConfigureError::Cancelled(_))
        )
    }
}

/// Returns the kind of the system error that is the root cause; none where it is no system error.
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
