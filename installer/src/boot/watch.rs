//! Watching a guest: it is waited for until it says what it was to say, halts, fails, or time is up.

use super::console::{Bad, Console, MOST, bad};
use super::error::{BootError, Failure};
use super::qemu::{Event, Qemu};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};
use task_progress::{Cancel, Cancelled, Reporter};

pub use super::console::Until;

/// Time between two looks at a guest.
const STEP: Duration = Duration::from_millis(100);
/// How often the monitor is asked for the disks.
const ASKS: Duration = Duration::from_millis(500);

/// What is waited for, and how long.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What the console shall say.
    pub until: Until,
    /// Whether a script runs then, which ends by halting.
    pub runs: bool,
    /// Longest time without anything new on the console.
    pub silence: Duration,
    /// Longest time.
    pub timeout: Duration,
}

/// What was seen of a guest.
#[derive(Debug, Default)]
pub struct Seen {
    /// Time until it had come up; none where it had not.
    pub boot: Option<Duration>,
    /// The line that said so.
    pub line: Option<String>,
    /// All the time.
    pub elapsed: Duration,
    /// Bytes of the console.
    pub console: u64,
    /// Last lines of the console.
    pub last: Vec<String>,
    /// Most memory of qemu, in bytes.
    pub memory: u64,
    /// What its monitor told of the disks.
    pub disks: Value,
    /// The failure; none where it was as it should be.
    pub failure: Option<Failure>,
}

/// Reason why a guest is not watched any more.
enum Stop {
    Failure(Failure),
    Cancelled(Cancelled),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Watch {
    /// Watches a guest until its end, and ends qemu.
    ///
    /// # Errors
    /// The console could not be read; the user stopped the run.
    pub fn follow(
        &self,
        mut qemu: Qemu,
        console: &Path,
        reporter: &dyn Reporter,
        cancel: &Cancel,
    ) -> Result<Result<Seen, Cancelled>, BootError> {
        let begun = Instant::now();
        let file = File::open(console).map_err(BootError::file("read", console))?;
        let mut console_reader = Console::new(file);
        let mut seen = Seen::default();
        let stopped = self.wait(&mut qemu, &mut console_reader, &mut seen, begun, reporter, cancel);
        match stopped.map_err(BootError::file("read", console))? {
            Ok(()) => {}
            Err(Stop::Failure(failure)) => seen.failure = Some(failure),
            Err(Stop::Cancelled(cancelled)) => return Ok(Err(cancelled)),
        }
        seen.elapsed = begun.elapsed();
        seen.memory = qemu.peak_memory();
        seen.console = console_reader.bytes;
        seen.last = console_reader.last();
        seen.disks = qemu.disks();
        qemu.quit();
        Ok(Ok(seen))
    }

    fn wait(
        &self,
        qemu: &mut Qemu,
        console: &mut Console,
        seen: &mut Seen,
        begun: Instant,
        reporter: &dyn Reporter,
        cancel: &Cancel,
    ) -> std::io::Result<Result<(), Stop>> {
        let mut news = Instant::now();
        let mut asked = Instant::now();
        loop {
            if let Err(cancelled) = cancel.check() {
                return Ok(Err(Stop::Cancelled(cancelled)));
            }
            let event = qemu.event(STEP);
            let ended = qemu.ended();
            qemu.peak_memory();
            if asked.elapsed() >= ASKS {
                qemu.ask_for_disks();
                asked = Instant::now();
            }
            let mut wrong = None;
            let heard = console.read(|line, whole| {
                if whole {
                    reporter.detail(line);
                }
                if seen.boot.is_none() && self.until.is_in(line) {
                    seen.boot = Some(begun.elapsed());
                    seen.line = Some(line.trim().to_owned());
                }
                match bad(line) {
                    Some(Bad::Panic) => wrong = Some(Failure::Panic),
                    Some(Bad::GaveUp(line)) if seen.boot.is_none() && wrong.is_none() => {
                        wrong = Some(Failure::GaveUp { line });
                    }
                    _ => {}
                }
            })?;
            if heard {
                news = Instant::now();
            }
            if let Some(failure) = wrong {
                return Ok(Err(failure.into()));
            }
            if seen.boot.is_some() && !self.runs {
                return Ok(Ok(()));
            }
            let failure = match (event, ended) {
                (Some(Event::Panicked), _) => Failure::Panic,
                (None, Some(status)) if !status.success() => Failure::Qemu {
                    status: status.to_string(),
                    said: qemu.said(),
                },
                // A script has left its status elsewhere.
                (Some(Event::Halted), _) | (None, Some(_)) if self.runs => return Ok(Ok(())),
                (Some(Event::Halted), _) | (None, Some(_)) => Failure::Halted {
                    awaited: self.awaited(seen),
                },
                _ if console.bytes > MOST => Failure::TooMuch { limit: MOST },
                _ if begun.elapsed() > self.timeout => Failure::TooLong {
                    limit: self.timeout,
                    awaited: self.awaited(seen),
                },
                _ if news.elapsed() > self.silence => Failure::Silent {
                    limit: self.silence,
                    awaited: self.awaited(seen),
                },
                _ => continue,
            };
            return Ok(Err(failure.into()));
        }
    }

    /// Returns what is waited for, for people.
    fn awaited(&self, seen: &Seen) -> String {
        match seen.boot.is_some() && self.runs {
            true => "the script had ended".to_owned(),
            false => format!("{} was seen", self.until),
        }
    }
}
