//! Runs a user's command as a child of process 1 of the view.

use super::scripts::accompany;
use super::{Context, Result};
use crate::sys;
use crate::view::command::{Command, Standard};
use crate::view::message::{FromAgent, receive_descriptors, send_descriptors};
use crate::view::relay;
use crate::view::spawn::spawn;
use nix::unistd::{Gid, Pid, Uid};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

/// Group of terminals (Policy 9.2.2: `tty`).
const TTY: u32 = 5;

/// Runs a command; `None` when the installer went away meanwhile.
pub(super) fn run(socket: &mut UnixStream, command: &Command) -> Result<Option<FromAgent>> {
    let given: [OwnedFd; 3] = receive_descriptors(socket).context("receive the descriptors of a command")?;
    let terminal = if command.standard.contains(&Standard::Terminal) {
        let (master, terminal) = terminal(command.user.uid).context("make a terminal")?;
        FromAgent::Terminal
            .send(socket)
            .context("talk to the installer")?;
        send_descriptors(socket, &[master.as_fd()]).context("hand the terminal over")?;
        Some(terminal)
    } else {
        None
    };
    let [program, arguments @ ..] = command.arguments.as_slice() else {
        return Ok(Some(FromAgent::NotRun("no program is named".to_owned())));
    };
    match std::fs::metadata(&command.directory) {
        Ok(found) if found.is_dir() => {}
        _ => {
            let directory = command.directory.display();
            return Ok(Some(FromAgent::NotRun(format!(
                "there is no directory {directory}"
            ))));
        }
    }
    let mut standard = Vec::new();
    for (kind, given) in command.standard.iter().zip(&given) {
        let descriptor = match (kind, &terminal) {
            (Standard::Terminal, Some(terminal)) => terminal.try_clone(),
            _ => given.try_clone(),
        };
        standard.push(descriptor.context("copy a descriptor")?);
    }
    let started = spawn(program, arguments, |started| {
        let user = &command.user;
        started
            .current_dir(&command.directory)
            .env_clear()
            .envs(command.environment.iter().map(|(name, value)| (name, value)));
        let mut standard = standard
            .iter()
            .map(|one| one.try_clone().map_or(Stdio::null(), Stdio::from));
        if let (Some(input), Some(output), Some(error)) = (standard.next(), standard.next(), standard.next())
        {
            started.stdin(input).stdout(output).stderr(error);
        }
        if terminal.is_none() {
            use std::os::unix::process::CommandExt;
            started.process_group(0);
        }
        let terminal = terminal.as_ref().and_then(|terminal| terminal.try_clone().ok());
        sys::run_as(started, (user.uid, user.gid, user.groups.clone()), terminal);
    });
    drop((standard, given, terminal));
    match started {
        Ok(child) => {
            let child = Pid::from_raw(i32::try_from(child.id()).unwrap_or(-1));
            accompany(socket, child, None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(FromAgent::NotFound)),
        Err(error) => Ok(Some(FromAgent::NotRun(error.to_string()))),
    }
}

/// Makes a terminal in the view for a user. Returns both of its ends, that of the command last.
fn terminal(user: u32) -> io::Result<(OwnedFd, OwnedFd)> {
    let (master, terminal) = relay::terminal()?;
    nix::unistd::fchown(&terminal, Some(Uid::from_raw(user)), Some(Gid::from_raw(TTY)))?;
    Ok((master, terminal))
}
