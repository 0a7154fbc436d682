//! Runs commands as process 1 of the view, one after another, and reaps the processes that they leave behind.

use super::around::Around;
use super::{Context, Result, commands, unexpected};
use crate::limits;
use crate::view::message::{FromAgent, ToAgent};
use crate::view::spawn::spawn;
use crate::view::{output, processor};
use nix::sched::CpuSet;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Runs commands until the installer is gone, in the view or `around` the target.
pub(super) fn serve(socket: &mut UnixStream, around: Option<&Around>) -> Result<ExitCode> {
    FromAgent::Ready.send(socket).context("talk to the installer")?;
    let all = processor::allowed();
    limits::restore();
    loop {
        match ToAgent::receive(socket) {
            Ok(ToAgent::Run {
                arguments,
                environment,
                processor,
            }) => {
                processor::stay_on(processor, all.as_ref());
                let Some(outcome) = run_command(socket, &arguments, &environment, all.as_ref(), around)?
                else {
                    return Ok(ExitCode::SUCCESS);
                };
                outcome.send(socket).context("talk to the installer")?;
            }
            Ok(ToAgent::Command(command)) => {
                processor::stay_on(None, all.as_ref());
                let Some(outcome) = commands::run(socket, &command)? else {
                    return Ok(ExitCode::SUCCESS);
                };
                outcome.send(socket).context("talk to the installer")?;
            }
            Ok(ToAgent::Populate) => {
                around.map_or(Ok(()), Around::populate)?;
                FromAgent::Ready.send(socket).context("talk to the installer")?;
            }
            // Nothing runs any more: the command ended before this arrived.
            Ok(ToAgent::Kill | ToAgent::Spread | ToAgent::Signal(_)) => {}
            Ok(_) => return Err(unexpected()),
            Err(_) => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Runs one command; `None` when the installer went away meanwhile.
fn run_command(
    socket: &mut UnixStream,
    arguments: &[String],
    environment: &[(String, String)],
    all: Option<&CpuSet>,
    around: Option<&Around>,
) -> Result<Option<FromAgent>> {
    let [program, rest @ ..] = arguments else {
        return Ok(Some(FromAgent::NotRun("no program is named".to_owned())));
    };
    // dpkg's working directory is the root that it installs into.
    let root = environment.iter().find(|(name, _)| name == "DPKG_ROOT");
    let directory = root.map_or("", |(_, root)| root.as_str());
    let directory = match around {
        Some(around) => around.directory(),
        None if directory.is_empty() => Path::new("/"),
        None => Path::new(directory),
    };
    let started = spawn(program.as_ref(), rest, |command: &mut Command| {
        command
            .current_dir(directory)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .process_group(0);
        if let Some(around) = around {
            around.prepare(command);
        }
    });
    let child = match started {
        Ok(child) => Pid::from_raw(i32::try_from(child.id()).unwrap_or(-1)),
        Err(error) => return Ok(Some(FromAgent::NotRun(error.to_string()))),
    };
    let outcome = accompany(socket, child, all)?;
    if outcome.is_some() {
        let mark = [output::MARK, b"\n"].concat();
        let _ = io::stdout().write_all(&mark).and_then(|()| io::stdout().flush());
    }
    Ok(outcome)
}

/// Waits for the end of a child while the installer may speak; `None` when the installer went away meanwhile.
pub(super) fn accompany(
    socket: &mut UnixStream,
    child: Pid,
    all: Option<&CpuSet>,
) -> Result<Option<FromAgent>> {
    let handle = rustix::process::Pid::from_raw(child.as_raw())
        .ok_or_else(|| io::Error::other("no process id"))
        .and_then(|pid| {
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).map_err(Into::into)
        })
        .context("watch a script")?;
    loop {
        let (ended, spoken) = wait_for(&handle, socket.as_fd()).context("wait for a script")?;
        if ended {
            let outcome = match waitpid(child, None).context("wait for a script")? {
                WaitStatus::Exited(_, status) => FromAgent::Exited(status),
                WaitStatus::Signaled(_, signal, _) => FromAgent::Signalled(signal as i32),
                _ => continue,
            };
            reap();
            return Ok(Some(outcome));
        }
        if spoken {
            match ToAgent::receive(socket) {
                // -1: everything in the namespace but process 1 (kill(2)).
                Ok(ToAgent::Kill) => {
                    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
                }
                // The process group of the command.
                Ok(ToAgent::Signal(number)) => {
                    if let Ok(signal) = Signal::try_from(number) {
                        let _ = kill(Pid::from_raw(-child.as_raw()), signal);
                    }
                }
                Ok(ToAgent::Spread) => all.into_iter().for_each(processor::spread_all),
                Ok(_) => return Err(unexpected()),
                Err(_) => return Ok(None),
            }
        }
    }
}

fn wait_for(child: &OwnedFd, socket: BorrowedFd<'_>) -> io::Result<(bool, bool)> {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut waiting = [
        PollFd::new(child, PollFlags::IN),
        PollFd::from_borrowed_fd(socket, PollFlags::IN),
    ];
    match poll(&mut waiting, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [child, socket] = waiting;
    Ok((!child.revents().is_empty(), !socket.revents().is_empty()))
}

/// Reaps the processes that scripts left behind, as process 1 must.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}
