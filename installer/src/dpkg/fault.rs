//! Errors of a call of dpkg, in dpkg's words.

use crate::native_root_source::NativeRootError;
use crate::staging;
use deb_unpack::DebError;
use dpkg_db::DpkgError;
use script_host::SessionError;
use std::error::Error;
use task_progress::with_causes;

/// Reason why something was not done, and its reach.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A package or archive failed; others can go on. The message of dpkg.
    Package(String),
    /// The call ends. The message of dpkg; empty where it was printed already.
    Call(String),
}

/// Result of an action.
pub(super) type Result<T = (), E = Fault> = std::result::Result<T, E>;

/// Returns the system's text for an error as dpkg prints it: without the number.
pub(super) fn errno_text(error: &std::io::Error) -> String {
    let known = error.raw_os_error().map(nix::errno::Errno::from_raw);
    known.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

impl From<DpkgError> for Fault {
    fn from(error: DpkgError) -> Self {
        Self::Package(with_causes(&error))
    }
}

impl From<DebError> for Fault {
    fn from(error: DebError) -> Self {
        Self::Package(match &error {
            // The message names the archive already.
            DebError::Refused { problem, .. } => problem.clone(),
            error => with_causes(error),
        })
    }
}

impl From<rootless_install_fs::Error> for Fault {
    fn from(error: rootless_install_fs::Error) -> Self {
        Self::Package(with_causes(&error))
    }
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        Self::with_hint(&error, error.hint())
    }
}

impl From<NativeRootError> for Fault {
    fn from(error: NativeRootError) -> Self {
        Self::with_hint(&error, error.hint())
    }
}

impl From<staging::Error> for Fault {
    fn from(error: staging::Error) -> Self {
        Self::with_hint(&error, error.hint())
    }
}

impl Fault {
    /// Ends the call with an error, its causes and the advice on the lines after it.
    fn with_hint(error: &dyn Error, hint: Option<String>) -> Self {
        let hint = hint.map(|hint| format!("\n {hint}")).unwrap_or_default();
        Self::Call(with_causes(error) + &hint)
    }
}
