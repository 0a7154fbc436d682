//! The command lines of `rootless-install run` and `rootless-install shell`.

mod arguments;
mod command_line;

pub use command_line::command_line;

use super::environment::Environment;
use super::error;
use super::exit::Exit;
use super::values::Names;
use crate::commands::run::{Program, RunSettings};
use crate::commands::run_archive::ArchiveTarget;
use crate::commands::{self, Error};
use crate::input::Input;
use crate::settings::{ArchiveSettings, NativeTools};
use crate::target_spec::{Form, TargetSpec};
use arguments::{bind, variable};
use clap::ArgMatches;
use deb_arch::Architecture;
use script_host::view::command::CommandEnd;
use script_host::{Network, ScriptSettings};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::time::Duration;
use task_progress::{Style, Verbosity, escape};

/// Names of the commands, as the first argument.
pub const RUN: &str = "run";
/// The same for a shell.
pub const SHELL: &str = "shell";

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
            Some(_) if !given.exists() => Err(Mistake(format!(
                "{} is not there: give the archive that is to be changed",
                given.display()
            ))),
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

#[cfg(test)]
mod tests;
