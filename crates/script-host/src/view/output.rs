//! The output of scripts: passed on as it comes, with the last lines kept.

use std::collections::VecDeque;
use std::io::{PipeReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Receiver of output: called with the package for which a command runs, and each line it writes, without
/// the line feed.
pub type Sink = Box<dyn Fn(&str, &str) + Send>;

/// Number of lines kept for the message about a script that failed.
const KEPT: usize = 20;
/// Bytes at which a line is passed on, finished or not.
const LONGEST: usize = 4096;

/// Line by which the agent says that a command's output is complete.
pub(super) const MARK: &[u8] = b"\0\0";

/// Time to wait for the mark after a command has ended.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct LastLines {
    package: String,
    lines: VecDeque<String>,
    complete: bool,
}

type Shared = Arc<(Mutex<LastLines>, Condvar)>;

/// Reads the pipe in a thread of its own.
pub(super) struct Collector {
    shared: Shared,
    // Ends by itself at the end of the pipe, when the last script is gone.
    _thread: JoinHandle<()>,
}

impl Collector {
    pub(super) fn new(pipe: PipeReader, sink: Sink) -> Self {
        let shared = Shared::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || collect(pipe, &theirs, &sink));
        Self {
            shared,
            _thread: thread,
        }
    }

    fn kept(&self) -> MutexGuard<'_, LastLines> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets earlier output; the output that follows is that of `package`.
    pub(super) fn start(&self, package: &str) {
        *self.kept() = LastLines {
            package: package.to_owned(),
            ..LastLines::default()
        };
    }

    /// Returns the last lines of the command that has just ended.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let waited = self
            .shared
            .1
            .wait_timeout_while(self.kept(), PATIENCE, |kept| !kept.complete);
        let (kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().cloned().collect()
    }
}

fn collect(mut pipe: impl Read, shared: &Shared, sink: &Sink) {
    let mut pending = Vec::new();
    let mut chunk = [0; 8192];
    while let Ok(length @ 1..) = pipe.read(&mut chunk) {
        for &byte in chunk.get(..length).unwrap_or_default() {
            if byte != b'\n' {
                pending.push(byte);
            }
            if byte == b'\n' || pending.len() >= LONGEST {
                // The mark may follow text without a final line feed.
                let ended = byte == b'\n' && pending.ends_with(MARK);
                if ended {
                    pending.truncate(pending.len() - MARK.len());
                }
                if !ended || !pending.is_empty() {
                    pass_on(shared, sink, &pending);
                }
                pending.clear();
                if ended {
                    shared.0.lock().unwrap_or_else(PoisonError::into_inner).complete = true;
                    shared.1.notify_all();
                }
            }
        }
    }
    if !pending.is_empty() {
        pass_on(shared, sink, &pending);
    }
}

fn pass_on(shared: &Shared, sink: &Sink, line: &[u8]) {
    let line = String::from_utf8_lossy(line).into_owned();
    let mut kept = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    sink(&kept.package, &line);
    if kept.lines.len() == KEPT {
        kept.lines.pop_front();
    }
    kept.lines.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_up_to_the_mark_are_kept() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&seen);
        let collector = Collector::new(
            reader,
            Box::new(move |_, line| theirs.lock().unwrap().push(line.to_owned())),
        );
        for n in 0..30 {
            writeln!(writer, "line {n}").unwrap();
        }
        writer.write_all(b"no line feed\0\0\n").unwrap();
        let lines = collector.last_lines();
        assert_eq!(lines.len(), KEPT);
        assert_eq!(lines.last().unwrap(), "no line feed");
        assert_eq!(seen.lock().unwrap().len(), 31);
        collector.start("package");
        writer.write_all(b"\0\0\n").unwrap();
        assert!(collector.last_lines().is_empty());
    }
}
