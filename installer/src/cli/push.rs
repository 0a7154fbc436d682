//! The command line of `rootless-install push`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::exit::Exit;
use super::image_args::ImageArgs;
use super::resolve::SettingsError;
use super::values;
use crate::commands::Error;
use crate::commands::push::{self, PushSettings};
use crate::input::Input;
use crate::output::{Format, Layout};
use crate::push::{Credentials, Destination, Login, PushError, PushOptions};
use crate::target_spec::Form;
use clap::Parser;
use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use task_progress::Style;

/// Most bytes of a password.
const MOST_PASSWORD: u64 = 64 << 10;

/// Pushes a container image, or a target as one, to a registry
///
/// An image of several architectures is pushed whole. What the registry has is not sent again, a tag is set when all is
/// there. The digest of the image is printed as REGISTRY/NAME@DIGEST.
///
/// Users and passwords are those of `skopeo login`, `podman login` and `docker login`: in $REGISTRY_AUTH_FILE, or
/// $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json and ~/.docker/config.json.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install push oci:image:latest registry.example.org/team/debian:13
  rootless-install push image.oci localhost:5000/debian
  rootless-install push --oci-cmd bash target/ registry.example.org/team/debian:mine
  pass registry | rootless-install push --username me --password-stdin image.oci registry.example.org/me/debian")]
struct PushArgs {
    /// What to push: oci:DIR, oci-archive:FILE or docker-archive:FILE (each perhaps with `:TAG` after it), or a target or the
    /// tar of one, of which an image is made
    #[arg(value_name = "SOURCE")]
    source: OsString,

    /// Where to: `REGISTRY/NAME[:TAG]`; the tag is `latest` where there is none
    #[arg(value_name = "REGISTRY/NAME[:TAG]")]
    destination: String,

    /// Name of the user, in place of files
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    username: Option<String>,

    /// Read the user's password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,

    /// The registry has no TLS, as is taken for one on this machine
    #[arg(long, conflicts_with = "ca_certificate")]
    plain_http: bool,

    /// Trust the certificates in this file (PEM), too
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,

    /// Give up when nothing has moved for so long
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = values::timeout)]
    timeout: Duration,

    /// Write the digest into this file
    #[arg(long, value_name = "FILE")]
    digest_file: Option<PathBuf>,

    /// Print what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    image: ImageArgs,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let args: PushArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let (json, messages) = (args.json, args.messages);
    let settings = match resolve(args, environment, style) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    console::run(messages.verbosity(), style, |reporter, cancel| {
        let pushed = push::run(&settings, &**reporter, cancel)?;
        let mut out = std::io::stdout().lock();
        let printed = match json {
            true => serde_json::to_writer_pretty(&mut out, &pushed)
                .map_err(std::io::Error::from)
                .and_then(|()| writeln!(out)),
            false => writeln!(out, "{}", pushed.digest_reference),
        };
        printed.map_err(Error::Print)?;
        Ok(Exit::Success)
    })
}

fn resolve(args: PushArgs, environment: &Environment, style: Style) -> Result<PushSettings, ExitCode> {
    let wrong = |error: &PushError| console::usage(error, error.hint().as_deref(), style);
    let destination = Destination::parse(&args.destination).map_err(|error| wrong(&error))?;
    if args.password_stdin && args.source == "-" {
        return Err(console::usage(&TwoInputs, None, style));
    }
    if args.image.format != Form::Auto {
        return Err(console::usage(&NoForm, None, style));
    }
    let image = args.image.options(OsStr::new("oci:x"));
    image
        .check(Format::Container(Layout::OciDirectory))
        .map_err(|error| {
            let error = SettingsError::from(error);
            console::usage(&error, error.hint(), style)
        })?;
    let credentials = match args.username {
        Some(user) => Credentials::Given(Login {
            user,
            password: password().map_err(|source| {
                wrong(&PushError::File {
                    what: "read the password from",
                    path: "standard input".into(),
                    source,
                })
            })?,
        }),
        None => credentials(environment),
    };
    Ok(PushSettings {
        source: Input::parse(&args.source),
        image,
        source_date_epoch: console::source_date_epoch(environment, style)?,
        options: PushOptions {
            destination,
            credentials,
            plain_http: args.plain_http,
            authority: args.ca_certificate,
            limit: args.timeout,
        },
        digest_file: args.digest_file,
        temporary: environment.temporary(),
    })
}

/// Two things are to come from standard input.
#[derive(Debug, thiserror::Error)]
#[error("the source and the password cannot both come from standard input")]
struct TwoInputs;

/// `--format` has no meaning.
#[derive(Debug, thiserror::Error)]
#[error("--format has no meaning here: a registry gets an OCI image")]
struct NoForm;

/// Reads the password; the end of the line is not a part of it.
fn password() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MOST_PASSWORD)
        .read_to_string(&mut text)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Returns the files of users and passwords, in their order.
fn credentials(environment: &Environment) -> Credentials {
    if let Some(file) = &environment.registry_auth_file {
        return Credentials::File(file.into());
    }
    let in_home = |path: &str| {
        environment
            .home
            .as_ref()
            .map(|home| PathBuf::from(home).join(path))
    };
    let runtime = environment.xdg_runtime_dir.as_ref();
    let docker = environment.docker_config.as_ref();
    let files = [
        runtime.map(|runtime| PathBuf::from(runtime).join("containers/auth.json")),
        in_home(".config/containers/auth.json"),
        docker
            .map(|docker| PathBuf::from(docker).join("config.json"))
            .or_else(|| in_home(".docker/config.json")),
    ];
    Credentials::Files(files.into_iter().flatten().collect())
}
