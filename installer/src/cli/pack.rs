//! The command line of `rootless-install pack`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use super::image_args::ImageArgs;
use super::resolve::SettingsError;
use crate::commands::pack::{self, PackSettings};
use crate::output::Format;
use crate::target_spec::{Form, TargetSpec};
use clap::Parser;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::Style;
use task_progress::summary::ByteCount;

/// Writes a target as an archive or an image, with the owners, modes, devices and capabilities that its users see
///
/// The same target gives the same bytes. No time in the result is later than SOURCE_DATE_EPOCH.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install pack target/ image.tar.zst
  rootless-install pack --free 500M target/ root.ext4
  rootless-install pack --size 8G --swap 512M target/ disk.qcow2
  rootless-install pack --oci-entrypoint /usr/sbin/nginx target/ oci:image:latest
  rootless-install pack target/ - | podman import - mine")]
struct PackArgs {
    /// The target's directory
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    /// What to make: NAME.tar[.gz|.xz|.zst], .cpio[.gz|.xz|.zst], .squashfs, .ext2, .ext3, .ext4, .btrfs, .xfs, .erofs, a disk
    /// (.img, .raw, .qcow2, .vhd, .vmdk), .oci, oci:DIR, oci-archive:FILE, docker-archive:FILE (each perhaps with `:TAG` after it), or `-`
    #[arg(value_name = "OUT")]
    out: OsString,

    #[command(flatten)]
    image: ImageArgs,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    match resolve(name, arguments, environment, style) {
        Ok((settings, messages)) => console::run(messages.verbosity(), style, |reporter, cancel| {
            let (path, bytes) = pack::run(&settings, &**reporter, cancel)?;
            if let Some(path) = path {
                reporter.note(&format!("made {}, {}", path.display(), ByteCount(bytes)));
            }
            Ok(Exit::Success)
        }),
        Err(exit) => exit,
    }
}

fn resolve(
    name: &str,
    arguments: &[OsString],
    environment: &Environment,
    style: Style,
) -> Result<(PackSettings, Messages), ExitCode> {
    let args: PackArgs = console::parse(name, arguments, style)?;
    let wrong = |error: &SettingsError| console::usage(error, error.hint(), style);
    let output = TargetSpec::find(&args.out, args.image.format).map_err(|error| wrong(&error.into()))?;
    let (TargetSpec::Directory(_) | TargetSpec::Nothing, Form::Auto | Form::Directory | Form::Null) =
        (&output, args.image.format)
    else {
        let stdout = matches!(output, TargetSpec::Stdout { .. });
        if stdout && std::io::stdout().is_terminal() {
            return Err(wrong(&SettingsError::Terminal));
        }
        let image = args.image.options(&args.out);
        if let Some(format) = output.format() {
            image.check(format).map_err(|error| wrong(&error.into()))?;
        }
        let settings = PackSettings {
            target: args.target,
            output,
            image,
            source_date_epoch: console::source_date_epoch(environment, style)?,
            temporary: environment.temporary(),
        };
        return Ok((settings, args.messages));
    };
    Err(console::usage(
        &NoFormat(args.out),
        Some("a directory is copied with `cp -a`"),
        style,
    ))
}

/// The name of the result says no format.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} says no format: give a name that ends in {ends}, or --format", ends = endings())]
struct NoFormat(OsString);

/// Returns the ends of names that say a format, for people.
fn endings() -> String {
    let all: Vec<&str> = Format::endings().collect();
    all.join(", ")
}
