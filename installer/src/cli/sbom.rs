//! The command line of `rootless-install sbom`, and the option of that name.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::sbom::{self, SbomSettings};
use crate::sbom::SbomFormat;
use crate::settings::SbomFile;
use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::Style;

/// Writes a software bill of materials of a target: its packages with versions, sources and licences
///
/// It is made of dpkg's database and of the copyright files that machines can read. A lock of the installation adds the
/// hashes and places of package files. The same target and SOURCE_DATE_EPOCH give the same bytes.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install sbom target/ > target.spdx.json
  rootless-install sbom --format cyclonedx --lock target.lock --output target.cdx.json target/")]
struct SbomArgs {
    /// The target's directory
    #[arg(value_name = "TARGET")]
    target: PathBuf,

    /// Form of the bill: SPDX 2.3 or CycloneDX 1.6, both as JSON
    #[arg(long, value_name = "spdx|cyclonedx", default_value = "spdx", value_parser = format)]
    format: SbomFormat,

    /// Where it is written [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// A file that --lock has written when the target was made
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,

    /// Name of what the bill is of [default: that of the directory]
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let args: SbomArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let source_date_epoch = match console::source_date_epoch(environment, style) {
        Ok(epoch) => epoch,
        Err(exit) => return exit,
    };
    let settings = SbomSettings {
        target: args.target,
        format: args.format,
        output: args.output,
        lock: args.lock,
        name: args.name,
        source_date_epoch,
    };
    console::run(args.messages.verbosity(), style, |_, _| {
        sbom::run(&settings)?;
        Ok(Exit::Success)
    })
}

fn format(text: &str) -> Result<SbomFormat, String> {
    SbomFormat::by_name(text).ok_or_else(|| "it is spdx or cyclonedx".to_owned())
}

/// Reads `FORM=FILE`.
pub(super) fn file(text: &str) -> Result<SbomFile, String> {
    let (form, path) = text.split_once('=').ok_or(
        "write it as spdx=FILE or cyclonedx=FILE; --oci-attach attaches one to an OCI image without a file",
    )?;
    match path {
        "" => Err("the file has no name".to_owned()),
        path => Ok(SbomFile {
            format: format(form)?,
            path: path.into(),
        }),
    }
}
