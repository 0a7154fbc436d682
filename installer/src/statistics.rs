//! Statistics of a run as JSON, for programs that watch many runs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use task_progress::Summary;

use crate::settings::Settings;
use crate::whole_file::WholeFile;

/// Form of the file: another number where a program that reads it would have to change.
const FORM: u64 = 1;

/// Statistics could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the statistics {}", path.display())]
pub struct StatisticsError {
    path: PathBuf,
    source: io::Error,
}

impl StatisticsError {
    /// Returns the error of a file.
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            source,
        }
    }
}

/// Statistics that are to be written.
#[derive(Debug)]
pub(crate) struct Statistics(WholeFile);

impl Statistics {
    /// Begins the file, before anything else is done.
    pub(crate) fn begin(path: &Path) -> Result<Self, StatisticsError> {
        WholeFile::begin(path)
            .map(Self)
            .map_err(|source| StatisticsError::new(path, source))
    }

    /// Writes the figures of a run, and how it ended.
    pub(crate) fn write(
        self,
        settings: &Settings,
        summary: &Summary,
        failure: Option<&str>,
    ) -> Result<(), StatisticsError> {
        let path = self.0.path().to_owned();
        let mut text = format!("{:#}", figures(settings, summary, failure)).into_bytes();
        text.push(b'\n');
        self.0
            .finish(&text)
            .map_err(|source| StatisticsError::new(&path, source))
    }
}

/// Returns the figures: times in seconds, sizes in bytes.
fn figures(settings: &Settings, summary: &Summary, failure: Option<&str>) -> Value {
    let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
    let stages: serde_json::Map<String, Value> = summary
        .stages
        .iter()
        .map(|(stage, time)| (stage.to_string(), seconds(*time).into()))
        .collect();
    let scripts = summary.script_times.iter().map(|script| {
        json!({
            "package": script.package,
            "script": script.script,
            "seconds": seconds(script.elapsed),
            "failure": script.failure,
        })
    });
    json!({
        "form": FORM,
        "architecture": settings.system.arch.name,
        "suite": settings.archives.suite,
        "variant": settings.variant.as_str(),
        "failure": failure,
        "seconds": seconds(summary.elapsed),
        "stages": stages,
        "packages": summary.packages,
        "scripts": scripts.collect::<Vec<_>>(),
        "bytes": {
            "downloaded": summary.downloaded,
            "from_cache": summary.from_cache,
            "unpacked": summary.unpacked,
            "output": summary.output_bytes,
        },
        "files": { "all": summary.files, "from_cache": summary.files_from_cache },
        "peak": {
            "memory": summary.peak_memory,
            "memory_of_largest_child": summary.peak_memory_children,
            "disk": summary.disk,
        },
        "warnings": summary.warnings,
        "deferred": summary.deferred.iter().map(|(package, _)| package).collect::<Vec<_>>(),
        "output": summary.output.as_ref().map(|path| path.to_string_lossy()),
    })
}

/// Returns the bytes that a directory and all below it take on the disk. What cannot be read does not count.
pub(crate) fn on_disk(directory: &Path) -> u64 {
    let mut open = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            let taken = found.blocks() * 512;
            if found.is_dir() {
                bytes += taken;
                open.push(entry.path());
            } else {
                // A file with several names is there once.
                bytes += taken / found.nlink().max(1);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_on_the_disk_count_once() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("file"), vec![1; 100_000]).unwrap();
        let one = on_disk(directory.path());
        assert!(one >= 100_000, "{one}");
        fs::hard_link(below.join("file"), below.join("other")).unwrap();
        let two = on_disk(directory.path());
        assert!(two.abs_diff(one) < 8192, "{one} {two}");
    }
}
