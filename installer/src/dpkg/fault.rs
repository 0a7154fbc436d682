//! Why something was not done, in dpkg's words.

use crate::install::InstallError;
use deb_unpack::DebError;
use dpkg_db::DpkgError;
use script_host::SessionError;
use std::error::Error;

/// Why something was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One package or archive cannot be worked on; the others can.
    Package(String),
    /// Nothing more can be done.
    Call(String),
}

pub(super) type Done<T = ()> = Result<T, Fault>;

/// An error with its causes, in one line.
pub(super) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The system's reason as dpkg has it: without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    let known = error.raw_os_error().map(nix::errno::Errno::from_raw);
    known.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

impl From<DpkgError> for Fault {
    fn from(error: DpkgError) -> Self {
        Self::Package(told(&error))
    }
}

impl From<DebError> for Fault {
    fn from(error: DebError) -> Self {
        Self::Package(match &error {
            // The message names the archive already.
            DebError::Conflict {
                entry,
                owner,
                version,
                ..
            } => format!("trying to overwrite '{entry}', which is also in package {owner} {version}"),
            error => told(error),
        })
    }
}

impl From<rootless_install_fs::Error> for Fault {
    fn from(error: rootless_install_fs::Error) -> Self {
        Self::Package(told(&error))
    }
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        InstallError::from(error).into()
    }
}

impl From<InstallError> for Fault {
    fn from(error: InstallError) -> Self {
        let hint = error.hint().map(|hint| format!("\n {hint}")).unwrap_or_default();
        Self::Call(told(&error) + &hint)
    }
}
