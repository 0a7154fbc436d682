//! Workers, one target after the other, and what becomes of them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::targets::Spec;
use crate::totals::{self, Share};
use crate::{say, worker};

/// Fuzzes each target for its time; false if there are findings. What was done is added to the totals after each
/// worker, so the run may be stopped at any time and goes on where it was: with the corpus that is kept.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let mut fine = true;
    for target in &options.targets {
        let end = Instant::now() + options.time;
        // A worker that an input has killed is followed by another one.
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|left| left.as_secs() > 0)
        {
            // Not more than a minute at a time: so much is lost where somebody kills the whole.
            let (share, status) = one(target, left.min(Duration::from_secs(60)))?;
            say(&format!(
                "{}: {} executions in {} s, {} inputs, {} findings",
                target.name,
                share.executions,
                share.seconds,
                worker::inputs(&worker::directory(target).join("corpus")).len(),
                worker::inputs(&worker::directory(target).join("findings")).len()
            ));
            totals::add(target.name, share)?;
            if !status.success() {
                say(&format!("{}: the worker ended with {status}", target.name));
                fine = false;
            }
        }
        fine &= worker::inputs(&worker::directory(target).join("findings")).is_empty();
    }
    Ok(fine)
}

/// Runs one worker. The input that killed it is kept as a finding.
fn one(target: &Spec, time: Duration) -> Result<(Share, ExitStatus), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // Files are written for every input: in memory, where there is such a place.
    let memory = ["/dev/shm".into(), std::env::temp_dir()];
    let scratch = memory
        .iter()
        .find_map(|place| tempfile::Builder::new().prefix("fuzz-").tempdir_in(place).ok())
        .ok_or("no directory for temporary files can be made")?;
    let status = Command::new(own)
        // Ctrl-C ends this process only; the worker notices, and does the rest.
        .process_group(0)
        .args(["--work", target.name, &time.as_secs().to_string()])
        .arg(scratch.path())
        .status()
        .map_err(|error| error.to_string())?;
    let share = Share::load(scratch.path());
    if !status.success()
        && let Ok(input) = fs::read(scratch.path().join("current"))
    {
        let path = worker::directory(target)
            .join("findings")
            .join(worker::name(&input));
        fs::write(&path, &input).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&format!("{}: killed the worker", path.display()));
    }
    Ok((share, status))
}
