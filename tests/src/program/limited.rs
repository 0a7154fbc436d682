//! A command that is ended with all that it has started: when it takes too long, and
//! when whoever started it has gone.

use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::account::Account;
use crate::{Error, Result};

/// Runs a command. A process of the group waits for the end of the pipe of which the
/// starter holds the other side, and then ends the group: Ctrl-C at a terminal does
/// not reach it. mmdebstrap sends SIGHUP to its group when it cannot write, and goes on.
const GUARD: &str = r#"exec 3<&0 </dev/null
trap : HUP
(read -r _ <&3; kill -s KILL 0) >/dev/null 2>&1 &
"$@" 3<&-
exit $?"#;

/// How long the processes of an ended group may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// A command of the account's for [`run`]; its arguments are to be added.
#[must_use]
pub fn limited(account: &Account, program: &Path) -> Command {
    let mut command = account.command(Path::new("/bin/sh"));
    command.args(["-c", GUARD, "sh"]).arg(program);
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// What it said to standard error.
    pub said: String,
}

/// Runs a command that [`limited`] made, as a process group of its own.
///
/// Standard error goes to a file, not through a pipe: what outlives the group cannot
/// keep the caller waiting.
///
/// # Errors
/// When it cannot be started, or has not ended within `limit`.
pub fn run(name: &str, command: &mut Command, limit: Duration) -> Result<Ended> {
    let fail = |what: String| Error::Command {
        command: name.to_owned(),
        what,
    };
    let failed = |error: std::io::Error| fail(error.to_string());
    let mut log = tempfile::tempfile().map_err(failed)?;
    command
        .stdin(Stdio::piped())
        .stderr(log.try_clone().map_err(failed)?)
        .process_group(0);
    let mut group = Group::of(command.spawn().map_err(failed)?)?;
    let status = group.wait(limit).map_err(failed)?;
    drop(group);
    let status = status.ok_or_else(|| fail(format!("no end within {} s", limit.as_secs_f64())))?;
    let mut said = Vec::new();
    log.rewind().map_err(failed)?;
    log.read_to_end(&mut said).map_err(failed)?;
    Ok(Ended {
        status,
        said: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// A process and its group, which is ended when this is dropped.
struct Group {
    child: Child,
    id: Pid,
}

impl Group {
    fn of(child: Child) -> Result<Self> {
        let id = i32::try_from(child.id()).map_err(|error| Error::Machine(error.to_string()))?;
        Ok(Self {
            child,
            id: Pid::from_raw(id),
        })
    }

    /// The status, if the process ends in time.
    fn wait(&mut self, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            // Child::wait would close the pipe of the guard.
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The first process of a process namespace is in the group, and with it ends all in there. Its
        // processes have other users, but who has made the user namespace may end them (kill(2), CAP_KILL).
        let _ = killpg(self.id, Signal::SIGKILL);
        let _ = self.child.wait();
        // Until then they may write to what the caller removes next.
        let end = Instant::now() + GONE;
        while killpg(self.id, None).is_ok() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let account = Account {
            name: "nobody".to_owned(),
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            subordinate: None,
        };
        let mut command = limited(&account, Path::new("/bin/sh"));
        command.args(["-c", script]);
        command
    }

    #[test]
    fn all_of_it_ends_at_the_limit() {
        let started = Instant::now();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = shell("sleep 300 & sleep 300");
        command.stdout(writer);
        let error = run("both", &mut command, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.to_string(), "both: no end within 0.3 s");
        drop(command);
        // The pipe ends when none of them has it any more.
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(started.elapsed() < Duration::from_secs(60), "it took long");
    }

    #[test]
    fn what_is_left_behind_ends_with_the_command() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = shell("sleep 300 & echo last words >&2; exit 3");
        command.stdout(writer);
        let ended = run("left", &mut command, Duration::from_secs(60)).unwrap();
        assert_eq!(
            (ended.status.code(), ended.said.as_str()),
            (Some(3), "last words\n")
        );
        drop(command);
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    }

    #[test]
    fn the_group_ends_when_its_starter_has_gone() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = shell("sleep 300 & sleep 300");
        command.stdout(writer).stdin(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        drop(command);
        // As when the process that holds the pipe ends.
        drop(child.stdin.take());
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(!child.wait().unwrap().success());
    }
}
