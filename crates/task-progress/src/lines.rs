//! Events as lines of text, for output that is not a terminal, for the bars and for the log.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::summary::{ByteCount, Seconds};
use super::{Event, Reporter, Stage, Style, Verbosity, escape, escape_bytes, escape_path};

/// Prints a line for each event that the verbosity includes.
pub struct Lines<W> {
    out: Mutex<W>,
    verbosity: Verbosity,
    style: Style,
    /// Stages so far, the latest last.
    stages: Mutex<Vec<Stage>>,
    /// Whether lines are written to a terminal in raw mode.
    raw: AtomicBool,
}

impl<W: Write + Send> Lines<W> {
    /// Returns a reporter that prints to `out`.
    pub fn new(out: W, verbosity: Verbosity, style: Style) -> Self {
        Self {
            out: Mutex::new(out),
            verbosity,
            style,
            stages: Mutex::default(),
            raw: AtomicBool::new(false),
        }
    }

    /// Whether an event tells a reader of lines nothing new: a stage that continues
    /// after another, a download in the middle of configuring.
    fn is_repetition(&self, event: &Event<'_>) -> bool {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StageStarted { stage } => {
                let known = stages.contains(stage);
                stages.push(*stage);
                known
            }
            Event::DownloadPlanned { .. } => !matches!(
                stages.last(),
                None | Some(Stage::Indexes | Stage::Download | Stage::Sysroot)
            ),
            _ => false,
        }
    }
}

impl<W: Write + Send> Reporter for Lines<W> {
    fn event(&self, event: &Event<'_>) {
        if self.is_repetition(event) && self.verbosity < Verbosity::Verbose {
            return;
        }
        if let Event::Terminal { taken } = event {
            self.raw.store(*taken, Ordering::Relaxed);
        }
        if let Some(line) = line(event, self.verbosity, self.style)
            && let Ok(mut out) = self.out.lock()
        {
            // One write a line: lines of several processes do not mix.
            let text = ended(&line, self.raw.load(Ordering::Relaxed));
            let _ = out.write_all(text.as_bytes());
        }
    }
}

/// Returns a text with the ends of its lines, for a terminal in raw mode or for one in another.
pub(super) fn ended(text: &str, raw: bool) -> String {
    match raw {
        true => format!("{}\r\n", text.replace('\n', "\r\n")),
        false => format!("{text}\n"),
    }
}

/// Returns the text of an event for the user, if `verbosity` includes it.
pub(super) fn line(event: &Event<'_>, verbosity: Verbosity, style: Style) -> Option<String> {
    let verbose = verbosity >= Verbosity::Verbose;
    let normal = verbosity >= Verbosity::Normal;
    let text = match *event {
        Event::Warning { message } => format!("{} {}", style.warning("warning:"), escape(message)),
        Event::StageStarted { stage } if normal => stage_text(stage).to_owned(),
        Event::DownloadPlanned { files, bytes } if normal && files > 0 => {
            format!("  {files} files, {}", ByteCount(bytes))
        }
        Event::SysrootExtended { path, package } if normal => {
            format!("  native sysroot: added {} for {}", escape(package), escape(path))
        }
        Event::Note { message } if normal => format!("{}", escape(message)),
        Event::Summary { summary } if normal => {
            let mut text = String::new();
            if let Some(output) = &summary.output {
                text.push_str(&format!("made {}\n", escape_path(output)));
            }
            text.push_str(&summary.to_string());
            if verbose && let Some(log) = &summary.log {
                text.push_str(&format!("\nlog: {}", escape_path(log)));
            }
            text
        }
        Event::StageFinished { stage, elapsed } if verbose => {
            format!("  {stage} took {}", Seconds(elapsed))
        }
        Event::DownloadFinished { .. } | Event::Unpacked { .. } | Event::ScriptOutput { .. } if verbose => {
            detail(event)?
        }
        Event::DownloadRetried { .. }
        | Event::ScriptStarted { .. }
        | Event::ScriptFinished { .. }
        | Event::ProcessorAsked { .. }
        | Event::Detail { .. }
            if verbose =>
        {
            detail(event)?
        }
        Event::Trace { .. } if verbosity >= Verbosity::Debug => detail(event)?,
        _ => return None,
    };
    Some(style.encode(text))
}

/// Returns the full text of an event, for the log and for `--verbose`; several
/// lines for the output of a script. Mere advances have none.
pub(super) fn detail(event: &Event<'_>) -> Option<String> {
    Some(match *event {
        Event::StageStarted { stage } => format!("stage {stage} begins"),
        Event::StageFinished { stage, elapsed } => format!("stage {stage} ends after {}", Seconds(elapsed)),
        Event::DownloadPlanned { files, bytes } => format!("  to download: {files} files, {bytes} bytes"),
        Event::DownloadStarted { name, size } => format!("  downloading {} ({size} bytes)", escape(name)),
        Event::Trace {
            level,
            target,
            message,
        } => format!("[{level}] {target}: {}", escape(message)),
        Event::DownloadAdvanced { .. } | Event::OutputAdvanced { .. } | Event::Terminal { .. } => {
            return None;
        }
        Event::Shown { line } => format!("  {}", escape(line)),
        Event::DownloadFinished { name, size, cached } => format!(
            "  {} {} ({})",
            if cached { "in the cache:" } else { "downloaded" },
            escape(name),
            ByteCount(size)
        ),
        Event::DownloadRetried { name, reason } => {
            format!("  trying {} again: {}", escape(name), escape(reason))
        }
        Event::UnpackPlanned { packages } => format!("  to unpack: {packages} packages"),
        Event::Unpacked { package, bytes } => {
            format!("  unpacked {} ({})", escape(package), ByteCount(bytes))
        }
        Event::ConfigurePlanned { packages } => format!("  to configure: {packages} packages"),
        Event::ScriptStarted { package, script } => format!("  {}: {}", escape(package), escape(script)),
        Event::ScriptOutput { package, output } => script_lines(package, output)?,
        Event::ScriptFinished {
            package,
            script,
            failure,
            elapsed,
        } => format!(
            "  {}: {} {} after {}",
            escape(package),
            escape(script),
            ScriptOutcome(failure),
            Seconds(elapsed)
        ),
        Event::Configured { package } => format!("  configured {}", escape(package)),
        Event::SysrootExtended { path, package } => {
            format!("  native sysroot: added {} for {}", escape(package), escape(path))
        }
        Event::ProcessorAsked { extension, has } => format!(
            "  the target's processor is taken to be {} {}",
            if has { "one with" } else { "one without" },
            escape(extension)
        ),
        Event::Warning { message } => format!("warning: {}", escape(message)),
        Event::Note { message } | Event::Detail { message } => format!("{}", escape(message)),
        Event::Summary { summary } => summary.to_string(),
    })
}

/// Returns a description of a stage in a few words.
pub(super) fn stage_text(stage: Stage) -> &'static str {
    match stage {
        Stage::Indexes => "reading indexes",
        Stage::Choose => "choosing packages",
        Stage::Download => "downloading packages",
        Stage::Sysroot => "making the native sysroot",
        Stage::Archive => "unpacking the archive",
        Stage::Unpack => "unpacking packages",
        Stage::Configure => "configuring packages",
        Stage::Output => "writing the result",
    }
}

struct ScriptOutcome<'a>(Option<&'a str>);

impl fmt::Display for ScriptOutcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("done"),
            Some(failure) => write!(f, "failed: {}", escape(failure)),
        }
    }
}

/// Returns a script's output, each line with the package in front; `None` if there are no lines.
fn script_lines(package: &str, output: &[u8]) -> Option<String> {
    let lines: Vec<String> = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| format!("  {}| {}", escape(package), escape_bytes(line)))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(verbosity: Verbosity) -> String {
        let plain = Lines::new(Vec::new(), verbosity, Style::default());
        let reporter: &dyn Reporter = &plain;
        {
            let _stage = reporter.stage(Stage::Configure);
            reporter.event(&Event::ScriptStarted {
                package: "dash",
                script: "postinst configure",
            });
            reporter.event(&Event::ScriptOutput {
                package: "dash",
                output: b"one\n\ntwo\x1b[2J\n",
            });
            reporter.event(&Event::DownloadAdvanced { bytes: 1 });
            reporter.warn("odd\nname");
        }
        String::from_utf8(plain.out.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    #[test]
    fn quiet_says_only_warnings() {
        assert_eq!(said(Verbosity::Quiet), "warning: odd\\nname\n");
    }

    #[test]
    fn normal_says_stages() {
        assert_eq!(
            said(Verbosity::Normal),
            "configuring packages\nwarning: odd\\nname\n"
        );
    }

    #[test]
    fn verbose_says_every_script_and_its_output() {
        let said = said(Verbosity::Verbose);
        assert!(
            said.contains("  dash: postinst configure\n  dash| one\n  dash| two\\u{1b}[2J\n"),
            "{said}"
        );
        assert!(said.contains("  configure took "), "{said}");
    }
}
