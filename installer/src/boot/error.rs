//! Reasons why a virtual machine cannot be started, or has failed.

use super::machine::Machine;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Reason why a virtual machine cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// There is no virtual machine of the architecture.
    #[error(
        "there is no virtual machine for {architecture}; there is one for {}",
        Machine::names()
    )]
    NoMachine {
        /// Debian's name.
        architecture: String,
    },
    /// Nothing says the architecture.
    #[error("{} does not say for which architecture it is", path.display())]
    NoArchitecture {
        /// The target or image.
        path: PathBuf,
    },
    /// A program is not installed.
    #[error("{program} is not installed, {purpose}")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// Its package.
        package: &'static str,
        /// What it is for.
        purpose: &'static str,
    },
    /// A firmware is not installed.
    #[error("there is no firmware for a disk of {architecture}: {file} is missing")]
    NoFirmware {
        /// The architecture.
        architecture: &'static str,
        /// The file that it would be.
        file: &'static str,
        /// Its package.
        package: &'static str,
    },
    /// Disks of the architecture cannot be started.
    #[error("a disk of {architecture} cannot be started: there is no firmware for it here")]
    DiskOf {
        /// The architecture.
        architecture: &'static str,
    },
    /// There is no kernel.
    #[error("{} has no kernel: there is no /boot/vmlinuz-… or /boot/vmlinux-…", path.display())]
    NoKernel {
        /// The target or image.
        path: PathBuf,
        /// Debian's usual package of kernels.
        package: &'static str,
    },
    /// A file is nothing that could be started.
    #[error("{} is {what}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A result would replace a file.
    #[error("--out: {} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A program could not be executed.
    #[error("cannot execute {}", path.display())]
    Execute {
        /// The program.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Results of the guest cannot be unpacked.
    #[error("what the guest gives as {path} cannot be unpacked: {what}")]
    Result {
        /// Path in the guest.
        path: String,
        /// What is wrong.
        what: String,
    },
}

impl BootError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoArchitecture { .. } => Some("name it with --arch".to_owned()),
            Self::NoProgram { package, .. } | Self::NoFirmware { package, .. } => {
                Some(format!("install the package {package}"))
            }
            Self::DiskOf { .. } => {
                Some("give the target, or an image of its root filesystem (.ext4)".to_owned())
            }
            Self::NoKernel { package, .. } => Some(format!(
                "make the target with `--include {package},systemd-sysv,udev,initramfs-tools`"
            )),
            Self::Exists { .. } => Some("remove it, or name another directory".to_owned()),
            _ => None,
        }
    }

    /// Returns the error of a file.
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}

/// Reason why a virtual machine that was started did not do what it was to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The kernel has panicked.
    #[error("the kernel has panicked")]
    Panic,
    /// The system gave up and asks for help on its console.
    #[error("the system does not come up: {line}")]
    GaveUp {
        /// The line that says so.
        line: String,
    },
    /// It halted before anything that was waited for.
    #[error("the guest halted before {awaited}")]
    Halted {
        /// What was waited for.
        awaited: String,
    },
    /// It said nothing for too long.
    #[error("the guest has said nothing for {} before {awaited}", humantime::format_duration(*limit))]
    Silent {
        /// The limit.
        limit: Duration,
        /// What was waited for.
        awaited: String,
    },
    /// It took too long.
    #[error("{} have passed before {awaited}", humantime::format_duration(*limit))]
    TooLong {
        /// The limit.
        limit: Duration,
        /// What was waited for.
        awaited: String,
    },
    /// It said too much.
    #[error("the guest has said more than {limit} bytes on its console")]
    TooMuch {
        /// The limit.
        limit: u64,
    },
    /// qemu has failed.
    #[error("qemu has failed ({status}): {said}")]
    Qemu {
        /// How it ended.
        status: String,
        /// Its last words.
        said: String,
    },
    /// The unit could not be started.
    #[error("{unit} could not be started in the guest")]
    Unit {
        /// The unit.
        unit: String,
    },
    /// Something that was to be brought out is not in the guest, or did not fit.
    #[error("{path} was not brought out: {what}")]
    Out {
        /// Path in the guest.
        path: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl Failure {
    /// Whether time was up.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::TooLong { .. })
    }

    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Silent { .. } => Some("give it longer with --silence"),
            Self::TooLong { .. } => Some("give it longer with --timeout"),
            Self::Out { what, .. } if what.contains("room") => Some("give more with --out-size"),
            _ => None,
        }
    }
}
