//! The command lines of `rootless-install mount` and `umount`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::mount::{self, MountSettings};
use clap::Parser;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use task_progress::{Style, Verbosity};

/// Mounts a target, with the owners and modes that its users see
///
/// In the place of root you are seen, and you may do there what root may but for making devices; other users of the
/// machine do not get in. With a command the mount is that command's alone: root in it is you, and it may change owners
/// as it likes.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install mount target/ mnt/ && ls -l mnt/etc/shadow; rootless-install umount mnt/
  rootless-install mount --read-only target/ mnt/
  rootless-install mount target/ mnt/ -- genisoimage -R -o target.iso mnt/")]
struct MountArgs {
    /// The target's directory
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    /// The directory to mount it at
    #[arg(value_name = "DIR")]
    at: PathBuf,

    /// Let nothing be changed
    #[arg(short, long)]
    read_only: bool,

    /// Stay in the foreground, until it is unmounted or this is stopped
    #[arg(short, long, conflicts_with = "command")]
    foreground: bool,

    /// Be the process in the background
    #[arg(long, hide = true, requires = "foreground")]
    detached: bool,

    /// A command that alone sees the mount
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    messages: Messages,
}

/// Unmounts a target
#[derive(Debug, Parser)]
struct UmountArgs {
    /// The directory that it is mounted at
    #[arg(value_name = "DIR")]
    at: PathBuf,

    /// Unmount it also while it is in use
    #[arg(short = 'z', long)]
    lazy: bool,
}

/// The process in the background could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a process in the background")]
struct NoBackground(#[source] std::io::Error);

/// Runs `mount`.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: MountArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let settings = MountSettings {
        target: args.target,
        at: args.at,
        read_only: args.read_only,
    };
    let verbosity = args.messages.verbosity();
    if !args.command.is_empty() {
        return console::run(verbosity, style, |_, _| {
            let status = mount::run_command(&settings, &args.command)?;
            Ok(match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Command(u8::try_from(code).unwrap_or(1)),
                (None, signal) => Exit::Signal(signal.unwrap_or_default()),
            })
        });
    }
    if !args.foreground {
        return in_background(arguments, style);
    }
    if args.detached {
        // Away from the terminal and its signals.
        let _ = rustix::process::setsid();
    }
    console::run(verbosity, style, |_, cancel| {
        mount::run(&settings, || ready(args.detached), cancel)?;
        Ok(Exit::Success)
    })
}

/// Starts the same command in another process, and waits until it has mounted or failed.
fn in_background(arguments: &[OsString], style: Style) -> ExitCode {
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (Some(name), rest),
        None => (None, arguments),
    };
    let started = Command::new("/proc/self/exe")
        .args(name)
        .args(["--foreground", "--detached"])
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return console::usage(&NoBackground(error), None, style),
    };
    let mut said = [0];
    let mounted = child
        .stdout
        .take()
        .is_some_and(|mut out| out.read_exact(&mut said).is_ok());
    if mounted {
        return Exit::Success.into();
    }
    let status = child.wait().ok().and_then(|status| status.code());
    ExitCode::from(status.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Says that the mount is there. A process in the background then lets go of what it was started with.
fn ready(detached: bool) {
    if !detached {
        return;
    }
    let _ = std::io::stdout().write_all(b"+");
    let _ = std::io::stdout().flush();
    if let Ok(nothing) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nothing);
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
}

/// Runs `umount`.
pub(super) fn unmount(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: UmountArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    console::run(Verbosity::Normal, style, |_, _| {
        mount::unmount(&args.at, args.lazy)?;
        Ok(Exit::Success)
    })
}
