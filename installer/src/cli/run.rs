//! The command lines of `rootless-install run` and `rootless-install shell`.

use super::environment::Environment;
use super::error;
use super::exit::Exit;
use super::values::{self, Names};
use crate::commands::run::{Program, RunSettings};
use crate::commands::run_archive::ArchiveTarget;
use crate::commands::{self, Error};
use crate::input::Input;
use crate::settings::{ArchiveSettings, NativeTools};
use crate::target_spec::{Form, TargetSpec};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use deb_arch::Architecture;
use script_host::view::command::CommandEnd;
use script_host::{BindMount, Network, ScriptSettings};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::time::Duration;
use task_progress::{Style, Verbosity, escape};

/// Names of the commands, as the first argument.
pub const RUN: &str = "run";
/// The same for a shell.
pub const SHELL: &str = "shell";

const LONG_ABOUT: &str = "\
Runs a command in a target, as its root or another of its users. Programs of the target are
executed as their native counterparts, which come from the target's own sources of packages;
owners, modes and devices are recorded as in an installation. So apt, dpkg, passwd, systemctl
enable and all that works without a running system of its own work there.

The command has this process's standard input, output and error, and a terminal of its own
where these are one. Signals are passed on.";

const AFTER_HELP: &str = "\
Exit status: that of the command, 128 + the signal's number where a signal ended it, and
  1    it could not be tried
  2    the command line makes no sense
  126  it cannot be run here; 127: it is not there

Examples:
  rootless-install run target/ -- apt-get update
  rootless-install run target/ -- apt-get install -y openssh-server
  rootless-install run --user www-data --bind ./site:/var/www:ro target/ -- ls -l /var/www
  rootless-install shell target/";

/// Error of an argument that has no meaning, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mistake(String);

/// Runs the command; `arguments` begin with its name.
pub fn main(arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let shell = arguments.first().is_some_and(|name| name == SHELL);
    let matches = match command_line(shell).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(mut error) => {
            super::print_usage(&mut error, style);
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            }
            .into();
        }
    };
    match resolve(&matches, shell, environment) {
        Ok((settings, archive)) => run(&settings, archive.as_ref(), verbosity(&matches), style),
        Err(mistake) => {
            error::print(&mistake, None::<&str>, style);
            Exit::Usage.into()
        }
    }
}

fn verbosity(matches: &ArgMatches) -> Verbosity {
    match matches.get_count("verbose") {
        0 => Verbosity::Quiet,
        1 => Verbosity::Normal,
        _ => Verbosity::Verbose,
    }
}

fn run(
    settings: &RunSettings,
    archive: Option<&ArchiveTarget>,
    verbosity: Verbosity,
    style: Style,
) -> ExitCode {
    super::with_console(verbosity, style, |reporter, cancel| {
        let name = match &settings.program {
            Program::Command(words) => words.first().map(OsString::as_os_str),
            Program::Shell(_) => None,
        };
        let name = name.unwrap_or(OsStr::new("the user's shell")).to_string_lossy();
        let complain = |why: &str| {
            let _ = writeln!(std::io::stderr(), "rootless-install: {}: {why}", escape(&name));
        };
        let end = match archive {
            Some(archive) => commands::run_archive::run(archive, settings, &reporter, cancel)?,
            None => commands::run::run(settings, &reporter, cancel)?,
        };
        Ok::<_, Error>(match end {
            CommandEnd::Exited(status) => Exit::Command(u8::try_from(status).unwrap_or(1)),
            CommandEnd::Signalled(signal) => Exit::Signal(signal),
            CommandEnd::NotFound => {
                complain("not found in the target");
                Exit::Command(127)
            }
            CommandEnd::NotRun(reason) => {
                complain(&reason);
                Exit::Command(126)
            }
        })
    })
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// Returns the command line.
pub fn command_line(shell: bool) -> Command {
    let (name, about) = match shell {
        false => ("rootless-install run", "Runs a command in a target"),
        true => ("rootless-install shell", "Runs the user's shell in a target"),
    };
    let words = Arg::new("command")
        .value_parser(value_parser!(OsString))
        .num_args(1..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    let words = match shell {
        false => words
            .value_name("COMMAND")
            .required(true)
            .help("The command and its arguments, after `--`"),
        true => words
            .value_name("ARGUMENT")
            .help("Arguments of the shell, after `--`"),
    };
    Command::new(name)
        .bin_name(name)
        .about(about)
        .long_about(LONG_ABOUT)
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The target: a directory that this program made, or dpkg; or an archive of one")
                .long_help(
                    "The target: a directory that this program made, or dpkg; or an archive of one\n\n\
                     An archive (a tar, also compressed, and what else `rootless-install unpack` reads) is unpacked, and \
                     written again when the command has succeeded; a shell need not.",
                ),
        )
        .arg(words)
        .arg(option("user", "NAME|UID[:GROUP]", "User of the target [default: root]"))
        .arg(
            option("bind", "SRC[:DST[:ro]]", "A directory or file of this machine that is seen in the target")
                .long_help(
                    "A directory or file of this machine that is seen in the target, at DST or at its own path\n\n\
                     What is written there is written, unless with `:ro`; owners are recorded as in a target. DST need \
                     not be there. May be given more than once.",
                )
                .value_parser(value_parser!(OsString))
                .action(ArgAction::Append),
        )
        .arg(
            option("workdir", "DIR", "Working directory in the target [default: /, for a shell the user's home]")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            option("env", "NAME[=VALUE]", "A variable of the environment, with the caller's value where none is given")
                .value_parser(value_parser!(OsString))
                .action(ArgAction::Append),
        )
        .arg(
            option("network", "none|host", "Network of the command; maintainer scripts have none")
                .default_value("host")
                .value_parser(PossibleValuesParser::new(["none", "host"]).map(|word| match word.as_str() {
                    "none" => Network::None,
                    _ => Network::Host,
                })),
        )
        .arg(
            Arg::new("read-only")
                .long("read-only")
                .action(ArgAction::SetTrue)
                .help("The target cannot be changed; several such commands may run at a time"),
        )
        .arg(
            option("output", "OUT", "Another archive to write, instead of the one that is TARGET")
                .value_parser(value_parser!(OsString)),
        )
        .arg(option("arch", "ARCH", "Architecture of a target whose database says none"))
        .arg(
            option("mirror", "URL", "Where native tools come from [default: the target's own sources]")
                .value_parser(values::mirror)
                .action(ArgAction::Append),
        )
        .arg(option("suite", "SUITE", "Suite of a --mirror that is a URL").default_value("stable").value_parser(values::suite))
        .arg(
            option("components", "C,...", "Components of a --mirror that is a URL [default: main]")
                .value_parser(values::components)
                .action(ArgAction::Append),
        )
        .arg(
            option("keyring", "FILE", "OpenPGP keys that may sign archives, beside the target's and this machine's")
                .value_parser(value_parser!(PathBuf))
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("allow-older-release")
                .long("allow-older-release")
                .action(ArgAction::SetTrue)
                .help("Accept an archive whose state is older than the one seen last"),
        )
        .arg(
            option("download-timeout", "DURATION", "How long a mirror may take for its next bytes")
                .default_value("30s")
                .value_parser(values::download_timeout),
        )
        .arg(
            option("native-sysroot", "auto|DIR", "Where native tools come from: packages, or the root of a native system")
                .default_value("auto")
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            option("cache", "DIR", "Where downloads and the native sysroot are kept")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .action(ArgAction::Count)
                .help("Tell about native tools that are fetched; twice: about every script"),
        )
}

/// Returns the settings that arguments and environment mean.
fn resolve(
    matches: &ArgMatches,
    shell: bool,
    environment: &Environment,
) -> Result<(RunSettings, Option<ArchiveTarget>), Mistake> {
    let mistake = |text: String| Mistake(text);
    let words = |name: &str| -> Vec<OsString> {
        matches
            .get_many::<OsString>(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let target = matches.get_one::<PathBuf>("target").cloned().unwrap_or_default();
    let cache = matches
        .get_one::<PathBuf>("cache")
        .cloned()
        .or_else(|| environment.cache());
    let cache = cache.ok_or_else(|| {
        mistake("there is no place for the cache: name a directory with --cache".to_owned())
    })?;
    let here = |path: &Path| {
        absolute(path).map_err(|error| mistake(format!("cannot find the current directory: {error}")))
    };
    let arch = match text("arch") {
        Some(name) => Some(
            Architecture::by_name(&name)
                .ok_or_else(|| mistake(format!("--arch: `{name}` is no architecture of Debian's")))?,
        ),
        None => None,
    };
    let native = match matches.get_one::<OsString>("native-sysroot") {
        Some(path) if path != "auto" => match std::fs::canonicalize(path) {
            Ok(path) if path.is_dir() => NativeTools::Directory(path),
            _ => {
                return Err(mistake(format!(
                    "--native-sysroot: there is no directory {}",
                    path.display()
                )));
            }
        },
        _ => NativeTools::Packages,
    };
    let components = matches.get_many::<Names>("components").into_iter().flatten();
    let mut components: Vec<String> = components.flat_map(|names| names.0.iter().cloned()).collect();
    if components.is_empty() {
        components.push("main".to_owned());
    }
    let epoch = environment.source_date_epoch.as_ref().map(|epoch| {
        let number = epoch.to_str().and_then(|epoch| epoch.parse().ok());
        number.ok_or_else(|| {
            mistake(format!(
                "SOURCE_DATE_EPOCH is `{}`, not a number",
                epoch.display()
            ))
        })
    });
    let command = words("command");
    let settings = RunSettings {
        target: here(&target)?,
        program: match shell {
            true => Program::Shell(command),
            false => Program::Command(command),
        },
        user: text("user"),
        binds: words("bind")
            .iter()
            .map(|given| bind(given))
            .collect::<Result<_, _>>()?,
        directory: matches
            .get_one::<PathBuf>("workdir")
            .map(|path| Path::new("/").join(path)),
        environment: words("env")
            .iter()
            .filter_map(|given| variable(given))
            .collect::<Result<_, _>>()?,
        network: matches.get_one("network").copied().unwrap_or(Network::Host),
        read_only: matches.get_flag("read-only"),
        arch,
        cache: here(&cache)?,
        archives: ArchiveSettings {
            suite: text("suite").unwrap_or_default(),
            components,
            mirrors: matches
                .get_many::<String>("mirror")
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            keyrings: matches
                .get_many::<PathBuf>("keyring")
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            offline: false,
            snapshot: None,
            allow_older: matches.get_flag("allow-older-release"),
            download_timeout: matches
                .get_one("download-timeout")
                .copied()
                .unwrap_or(Duration::from_secs(30)),
            ..ArchiveSettings::default()
        },
        native,
        scripts: ScriptSettings {
            source_date_epoch: epoch.transpose()?,
            ..ScriptSettings::default()
        },
    };
    let archive = archive(matches, &settings, environment)?;
    Ok((settings, archive))
}

/// Returns the archive that is the target; none for a directory.
fn archive(
    matches: &ArgMatches,
    settings: &RunSettings,
    environment: &Environment,
) -> Result<Option<ArchiveTarget>, Mistake> {
    let given = matches.get_one::<PathBuf>("target").cloned().unwrap_or_default();
    let output = matches.get_one::<OsString>("output");
    let input = Input::parse(given.as_os_str());
    if given.is_dir() || (input == Input::File(given.clone()) && !given.exists()) {
        return match output {
            Some(_) => Err(Mistake(format!(
                "--output: {} is no archive, and a directory is changed where it is",
                given.display()
            ))),
            None => Ok(None),
        };
    }
    if input == Input::Stdin {
        return Err(Mistake(
            "the target cannot come from standard input, which is that of the command; make a directory of it with \
             `rootless-install unpack`"
                .to_owned(),
        ));
    }
    let wanted = output.map_or(given.as_os_str(), OsString::as_os_str);
    let output = match settings.read_only {
        true => None,
        false => {
            let found = TargetSpec::find(wanted, Form::Auto).map_err(|error| Mistake(error.to_string()))?;
            if found.format().is_none() || matches!(found, TargetSpec::Stdout { .. }) {
                let wanted = wanted.display();
                return Err(Mistake(format!(
                    "{wanted} says no format that could be written: name an archive with --output"
                )));
            }
            Some(found)
        }
    };
    let beside = match &output {
        Some(TargetSpec::File { path, .. }) => absolute(path).ok(),
        _ => None,
    };
    let parent = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
    Ok(Some(ArchiveTarget {
        input,
        output,
        parent: parent.unwrap_or_else(|| environment.temporary()),
    }))
}

/// Reads `SRC[:DST[:ro]]`. A colon that belongs to a name cannot be given.
fn bind(given: &OsStr) -> Result<BindMount, Mistake> {
    let wrong = |problem: &str| Mistake(format!("--bind {}: {problem}", given.display()));
    let parts: Vec<&[u8]> = given.as_bytes().split(|&byte| byte == b':').collect();
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let (source, destination, read_only) = match *parts.as_slice() {
        [source] => (source, None, false),
        [source, b"ro"] => (source, None, true),
        [source, destination] => (source, Some(destination), false),
        [source, destination, b"ro"] => (source, Some(destination), true),
        [source, destination, b"rw"] => (source, Some(destination), false),
        _ => return Err(wrong("give it as SRC, SRC:DST or SRC:DST:ro")),
    };
    let source = std::fs::canonicalize(path(source)).map_err(|error| wrong(&error.to_string()))?;
    let destination = match destination {
        Some(destination) => path(destination),
        None => source.clone(),
    };
    if !destination.is_absolute() {
        return Err(wrong("the path in the target has to begin with `/`"));
    }
    let plain: PathBuf = destination.components().collect();
    let odd = plain
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    if odd || plain.parent().is_none() {
        return Err(wrong(
            "the path in the target has to be below its root, without `..`",
        ));
    }
    Ok(BindMount {
        source,
        destination: plain,
        read_only,
    })
}

/// Reads `NAME[=VALUE]`; none for a variable that the caller does not have.
fn variable(given: &OsStr) -> Option<Result<(OsString, OsString), Mistake>> {
    let bytes = given.as_bytes();
    let part = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(0) => Some(Err(Mistake(format!(
            "--env {}: the variable has no name",
            given.display()
        )))),
        Some(at) => Some(Ok((
            part(bytes.get(..at).unwrap_or_default()),
            part(bytes.get(at + 1..).unwrap_or_default()),
        ))),
        None => Some(Ok((given.to_owned(), std::env::var_os(given)?))),
    }
}

#[cfg(test)]
mod tests;
