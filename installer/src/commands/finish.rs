//! The last stage: the configured target becomes the result.

use super::error::Error;
use super::other_outputs::OtherOutputs;
use crate::output::{self, Format, Output as _, Sink, Source};
use crate::package_lock::PackageLock;
use crate::settings::Settings;
use crate::staging::Staging;
use crate::statistics;
use crate::target_spec::TargetSpec;
use rootless_install_fs::{Marker, Target};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use task_progress::{Cancel, Reporter, Stage};

/// A result that is complete.
#[derive(Default)]
pub(super) struct Output {
    /// Its path; none for standard output.
    pub(super) path: Option<PathBuf>,
    /// Paths of further results.
    pub(super) others: Vec<PathBuf>,
    /// Size of an archive in bytes; none for a directory.
    pub(super) bytes: Option<u64>,
    /// Bytes on the disk of the work directory when it was the largest, where statistics are wanted.
    pub(super) disk: Option<u64>,
}

/// Makes the result of the target, and gives it its name. The lock says what was installed.
///
/// # Errors
/// Those of writing an archive, and of renaming the result.
pub(super) fn finish(
    settings: &Settings,
    staging: Staging,
    target: &Target,
    others: OtherOutputs<'_>,
    lock: Option<&PackageLock>,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Output, Error> {
    let _stage = reporter.stage(Stage::Output);
    let source_date_epoch = settings.system.scripts.source_date_epoch;
    if !settings.skip.has("output/dev") {
        output::make_devices(target, source_date_epoch, !settings.skip.has("output/mknod"))?;
    }
    let bytes = match settings.target.format() {
        None => {
            if matches!(settings.target, TargetSpec::Directory(_)) {
                Marker::write(&staging.root()).map_err(|source| Error::Marker {
                    path: staging.root(),
                    source,
                })?;
            }
            if let Some(epoch) = source_date_epoch {
                output::clamp_times(target, epoch, cancel)?;
            }
            None
        }
        Some(format) => {
            let source = Source {
                target,
                options: &settings.image,
                source_date_epoch,
                architecture: settings.system.arch.name,
                lock,
                facts: &output::Facts::default(),
                scratch: &staging.make_scratch()?,
                reporter,
                cancel,
            };
            Some(write_output(&settings.target, format, &source, &staging)?)
        }
    };
    others.write(settings, target, lock, reporter, cancel)?;
    cancel.check()?;
    let disk = settings
        .statistics
        .is_some()
        .then(|| statistics::on_disk(staging.directory()));
    let path = staging.commit()?;
    let others = others.commit(reporter)?;
    Ok(Output {
        path,
        others,
        bytes,
        disk,
    })
}

/// Writes a target as an archive or an image to where `spec` says, a file of which is in the work directory until that is
/// committed. Returns its size. What it lacks of the target is warned of.
///
/// # Errors
/// Those of opening a pipe, and of writing.
pub(super) fn write_output(
    spec: &TargetSpec,
    format: Format,
    source: &Source<'_>,
    staging: &Staging,
) -> Result<u64, Error> {
    let mut sink = match spec {
        TargetSpec::Stdout { .. } => Sink::Stream(Box::new(std::io::stdout().lock())),
        TargetSpec::Stream { path, .. } => Sink::Stream(Box::new(open_stream(path, source.cancel)?)),
        _ => Sink::Path(staging.output()),
    };
    let written = format.write(source, &mut sink).map_err(|error| match error {
        output::Error::Cancelled(cancelled) => Error::Cancelled(cancelled),
        source => Error::Archived {
            target: spec.clone(),
            source,
        },
    })?;
    for loss in written.losses() {
        source.reporter.warn(&loss);
    }
    Ok(written.bytes)
}

/// Opens a pipe or a device for writing. A pipe is waited for until it has a reader (fifo(7)).
fn open_stream(path: &Path, cancel: &Cancel) -> Result<File, Error> {
    loop {
        cancel.check()?;
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path);
        let failed = |source| Error::Stream {
            path: path.to_owned(),
            source,
        };
        match opened {
            Ok(file) => {
                rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty())
                    .map_err(|errno| failed(errno.into()))?;
                return Ok(file);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}
