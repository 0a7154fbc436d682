//! Errors of the commands.

use super::run::RunError;
use crate::external_solver::NoSolver;
use crate::finished::FinishedError;
use crate::hooks::moments::MomentError;
use crate::input;
use crate::install::InstallError;
use crate::merge_usr::MergeUsrError;
use crate::mirror::MirrorError;
use crate::native_root_source::NativeRootError;
use crate::output;
use crate::push::PushError;
use crate::staging;
use crate::target_spec::TargetSpec;
use apt_solve::SolveError;
use deb_archive::ArchiveError;
use script_host::SessionError;
use script_host::sysroot::SysrootError;
use script_host::view::ViewError;
use task_progress::Cancelled;

/// Reason why a command failed: a variant for each stage, with the error of that stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Sources, indexes or packages could not be fetched.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The request cannot be met.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// apt's configuration names a resolver that there is not.
    #[error("APT::Solver: {0}")]
    Solver(NoSolver),
    /// The machine lacks what the view needs.
    #[error(transparent)]
    View(#[from] ViewError),
    /// /usr cannot be merged, or left as it was.
    #[error(transparent)]
    MergeUsr(#[from] MergeUsrError),
    /// Packages could not be unpacked or configured.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A mirror cannot be made or read.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A lock cannot be written, or carried out.
    #[error(transparent)]
    Lock(#[from] crate::package_lock::LockError),
    /// Preferences cannot be followed.
    #[error(transparent)]
    Preferences(#[from] crate::preferences::PreferencesError),
    /// Source packages cannot be had.
    #[error(transparent)]
    SourcePackages(#[from] crate::source_packages::SourcePackagesError),
    /// The list of what is missing cannot be written.
    #[error("cannot write what is missing to {}", path.display())]
    Missing {
        /// The file.
        path: std::path::PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A package file cannot be copied to where it is kept.
    #[error("cannot copy a package to {}", path.display())]
    Copy {
        /// The copy.
        path: std::path::PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A hook of the user's failed.
    #[error(transparent)]
    Hook(#[from] crate::hooks::moments::MomentError),
    /// A file of `--include` is no package, or a package that hooks have installed cannot be understood.
    #[error(transparent)]
    Local(#[from] crate::local_packages::LocalError),
    /// There is no native root for scripts in chrootless mode.
    #[error(transparent)]
    NativeRoot(#[from] NativeRootError),
    /// A session on a target could not be opened, or not go on.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The database of dpkg of a target cannot be used.
    #[error(transparent)]
    Database(#[from] dpkg_db::DpkgError),
    /// A command cannot be run in a target.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There is no native sysroot.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// There is no work directory, or the result could not be renamed.
    #[error(transparent)]
    Staging(#[from] staging::Error),
    /// The target could not be read or written as a filesystem.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// The result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// The archive that is the target could not be made.
    #[error("cannot make {target}")]
    Archived {
        /// The target.
        target: TargetSpec,
        /// The failure.
        source: output::Error,
    },
    /// The result would be written into the target that it is made of.
    #[error("{} is in the target {}: what is written there would become a part of it", directory.display(), target.display())]
    InTarget {
        /// The directory that is written to.
        directory: std::path::PathBuf,
        /// The target.
        target: std::path::PathBuf,
    },
    /// A pipe or device that is the target cannot be written to.
    #[error("cannot open {} for writing", path.display())]
    Stream {
        /// The pipe or device.
        path: std::path::PathBuf,
        /// The failure.
        source: std::io::Error,
    },
    /// The marker of a target could not be written.
    #[error("cannot write {} in {}", rootless_install_fs::MARKER, path.display())]
    Marker {
        /// The target's directory.
        path: std::path::PathBuf,
        /// The failure.
        source: std::io::Error,
    },
    /// An archive could not be unpacked.
    #[error(transparent)]
    Input(input::Error),
    /// A file cannot be changed in that way.
    #[error("{} {what}", path.display())]
    Change {
        /// Path in the target.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An owner is none of the target's.
    #[error("{}: {what}", path.display())]
    Owner {
        /// The target.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file could not be taken over.
    #[error("cannot take over {}", path.display())]
    Adopt {
        /// The file.
        path: std::path::PathBuf,
        /// The failure.
        source: std::io::Error,
    },
    /// The process with the subordinate ids has failed, and said why.
    #[error("{} was not taken over", path.display())]
    AdoptFailed {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// A file belongs to a user of this machine who is not the user's own.
    #[error("{} belongs to another user of this machine, and not to an id of yours", path.display())]
    Foreign {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A file of fakeroot's has a line that is none.
    #[error("{} is not what `fakeroot -s` writes: {line:?}", path.display())]
    Fakeroot {
        /// The file.
        path: std::path::PathBuf,
        /// The line.
        line: String,
    },
    /// A file of fakeroot's knows nothing of a directory.
    #[error("what fakeroot has written is of other files than those in {}: it knows them by device and inode, so a copy has lost them", path.display())]
    NotFakeroots {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// A target cannot be mounted at a path.
    #[error("cannot mount at {}: it is no directory", path.display())]
    NotMountable {
        /// The path.
        path: std::path::PathBuf,
    },
    /// No target is mounted at a path.
    #[error("no target is mounted at {}", path.display())]
    NotMounted {
        /// The path.
        path: std::path::PathBuf,
    },
    /// A target could not be removed.
    #[error("cannot remove all of {}", path.display())]
    Removal {
        /// The target.
        path: std::path::PathBuf,
        /// The first failure.
        source: std::io::Error,
    },
    /// A directory that was to be a finished target cannot be used.
    #[error(transparent)]
    Finished(#[from] FinishedError),
    /// Options of apt cannot be looked at.
    #[error("cannot write options of apt to a temporary directory")]
    Planned {
        /// The failure.
        source: std::io::Error,
    },
    /// Hooks have no place at which they see the target.
    #[error("cannot create a directory for hooks in {}", directory.display())]
    HookRoot {
        /// The directory for temporary files.
        directory: std::path::PathBuf,
        /// The failure.
        source: std::io::Error,
    },
    /// A directory with real owners could not be made.
    #[error("cannot make {} with real owners: {program} failed", directory.display())]
    RealOwners {
        /// The program that failed.
        program: &'static str,
        /// The directory.
        directory: std::path::PathBuf,
        /// The failure.
        source: std::io::Error,
    },
    /// A virtual machine cannot be started.
    #[error(transparent)]
    Boot(#[from] crate::boot::BootError),
    /// A bill of materials cannot be made.
    #[error(transparent)]
    Sbom(#[from] crate::sbom::SbomError),
    /// A bill of materials could not be written.
    #[error("cannot write the bill of materials {}", path.display())]
    SbomFile {
        /// The file.
        path: std::path::PathBuf,
        /// The failure.
        source: std::io::Error,
    },
    /// The provenance of the result could not be written.
    #[error(transparent)]
    Provenance(#[from] crate::provenance::ProvenanceError),
    /// Statistics could not be written.
    #[error(transparent)]
    Statistics(#[from] crate::statistics::StatisticsError),
    /// An image could not be pushed.
    #[error(transparent)]
    Push(#[from] crate::push::PushError),
    /// The image of one architecture of several could not be made.
    #[error("the image of {architecture} could not be made")]
    OfArchitecture {
        /// Debian's name of it.
        architecture: &'static str,
        /// The failure.
        source: Box<Error>,
    },
    /// One installation of several of a recipe failed.
    #[error("the installation {name} could not be made")]
    OfBuild {
        /// What tells it from the others.
        name: String,
        /// The failure.
        source: Box<Error>,
    },
    /// The plan could not be printed.
    #[error("cannot write to standard output")]
    Print(#[source] std::io::Error),
}

impl From<input::Error> for Error {
    fn from(error: input::Error) -> Self {
        match error {
            input::Error::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Input(error),
        }
    }
}

impl Error {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Staging(error) => error.hint(),
            Self::Finished(error) => error.hint(),
            Self::Input(error) => error.hint(),
            Self::Output(error) | Self::Archived { source: error, .. } => error.hint(),
            Self::View(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::Boot(error) => error.hint(),
            Self::Mirror(error) => error.hint().map(str::to_owned),
            Self::Lock(error) => error.hint().map(str::to_owned),
            Self::Install(error) => error.hint(),
            Self::NativeRoot(error) => error.hint(),
            Self::MergeUsr(error) => error.hint(),
            Self::Sysroot(error) => error.hint(),
            Self::Push(error) => error.hint(),
            Self::OfArchitecture { source, .. } | Self::OfBuild { source, .. } => source.hint(),
            Self::Solver(_) => Some("correct it in apt's configuration, or give --solver".to_owned()),
            Self::InTarget { .. } => Some("write it to a place outside, and set TMPDIR to one".to_owned()),
            Self::Foreign { .. } => Some(
                "root can give it to you (chown), or make a tar of it, which `rootless-install unpack` takes"
                    .to_owned(),
            ),
            Self::Hook(_)
            | Self::Local(_)
            | Self::Preferences(_)
            | Self::SourcePackages(_)
            | Self::Copy { .. }
            | Self::Missing { .. }
            | Self::Archive(_)
            | Self::Database(_)
            | Self::Solve(_)
            | Self::Cancelled(_)
            | Self::Target(_)
            | Self::Marker { .. }
            | Self::Removal { .. }
            | Self::Adopt { .. }
            | Self::AdoptFailed { .. }
            | Self::Fakeroot { .. }
            | Self::NotFakeroots { .. }
            | Self::NotMountable { .. }
            | Self::NotMounted { .. }
            | Self::Change { .. }
            | Self::Owner { .. }
            | Self::Stream { .. }
            | Self::Planned { .. }
            | Self::HookRoot { .. }
            | Self::RealOwners { .. }
            | Self::Sbom(_)
            | Self::SbomFile { .. }
            | Self::Provenance(_)
            | Self::Statistics(_)
            | Self::Print(_) => None,
        }
    }

    /// Whether the user stopped the run, whichever stage noticed it.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled(_)
            | Self::Output(output::Error::Cancelled(_))
            | Self::Push(PushError::Cancelled(_))
            | Self::Archive(ArchiveError::Interrupted)
            | Self::Mirror(MirrorError::Cancelled(_) | MirrorError::Archive(ArchiveError::Interrupted)) => {
                true
            }
            Self::Install(error) => error.is_cancelled(),
            Self::OfArchitecture { source, .. } | Self::OfBuild { source, .. } => source.is_cancelled(),
            Self::NativeRoot(error) => error.is_cancelled(),
            Self::Hook(MomentError::Session(SessionError::Cancelled(_)))
            | Self::Session(SessionError::Cancelled(_))
            | Self::Session(SessionError::Sysroot(SysrootError::Fetch(ArchiveError::Interrupted)))
            | Self::Sysroot(SysrootError::Fetch(ArchiveError::Interrupted)) => true,
            _ => false,
        }
    }
}
