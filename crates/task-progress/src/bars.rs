//! Progress bars for a terminal.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{ended, line, stage_text};
use super::{Event, Reporter, Stage, Style, Verbosity, escape};

/// One bar for each stage that is running; lines appear above them.
pub struct Bars {
    verbosity: Verbosity,
    style: Style,
    multi: MultiProgress,
    running: Mutex<Vec<(Stage, ProgressBar)>>,
    /// Whether a hook has the terminal: nothing is drawn.
    taken: AtomicBool,
}

impl Bars {
    /// Returns bars on standard error.
    pub fn new(verbosity: Verbosity, style: Style) -> Self {
        Self {
            verbosity,
            style,
            multi: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            running: Mutex::default(),
            taken: AtomicBool::new(false),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<(Stage, ProgressBar)>> {
        self.running
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn with(&self, stage: Stage, act: impl FnOnce(&ProgressBar)) {
        let bar = self
            .running()
            .iter()
            .rev()
            .find(|(known, _)| *known == stage)
            .map(|(_, bar)| bar.clone());
        if let Some(bar) = bar {
            act(&bar);
        }
    }

    /// Acts on the bar that shows downloads: that of the download stage, or else of the latest
    /// stage (indexes, the native sysroot).
    fn with_download(&self, act: impl FnOnce(&ProgressBar)) {
        let bar = {
            let running = self.running();
            let of = |stage| running.iter().rev().find(|(known, _)| *known == stage);
            of(Stage::Download)
                .or_else(|| running.last())
                .map(|(_, bar)| bar.clone())
        };
        if let Some(bar) = bar {
            act(&bar);
        }
    }

    fn print(&self, event: &Event<'_>) {
        if let Some(text) = line(event, self.verbosity, self.style) {
            // Not `MultiProgress::println`: that drops text when nothing is drawn.
            let text = ended(&text, self.taken.load(Ordering::Relaxed));
            self.multi.suspend(|| eprint!("{text}"));
        }
    }

    fn begin(&self, stage: Stage) {
        let bar = self.multi.add(ProgressBar::new(0));
        bar.set_style(spinner(self.style));
        bar.set_prefix(stage_text(stage));
        bar.set_message(opening(stage));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running().push((stage, bar));
    }

    fn end(&self, stage: Stage) {
        let bar = {
            let mut running = self.running();
            running
                .iter()
                .rposition(|(known, _)| *known == stage)
                .map(|at| running.remove(at).1)
        };
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }
}

impl Reporter for Bars {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::StageStarted { stage } => self.begin(stage),
            Event::StageFinished { stage, .. } => {
                self.end(stage);
                self.print(event);
            }
            Event::DownloadPlanned { bytes, .. } => self.with_download(|bar| {
                if bytes > 0 {
                    bar.set_style(byte_bar(self.style));
                    bar.inc_length(bytes);
                }
            }),
            Event::DownloadStarted { name, .. } => {
                self.with_download(|bar| bar.set_message(escape(name).to_string()));
            }
            Event::DownloadAdvanced { bytes } => self.with_download(|bar| bar.inc(bytes)),
            Event::DownloadFinished { size, cached, .. } => {
                if cached {
                    self.with_download(|bar| bar.inc(size));
                }
                self.print(event);
            }
            Event::UnpackPlanned { packages } => self.with(Stage::Unpack, |bar| {
                bar.set_style(count_bar(self.style));
                bar.inc_length(packages as u64);
            }),
            Event::Unpacked { package, .. } => {
                self.with(Stage::Unpack, |bar| {
                    bar.set_message(escape(package).to_string());
                    bar.inc(1);
                });
                self.print(event);
            }
            Event::ConfigurePlanned { packages } => self.with(Stage::Configure, |bar| {
                bar.set_style(count_bar(self.style));
                bar.inc_length(packages as u64);
            }),
            Event::ScriptStarted { package, script } => {
                self.with(Stage::Configure, |bar| {
                    bar.set_message(format!("{} {}", escape(package), escape(script)));
                });
                self.print(event);
            }
            Event::Configured { .. } => self.with(Stage::Configure, |bar| bar.inc(1)),
            Event::Terminal { taken } => {
                let target = match taken {
                    true => {
                        let _ = self.multi.clear();
                        ProgressDrawTarget::hidden()
                    }
                    false => ProgressDrawTarget::stderr(),
                };
                self.multi.set_draw_target(target);
                self.taken.store(taken, Ordering::Relaxed);
            }
            Event::OutputAdvanced { bytes } => self.with(Stage::Output, |bar| {
                if bar.position() == 0 {
                    bar.set_style(byte_spinner(self.style));
                }
                bar.inc(bytes);
            }),
            _ => self.print(event),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // The terminal is left clean after failures too.
        for (_, bar) in self.running().drain(..) {
            bar.finish_and_clear();
        }
    }
}

/// Columns that the widest bar needs before its message.
const WIDE: u16 = 96;

/// Makes a style of a template without and one with colours, or of `narrow` on a terminal on which the bar would take
/// more than a line: what of it is cut off is the message alone.
fn styled(plain: &'static str, colour: &'static str, narrow: &'static str, style: Style) -> ProgressStyle {
    let columns = console::Term::stderr()
        .size_checked()
        .map_or(WIDE, |(_, columns)| columns);
    let template = match (columns < WIDE, style.colour) {
        (true, _) => narrow,
        (false, true) => colour,
        (false, false) => plain,
    };
    let made = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    if style.unicode {
        made
    } else {
        made.tick_chars("|/-\\ ")
    }
}

/// Returns the message of a bar before there is another: that of the stage where the bar has no room for it beside.
fn opening(stage: Stage) -> &'static str {
    let narrow = console::Term::stderr()
        .size_checked()
        .is_some_and(|(_, columns)| columns < WIDE);
    if narrow { stage_text(stage) } else { "" }
}

fn spinner(style: Style) -> ProgressStyle {
    styled(
        "{spinner} {prefix:<26} {wide_msg}",
        "{spinner:.cyan} {prefix:<26} {wide_msg:.dim}",
        "{spinner} {wide_msg}",
        style,
    )
}

fn byte_spinner(style: Style) -> ProgressStyle {
    styled(
        "{spinner} {prefix:<26} {decimal_bytes}",
        "{spinner:.cyan} {prefix:<26} {decimal_bytes}",
        "{spinner} {decimal_bytes} {wide_msg}",
        style,
    )
}

fn byte_bar(style: Style) -> ProgressStyle {
    styled(
        "{spinner} {prefix:<26} [{bar:24}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {wide_msg}",
        "{spinner:.cyan} {prefix:<26} [{bar:24.cyan}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {wide_msg:.dim}",
        "{spinner} {decimal_bytes} {wide_msg}",
        style,
    )
}

fn count_bar(style: Style) -> ProgressStyle {
    styled(
        "{spinner} {prefix:<26} [{bar:24}] {pos}/{len} {wide_msg}",
        "{spinner:.cyan} {prefix:<26} [{bar:24.cyan}] {pos}/{len} {wide_msg:.dim}",
        "{spinner} {pos}/{len} {wide_msg}",
        style,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden() -> Bars {
        let bars = Bars::new(Verbosity::Normal, Style::default());
        bars.multi.set_draw_target(ProgressDrawTarget::hidden());
        bars
    }

    #[test]
    fn bars_follow_their_stage() {
        let bars = hidden();
        let reporter: &dyn Reporter = &bars;
        let stage = reporter.stage(Stage::Download);
        reporter.event(&Event::DownloadPlanned { files: 2, bytes: 100 });
        reporter.event(&Event::DownloadAdvanced { bytes: 30 });
        reporter.event(&Event::DownloadFinished {
            name: "b",
            size: 20,
            cached: true,
        });
        bars.with(Stage::Download, |bar| {
            assert_eq!((bar.position(), bar.length()), (50, Some(100)));
        });
        drop(stage);
        assert!(bars.running().is_empty());
    }

    #[test]
    fn templates_are_valid() {
        for style in [
            Style::default(),
            Style {
                terminal: true,
                colour: true,
                unicode: true,
            },
        ] {
            for make in [spinner, byte_spinner, byte_bar, count_bar] {
                make(style);
            }
        }
        assert!(ProgressStyle::with_template("{spinner} {prefix:<26} {wide_msg:.dim}").is_ok());
    }
}
