//! The stages, one after the other.

use std::path::PathBuf;

use rootless_install_fs::Target;

use super::{Config, TargetSpec};
use crate::output::{self, TarOptions};
use crate::report::{Reporter, Stage, Summary, Tally};
use crate::staging::{self, Cancel, Cancelled, Staging};

/// What can end a run: one variant a stage, each with its own errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no place for the target, or it could not get its name.
    #[error(transparent)]
    Staging(#[from] staging::Error),
    /// The target could not be read or written as a filesystem.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// The result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl Error {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Staging(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::Cancelled(_) | Self::Target(_) => None,
        }
    }

    /// Whether the user stopped the run, in whatever stage it was noticed.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_) | Self::Output(output::Error::Cancelled(_))
        )
    }
}

/// Makes what `config` asks for and says what was done. Nothing is left behind
/// when it fails, unless `config` says so.
///
/// # Errors
/// Those of the stages.
pub fn run(config: &Config, reporter: &dyn Reporter, cancel: &Cancel) -> Result<Summary, Error> {
    let tally = Tally::new(reporter);
    let reporter: &dyn Reporter = &tally;
    let mut staging = Staging::create(&config.target, &config.temporary)?;
    if config.keep_failed {
        staging.keep();
    }
    let target = Target::open(&staging.root())?;
    let output = finish(config, staging, &target, reporter, cancel)?;
    Ok(Summary {
        output: output.path,
        output_bytes: output.bytes,
        ..tally.summary()
    })
}

/// Where the result is, and how large an archive is.
struct Output {
    path: Option<PathBuf>,
    bytes: Option<u64>,
}

/// The last stage: from the configured target to the result.
fn finish(
    config: &Config,
    staging: Staging,
    target: &Target,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Output, Error> {
    let _stage = reporter.stage(Stage::Output);
    output::finish_target(target, config.source_date_epoch, cancel)?;
    let bytes = match config.target.compression() {
        None => None,
        Some(compression) => {
            let options = TarOptions {
                compression,
                source_date_epoch: config.source_date_epoch,
            };
            let written = if config.target == TargetSpec::Stdout {
                let stdout = std::io::stdout().lock();
                output::write_tar(target, stdout, &options, reporter, cancel)?
            } else {
                output::write_tar(target, staging.create_output()?, &options, reporter, cancel)?
            };
            if written.sockets > 0 {
                reporter.warn(&format!(
                    "{} sockets were left out: a tar archive cannot hold them",
                    written.sockets
                ));
            }
            Some(written.bytes)
        }
    };
    cancel.check()?;
    Ok(Output {
        path: staging.commit()?,
        bytes,
    })
}
