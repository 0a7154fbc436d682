//! Work directories that outlive their run: one that was stopped and could not end in time hands them over to a
//! process that removes them when the run has ended.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use task_progress::Cancelled;

use super::leftover;

/// First argument with which this program removes work directories, and does nothing else.
const MARKER: &str = "--remove-work-directories";

/// Time for handing over: starting a program.
const PATIENCE: Duration = Duration::from_millis(300);

/// Work directories of this process that are to be removed.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a work directory that is to be removed, whatever ends the run.
pub(super) fn add(directory: &Path) {
    live().push(directory.to_owned());
}

/// Notes that a work directory is gone, or stays.
pub(super) fn forget(directory: &Path) {
    live().retain(|known| known != directory);
}

/// Ends a run that was stopped and has not ended in time, wherever it is. What it has made is removed by another
/// process.
pub fn end_late(cancelled: Cancelled) {
    let (done, handed_over) = channel();
    std::thread::spawn(move || {
        let count = hand_over();
        let _ = done.send(count);
    });
    if let Ok(1..) = handed_over.recv_timeout(PATIENCE) {
        say(&format!("{cancelled}; what it has made is being removed\n"));
    } else {
        say(&format!("{cancelled}\n"));
    }
    task_progress::end_now(cancelled);
}

/// Writes to standard error where that does not have to wait for a reader.
fn say(message: &str) {
    let stderr = rustix::stdio::stderr();
    let at_once = Timespec::default();
    if poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&at_once)).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::write(stderr, message.as_bytes());
    }
}

/// Starts the process. It waits for the end of its standard input, and so of this one. Returns the number of
/// directories.
fn hand_over() -> usize {
    let directories = live().clone();
    if directories.is_empty() {
        return 0;
    }
    let started = Command::new("/proc/self/exe")
        .arg(MARKER)
        .args(&directories)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => {
            // Its pipe stays open as long as this process.
            std::mem::forget(child);
            directories.len()
        }
        // The next run removes them.
        Err(_) => 0,
    }
}

/// Removes the work directories of the arguments where this program was executed for that; `None` means an ordinary
/// start.
pub fn entry(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if arguments.next()? != MARKER {
        return None;
    }
    // Away from the terminal, whose signals are not for this process.
    let _ = nix::unistd::setsid();
    let _ = io::stdin().read_to_end(&mut Vec::new());
    let mut code = ExitCode::SUCCESS;
    for directory in arguments {
        if leftover::remove_dead(Path::new(&directory)).is_err() {
            code = ExitCode::FAILURE;
        }
    }
    Some(code)
}
