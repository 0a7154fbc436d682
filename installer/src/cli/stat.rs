//! The command line of `rootless-install stat`.

use super::console;
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::stat::{self, StatSettings};
use clap::Parser;
use std::ffi::OsString;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::{Style, Verbosity};

/// Shows type, mode, owner, size, time and capabilities of files as the target's users see them, as `ls -l` does
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install stat target/etc/shadow target/dev/null
  rootless-install stat -R target/ | grep '^-rws'
  rootless-install stat --json -R target/ | jq -r 'select(.capabilities) | .path'
  rootless-install stat --root target/ /etc/shadow")]
struct StatArgs {
    /// Files in a target
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Show all that is below directories, too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Show owners as numbers
    #[arg(short, long)]
    numeric: bool,

    /// Print an object of JSON a line
    #[arg(long)]
    json: bool,

    /// The target, whose own paths are given then
    #[arg(long, value_name = "TARGET")]
    root: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: StatArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let settings = StatSettings {
        root: args.root,
        paths: args.paths,
        recursive: args.recursive,
        numeric: args.numeric,
        json: args.json,
    };
    console::run(Verbosity::Normal, style, |_, cancel| {
        let mut out = BufWriter::new(std::io::stdout().lock());
        stat::run(&settings, &mut out, cancel)?;
        Ok(Exit::Success)
    })
}
