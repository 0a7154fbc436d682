//! A FUSE mount without a user namespace: made by fusermount3(1), which is set-user-id root.

use super::{ViewError, io_error, receive_descriptor};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names of the program: that of FUSE 3, and that of FUSE 2.
const PROGRAMS: [&str; 2] = ["fusermount3", "fusermount"];

/// Whether the program is in `PATH`.
pub(super) fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .any(|directory| PROGRAMS.iter().any(|program| directory.join(program).is_file()))
}

/// A mount, until it is dropped.
pub(super) struct Mount {
    program: &'static str,
    path: PathBuf,
}

/// Mounts at `path`; the descriptor is for the server.
///
/// # Errors
/// [`ViewError::NoFuse`] when the program is not there or refuses.
pub(super) fn mount(path: &Path) -> Result<(Mount, OwnedFd), ViewError> {
    let mut refused = "fusermount3 is not installed".to_owned();
    for program in PROGRAMS {
        let (ours, theirs) = UnixStream::pair().map_err(io_error("make a socket pair"))?;
        let mut command = Command::new(program);
        // The program gets its end by number (the protocol of libfuse).
        crate::sys::hand_down(&mut command, theirs.as_fd());
        let ran = command
            .args([
                "-o",
                "fsname=rootless-install,subtype=rootless-install,nodev,nosuid",
                "--",
            ])
            .arg(path)
            .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .output();
        drop(theirs);
        match ran {
            Ok(output) if output.status.success() => {
                let path = path.to_owned();
                return receive_descriptor(&ours).map(|fuse| (Mount { program, path }, fuse));
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

fn unmount(program: &str, path: &Path) -> bool {
    let ran = Command::new(program)
        .args(["-u", "-z", "-q", "--"])
        .arg(path)
        .stdin(Stdio::null())
        .output();
    ran.is_ok_and(|output| output.status.success())
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !unmount(self.program, &self.path) {
            tracing::warn!(path = %self.path.display(), "the view could not be unmounted");
        }
    }
}
