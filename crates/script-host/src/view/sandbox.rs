//! The sandbox of one script, which runs as the user where no user namespace can be made.
//!
//! This program is executed anew for each script, and becomes the parent of all that the script
//! leaves behind. One of its threads gives up the right to write anywhere but in the target, to read
//! the user's files, to reach other processes and to use a network (landlock(7), seccomp(2)), and
//! starts the script, which is bound by that, too. The other one decides on calls of the script of which the kernel
//! cannot tell whether they are about what is the script's ([`supervisor`]). When the script ends, or whoever holds
//! the other end of standard input closes it or has gone, nothing of the script is left.
//!
//! Arguments: [`MARKER`], the working directory, the socket of the installer or nothing, the number of readable
//! paths and the paths, that of writable paths and the paths, then the command.

mod supervisor;

use super::seccomp::{self, Limits};
use super::spawn::spawn;
use crate::limits;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use supervisor::Supervisor;

/// First argument with which this program is the sandbox.
pub(super) const MARKER: &str = "--script-sandbox";

/// Exit status by which the sandbox says that the script was not run; scripts have no reason to use it.
pub(super) const NOT_RUN: i32 = 245;
/// Added to the signal's number for the exit status of a script that a signal ended, as in shells.
const BY_SIGNAL: i32 = 128;

/// Directories in which tools of the machine may read and execute: no homes of users, no temporary files.
const READABLE: [&str; 13] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libexec", "/etc", "/opt", "/proc",
    "/sys", "/var/lib",
];

/// Devices that scripts may read and write. Nothing else is theirs in /dev: not /dev/shm, no terminal of others.
const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/tty",
    "/dev/random",
    "/dev/urandom",
];

/// Newest version of landlock's rules that is used; a kernel with an older one enforces what it has.
const RULES: ABI = ABI::V6;

/// Whether this kernel protects the user's files from scripts.
pub(super) fn protects() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .is_ok()
}

/// Returns what of a script this kernel can keep in.
pub(super) fn limits(rules: ABI) -> Limits {
    let hard = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let scopes = || hard().scope(Scope::from_all(ABI::V6)).and_then(Ruleset::create);
    let truncates = || hard().handle_access(AccessFs::Truncate).and_then(Ruleset::create);
    Limits {
        supervised: true,
        signals: rules >= ABI::V6 && scopes().is_ok(),
        truncation: rules >= ABI::V3 && truncates().is_ok(),
    }
}

/// Whether landlock keeps signals and abstract sockets in.
pub(super) fn scopes() -> bool {
    limits(RULES).signals
}

/// Whether a filter can have a listener here: there is one at most in a process and those before it.
pub(super) fn supervises() -> bool {
    let all = Limits {
        supervised: true,
        signals: true,
        truncation: true,
    };
    let try_it = move || {
        nix::sys::prctl::set_no_new_privs()?;
        crate::sys::apply_heard_filter(&seccomp::sandbox(all).compile()?)
    };
    // A filter is its thread's own.
    let tried = std::thread::spawn(try_it).join();
    tried.is_ok_and(|tried| tried.is_ok())
}

/// Runs the command of the arguments and returns its exit status.
pub(super) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let directory = arguments.next();
    let control = arguments.next();
    let (Some(directory), Some(control), Some(readable), Some(writable)) =
        (directory, control, paths(&mut arguments), paths(&mut arguments))
    else {
        return ExitCode::from(2);
    };
    let command: Vec<OsString> = arguments.collect();
    let control = Some(Path::new(&control)).filter(|path| !path.as_os_str().is_empty());
    // Rules are a thread's own and what it starts inherits them. This one stays out of the script's reach.
    let start = || {
        let listener = confine(&readable, &writable, RULES)?;
        let supervisor = listener.map(|listener| Supervisor::new(listener, &writable, control));
        Ok((start(Path::new(&directory), &command)?, supervisor))
    };
    let started = prepare().and_then(|()| {
        let done = std::thread::scope(|scope| scope.spawn(start).join());
        done.unwrap_or_else(|_| Err(io::Error::other("the script cannot be started")))
    });
    match started.and_then(|(child, supervisor)| run_to_the_end(child, supervisor.as_ref())) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(u8::try_from(NOT_RUN).unwrap_or(1))
        }
    }
}

/// Takes a number and as many paths.
fn paths(arguments: &mut impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let count = arguments.next()?.to_str()?.parse().ok()?;
    Some(arguments.by_ref().take(count).collect())
}

fn prepare() -> io::Result<()> {
    // Away from the terminal: its Ctrl-C is for the installer, which ends this.
    nix::unistd::setsid()?;
    nix::sys::prctl::set_child_subreaper(true)?;
    // The calls are refused, too: the user's other keyrings can be found from any.
    let _ = crate::sys::join_session_keyring();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    Ok(())
}

/// Confines the calling thread and all that it starts, with landlock's rules up to a version. Returns the listener
/// that decides for the filter; none where this process cannot have one.
fn confine(readable: &[OsString], writable: &[OsString], rules: ABI) -> io::Result<Option<OwnedFd>> {
    nix::sys::prctl::set_no_new_privs()?;
    let failed =
        |error: &dyn std::fmt::Display| io::Error::other(format!("cannot confine the script: {error}"));
    let limits = limits(rules);
    restrict_files(readable, writable, rules).map_err(|error| failed(&error))?;
    let filter = |limits| seccomp::sandbox(limits).compile();
    let filtered = match crate::sys::apply_heard_filter(&filter(limits)?) {
        Ok(listener) => Ok(Some(listener)),
        Err(_) => {
            let alone = Limits {
                supervised: false,
                ..limits
            };
            crate::sys::apply_filter(&filter(alone)?).map(|()| None)
        }
    };
    filtered.map_err(|error| failed(&error))
}

fn restrict_files(
    readable: &[OsString],
    writable: &[OsString],
    rules: ABI,
) -> Result<RulesetStatus, landlock::RulesetError> {
    let all = AccessFs::from_all(rules);
    let devices: BitFlags<AccessFs> = AccessFs::WriteFile | AccessFs::ReadFile;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?;
    let (ports, scopes) = (AccessNet::from_all(rules), Scope::from_all(rules));
    if !ports.is_empty() {
        ruleset = ruleset.handle_access(ports)?;
    }
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    let status = ruleset
        .create()?
        .add_rules(path_beneath_rules(READABLE, AccessFs::from_read(rules)))?
        .add_rules(path_beneath_rules(readable, AccessFs::from_read(rules)))?
        .add_rules(path_beneath_rules(DEVICES, devices))?
        .add_rules(path_beneath_rules(writable, all))?
        .restrict_self()?;
    Ok(status.ruleset)
}

fn start(directory: &Path, command: &[OsString]) -> io::Result<Child> {
    let [program, rest @ ..] = command else {
        return Err(io::Error::other("no program is named"));
    };
    limits::restore();
    spawn(program, rest, |command: &mut Command| {
        // The process group of this process is not the script's to signal.
        command
            .env_remove(limits::VARIABLE)
            .current_dir(directory)
            .stdin(Stdio::null())
            .process_group(0);
    })
}

fn run_to_the_end(mut child: Child, supervisor: Option<&Supervisor>) -> io::Result<i32> {
    wait(&child, supervisor)?;
    end_descendants(std::process::id());
    let status = child.wait()?;
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
    let by_signal = status.signal().map_or(1, |signal| BY_SIGNAL + signal);
    Ok(status.code().unwrap_or(by_signal))
}

/// Waits until the script ends, or standard input does, and decides on calls of the script meanwhile.
fn wait(child: &Child, supervisor: Option<&Supervisor>) -> io::Result<()> {
    let id = i32::try_from(child.id()).ok();
    let id = id.and_then(rustix::process::Pid::from_raw);
    let handle = pidfd_open(id.ok_or(io::ErrorKind::InvalidInput)?, PidfdFlags::empty())?;
    let input = io::stdin();
    loop {
        let mut ready = vec![
            PollFd::new(&handle, PollFlags::IN),
            PollFd::new(&input, PollFlags::HUP),
        ];
        ready.extend(supervisor.map(|one| PollFd::new(one.listener(), PollFlags::IN)));
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| ready.get(at).is_some_and(|one| !one.revents().is_empty());
        if is_ready(0) || is_ready(1) {
            return Ok(());
        }
        if let Some(supervisor) = supervisor {
            supervisor.decide();
        }
    }
}

/// Kills all processes that a process has started. They are its descendants as long as it is their reaper.
fn end_descendants(process: u32) {
    // Some start others while this looks for them.
    for _ in 0..100 {
        let mut found = Vec::new();
        let mut parents = vec![process];
        while let Some(parent) = parents.pop() {
            // proc(5), /proc/PID/task/TID/children; the sandbox has one thread, scripts may have more.
            let tasks = std::fs::read_dir(format!("/proc/{parent}/task"));
            for task in tasks.into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                let children = children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok());
                parents.extend(children.clone());
                found.extend(children);
            }
        }
        let living = found.into_iter().filter(|id| !is_dead(*id));
        let living: Vec<Pid> = living
            .filter_map(|id| i32::try_from(id).ok())
            .map(Pid::from_raw)
            .collect();
        if living.is_empty() {
            return;
        }
        for process in living {
            let _ = kill(process, Signal::SIGKILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Whether a process is dead and perhaps not yet waited for (proc(5), the state in /proc/PID/stat).
fn is_dead(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

#[cfg(test)]
mod tests;
