//! The last stage: the configured target becomes the result.

use super::error::Error;
use crate::output::{self, TarOptions};
use crate::settings::Settings;
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use rootless_install_fs::Target;
use std::path::PathBuf;
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
    output::make_devices(target, source_date_epoch)?;
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
            let written = if settings.target == TargetSpec::Stdout {
                let stdout = std::io::stdout().lock();
                output::write_tar(target, stdout, &options, reporter, cancel)?
            } else {
                output::write_tar(target, staging.create_output()?, &options, reporter, cancel)?
            };
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

fn warn_of_sockets(number: u64, reporter: &dyn Reporter) {
    let subject = match number {
        0 => return,
        1 => "1 socket was".to_owned(),
        count => format!("{count} sockets were"),
    };
    reporter.warn(&format!("{subject} left out: a tar archive cannot hold sockets"));
}
