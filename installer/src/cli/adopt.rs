//! The command line of `rootless-install adopt`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::adopt::{self, AdoptSettings};
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::Style;

/// Makes a target of a directory that another program made, in its place
///
/// Owners and modes are taken from where that program has them: the disk, in subordinate ids (podman unshare, mmdebstrap's mode
/// unshare); attributes (fuse-overlayfs, containers/storage); the file that `fakeroot -s` wrote. All files
/// belong to you afterwards.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  mmdebstrap --mode=unshare trixie root && rootless-install adopt root
  fakeroot -s state make install DESTDIR=root/ && rootless-install adopt --fakeroot state root/")]
struct AdoptArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// The file that `fakeroot -s` wrote for this directory
    #[arg(long, value_name = "FILE", conflicts_with = "in_namespace")]
    fakeroot: Option<PathBuf>,

    /// Be the process that has the subordinate ids
    #[arg(long, hide = true)]
    in_namespace: bool,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: AdoptArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let settings = AdoptSettings {
        directory: args.directory,
        fakeroot: args.fakeroot,
        in_namespace: args.in_namespace,
    };
    let verbosity = args.messages.verbosity();
    let work = |reporter: &dyn task_progress::Reporter, cancel: &task_progress::Cancel| {
        adopt::run(&settings, reporter, cancel).map(|()| Exit::Success)
    };
    match settings.in_namespace {
        // Root of the namespace needs its capabilities.
        true => console::run_as_it_is(verbosity, style, |reporter, cancel| work(&**reporter, cancel)),
        false => console::run(verbosity, style, |reporter, cancel| work(&**reporter, cancel)),
    }
}
