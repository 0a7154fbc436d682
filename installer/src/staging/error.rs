//! Obstacles to making a target, each with advice.

use std::io;
use std::path::{Path, PathBuf};

use task_progress::summary::ByteCount;

/// Reason why there is no work directory, or no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target's name is `/`, `..` or the like and cannot be replaced.
    #[error("{path} cannot be the target")]
    Unusable {
        /// The target.
        path: PathBuf,
    },
    /// The parent directory of the target does not exist.
    #[error("cannot make {target}: the directory {parent} does not exist")]
    NoParent {
        /// The target.
        target: PathBuf,
        /// The directory that is missing.
        parent: PathBuf,
    },
    /// The parent of the target is no directory.
    #[error("cannot make {target}: {parent} is not a directory")]
    ParentNotADirectory {
        /// The target.
        target: PathBuf,
        /// The parent.
        parent: PathBuf,
    },
    /// The target directory is not empty.
    #[error("the target {path} is not empty")]
    NotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// The target exists and is no directory.
    #[error("the target {path} exists and is not a directory")]
    NotADirectory {
        /// The target.
        path: PathBuf,
    },
    /// A directory has the archive's name.
    #[error("the target {path} is a directory")]
    IsADirectory {
        /// The target.
        path: PathBuf,
    },
    /// A file that is not replaced has the archive's name: a device, a fifo.
    #[error("the target {path} exists and is not a regular file")]
    NotAFile {
        /// The target.
        path: PathBuf,
    },
    /// The target is a symbolic link, which a rename would replace.
    #[error("the target {path} is a symbolic link")]
    Symlink {
        /// The target.
        path: PathBuf,
    },
    /// Something is mounted on the target: it cannot be renamed over.
    #[error("the target {path} is a mount point, which cannot be replaced")]
    MountPoint {
        /// The target.
        path: PathBuf,
    },
    /// Another run is making the same target.
    #[error("another run is making this target, in {directory}")]
    Busy {
        /// Its work directory.
        directory: PathBuf,
    },
    /// The filesystem is mounted read-only.
    #[error("the filesystem of {path} is read-only")]
    ReadOnly {
        /// The directory in which nothing can be made.
        path: PathBuf,
    },
    /// Programs on the filesystem cannot be executed.
    #[error(
        "the filesystem of {path} is mounted noexec: native programs, which are kept there, cannot be executed"
    )]
    NoExec {
        /// A directory on it.
        path: PathBuf,
    },
    /// A directory or file has an attribute (chattr(1)) that forbids to change it.
    #[error("{path} has the attribute {attribute}: nothing in it can be made, renamed or removed")]
    Attribute {
        /// The directory or file.
        path: PathBuf,
        /// `immutable` or `append-only`.
        attribute: &'static str,
    },
    /// The process may have too few open files.
    #[error("the limit of open files is {limit}: at least {least} are needed")]
    FewDescriptors {
        /// The limit.
        limit: u64,
        /// The least that is enough.
        least: u64,
    },
    /// The process may write small files only.
    #[error("the limit of the size of files is {}: at least {} are needed", ByteCount(*limit), ByteCount(*least))]
    SmallFiles {
        /// The limit in bytes.
        limit: u64,
        /// The least that is enough.
        least: u64,
    },
    /// The process may have too little memory.
    #[error("the limit of {name} is {}: at least {} are needed", ByteCount(*limit), ByteCount(*least))]
    LittleMemory {
        /// What is limited.
        name: &'static str,
        /// The option of `ulimit` that sets it.
        option: char,
        /// The limit in bytes.
        limit: u64,
        /// The least that is enough.
        least: u64,
    },
    /// The user may have too few processes.
    #[error(
        "the limit of the user's processes and threads is {limit}, and there are {there}: {least} more are needed"
    )]
    FewProcesses {
        /// The limit.
        limit: u64,
        /// Number of those that are there.
        there: u64,
        /// Number of further ones that is enough.
        least: u64,
    },
    /// The root directory lacks what every machine has.
    #[error(
        "{path} is not there, as in a root directory that chroot(2) was called for and nobody has prepared"
    )]
    NotMounted {
        /// What is missing.
        path: PathBuf,
        /// The command that makes it.
        mend: &'static str,
    },
    /// The user may not write there.
    #[error("no permission to make anything in {path}")]
    Permission {
        /// The directory in which nothing can be made.
        path: PathBuf,
    },
    /// The cache directory cannot be made, or nothing in it.
    #[error("nothing can be made in the cache directory {path}")]
    Cache {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The filesystem has no user extended attributes.
    #[error("the filesystem of {path} does not keep user extended attributes")]
    NoUserXattrs {
        /// A directory on it.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// There is less free space than the target needs.
    #[error(
        "not enough space on the filesystem of {path}: {} are needed, {} are free",
        ByteCount(*needed),
        ByteCount(*free)
    )]
    NoSpace {
        /// A directory on it.
        path: PathBuf,
        /// Number of bytes that are needed.
        needed: u64,
        /// Number of bytes that are free to the user.
        free: u64,
    },
    /// There are fewer free inodes than the target needs.
    #[error("not enough inodes on the filesystem of {path}: {needed} are needed, {free} are free")]
    NoInodes {
        /// A directory on it.
        path: PathBuf,
        /// Number of files that will be made.
        needed: u64,
        /// Number of inodes that are free to the user.
        free: u64,
    },
    /// The user's quota is less than the target needs.
    #[error("the quota on the filesystem of {path} is not enough: {what}")]
    Quota {
        /// A directory on it.
        path: PathBuf,
        /// What is needed, and what is left of the quota.
        what: String,
    },
    /// There is no space, no inode or no quota left.
    #[error("no space left on the filesystem of {path}")]
    Full {
        /// The file that could not be written.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The directory for temporary files is not usable.
    #[error("cannot use the directory for temporary files {path}")]
    Temporary {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The complete result cannot be renamed to its name.
    #[error("cannot rename the finished result to {path}")]
    Rename {
        /// The target.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another error of a file.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    /// Returns the error for a failed operation on a file, by its cause.
    pub(super) fn at(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Io { path, source },
        }
    }

    /// Returns the error for a file that cannot be made in a directory, by its cause.
    pub(super) fn creating(directory: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission {
                path: directory.to_owned(),
            },
            _ => Self::at(directory, source),
        }
    }

    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable { .. } => "give the name of a new directory".into(),
            Self::NoParent { parent, .. } => format!("make it with `mkdir -p {}`", parent.display()),
            Self::NotEmpty { .. } => "remove what is in it, or give another directory".into(),
            Self::NotADirectory { .. } | Self::NotAFile { .. } => "remove it, or give another name".into(),
            Self::IsADirectory { path } => {
                format!("for a directory of that name give `{}/`", path.display())
            }
            Self::Symlink { .. } => "give the name it points to".into(),
            Self::MountPoint { path } => {
                format!("give a new directory in it, as {}", path.join("target").display())
            }
            Self::Busy { .. } => "wait until it has ended, or give another target".into(),
            Self::ReadOnly { .. } | Self::Permission { .. } => {
                "give a target in a directory you can write to".into()
            }
            Self::Cache { path, source } if source.kind() == io::ErrorKind::PermissionDenied && path.is_dir() => format!(
                "give another directory with --cache, or as root, if it is of a run as root: chown -R {} {}",
                nix::unistd::getuid(),
                path.display()
            ),
            Self::Cache { .. } => "give another directory with --cache".into(),
            Self::NoExec { .. } => {
                "give --cache in a directory on a filesystem that is not mounted noexec".into()
            }
            Self::Attribute { path, attribute } => {
                let letter = if *attribute == "immutable" { 'i' } else { 'a' };
                format!(
                    "give another place, or, as root, run: chattr -{letter} {}",
                    path.display()
                )
            }
            Self::FewDescriptors { .. } => {
                "raise it with `ulimit -n 1024`; where the hard limit forbids that, root sets it in \
                 /etc/security/limits.conf or with LimitNOFILE= of a systemd unit"
                    .into()
            }
            Self::SmallFiles { .. } => {
                "raise it with `ulimit -f unlimited`; where the hard limit forbids that, root sets it in \
                 /etc/security/limits.conf or with LimitFSIZE= of a systemd unit"
                    .into()
            }
            Self::LittleMemory { option, .. } => format!(
                "raise it with `ulimit -{option} unlimited`; where the hard limit forbids that, root sets it in \
                 /etc/security/limits.conf or with {}= of a systemd unit",
                if *option == 'v' { "LimitAS" } else { "LimitDATA" }
            ),
            Self::FewProcesses { .. } => {
                "raise it with `ulimit -u 4096`, or end other processes; where the hard limit forbids that, root sets it \
                 in /etc/security/limits.conf or with LimitNPROC= of a systemd unit"
                    .into()
            }
            Self::NotMounted { mend, .. } => format!("as root, run in that root directory: {mend}"),
            Self::NoUserXattrs { .. } => {
                "owners and modes are kept in extended attributes: give a target on \
                 ext4, xfs or btrfs (or on tmpfs with Linux 6.6 or later), not on NFS or FAT"
                    .into()
            }
            Self::NoSpace { .. } | Self::NoInodes { .. } | Self::Quota { .. } | Self::Full { .. } => {
                "make room (for quotas and inodes too), or give a target or --cache on another filesystem".into()
            }
            Self::Temporary { .. } => "set TMPDIR to a directory you can write to".into(),
            Self::ParentNotADirectory { .. } | Self::Rename { .. } | Self::Io { .. } => return None,
        })
    }
}
