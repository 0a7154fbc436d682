//! The command line of `rootless-install unpack`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::unpack::{self, UnpackSettings};
use crate::input::Input;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::Style;

/// Makes a target of an archive or a container image, owners, modes, devices and capabilities as in there
///
/// What the file is, and its compression, is seen from its content. Nothing outside of the target is touched, whatever
/// the archive says.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install unpack image.tar.zst target/
  rootless-install unpack oci-archive:image.oci target/
  podman export mine | rootless-install unpack - target/")]
struct UnpackArgs {
    /// The archive: a tar (also .gz, .xz, .zst), a cpio archive, a squashfs image, oci:DIR, oci-archive:FILE or
    /// docker-archive:FILE (each perhaps with `:TAG` after it), or `-` for standard input
    #[arg(value_name = "IN")]
    input: OsString,

    /// The directory to make, which must not exist yet or be empty
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    let args: UnpackArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let settings = UnpackSettings {
        input: Input::parse(&args.input),
        target: args.target,
    };
    console::run(args.messages.verbosity(), style, |reporter, cancel| {
        let done = unpack::run(&settings, &**reporter, cancel)?;
        reporter.note(&format!(
            "made {} of {} members",
            settings.target.display(),
            done.members
        ));
        Ok(Exit::Success)
    })
}
