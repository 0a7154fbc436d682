//! Errors of configuring packages.

use dpkg_db::DpkgError;
use script_host::SessionError;
use script_host::script::{Script, ScriptFailure};
use script_host::unrunnable::Refusal;
use task_progress::Cancelled;

/// Reason why configuring stopped.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// A maintainer script failed.
    #[error(transparent)]
    Script(Box<ScriptFailure>),
    /// The database could not be read or written, or a conffile is in the way.
    #[error(transparent)]
    Dpkg(#[from] DpkgError),
    /// The session was lost.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The target could not be written.
    #[error("cannot write the control files of {package}")]
    Target {
        /// The package.
        package: String,
        /// The reason.
        #[source]
        source: rootless_install_fs::Error,
    },
    /// Triggers activate each other without end.
    #[error("packages {packages} activate each other's triggers without end")]
    TriggerCycle {
        /// The packages, each with its pending triggers.
        packages: String,
    },
    /// A script tried to execute a program that cannot be run.
    #[error(
        "package {package}: {script} executes {}, which cannot be run here: {}",
        refusal.tool.display(), refusal.reason
    )]
    Unrunnable {
        /// The package.
        package: String,
        /// The script and its arguments.
        script: Script,
        /// The attempt.
        refusal: Refusal,
    },
    /// A package cannot be unpacked, since one that it pre-depends on is deferred.
    #[error("package {package} cannot be unpacked: {on}, on which it pre-depends, is left for later")]
    PreDepends {
        /// The package.
        package: String,
        /// The deferred package.
        on: String,
    },
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl ConfigureError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Script(failure) => failure.hint(),
            Self::Session(error) => error.hint(),
            Self::TriggerCycle { .. } => {
                Some("this is a fault of the packages; leave one of them out".into())
            }
            Self::Unrunnable {
                script: Script::Preinst | Script::AbortInstall,
                package,
                ..
            } => Some(format!(
                "this script runs before the package is unpacked, so it cannot be left for later; leave {package} out"
            )),
            Self::Unrunnable { package, .. } => Some(format!(
                "with --on-unrunnable=defer, {package} and what depends on it are left for \
                 `dpkg --configure -a` on a machine of the target's architecture"
            )),
            Self::PreDepends { package, .. } => Some(format!("leave {package} out")),
            Self::Dpkg(_) | Self::Target { .. } | Self::Cancelled(_) => None,
        }
    }
}
