//! The closing summary of a run.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Stage;

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of packages installed in the target.
    pub packages: usize,
    /// Bytes received over the network.
    pub downloaded: u64,
    /// Bytes of packages that were in the cache already.
    pub from_cache: u64,
    /// Bytes of file content written into the target.
    pub unpacked: u64,
    /// Number of maintainer scripts that ran.
    pub scripts: usize,
    /// The scripts, in the order in which they ended.
    pub script_times: Vec<ScriptTime>,
    /// Number of files that were fetched, or were in the cache already.
    pub files: usize,
    /// Number of those that were in the cache.
    pub files_from_cache: usize,
    /// Time of each stage, in the order in which they first ended; repeated
    /// stages are added up.
    pub stages: Vec<(Stage, Duration)>,
    /// Time from the beginning to the end.
    pub elapsed: Duration,
    /// Peak resident memory of this process in bytes.
    pub peak_memory: u64,
    /// Peak resident memory of the largest child process in bytes.
    pub peak_memory_children: u64,
    /// Path of the result; none for standard output and `--dry-run`.
    pub output: Option<PathBuf>,
    /// Size of the archive as written, in bytes; none for a directory.
    pub output_bytes: Option<u64>,
    /// Bytes on the disk of the work directory when it was the largest; none where nobody has asked.
    pub disk: Option<u64>,
    /// Path of the log.
    pub log: Option<PathBuf>,
    /// Number of warnings.
    pub warnings: usize,
    /// Packages left for the target's own dpkg, each with the reason.
    pub deferred: Vec<(String, String)>,
    /// Extensions of the target's processor that scripts asked for, each with the answer.
    pub processor: Vec<(String, bool)>,
    /// Differences caused by this machine's limits, a sentence each.
    pub lost: Vec<String>,
}

/// A maintainer script that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptTime {
    /// Its package.
    pub package: String,
    /// The script and its arguments.
    pub script: String,
    /// Time it took.
    pub elapsed: Duration,
    /// Failure, as `exit status 1` or `signal 9`; none for success.
    pub failure: Option<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packages, {} downloaded",
            self.packages,
            ByteCount(self.downloaded)
        )?;
        if self.from_cache > 0 {
            write!(f, " ({} from the cache)", ByteCount(self.from_cache))?;
        }
        write!(
            f,
            ", {} unpacked, {} scripts in {}",
            ByteCount(self.unpacked),
            self.scripts,
            Seconds(self.elapsed)
        )?;
        if !self.stages.is_empty() {
            f.write_str("\ntime:")?;
            for (n, (stage, elapsed)) in self.stages.iter().enumerate() {
                let comma = if n == 0 { "" } else { "," };
                write!(f, "{comma} {stage} {}", Seconds(*elapsed))?;
            }
        }
        if self.peak_memory > 0 {
            write!(f, "\npeak memory: {}", ByteCount(self.peak_memory))?;
            if self.peak_memory_children > 0 {
                write!(f, ", largest child {}", ByteCount(self.peak_memory_children))?;
            }
        }
        for (extension, has) in &self.processor {
            let has = if *has { "have" } else { "lack" };
            write!(
                f,
                "\nthe target's processor was taken to {has} {} (--target-cpu)",
                super::escape(extension)
            )?;
        }
        for lost in &self.lost {
            write!(f, "\nnot as elsewhere: {lost}")?;
        }
        Ok(())
    }
}

/// A number of bytes in decimal units, as apt prints them.
#[derive(Clone, Copy, Debug)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = UNITS[0];
        for next in &UNITS[1..] {
            if value < 999.95 {
                break;
            }
            value /= 1000.0;
            unit = next;
        }
        write!(f, "{value:.1} {unit}")
    }
}

/// A duration in seconds, or minutes and seconds from two minutes on.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 10.0 {
            write!(f, "{seconds:.2} s")
        } else if seconds < 120.0 {
            write!(f, "{seconds:.1} s")
        } else {
            write!(f, "{} min {} s", self.0.as_secs() / 60, self.0.as_secs() % 60)
        }
    }
}

/// Returns the peak resident memory in bytes of this process, and of the largest child that
/// has been waited for. Zero means unknown.
pub fn peak_memory() -> (u64, u64) {
    let own = std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| parse_high_water_mark(&text))
        .unwrap_or(0);
    let children = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)
        .ok()
        .and_then(|usage| u64::try_from(usage.max_rss()).ok())
        .map_or(0, |kib| kib.saturating_mul(1024));
    (own, children)
}

/// Returns `VmHWM` of a proc(5) status file, in bytes.
fn parse_high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let shown: Vec<String> = [0, 999, 1000, 999_949, 999_950, 1_500_000, 2_340_000_000]
            .iter()
            .map(|n| ByteCount(*n).to_string())
            .collect();
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 MB", "2.3 GB"]
        );
        assert_eq!(Seconds(Duration::from_millis(1234)).to_string(), "1.23 s");
        assert_eq!(Seconds(Duration::from_secs(61)).to_string(), "61.0 s");
        assert_eq!(Seconds(Duration::from_secs(185)).to_string(), "3 min 5 s");
    }

    #[test]
    fn high_water_mark() {
        assert_eq!(
            parse_high_water_mark("Name:\tx\nVmHWM:\t    1234 kB\n"),
            Some(1234 * 1024)
        );
        assert_eq!(parse_high_water_mark("VmHWM: lots"), None);
        assert!(peak_memory().0 > 0);
    }

    #[test]
    fn reads_well() {
        let summary = Summary {
            packages: 77,
            downloaded: 35_000_000,
            unpacked: 110_000_000,
            scripts: 61,
            stages: vec![
                (Stage::Download, Duration::from_secs(2)),
                (Stage::Configure, Duration::from_secs(3)),
            ],
            elapsed: Duration::from_secs(6),
            peak_memory: 80_000_000,
            ..Summary::default()
        };
        assert_eq!(
            summary.to_string(),
            "77 packages, 35.0 MB downloaded, 110.0 MB unpacked, 61 scripts in 6.00 s\n\
             time: download 2.00 s, configure 3.00 s\npeak memory: 80.0 MB"
        );
    }
}
