//! A run of the program, under way and ended.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::At as _;
use crate::{Error, Result};

/// How a run ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// Wall-clock time.
    pub elapsed: Duration,
}

impl Outcome {
    /// Panics with what the program said unless it succeeded.
    ///
    /// # Panics
    /// When the program failed.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert!(
            self.status.success(),
            "the program failed: {}\n{}",
            self.status,
            self.stderr
        );
        self
    }

    /// Panics unless the program failed with one error that has all of `words`
    /// (each may be alternatives split by `|`, case does not matter).
    ///
    /// # Panics
    /// When it succeeded, panicked, died of a signal, or said something else.
    #[track_caller]
    pub fn failed_with(&self, words: &[&str]) -> &Self {
        let said = &self.stderr;
        assert!(!self.status.success(), "the program should have failed\n{said}");
        assert_eq!(self.status.signal(), None, "died of a signal\n{said}");
        assert_ne!(self.status.code(), Some(101), "panicked\n{said}");
        assert!(!said.contains("panicked at"), "panicked\n{said}");
        let errors = said.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(errors, 1, "there should be one error\n{said}");
        let from = said
            .lines()
            .position(|line| line.starts_with("error:"))
            .unwrap_or(0);
        let error = said
            .lines()
            .skip(from)
            .collect::<Vec<_>>()
            .join("\n")
            .to_lowercase();
        for word in words {
            let found = word.split('|').any(|one| error.contains(&one.to_lowercase()));
            assert!(found, "the error does not speak of {word}:\n{said}");
        }
        self
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A run under way. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    pub(super) child: Child,
    pub(super) started: Instant,
    pub(super) limit: Duration,
    pub(super) stdout: PathBuf,
    pub(super) stderr: PathBuf,
}

impl Running {
    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program alone.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).map_err(|error| fail(&error))?;
        kill(Pid::from_raw(id), signal).map_err(|error| fail(&error))
    }

    /// Whether the program still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read(&self.stderr)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it takes longer than the run's limit; the program is then killed.
    pub fn wait(mut self) -> Result<Outcome> {
        let end = self.started + self.limit;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| fail(&error))? {
                return Ok(Outcome {
                    status,
                    stdout: std::fs::read(&self.stdout).at(&self.stdout)?,
                    stderr: self.said(),
                    elapsed: self.started.elapsed(),
                });
            }
            if Instant::now() > end {
                let said = self.said();
                return Err(fail(&format!("no end within {:?}:\n{said}", self.limit)));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.alive() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn fail(what: &dyn std::fmt::Display) -> Error {
    Error::Command {
        command: "rootless-install".to_owned(),
        what: what.to_string(),
    }
}
