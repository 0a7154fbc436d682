//! What a command and all that it starts take.
//!
//! A command is run below a process of its own, which waits for it and writes
//! down what getrusage(2) says of its descendants.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::error::At as _;
use crate::{Error, Result};

/// What one run took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Seconds from begin to end.
    pub wall: f64,
    /// Seconds of all processors, the kernel's part included.
    pub cpu: f64,
    /// Most memory of a single process, in bytes.
    pub memory: u64,
    /// Bytes read from the disk.
    pub read: u64,
    /// Bytes that went to the disk before the end.
    pub written: u64,
}

/// Blocks of getrusage(2) have 512 bytes.
const BLOCK: u64 = 512;

/// Runs a command and writes what it took into `file`.
///
/// # Errors
/// The command cannot be started, or the file not be written.
pub fn record(file: &Path, command: &mut Command) -> Result<ExitStatus> {
    let started = Instant::now();
    let status = command.status().map_err(|error| Error::Command {
        command: command.get_program().to_string_lossy().into_owned(),
        what: error.to_string(),
    })?;
    let wall = started.elapsed();
    let all = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(std::io::Error::from)
        .at(file)?;
    let seconds = |time: nix::sys::time::TimeVal| {
        let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0)) + Duration::from_micros(micros)
    };
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} {} {} {} {}",
        wall.as_secs_f64(),
        (seconds(all.user_time()) + seconds(all.system_time())).as_secs_f64(),
        number(all.max_rss()) * 1024,
        number(all.block_reads()) * BLOCK,
        number(all.block_writes()) * BLOCK,
    );
    std::fs::write(file, text).at(file)?;
    Ok(status)
}

/// Runs a command that was made to write what it took into `file`. What a failed one
/// said last is the error.
///
/// # Errors
/// It failed, or did not write the file.
pub fn measure(file: &Path, command: &mut Command) -> Result<Usage> {
    let fail = |what: String| Error::Command {
        command: command_name(file),
        what,
    };
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let ended = done
            .status
            .signal()
            .map(|signal| format!("died of signal {signal}"));
        return Err(fail(
            ended.unwrap_or_else(|| last.unwrap_or("it failed").to_owned()),
        ));
    }
    let text = std::fs::read_to_string(file).at(file)?;
    parse(&text).ok_or_else(|| fail(format!("it was not measured: {text:?}")))
}

fn command_name(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn parse(text: &str) -> Option<Usage> {
    let mut fields = text.split_whitespace();
    Some(Usage {
        wall: fields.next()?.parse().ok()?,
        cpu: fields.next()?.parse().ok()?,
        memory: fields.next()?.parse().ok()?,
        read: fields.next()?.parse().ok()?,
        written: fields.next()?.parse().ok()?,
    })
}

/// The median of each figure.
#[must_use]
pub fn median(all: &[Usage]) -> Usage {
    let middle = |of: &dyn Fn(&Usage) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let whole = |of: &dyn Fn(&Usage) -> u64| {
        let mut values: Vec<u64> = all.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Usage {
        wall: middle(&|usage| usage.wall),
        cpu: middle(&|usage| usage.cpu),
        memory: whole(&|usage| usage.memory),
        read: whole(&|usage| usage.read),
        written: whole(&|usage| usage.written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("usage");
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'"]);
        assert!(record(&file, &mut command).unwrap().success());
        let usage = parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert!(
            usage.wall > 0.0 && usage.cpu > 0.0 && usage.memory > 100_000,
            "{usage:?}"
        );
    }

    #[test]
    fn medians() {
        let runs = [3.0, 1.0, 2.0].map(|wall| Usage {
            wall,
            memory: wall as u64,
            ..Usage::default()
        });
        assert_eq!((median(&runs).wall, median(&runs).memory), (2.0, 2));
        assert_eq!(median(&[]), Usage::default());
    }
}
