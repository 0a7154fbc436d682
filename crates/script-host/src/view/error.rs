//! Errors of views.

use std::io;
use std::path::PathBuf;

/// An error of making or using a view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The user has no subordinate ids.
    #[error("user {user} has no range of 65536 subordinate ids in {file}")]
    NoSubordinateIds {
        /// The user's name, or uid where there is none.
        user: String,
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
    },
    /// The user namespace in which root runs has too few ids.
    #[error("{map} has {count} ids beside root's own; a view takes 65535")]
    FewIds {
        /// `/proc/self/uid_map` or `/proc/self/gid_map`.
        map: &'static str,
        /// Their number.
        count: u64,
    },
    /// newuidmap or newgidmap is not installed.
    #[error("{name} is not installed")]
    NoIdMapHelper {
        /// The program.
        name: &'static str,
    },
    /// newuidmap or newgidmap refused.
    #[error("{} could not map the ids of the view: {reason}", program.display())]
    IdMap {
        /// The program or file.
        program: PathBuf,
        /// Its message.
        reason: String,
    },
    /// The machine forbids user namespaces.
    #[error("this machine does not let an ordinary user make a user namespace: {0}")]
    NoUserNamespaces(String),
    /// /dev/fuse is not there or not usable.
    #[error("/dev/fuse cannot be used: {0}")]
    NoFuse(String),
    /// Another step of setting up failed.
    #[error("cannot {action} for the view: {reason}")]
    SetUp {
        /// The action that failed.
        action: String,
        /// The system's reason.
        reason: String,
    },
    /// The agent ended or broke the protocol.
    #[error("the process that holds the view is gone: {0}")]
    Lost(io::Error),
    /// The FUSE server could not be started.
    #[error("cannot serve the target")]
    Serve(#[source] rootless_install_fs::Error),
    /// A system call outside of the view failed.
    #[error("cannot {action}")]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl ViewError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSubordinateIds { user, .. } => Some(format!(
                "as root, run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user} \
                 (choose a range that no other line of /etc/subuid and /etc/subgid has)"
            )),
            Self::FewIds { .. } => Some(
                "run it as an ordinary user and outside of this user namespace, or give the namespace a range of ids: \
                 `podman unshare`, `unshare --map-auto --map-root-user` or a container with 65536 ids"
                    .into(),
            ),
            Self::NoIdMapHelper { .. } => Some("install the package uidmap, as root: apt-get install uidmap".into()),
            Self::IdMap { program, .. } => Some(format!(
                "{} must be set-user-id root or hold its capabilities, as the package uidmap installs it, on a \
                 filesystem that is not mounted nosuid, without no_new_privs, and /etc/subuid and /etc/subgid must \
                 give the range to this user",
                program.display()
            )),
            Self::NoUserNamespaces(_) => Some(
                "as root, run: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 \
                 (and kernel.apparmor_restrict_unprivileged_userns=0 where that exists); in a container, allow \
                 user namespaces for it; inside a chroot(2) the kernel allows none"
                    .into(),
            ),
            Self::NoFuse(_) => Some(
                "install the package fuse3, as root: apt-get install fuse3 (it makes /dev/fuse usable for everybody; \
                 where no udev runs: modprobe fuse; chmod 0666 /dev/fuse; in a container, pass the device in)"
                    .into(),
            ),
            _ => None,
        }
    }
}

pub(super) fn io_error(action: &'static str) -> impl Fn(io::Error) -> ViewError {
    move |source| ViewError::Io { action, source }
}
