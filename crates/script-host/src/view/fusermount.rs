//! A FUSE mount without a user namespace: made by fusermount3(1), which is set-user-id root.

use super::message::receive_descriptors;
use super::{ViewError, io_error};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names of the program: that of FUSE 3, and that of FUSE 2.
const PROGRAMS: [&str; 2] = ["fusermount3", "fusermount"];

/// Whether the program is in `PATH`.
pub(super) fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .any(|directory| PROGRAMS.iter().any(|program| directory.join(program).is_file()))
}

/// Options of all mounts.
pub(super) const OPTIONS: &str = "subtype=rootless-install,nodev,nosuid";

/// Time that the program has to unmount.
const PATIENCE: Duration = Duration::from_secs(1);

/// A mount.
pub(super) struct Mount {
    program: &'static str,
    path: PathBuf,
    /// Number of its connection, by which the kernel lists it in /sys/fs/fuse/connections.
    connection: Option<u32>,
}

/// Mounts at `path`; the descriptor is for the server.
///
/// # Errors
/// [`ViewError::NoFuse`] when the program is not there or refuses.
pub(super) fn mount(path: &Path) -> Result<(Mount, OwnedFd), ViewError> {
    mount_with(path, &format!("fsname=rootless-install,{OPTIONS}"))
}

/// As [`mount`], with other options.
///
/// # Errors
/// Those of [`mount`].
pub(super) fn mount_with(path: &Path, options: &str) -> Result<(Mount, OwnedFd), ViewError> {
    let mut refused = "fusermount3 is not installed".to_owned();
    for program in PROGRAMS {
        let (ours, theirs) = UnixStream::pair().map_err(io_error("make a socket pair"))?;
        let mut command = Command::new(program);
        // The program gets its end by number (the protocol of libfuse).
        crate::sys::hand_down(&mut command, theirs.as_fd());
        let ran = command
            .args(["-o", options, "--"])
            .arg(path)
            .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .output();
        drop(theirs);
        match ran {
            Ok(output) if output.status.success() => {
                let mount = Mount {
                    program,
                    path: path.to_owned(),
                    connection: connection(path),
                };
                let [fuse] = receive_descriptors(&ours).map_err(ViewError::Lost)?;
                return Ok((mount, fuse));
            }
            Ok(output) => refused = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => refused = error.to_string(),
        }
    }
    Err(ViewError::NoFuse(refused))
}

/// Unmounts a view that a killed run has left at `path`, and that has no server any more. Where that
/// fails, so does the removal of the directory, which is reported.
pub fn unmount_stale(path: &Path) {
    let error = std::fs::symlink_metadata(path).err();
    if error.and_then(|error| error.raw_os_error()) == Some(libc::ENOTCONN) {
        let _ = PROGRAMS.iter().any(|program| unmount(program, path));
    }
}

/// Unmounts what a user has mounted, unless it is in use and not `lazy`.
///
/// # Errors
/// What the program says.
pub(super) fn unmount_by_user(path: &Path, lazy: bool) -> Result<(), String> {
    let mut refused = "fusermount3 is not installed".to_owned();
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.arg("-u").stdin(Stdio::null());
        if lazy {
            command.arg("-z");
        }
        match command.arg("--").arg(path).output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => refused = error.to_string(),
        }
    }
    Err(refused)
}

fn unmount(program: &str, path: &Path) -> bool {
    let started = Command::new(program)
        .args(["-u", "-z", "-q", "--"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return false };
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                // It is root's, and cannot be killed where it has changed its user.
                let _ = child.kill();
                return false;
            }
        }
    }
}

/// Returns the number of the connection that is mounted at `path`: the minor device number of the mount
/// (`Documentation/filesystems/fuse.rst`).
fn connection(path: &Path) -> Option<u32> {
    number_in(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, path)
}

/// Finds the last mount at `path` in the text of a mountinfo (proc(5)).
fn number_in(mounts: &str, path: &Path) -> Option<u32> {
    let path = path.to_str()?.replace('\\', "\\134").replace(' ', "\\040");
    let path = path.replace('\t', "\\011").replace('\n', "\\012");
    mounts.lines().rev().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let (device, at) = (fields.get(2)?, fields.get(4)?);
        (*at == path).then(|| device.split_once(':')?.1.parse().ok())?
    })
}

impl Mount {
    /// Takes the mount from this mount namespace.
    pub(super) fn unmount(&self) {
        if !unmount(self.program, &self.path) {
            tracing::warn!(target: task_progress::trace::WARNING, "{} could not unmount {}: its connection is aborted",
                self.program,
                self.path.display()
            );
            self.abort();
        }
    }

    /// Aborts the connection, after which every access to a copy of the mount fails.
    pub(super) fn abort(&self) {
        let Some(number) = self.connection else { return };
        let path = format!("/sys/fs/fuse/connections/{number}/abort");
        if let Err(error) = std::fs::write(&path, "1") {
            tracing::warn!(target: task_progress::trace::WARNING, "cannot abort the connection of the view by {path}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_is_that_of_the_last_mount() {
        let mounts = "30 1 0:41 / /a rw - ext4 x rw\n31 1 0:57 / /a\\040b rw - fuse.x y rw\n32 1 0:58 / /a rw - fuse y rw\n";
        assert_eq!(number_in(mounts, Path::new("/a")), Some(58));
        assert_eq!(number_in(mounts, Path::new("/a b")), Some(57));
        assert_eq!(number_in(mounts, Path::new("/b")), None);
    }
}
