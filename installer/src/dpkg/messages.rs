//! Messages of a call of dpkg: for people on standard output and error, for front ends on descriptors
//! (`--status-fd`), and for the log (`--log`).

use deb_types::raw_text;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use task_progress::{Event, Reporter, escape_bytes};

/// Destinations of messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Descriptors of front ends.
    listeners: Mutex<Vec<File>>,
    /// The log; none without `--log`.
    log: Mutex<Option<File>>,
    /// `--debug`: mask of the kinds of details that are printed.
    debug: u32,
}

/// Bit of `--debug` for the execution of scripts (dpkg(1)).
const SCRIPTS: u32 = 0o2;

impl Messages {
    /// Duplicates the descriptors and opens the log.
    ///
    /// # Errors
    /// A descriptor that is not open.
    pub(super) fn new(descriptors: &[i32], log: Option<&Path>, debug: u32) -> Result<Self, String> {
        let messages = Self {
            debug,
            ..Self::default()
        };
        for descriptor in descriptors {
            let copy = crate::sys::inherited(*descriptor)
                .map_err(|error| format!("cannot use the status descriptor {descriptor}: {error}"))?;
            lock(&messages.listeners).push(File::from(copy));
        }
        if let Some(path) = log {
            match File::options().append(true).create(true).open(path) {
                Ok(file) => *lock(&messages.log) = Some(file),
                Err(error) => messages.notice(&format!("cannot open log '{}': {error}", path.display())),
            }
        }
        Ok(messages)
    }

    /// Prints a line on standard output; bytes of control data that are not UTF-8 as they are.
    pub(super) fn say(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&raw_text::encode(line));
        let _ = out.write_all(b"\n");
        let _ = out.flush();
    }

    /// Prints a notice on standard error.
    pub(super) fn notice(&self, text: &str) {
        let line = format!("dpkg: {text}\n");
        let _ = std::io::stderr().write_all(&raw_text::encode(&line));
    }

    /// Prints a warning on standard error.
    pub(super) fn warning(&self, text: &str) {
        self.notice(&format!("warning: {text}"));
    }

    /// Writes a line to front ends; newlines in it become blanks.
    pub(super) fn status(&self, line: &str) {
        let line = format!("{}\n", line.replace('\n', " "));
        for listener in lock(&self.listeners).iter_mut() {
            // A front end that has closed its end does not stop the call.
            let _ = listener.write_all(line.as_bytes());
        }
    }

    /// Writes a line to the log.
    pub(super) fn log(&self, line: &str) {
        if let Some(log) = lock(&self.log).as_mut() {
            let _ = writeln!(log, "{} {line}", crate::sys::local_time());
        }
    }

    /// Whether the user debugs scripts (`DPKG_MAINTSCRIPT_DEBUG`).
    pub(super) fn debugs_scripts(&self) -> bool {
        self.debug & SCRIPTS != 0
    }
}

impl Reporter for Messages {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::ScriptOutput { output, .. } => {
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(output);
                let _ = out.write_all(b"\n");
                let _ = out.flush();
            }
            Event::Warning { message } => self.warning(message),
            Event::Trace {
                level,
                target,
                message,
            } if self.debug != 0 => {
                let message = escape_bytes(message.as_bytes());
                let _ = writeln!(
                    std::io::stderr(),
                    "D{:06o}: {level} {target}: {message}",
                    self.debug
                );
            }
            Event::ScriptStarted { package, script } if self.debugs_scripts() => {
                let _ = writeln!(std::io::stderr(), "D{SCRIPTS:06o}: {package}: {script}");
            }
            Event::ScriptFinished {
                package,
                script,
                failure: Some(failure),
                ..
            } if self.debugs_scripts() => {
                let failure = escape_bytes(failure.as_bytes());
                let _ = writeln!(
                    std::io::stderr(),
                    "D{SCRIPTS:06o}: {package}: {script}: {failure}"
                );
            }
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
