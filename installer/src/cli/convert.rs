//! The command line of `rootless-install convert`: configurations of other programs as recipes.

use super::console;
use super::environment::Environment;
use super::exit::Exit;
use crate::bdebstrap::{self, BdebstrapError};
use crate::whole_file::WholeFile;
use clap::Parser;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::{Style, Verbosity};

/// Writes a recipe that makes what a configuration of bdebstrap makes
///
/// Keys that bdebstrap does not know are named with their lines, and left out. docs/recipes.md says what each key becomes.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install convert live.yaml live.toml
  rootless-install convert live.yaml")]
struct ConvertArgs {
    /// The configuration, in YAML
    #[arg(value_name = "FILE.yaml")]
    from: PathBuf,

    /// The recipe [default: standard output]
    #[arg(value_name = "FILE.toml")]
    to: Option<PathBuf>,
}

/// Reason why nothing is converted.
#[derive(Debug, thiserror::Error)]
enum ConvertError {
    #[error(transparent)]
    Bdebstrap(#[from] BdebstrapError),
    #[error("cannot write the recipe {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot write to standard output")]
    Print(#[source] std::io::Error),
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: ConvertArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    match convert(&args, style) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            super::error::print(&error, None::<&str>, style);
            Exit::Failure.into()
        }
    }
}

fn convert(args: &ConvertArgs, style: Style) -> Result<(), ConvertError> {
    let converted = bdebstrap::convert(&args.from)?;
    let reporter = task_progress::for_stderr(Verbosity::Normal, style);
    for warning in &converted.warnings {
        reporter.warn(warning);
    }
    match &args.to {
        None => std::io::stdout()
            .lock()
            .write_all(converted.text.as_bytes())
            .map_err(ConvertError::Print),
        Some(path) => WholeFile::begin(path)
            .and_then(|file| file.finish(converted.text.as_bytes()))
            .map_err(|source| ConvertError::Write {
                path: path.clone(),
                source,
            }),
    }
}
