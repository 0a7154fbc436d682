//! `--multi`: one command line, an installation for each of its architectures.

use super::environment::Environment;
use super::{Cli, Exit, Given, SettingsError, clap_exit, console, error, made};
use crate::commands;
use crate::output::{Format, Layout};
use crate::settings::Settings;
use std::ffi::OsString;
use std::process::ExitCode;
use task_progress::Style;

/// Reason why there can be no image of several architectures.
#[derive(Debug, thiserror::Error)]
pub(super) enum MultiError {
    /// The target can have one architecture only.
    #[error("--multi makes a container image, and this target is none that can have several architectures")]
    Format,
    /// There is no list of architectures.
    #[error("--multi needs the architectures that the image is to have")]
    NoArchitectures,
    /// An option is of one architecture.
    #[error("{0} is of one architecture, and --multi makes several")]
    Option(&'static str),
}

impl MultiError {
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Format => {
                "give oci:DIR[:TAG] or oci-archive:FILE[:TAG]; for other formats run once for each architecture"
            }
            Self::NoArchitectures => "name them: --arch riscv64,arm64 --multi",
            Self::Option("--sbom" | "--provenance") => {
                "--oci-attach spdx, cyclonedx or provenance attaches one to each architecture's image"
            }
            Self::Option(_) => "leave it out, or run once for each architecture",
        }
    }
}

/// Reason why a command line makes no such image.
pub(super) enum Refused {
    /// Its words.
    Usage(clap::Error),
    /// What they mean for one architecture.
    Settings(SettingsError),
    /// What they mean together.
    Multi(MultiError),
}

/// Makes an image of several architectures, as a command line asks for it, of which `given` is one reading.
pub(super) fn main(
    arguments: &[OsString],
    given: &Given,
    environment: &Environment,
    style: Style,
) -> ExitCode {
    let all = match settings(arguments, given, environment) {
        Ok(all) => all,
        Err(Refused::Usage(mut error)) => return clap_exit(&mut error, style),
        Err(Refused::Settings(error)) => {
            error::print(&error, error.hint(), style);
            return Exit::Usage.into();
        }
        Err(Refused::Multi(error)) => return console::usage(&error, Some(error.hint()), style),
    };
    let Some(first) = all.first() else {
        return Exit::Usage.into();
    };
    made(first, style, |reporter, cancel| {
        commands::multi::run(&all, &reporter, cancel)
    })
}

/// Returns the settings of each architecture; there is at least one.
pub(super) fn settings(
    arguments: &[OsString],
    given: &Given,
    environment: &Environment,
) -> Result<Vec<Settings>, Refused> {
    let architectures = given.architectures();
    if architectures.is_empty() {
        return Err(Refused::Multi(MultiError::NoArchitectures));
    }
    if let Some(option) = given.file_option() {
        return Err(Refused::Multi(MultiError::Option(option)));
    }
    let mut all = Vec::new();
    for architecture in architectures {
        let given = Cli::read(arguments)
            .map_err(Refused::Usage)?
            .of_architecture(architecture);
        all.push(given.resolve(environment).map_err(Refused::Settings)?);
    }
    let format = all
        .first()
        .filter(|first| first.target.is_file())
        .and_then(|first| first.target.format());
    match format {
        Some(Format::Container(Layout::OciDirectory | Layout::OciArchive)) => Ok(all),
        _ => Err(Refused::Multi(MultiError::Format)),
    }
}
