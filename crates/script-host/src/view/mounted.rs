//! Targets mounted for the user's own programs: in this mount namespace by fusermount3(1), or in one that a command has
//! for itself.
//!
//! Outside of a user namespace the mount has this machine's ids: the user stands for the target's root, the target's other
//! users are the machine's of the same numbers, and the kernel lets nobody else in. In a namespace root is the user,
//! and the target's other ids are the user's subordinate ones.

use super::fusermount::{self, Mount};
use super::message::receive_descriptors;
use super::{ViewError, idmap, io_error, probe};
use rootless_install_fs::{ServeOptions, Server, Target};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// First argument with which this program becomes a command in a namespace with a mount.
pub(super) const MARKER: &str = "--with-mount";

/// Time between two looks at whether the user wants an end.
const LOOK: Duration = Duration::from_millis(100);

/// A mount in this mount namespace, and its server.
pub struct Mounted {
    mount: Mount,
    server: Server,
}

impl Mounted {
    /// Mounts a target at a directory.
    ///
    /// # Errors
    /// [`ViewError::NoFuse`] where that is not possible, or not at this directory.
    pub fn new(target: &Target, path: &Path, read_only: bool) -> Result<Self, ViewError> {
        let mut options = fusermount::OPTIONS.to_owned();
        if read_only {
            options += ",ro";
        }
        // Shown in the table of mounts, where the name is not one of more options.
        let root = std::fs::canonicalize(target.root_path()).ok();
        let name = root.as_deref().and_then(Path::to_str);
        let source = name.filter(|name| !name.contains([',', '\\']));
        options += &format!(",fsname={}", source.unwrap_or("rootless-install"));
        let (mount, fuse) = fusermount::mount_with(path, &options)?;
        let serve = ServeOptions {
            root: Some((nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())),
            at_root: true,
            durable: true,
            ..ServeOptions::default()
        };
        match rootless_install_fs::serve(target, fuse, serve) {
            Ok(server) => Ok(Self { mount, server }),
            Err(error) => {
                mount.unmount();
                Err(ViewError::Serve(error))
            }
        }
    }

    /// Serves until it is unmounted, or until `cancelled` says so.
    pub fn serve(self, cancelled: &dyn Fn() -> bool) {
        while !self.server.ends_within(LOOK) {
            if cancelled() {
                self.mount.unmount();
                if !self.server.ends_within(10 * LOOK) {
                    self.mount.abort();
                }
                return;
            }
        }
    }
}

/// Unmounts a target from a directory.
///
/// # Errors
/// What fusermount3 says.
pub fn unmount(path: &Path, lazy: bool) -> Result<(), ViewError> {
    fusermount::unmount_by_user(path, lazy).map_err(ViewError::NoFuse)
}

/// Runs a command with a target mounted at a directory, where nobody else sees it. Returns its exit status.
///
/// # Errors
/// Those of making namespaces and of mapping ids.
pub fn run_with_mount(
    target: &Target,
    path: &Path,
    read_only: bool,
    command: &[OsString],
) -> Result<ExitStatus, ViewError> {
    in_namespace(read_only, path, command, |socket| {
        let Ok([fuse]) = receive_descriptors(socket) else {
            return Ok(None);
        };
        let serve = ServeOptions {
            at_root: true,
            durable: true,
            ..ServeOptions::default()
        };
        let server = rootless_install_fs::serve(target, fuse, serve).map_err(ViewError::Serve)?;
        let _ = socket.write_all(b"+");
        Ok(Some(server))
    })
}

/// Runs a command as root of a user namespace in which the user is root, and the user's subordinate ids are the others.
/// Returns its exit status.
///
/// # Errors
/// Those of making the namespace and of mapping ids.
pub fn run_with_ids(command: &[OsString]) -> Result<ExitStatus, ViewError> {
    in_namespace(false, Path::new(""), command, |_| Ok(None))
}

fn in_namespace(
    read_only: bool,
    path: &Path,
    command: &[OsString],
    serve: impl FnOnce(&mut UnixStream) -> Result<Option<Server>, ViewError>,
) -> Result<ExitStatus, ViewError> {
    let (range, mapper) = probe()?;
    let own = range.with_own(nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let (mut socket, theirs) = UnixStream::pair().map_err(io_error("make a socket pair"))?;
    let mut child = Command::new("/proc/self/exe");
    crate::sys::hand_down(&mut child, theirs.as_fd());
    let mut child = child
        .arg(MARKER)
        .arg(theirs.as_raw_fd().to_string())
        .arg(if read_only { "ro" } else { "rw" })
        .arg(path)
        .args(command)
        .spawn()
        .map_err(io_error("start a process in a namespace"))?;
    drop(theirs);
    // Where it has ended before, it has said why.
    let server = match socket.read_exact(&mut [0]) {
        Ok(()) => idmap::write(child.id(), &own, &mapper).and_then(|()| {
            let _ = socket.write_all(b"+");
            serve(&mut socket)
        }),
        Err(_) => Ok(None),
    };
    if server.is_err() {
        let _ = child.kill();
    }
    drop(socket);
    let status = child.wait().map_err(io_error("wait for the command"))?;
    // What it has left in the background may still be there.
    if let Some(server) = server? {
        let _ = server.join();
    }
    Ok(status)
}
