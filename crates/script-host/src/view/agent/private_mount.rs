//! A command of the user's in a user namespace in which root is the user, perhaps with a target mounted in a mount namespace
//! of its own.

use super::{Context, Result, mount_served, private_mounts, send_descriptor, unexpected};
use crate::sys;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Status of a command that is not found, as shells have it.
const NOT_FOUND: u8 = 127;
/// Status of a command that cannot be executed, or has no mount.
const NOT_EXECUTED: u8 = 126;

/// Becomes the command. Arguments are the number of the socket's descriptor, `ro` or `rw`, the mount point (empty
/// for none), and the command. The conversation over the socket is a byte in either direction: the namespace is there and its ids are
/// mapped; then the descriptor of the mount, and a byte when it is served.
pub(in crate::view) fn run_command(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let number = arguments.next().and_then(|number| number.to_str()?.parse().ok());
    let (Some(number), Some(how), Some(point)) = (number, arguments.next(), arguments.next()) else {
        return ExitCode::from(2);
    };
    let mut socket = UnixStream::from(sys::adopt(number));
    if let Err(failure) = set_up(&mut socket, &PathBuf::from(point), how == "ro") {
        let said = format!("error: cannot {}: {}\n", failure.action, failure.error);
        let _ = io::stderr().write_all(said.as_bytes());
        return ExitCode::from(NOT_EXECUTED);
    }
    drop(socket);
    let Some(program) = arguments.next() else {
        return ExitCode::from(2);
    };
    // It returns where that fails only.
    let error = Command::new(&program).args(arguments).exec();
    let shown = task_progress::escape_path(Path::new(&program)).to_string();
    let _ = io::stderr().write_all(format!("error: cannot execute {shown}: {error}\n").as_bytes());
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTED,
    })
}

fn set_up(socket: &mut UnixStream, point: &Path, read_only: bool) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER).context("make a user namespace")?;
    socket.write_all(b"u").context("talk to the program")?;
    hear(socket)?;
    if point.as_os_str().is_empty() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS).context("make a mount namespace")?;
    private_mounts().context("make the mounts private")?;
    let fuse = mount_served(point)?;
    send_descriptor(socket, fuse.as_fd()).context("hand the FUSE descriptor over")?;
    drop(fuse);
    hear(socket)?;
    if read_only {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
        mount(None::<&str>, point, None::<&str>, flags, None::<&str>).context("make the mount read-only")?;
    }
    Ok(())
}

fn hear(socket: &mut UnixStream) -> Result<()> {
    let mut byte = [0];
    socket.read_exact(&mut byte).context("hear from the program")?;
    match byte {
        [b'+'] => Ok(()),
        _ => Err(unexpected()),
    }
}
