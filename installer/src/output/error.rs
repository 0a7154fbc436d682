//! Errors of making the result.

use std::io;
use std::path::PathBuf;

use task_progress::Cancelled;
use task_progress::summary::ByteCount;

/// Reason why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target could not be read or changed.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// A file of the target could not be read.
    #[error("cannot read {path} of the target")]
    Read {
        /// Path in the target.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file of the target became smaller while it was read.
    #[error("{path} of the target became smaller while it was read: {missing} bytes are missing")]
    Shrunk {
        /// Path in the target.
        path: PathBuf,
        /// Number of bytes that are missing.
        missing: u64,
    },
    /// The result could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The program that makes the format is not installed.
    #[error("{makes} are made by the program {program}, which is not installed")]
    NoMaker {
        /// The program.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
        /// What it makes.
        makes: &'static str,
    },
    /// The program that makes the format is too old.
    #[error("the program {program} of this machine is too old: version {needed} is needed")]
    OldMaker {
        /// The program.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
        /// The first version that will do.
        needed: &'static str,
    },
    /// The program that makes the format could not be started.
    #[error("cannot run {program}")]
    MakerNotStarted {
        /// The program.
        program: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The program that makes the format failed.
    #[error("{program} failed ({status}): {said}")]
    MakerFailed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The end of what it said.
        said: String,
    },
    /// The size that was asked for is too small.
    #[error("a size of {} is too small: {} are needed", ByteCount(*size), ByteCount(*needed))]
    TooSmall {
        /// The size in bytes.
        size: u64,
        /// The size that is enough.
        needed: u64,
    },
    /// A file is larger than the format can have.
    #[error("{path} of the target is too large: {format} holds files of less than {most}")]
    TooLarge {
        /// Path in the target.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// The limit.
        most: &'static str,
    },
    /// A file cannot be named to the program that makes the format.
    #[error(
        "{path:?} of the target: {program} can be told no name with a newline, and no path of 8000 bytes"
    )]
    Name {
        /// Path in the target.
        path: PathBuf,
        /// The program.
        program: &'static str,
    },
    /// The format has no such name.
    #[error("{path:?} of the target cannot be in {format}: {what}")]
    NoName {
        /// Path in the target.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The format does not have an option.
    #[error("{option} has no meaning for this format: it is for {of}")]
    Option {
        /// The option.
        option: &'static str,
        /// The formats that have it.
        of: &'static str,
    },
    /// A disk is to start, and the target has no kernel.
    #[error("the target has no kernel: there is no /boot/vmlinuz-… or /boot/vmlinux-…")]
    NoKernel {
        /// Debian's usual package of kernels of its architecture.
        package: &'static str,
    },
    /// The target lacks a file of the boot loader.
    #[error("the target has no {path}, which the disk shall start with")]
    NoLoader {
        /// Path in the target.
        path: PathBuf,
        /// Debian's package of it.
        package: &'static str,
    },
    /// A kernel, or what starts it, cannot be used.
    #[error("{path} of the target: {what}")]
    Kernel {
        /// Path in the target.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no EFI firmware of an architecture.
    #[error("machines of the architecture {architecture} do not start by EFI")]
    NoEfi {
        /// Debian's name of it.
        architecture: String,
    },
    /// Words for the kernel that a boot loader cannot be told.
    #[error("--kernel-options has a character that is no printable ASCII")]
    KernelOptions,
    /// A label is too long.
    #[error("the label is too long: this filesystem has room for {longest} bytes")]
    Label {
        /// The greatest number of bytes.
        longest: usize,
    },
    /// An option of container images has a value that has no meaning.
    #[error("{what}")]
    Container {
        /// What is wrong.
        what: String,
    },
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Write(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room, or write it to another filesystem".to_owned())
                }
                io::ErrorKind::FileTooLarge => Some(
                    "raise the limit of the size of files with `ulimit -f unlimited`, or write it to a filesystem \
                     that takes larger ones"
                        .to_owned(),
                ),
                io::ErrorKind::BrokenPipe => {
                    Some("the program that reads the archive ended before it was complete".to_owned())
                }
                _ => None,
            },
            Self::NoMaker { package, .. } => {
                Some(format!("install it: `apt install {package}`, or write another format"))
            }
            Self::OldMaker { package, .. } => Some(format!(
                "install a newer package {package}, or write another format"
            )),
            Self::TooSmall { needed, .. } => Some(format!("give --size {needed}, or leave it out")),
            Self::Name { .. } | Self::NoName { .. } => Some("rename or remove it, or write another format".to_owned()),
            Self::NoKernel { package } => Some(format!(
                "make the target with `--include {package}`, or give `--bootloader none`"
            )),
            Self::NoLoader { package, .. } => Some(format!(
                "make the target with `--include {package}`, or give another `--bootloader`"
            )),
            Self::NoEfi { .. } => Some("give `--bootloader none`, or `--bootloader extlinux` for U-Boot".to_owned()),
            Self::TooLarge { .. } => Some("write another format".to_owned()),
            Self::Shrunk { .. } => Some("do not change the target while it is written".to_owned()),
            _ => None,
        }
    }
}
