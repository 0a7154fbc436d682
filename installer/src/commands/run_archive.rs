//! `run` and `shell` in an archive: it is unpacked, the command runs, and the archive is written again.

use super::error::Error;
use super::pack::{self, PackSettings};
use super::run::{self, Program, RunError, RunSettings};
use super::unpack::{self, UnpackSettings};
use crate::input::Input;
use crate::output::ImageOptions;
use crate::target_spec::TargetSpec;
use script_host::view::command::CommandEnd;
use std::path::PathBuf;
use std::sync::Arc;
use task_progress::{Cancel, Reporter};

/// An archive that is the target of a command.
#[derive(Clone, Debug)]
pub struct ArchiveTarget {
    /// The archive.
    pub input: Input,
    /// Form and path of what is written; none where the command only reads.
    pub output: Option<TargetSpec>,
    /// Parent of the directory in which the command runs.
    pub parent: PathBuf,
}

/// Runs the command of `settings`, whose target is the archive's, and returns its end. An archive is written where the command
/// succeeds; a shell's exit status is that of its last command, and says nothing.
///
/// # Errors
/// The command could not be tried, or the archive not be read or written; one that was there is as it was then.
pub fn run(
    archive: &ArchiveTarget,
    settings: &RunSettings,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<CommandEnd, Error> {
    let directory = tempfile::Builder::new()
        .prefix(".rootless-install-run-")
        .tempdir_in(&archive.parent)
        .map_err(|source| RunError::Directory {
            path: archive.parent.clone(),
            source,
        })?;
    let target = directory.path().join("target");
    let unpacking = UnpackSettings {
        input: archive.input.clone(),
        target: target.clone(),
    };
    unpack::run(&unpacking, &**reporter, cancel)?;
    let inside = RunSettings {
        target: target.clone(),
        ..settings.clone()
    };
    let end = run::run(&inside, reporter, cancel)?;
    let Some(output) = &archive.output else {
        return Ok(end);
    };
    if end != CommandEnd::Exited(0) && !matches!(settings.program, Program::Shell(_)) {
        reporter.warn(&format!(
            "the command did not succeed, so {output} is not written"
        ));
        return Ok(end);
    }
    let packing = PackSettings {
        target,
        output: output.clone(),
        image: ImageOptions::default(),
        source_date_epoch: settings.scripts.source_date_epoch,
        temporary: archive.parent.clone(),
    };
    pack::run(&packing, &**reporter, cancel)?;
    Ok(end)
}
