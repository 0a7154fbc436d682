//! The command line of `rootless-install check`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use crate::commands;
use crate::commands::check::{self, CheckSettings};
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::Style;

/// Says whether a target is whole: every record of fake ownership, dpkg's database, the files of packages against their
/// checksums, and what was left by something that was killed
#[derive(Debug, Parser)]
#[command(after_help = "\
Exit status:
  0    it is whole
  1    it could not be found out
  2    the command line makes no sense
  3    there are findings, a line each on standard output

Examples:
  rootless-install check target/
  rootless-install check --json target/ | jq '.findings[].path'")]
struct CheckArgs {
    /// The target's directory
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    /// Print one object of JSON
    #[arg(long)]
    json: bool,

    /// Do not compare files with the checksums of their packages
    #[arg(long)]
    quick: bool,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: CheckArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let settings = CheckSettings {
        target: args.target,
        quick: args.quick,
    };
    console::run(args.messages.verbosity(), style, |reporter, cancel| {
        let report = check::run(&settings, &**reporter, cancel)?;
        let mut out = std::io::stdout().lock();
        let written = match args.json {
            true => report.write_json(&mut out),
            false => report.write_text(&mut out),
        };
        written.map_err(commands::Error::Print)?;
        Ok(match report.findings.is_empty() {
            true => Exit::Success,
            false => Exit::Findings,
        })
    })
}
