//! The last stage: the configured target becomes the result.

use super::error::Error;
use crate::output::{self, TarOptions};
use crate::settings::Settings;
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use rootless_install_fs::Target;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use task_progress::{Cancel, Reporter, Stage};

/// A result that is complete.
#[derive(Default)]
pub(super) struct Output {
    /// Its path; none for standard output.
    pub(super) path: Option<PathBuf>,
    /// Size of an archive in bytes; none for a directory.
    pub(super) bytes: Option<u64>,
}

/// Makes the result of the target, and gives it its name.
///
/// # Errors
/// Those of writing an archive, and of renaming the result.
pub(super) fn finish(
    settings: &Settings,
    staging: Staging,
    target: &Target,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Output, Error> {
    let _stage = reporter.stage(Stage::Output);
    let source_date_epoch = settings.system.scripts.source_date_epoch;
    if settings.target == TargetSpec::Nothing {
        staging.discard();
        return Ok(Output::default());
    }
    if !settings.skip.has("output/dev") {
        output::make_devices(target, source_date_epoch, !settings.skip.has("output/mknod"))?;
    }
    let bytes = match settings.target.compression() {
        None => {
            if let Some(epoch) = source_date_epoch {
                output::clamp_times(target, epoch, cancel)?;
            }
            None
        }
        Some(compression) => {
            let options = TarOptions {
                compression,
                source_date_epoch,
            };
            let written = match &settings.target {
                TargetSpec::Stdout => {
                    let stdout = std::io::stdout().lock();
                    output::write_tar(target, stdout, &options, reporter, cancel)
                }
                TargetSpec::Stream { path, .. } => {
                    let stream = open_stream(path, cancel)?;
                    output::write_tar(target, stream, &options, reporter, cancel)
                }
                _ => output::write_tar(target, staging.create_output()?, &options, reporter, cancel),
            };
            let written = written.map_err(|error| match error {
                output::Error::Cancelled(cancelled) => Error::Cancelled(cancelled),
                source => Error::Archived {
                    target: settings.target.clone(),
                    source,
                },
            })?;
            warn_of_sockets(written.sockets, reporter);
            Some(written.bytes)
        }
    };
    cancel.check()?;
    Ok(Output {
        path: staging.commit()?,
        bytes,
    })
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

fn warn_of_sockets(number: u64, reporter: &dyn Reporter) {
    let subject = match number {
        0 => return,
        1 => "1 socket was".to_owned(),
        count => format!("{count} sockets were"),
    };
    reporter.warn(&format!("{subject} left out: a tar archive cannot hold sockets"));
}
