//! `pack`: a finished target as an archive or an image.

use super::error::Error;
use super::finish::write_output;
use crate::finished;
use crate::output::{Facts, ImageOptions, Output as _, Source};
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use deb_arch::Architecture;
use rootless_install_fs::Target;
use std::path::{Path, PathBuf};
use task_progress::{Cancel, Reporter, Stage};

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct PackSettings {
    /// The target's directory.
    pub target: PathBuf,
    /// Form and path of the result.
    pub output: TargetSpec,
    /// Options of the result.
    pub image: ImageOptions,
    /// Latest time in the result, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
    /// Parent of the work directory when the result is written to a stream.
    pub temporary: PathBuf,
}

/// Writes the target. Nothing is left behind where that fails. Returns the path of the result, none for a stream, and
/// its size in bytes.
///
/// # Errors
/// Those of opening the target, and of writing.
pub fn run(
    settings: &PackSettings,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<(Option<PathBuf>, u64), Error> {
    let target = finished::open(&settings.target)?;
    let _hold = finished::hold(&target, false)?;
    let architecture = finished::architecture(&target)?.unwrap_or_else(Architecture::native);
    let Some(format) = settings.output.format() else {
        return Ok((None, 0));
    };
    format.check(&settings.image)?;
    check_place(&target, settings)?;
    let staging = Staging::for_output(&settings.output, &settings.temporary)?;
    let source = Source {
        target: &target,
        options: &settings.image,
        source_date_epoch: settings.source_date_epoch,
        architecture: architecture.name,
        lock: None,
        facts: &Facts::default(),
        scratch: &staging.make_scratch()?,
        reporter,
        cancel,
    };
    let bytes = {
        let _stage = reporter.stage(Stage::Output);
        write_output(&settings.output, format, &source, &staging)?
    };
    cancel.check()?;
    Ok((staging.commit()?, bytes))
}

/// Checks that what is written is not in the target, of which it would become a part.
fn check_place(target: &Target, settings: &PackSettings) -> Result<(), Error> {
    let directory = match &settings.output {
        TargetSpec::Directory(path) | TargetSpec::File { path, .. } => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        },
        TargetSpec::Stream { .. } | TargetSpec::Stdout { .. } | TargetSpec::Nothing => &settings.temporary,
    };
    // Where one is not there, others say so.
    let (Ok(directory), Ok(root)) = (directory.canonicalize(), target.root_path().canonicalize()) else {
        return Ok(());
    };
    match directory.starts_with(&root) {
        true => Err(Error::InTarget {
            directory,
            target: root,
        }),
        false => Ok(()),
    }
}
