//! `--multi`: one command line, an installation for each of its architectures.

use super::environment::Environment;
use super::{Cli, Exit, Given, clap_exit, console, error, made};
use crate::commands;
use crate::output::{Format, Layout};
use std::ffi::OsString;
use std::process::ExitCode;
use task_progress::Style;

/// Reason why there can be no image of several architectures.
#[derive(Debug, thiserror::Error)]
enum MultiError {
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
    fn hint(&self) -> &'static str {
        match self {
            Self::Format => {
                "give oci:DIR[:TAG] or oci-archive:FILE[:TAG]; for other formats run once for each architecture"
            }
            Self::NoArchitectures => "name them: --arch riscv64,arm64 --multi",
            Self::Option(_) => "leave it out, or run once for each architecture",
        }
    }
}

/// Makes an image of several architectures, as a command line asks for it, of which `given` is one reading.
pub(super) fn main(
    arguments: &[OsString],
    given: &Given,
    environment: &Environment,
    style: Style,
) -> ExitCode {
    let wrong = |error: &MultiError| console::usage(error, Some(error.hint()), style);
    let architectures = given.architectures();
    if architectures.is_empty() {
        return wrong(&MultiError::NoArchitectures);
    }
    if let Some(option) = given.file_option() {
        return wrong(&MultiError::Option(option));
    }
    let mut all = Vec::new();
    for architecture in architectures {
        let given = match Cli::read(arguments) {
            Ok(given) => given.of_architecture(architecture),
            Err(mut error) => return clap_exit(&mut error, style),
        };
        match given.resolve(environment) {
            Ok(settings) => all.push(settings),
            Err(error) => {
                error::print(&error, error.hint(), style);
                return Exit::Usage.into();
            }
        }
    }
    let Some(first) = all.first() else {
        return wrong(&MultiError::NoArchitectures);
    };
    match first.target.format() {
        Some(Format::Container(Layout::OciDirectory | Layout::OciArchive)) if first.target.is_file() => {}
        _ => return wrong(&MultiError::Format),
    }
    made(first, style, |reporter, cancel| {
        commands::multi::run(&all, &reporter, cancel)
    })
}
