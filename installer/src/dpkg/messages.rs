//! Messages of a call of dpkg: for people on standard output and error, for front ends on descriptors
//! (`--status-fd`), and for the log (`--log`).

use deb_types::raw_text;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use task_progress::{Event, Reporter, escape_bytes};

/// Destinations of messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Standard input, output and error of the caller; none where they are those of this process.
    standard: Option<[File; 3]>,
    /// Whether it speaks as dpkg-query(1), which dpkg executes.
    as_query: AtomicBool,
    /// Descriptors of front ends.
    listeners: Mutex<Vec<File>>,
    /// What front ends were told, where somebody asks for it in the end (`--status-logger`).
    kept: Mutex<Option<Vec<String>>>,
    /// The log; none without `--log`.
    log: Mutex<Option<File>>,
    /// `--debug`: mask of the kinds of details that are printed.
    debug: u32,
}

/// Bit of `--debug` for the execution of scripts (dpkg(1)).
const SCRIPTS: u32 = 0o2;

impl Messages {
    /// Takes copies of descriptors of this process for front ends.
    ///
    /// # Errors
    /// A descriptor that is not open.
    pub(super) fn new(descriptors: &[i32], debug: u32) -> Result<Self, String> {
        let messages = Self {
            debug,
            ..Self::default()
        };
        for descriptor in descriptors {
            let copy = crate::sys::inherited(*descriptor)
                .map_err(|error| format!("cannot use the status descriptor {descriptor}: {error}"))?;
            lock(&messages.listeners).push(File::from(copy));
        }
        Ok(messages)
    }

    /// Speaks with another process through its standard input, output and error, and with its front ends.
    pub(super) fn with(standard: [OwnedFd; 3], listeners: Vec<OwnedFd>, debug: u32) -> Self {
        Self {
            standard: Some(standard.map(File::from)),
            as_query: AtomicBool::default(),
            listeners: Mutex::new(listeners.into_iter().map(File::from).collect()),
            kept: Mutex::default(),
            log: Mutex::default(),
            debug,
        }
    }

    /// From now on speaks as dpkg-query(1).
    pub(super) fn speak_as_query(&self) {
        self.as_query.store(true, Ordering::Relaxed);
    }

    /// Opens the log, or says why it cannot be opened.
    pub(super) fn open_log(&self, path: &str, opened: io::Result<File>) {
        match opened {
            Ok(file) => *lock(&self.log) = Some(file),
            Err(error) => self.notice(&format!("cannot open log '{path}': {error}")),
        }
    }

    /// Writes bytes to standard output. Nobody who reads them is no reason to stop.
    fn out(&self, bytes: &[u8]) {
        let _ = match &self.standard {
            Some([_, out, _]) => (&*out).write_all(bytes),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
        };
    }

    /// Writes text to standard error; bytes of control data that are not UTF-8 as they are.
    pub(super) fn tell(&self, text: &str) {
        let bytes = raw_text::encode(text);
        let _ = match &self.standard {
            Some([_, _, error]) => (&*error).write_all(&bytes),
            None => io::stderr().write_all(&bytes),
        };
    }

    /// Prints a line on standard output; bytes of control data that are not UTF-8 as they are.
    pub(super) fn say(&self, line: &str) {
        self.out(&[&raw_text::encode(line)[..], b"\n"].concat());
    }

    /// Prints text on standard output as it is.
    pub(super) fn print(&self, text: &str) {
        self.out(&raw_text::encode(text));
    }

    /// Returns the number of columns of the terminal that standard output is; none for another file.
    pub(super) fn columns(&self) -> Option<usize> {
        let size = match &self.standard {
            Some([_, out, _]) => rustix::termios::tcgetwinsize(out),
            None => rustix::termios::tcgetwinsize(io::stdout()),
        };
        let columns = usize::from(size.ok()?.ws_col);
        Some(if columns == 0 { 80 } else { columns })
    }

    /// Reads a line of standard input; it is empty at the end of the file.
    pub(super) fn read_line(&self) -> io::Result<String> {
        let mut line = String::new();
        match &self.standard {
            None => {
                io::stdin().read_line(&mut line)?;
            }
            Some([input, ..]) => {
                // Nothing after the line is taken: the caller may read on.
                let (mut byte, mut bytes) = ([0], Vec::new());
                while !bytes.ends_with(b"\n") && (&*input).read(&mut byte)? > 0 {
                    bytes.extend_from_slice(&byte);
                }
                line = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        Ok(line)
    }

    /// Reads all of standard input.
    pub(super) fn read_input(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match &self.standard {
            None => io::stdin().lock().read_to_end(&mut bytes)?,
            Some([input, ..]) => (&*input).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }

    /// Prints a notice on standard error.
    pub(super) fn notice(&self, text: &str) {
        let name = match self.as_query.load(Ordering::Relaxed) {
            true => "dpkg-query",
            false => "dpkg",
        };
        self.tell(&format!("{name}: {text}\n"));
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
        if let Some(kept) = lock(&self.kept).as_mut() {
            kept.push(line);
        }
    }

    /// Keeps what front ends are told from now on.
    pub(super) fn keep_status(&self) {
        lock(&self.kept).get_or_insert_default();
    }

    /// Returns the lines that were kept.
    pub(super) fn kept_status(&self) -> Vec<String> {
        lock(&self.kept).take().unwrap_or_default()
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
            Event::ScriptOutput { output, .. } => self.out(&[output, &b"\n"[..]].concat()),
            Event::Warning { message } => self.warning(message),
            Event::Trace {
                level,
                target,
                message,
            } if self.debug != 0 => {
                let message = escape_bytes(message.as_bytes());
                self.tell(&format!("D{:06o}: {level} {target}: {message}\n", self.debug));
            }
            Event::ScriptStarted { package, script } if self.debugs_scripts() => {
                self.tell(&format!("D{SCRIPTS:06o}: {package}: {script}\n"));
            }
            Event::ScriptFinished {
                package,
                script,
                failure: Some(failure),
                ..
            } if self.debugs_scripts() => {
                let failure = escape_bytes(failure.as_bytes());
                self.tell(&format!("D{SCRIPTS:06o}: {package}: {script}: {failure}\n"));
            }
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
