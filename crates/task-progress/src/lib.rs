//! Progress of a run: events for the user and the log, and the token that stops it.
//!
//! Stages send [`Event`]s to a [`Reporter`] and do not know about terminals. The
//! implementations: [`bars::Bars`] (progress bars), [`lines::Lines`] (lines),
//! [`log::LogFile`] (everything, with times), [`Tee`] (several at once) and
//! [`tally::Tally`] (counts, and forwards). Everything goes to standard error or
//! to the log; standard output is for data only. [`Cancel`] is the token that
//! stages check and signals set.
//!
//! ```
//! use task_progress::{Cancel, Reporter, Stage, Style, Verbosity, lines::Lines};
//!
//! fn unpack(reporter: &dyn Reporter, cancel: &Cancel) -> Result<(), task_progress::Cancelled> {
//!     let _stage = reporter.stage(Stage::Unpack);
//!     for package in ["dash", "bash"] {
//!         cancel.check()?;
//!         reporter.detail(&format!("unpacking {package}"));
//!     }
//!     Ok(())
//! }
//!
//! unpack(&Lines::new(std::io::stderr(), Verbosity::Verbose, Style::default()), &Cancel::new())?;
//! # Ok::<(), task_progress::Cancelled>(())
//! ```

pub mod bars;
pub mod cancel;
pub mod escape;
pub mod lines;
pub mod log;
pub mod summary;
pub mod tally;
pub mod trace;

use std::fmt;
use std::time::{Duration, Instant};

pub use cancel::{Cancel, Cancelled, Diverted, OnCancel, WINDOW, end_now};
pub use escape::{ascii, escape, escape_bytes, escape_path, with_causes};
pub use summary::Summary;
pub use tally::Tally;

/// Amount of messages for the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Warnings and errors only.
    Quiet,
    /// Progress and a closing summary.
    #[default]
    Normal,
    /// Also every script, every on-demand package, and the log's path.
    Verbose,
    /// Also the traces of the libraries.
    Debug,
}

/// A part of a run; the variants are in the order of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Signed indexes are fetched and verified.
    Indexes,
    /// Packages are chosen and ordered.
    Choose,
    /// Packages are downloaded.
    Download,
    /// The native sysroot is made or extended.
    Sysroot,
    /// An archive of a root filesystem is unpacked.
    Archive,
    /// Packages are unpacked into the target.
    Unpack,
    /// Maintainer scripts and triggers run.
    Configure,
    /// The resulting directory or archive is written.
    Output,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stage::Indexes => "indexes",
            Stage::Choose => "choose",
            Stage::Download => "download",
            Stage::Sysroot => "sysroot",
            Stage::Archive => "archive",
            Stage::Unpack => "unpack",
            Stage::Configure => "configure",
            Stage::Output => "output",
        })
    }
}

/// An event of a run. Strings may come from packages: reporters pass them through
/// [`escape()`] before they print them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stage begins. Stages may overlap.
    StageStarted {
        /// The stage.
        stage: Stage,
    },
    /// A stage has ended, well or not.
    StageFinished {
        /// The stage.
        stage: Stage,
        /// Time it took.
        elapsed: Duration,
    },
    /// Further files are about to be downloaded.
    DownloadPlanned {
        /// Number of files.
        files: usize,
        /// Their sizes together, in bytes.
        bytes: u64,
    },
    /// A download begins.
    DownloadStarted {
        /// Display name of the file.
        name: &'a str,
        /// Expected size in bytes.
        size: u64,
    },
    /// More bytes of some download have arrived from the network.
    DownloadAdvanced {
        /// Number of bytes since the last such event.
        bytes: u64,
    },
    /// A file is complete and verified.
    DownloadFinished {
        /// Display name of the file.
        name: &'a str,
        /// Its size in bytes.
        size: u64,
        /// Whether it was in the cache already and nothing was transferred.
        cached: bool,
    },
    /// A download failed and is tried again.
    DownloadRetried {
        /// Display name of the file.
        name: &'a str,
        /// Reason of the failure.
        reason: &'a str,
    },
    /// Packages are about to be unpacked.
    UnpackPlanned {
        /// Number of packages.
        packages: usize,
    },
    /// A package has been unpacked.
    Unpacked {
        /// The package's name.
        package: &'a str,
        /// Bytes of file content written.
        bytes: u64,
    },
    /// Packages are about to be configured.
    ConfigurePlanned {
        /// Number of packages.
        packages: usize,
    },
    /// A maintainer script is about to run.
    ScriptStarted {
        /// The package it belongs to.
        package: &'a str,
        /// The script and its arguments, as `postinst configure`.
        script: &'a str,
    },
    /// Output of a running script: bytes as they came, any number of lines.
    ScriptOutput {
        /// The package it belongs to.
        package: &'a str,
        /// Bytes written to standard output or standard error.
        output: &'a [u8],
    },
    /// A maintainer script has ended.
    ScriptFinished {
        /// The package it belongs to.
        package: &'a str,
        /// The script and its arguments.
        script: &'a str,
        /// Failure, as `exit status 1` or `signal 9`; `None` for success.
        failure: Option<&'a str>,
        /// Time it took.
        elapsed: Duration,
    },
    /// A package is configured.
    Configured {
        /// Its name.
        package: &'a str,
    },
    /// A script executed a program that the native sysroot did not have yet.
    SysrootExtended {
        /// The path that was executed.
        path: &'a str,
        /// The package that was added for it.
        package: &'a str,
    },
    /// A script asked whether the target's processor has an extension.
    ProcessorAsked {
        /// Name of the extension.
        extension: &'a str,
        /// The answer.
        has: bool,
    },
    /// Progress on writing the output.
    OutputAdvanced {
        /// Bytes written (before compression) since the last such event.
        bytes: u64,
    },
    /// A program of the user's has taken the terminal, in raw mode, or has left it.
    Terminal {
        /// Whether it has it.
        taken: bool,
    },
    /// A line that the user has seen on the terminal already.
    Shown {
        /// The line.
        line: &'a str,
    },
    /// A message the user should act upon.
    Warning {
        /// One sentence, lower case, without a full stop.
        message: &'a str,
    },
    /// A message for the user's information.
    Note {
        /// One sentence, lower case, without a full stop.
        message: &'a str,
    },
    /// A detail for the log (and `--verbose`).
    Detail {
        /// One line.
        message: &'a str,
    },
    /// An event that a library traces.
    Trace {
        /// Its level: `ERROR`, `WARN`, `INFO` or `DEBUG`.
        level: &'a str,
        /// The module it comes from.
        target: &'a str,
        /// The message and the event's fields.
        message: &'a str,
    },
    /// The run has succeeded.
    Summary {
        /// Figures of the run.
        summary: &'a Summary,
    },
}

/// Receives events, from any thread.
pub trait Reporter: Send + Sync {
    /// Receives one event. Must not block for long and must not fail: output that cannot be
    /// written is dropped.
    fn event(&self, event: &Event<'_>);
}

impl dyn Reporter + '_ {
    /// Begins a stage; its end is reported when the guard is dropped.
    pub fn stage(&self, stage: Stage) -> StageGuard<'_> {
        self.event(&Event::StageStarted { stage });
        StageGuard {
            reporter: self,
            stage,
            begun: Instant::now(),
        }
    }

    /// Reports a warning.
    pub fn warn(&self, message: &str) {
        self.event(&Event::Warning { message });
    }

    /// Reports a note.
    pub fn note(&self, message: &str) {
        self.event(&Event::Note { message });
    }

    /// Reports a detail for the log.
    pub fn detail(&self, message: &str) {
        self.event(&Event::Detail { message });
    }
}

/// Reports the end of a stage when dropped.
#[must_use = "the stage ends when this is dropped"]
pub struct StageGuard<'a> {
    reporter: &'a dyn Reporter,
    stage: Stage,
    begun: Instant,
}

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        self.reporter.event(&Event::StageFinished {
            stage: self.stage,
            elapsed: self.begun.elapsed(),
        });
    }
}

/// Drops all events; for tests and for stages run without a user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _event: &Event<'_>) {}
}

/// Sends each event to several reporters, in order.
#[derive(Default)]
pub struct Tee(pub Vec<Box<dyn Reporter>>);

impl Reporter for Tee {
    fn event(&self, event: &Event<'_>) {
        for reporter in &self.0 {
            reporter.event(event);
        }
    }
}

/// Returns the reporter for standard error: bars on a terminal, lines elsewhere.
pub fn for_stderr(verbosity: Verbosity, style: Style) -> Box<dyn Reporter> {
    if style.terminal && verbosity != Verbosity::Quiet {
        Box::new(bars::Bars::new(verbosity, style))
    } else {
        Box::new(lines::Lines::new(std::io::stderr(), verbosity, style))
    }
}

/// Capabilities of standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether it is a terminal, where cursor movements work.
    pub terminal: bool,
    /// Whether colours are used.
    pub colour: bool,
    /// Whether it shows UTF-8; if not, all is in ASCII.
    pub unicode: bool,
}

impl Style {
    /// Returns a text as it can be shown: in ASCII where that is all there is.
    pub fn encode(self, text: String) -> String {
        if self.unicode { text } else { ascii(&text) }
    }

    /// Returns `word` in the colour of an error, or as it is.
    pub fn error(self, word: &'static str) -> impl fmt::Display {
        self.paint("\x1b[1;31m", word)
    }

    /// Returns `word` in the colour of a warning, or as it is.
    pub fn warning(self, word: &'static str) -> impl fmt::Display {
        self.paint("\x1b[1;33m", word)
    }

    /// Returns `word` in the colour of a hint, or as it is.
    pub fn hint(self, word: &'static str) -> impl fmt::Display {
        self.paint("\x1b[1;36m", word)
    }

    fn paint(self, code: &'static str, word: &'static str) -> impl fmt::Display {
        let (on, off) = if self.colour { (code, "\x1b[0m") } else { ("", "") };
        Painted(on, word, off)
    }
}

struct Painted(&'static str, &'static str, &'static str);

impl fmt::Display for Painted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Words(Mutex<Vec<String>>);

    impl Reporter for std::sync::Arc<Words> {
        fn event(&self, event: &Event<'_>) {
            if let Ok(mut words) = self.0.lock() {
                words.push(
                    format!("{event:?}")
                        .split([' ', '{'])
                        .next()
                        .unwrap_or("")
                        .to_owned(),
                );
            }
        }
    }

    #[test]
    fn a_stage_ends_when_its_guard_is_dropped() {
        let words = std::sync::Arc::new(Words::default());
        let tee = Tee(vec![Box::new(words.clone()), Box::new(Silent)]);
        let reporter: &dyn Reporter = &tee;
        {
            let _stage = reporter.stage(Stage::Unpack);
            reporter.warn("something");
        }
        let words = words.0.lock().map(|w| w.clone()).unwrap_or_default();
        assert_eq!(words, ["StageStarted", "Warning", "StageFinished"]);
    }

    #[test]
    fn colour_only_when_wanted() {
        let plain = Style::default();
        assert_eq!(plain.error("error").to_string(), "error");
        let colour = Style {
            terminal: true,
            colour: true,
            unicode: true,
        };
        assert_eq!(colour.error("error").to_string(), "\x1b[1;31merror\x1b[0m");
    }
}
