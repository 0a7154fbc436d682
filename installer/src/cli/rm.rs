//! The command line of `rootless-install rm`.

use super::console;
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::rm;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::{Style, Verbosity};

/// Removes a target, whatever modes its directories have; anything else is left alone
#[derive(Debug, Parser)]
struct RmArgs {
    /// The target's directory
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: RmArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    console::run(Verbosity::Normal, style, |_, _| {
        args.targets.iter().try_for_each(|target| rm::run(target))?;
        Ok(Exit::Success)
    })
}
