//! Counts events for the closing summary.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::summary::{ScriptTime, peak_memory};
use super::{Event, Reporter, Summary};

/// Forwards every event and adds up the figures of the run.
pub struct Tally {
    inner: Arc<dyn Reporter>,
    begun: Instant,
    sums: Mutex<Summary>,
}

impl Tally {
    /// Returns a counter in front of `inner`; the time of the run begins now.
    pub fn new(inner: Arc<dyn Reporter>) -> Self {
        Self {
            inner,
            begun: Instant::now(),
            sums: Mutex::new(Summary::default()),
        }
    }

    /// Returns the figures up to now, with the present peak memory.
    pub fn summary(&self) -> Summary {
        let (peak_memory, peak_memory_children) = peak_memory();
        Summary {
            elapsed: self.begun.elapsed(),
            peak_memory,
            peak_memory_children,
            ..self
                .sums
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .clone()
        }
    }
}

impl Reporter for Tally {
    fn event(&self, event: &Event<'_>) {
        {
            let mut sums = self.sums.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match *event {
                Event::StageFinished { stage, elapsed } => {
                    match sums.stages.iter_mut().find(|(known, _)| *known == stage) {
                        Some((_, sum)) => *sum += elapsed,
                        None => sums.stages.push((stage, elapsed)),
                    }
                }
                Event::DownloadAdvanced { bytes } => sums.downloaded += bytes,
                Event::DownloadFinished { size, cached, .. } => {
                    sums.files += 1;
                    if cached {
                        sums.files_from_cache += 1;
                        sums.from_cache += size;
                    }
                }
                Event::Unpacked { bytes, .. } => {
                    sums.packages += 1;
                    sums.unpacked += bytes;
                }
                Event::ScriptFinished {
                    package,
                    script,
                    failure,
                    elapsed,
                } => {
                    sums.scripts += 1;
                    sums.script_times.push(ScriptTime {
                        package: package.to_owned(),
                        script: script.to_owned(),
                        elapsed,
                        failure: failure.map(str::to_owned),
                    });
                }
                Event::Warning { .. } => sums.warnings += 1,
                Event::ProcessorAsked { extension, has } => {
                    let asked = (extension.to_owned(), has);
                    if !sums.processor.contains(&asked) {
                        sums.processor.push(asked);
                    }
                }
                _ => {}
            }
        }
        self.inner.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Silent, Stage};
    use super::*;
    use std::time::Duration;

    #[test]
    fn adds_up() {
        let tally = Tally::new(Arc::new(Silent));
        let stage = Stage::Download;
        for elapsed in [Duration::from_secs(1), Duration::from_secs(2)] {
            tally.event(&Event::StageFinished { stage, elapsed });
        }
        tally.event(&Event::DownloadAdvanced { bytes: 10 });
        tally.event(&Event::DownloadAdvanced { bytes: 5 });
        tally.event(&Event::DownloadFinished {
            name: "a",
            size: 7,
            cached: true,
        });
        tally.event(&Event::DownloadFinished {
            name: "b",
            size: 15,
            cached: false,
        });
        tally.event(&Event::Unpacked {
            package: "a",
            bytes: 100,
        });
        for _ in 0..2 {
            tally.event(&Event::ProcessorAsked {
                extension: "SSE2",
                has: true,
            });
        }
        tally.event(&Event::ScriptFinished {
            package: "a",
            script: "postinst configure",
            failure: None,
            elapsed: Duration::from_secs(3),
        });
        let summary = tally.summary();
        assert_eq!(
            (summary.files, summary.files_from_cache, summary.scripts),
            (2, 1, 1)
        );
        assert_eq!(summary.script_times[0].script, "postinst configure");
        assert_eq!(summary.processor, [("SSE2".to_owned(), true)]);
        assert!(summary.to_string().contains("taken to have SSE2"));
        assert_eq!(summary.stages, [(stage, Duration::from_secs(3))]);
        assert_eq!(
            (
                summary.downloaded,
                summary.from_cache,
                summary.unpacked,
                summary.packages
            ),
            (15, 7, 100, 1)
        );
    }
}
