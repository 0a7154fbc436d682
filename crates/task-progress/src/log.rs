//! The log file: every event and every script's output, with times.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use super::lines::detail;
use super::{Event, Reporter};

/// Writes each line with the seconds since the beginning in front. What is
/// written is flushed at each script and each stage, so that a killed run leaves
/// what led to it.
pub struct LogFile {
    path: PathBuf,
    begun: Instant,
    out: Mutex<BufWriter<File>>,
}

impl LogFile {
    /// Creates the file, and its directory where missing; an existing file is
    /// replaced.
    ///
    /// # Errors
    /// Those of creating either.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(
            out,
            "rootless-install {} {}",
            env!("CARGO_PKG_VERSION"),
            humantime::format_rfc3339_seconds(SystemTime::now())
        )?;
        Ok(Self {
            path: path.to_owned(),
            begun: Instant::now(),
            out: Mutex::new(out),
        })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds text that is no event: the command line, a plan, a closing error.
    pub fn write(&self, text: &str) {
        // A log that cannot be written (no space) must not end the run.
        let _ = self.write_lines(text, true);
    }

    fn write_lines(&self, text: &str, flush: bool) -> io::Result<()> {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let mut out = self.out.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for line in text.lines() {
            writeln!(out, "{elapsed:9.3} {line}")?;
        }
        if flush { out.flush() } else { Ok(()) }
    }
}

impl Reporter for LogFile {
    fn event(&self, event: &Event<'_>) {
        if let Some(text) = detail(event) {
            let flush = !matches!(
                event,
                Event::DownloadStarted { .. } | Event::DownloadFinished { .. } | Event::Unpacked { .. }
            );
            let _ = self.write_lines(&text, flush);
        }
    }
}

impl Reporter for std::sync::Arc<LogFile> {
    fn event(&self, event: &Event<'_>) {
        LogFile::event(self, event);
    }
}

/// Where a run's log goes when the user names no file:
/// `CACHE/log/TIME-ARCH-SUITE-PID.log`, TIME in UTC as `20260131T235959Z`.
pub fn default_path(cache: &Path, now: SystemTime, arch: &str, suite: &str) -> PathBuf {
    let time: String = humantime::format_rfc3339_seconds(now)
        .to_string()
        .chars()
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    let suite: String = suite
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    cache
        .join("log")
        .join(format!("{time}-{arch}-{suite}-{}.log", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn keeps_what_scripts_write() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("log/run.log");
        let log = LogFile::create(&path)?;
        log.event(&Event::ScriptOutput {
            package: "a",
            output: b"one\ntwo\n",
        });
        log.write("error: no");
        let text = std::fs::read_to_string(&path)?;
        let lines: Vec<&str> = text.lines().skip(1).map(|line| &line[10..]).collect();
        assert_eq!(lines, ["  a| one", "  a| two", "error: no"]);
        Ok(())
    }

    #[test]
    fn default_name_has_no_slash_of_the_suite() {
        let path = default_path(
            Path::new("/c"),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            "riscv64",
            "stable/updates",
        );
        assert_eq!(
            path.to_string_lossy(),
            format!(
                "/c/log/19700101T000001Z-riscv64-stable_updates-{}.log",
                std::process::id()
            )
        );
    }
}
