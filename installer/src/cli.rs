//! The command: options in, exit status out.
//!
//! [`args`] and [`more`] say what can be given, [`mmdebstrap`] and [`multistrap`] what under those names, [`resolve`] makes [`Settings`] of it, the [`commands`] act by
//! them, [`error`] prints what went wrong, [`exit`] has the exit statuses and [`environment`] the environment
//! variables that matter.

mod access;
mod adopt;
pub mod args;
mod boot;
mod build;
pub mod cache;
mod change;
mod check;
pub mod choice_args;
mod choices;
mod console;
mod convert;
mod customize_args;
mod described;
pub mod dpkg;
pub mod environment;
pub mod error;
pub mod exit;
mod hook_helper;
mod image_args;
pub mod lint;
pub mod mirror;
pub mod mmdebstrap;
pub mod more;
mod mount;
mod multi;
pub mod multistrap;
mod pack;
pub mod plan;
pub mod port_args;
mod push;
pub mod resolve;
mod rm;
pub mod run;
mod sbom;
mod stat;
pub mod state;
mod unpack;
mod values;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use deb_types::near::distance;

pub use args::{Args, Cli, Given};
pub use build::options as recipe_options;
pub use exit::Exit;

use crate::commands;
use crate::preloaded;
use crate::settings::Settings;
use crate::staging;
use crate::target_spec::TargetError;
use resolve::SettingsError;
use script_host::view::privileges;
use task_progress::Cancel;
use task_progress::log::{LogFile, default_path};
use task_progress::{Event, Reporter, Style, Summary, Tee, Verbosity, escape_path};

/// First argument with which a hook asks for what a special hook does (mmdebstrap calls itself so).
const HOOK_HELPER: &str = "--hook-helper";

/// Runs the command with `arguments` (the first is its own name).
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::sys::return_large_blocks();
    script_host::limits::raise();
    script_host::limits::be_told_of_processor_time();
    let environment = environment::Environment::of_process();
    let style = environment.style();
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if preloaded::is_there() && !mmdebstrap::fills_for_fakeroot(&arguments, &environment) {
        error::print(&preloaded::again(&arguments), None::<&str>, style);
        return Exit::Failure.into();
    }
    if let Err(error) = described::take(&mut arguments) {
        error::print(&error, None::<&str>, style);
        return Exit::Usage.into();
    }
    if arguments.get(1).is_some_and(|first| first == lint::NAME) {
        return lint::main(arguments.get(1..).unwrap_or_default(), &environment, style);
    }
    if arguments.get(1).is_some_and(|first| first == plan::PLAN) {
        return plan::plan(arguments.get(1..).unwrap_or_default(), &environment, style);
    }
    if arguments.get(1).is_some_and(|first| first == plan::DIFF) {
        return plan::diff(arguments.get(1..).unwrap_or_default(), style);
    }
    if arguments.get(1).is_some_and(|first| first == mirror::NAME) {
        return mirror::main(arguments.get(1..).unwrap_or_default(), &environment, style);
    }
    if arguments
        .get(1)
        .is_some_and(|first| first == run::RUN || first == run::SHELL)
    {
        return run::main(arguments.get(1..).unwrap_or_default(), &environment, style);
    }
    if arguments.get(1).is_some_and(|first| first == cache::NAME) {
        return cache::main(arguments.get(1..).unwrap_or_default(), &environment, style);
    }
    if let Some(words) = dpkg::words(&arguments) {
        return dpkg::main(&words, &environment);
    }
    if arguments.get(1).is_some_and(|first| first == HOOK_HELPER) {
        return hook_helper::main(arguments.get(2..).unwrap_or_default(), style);
    }
    if let Some(words) = mmdebstrap::words(&arguments) {
        return mmdebstrap::main(words, &environment, style);
    }
    if let Some(words) = multistrap::words(&arguments) {
        return multistrap::main(words, &environment, style);
    }
    if let Some((name, command)) = on_targets(&arguments) {
        return command(name, arguments.get(1..).unwrap_or_default(), &environment, style);
    }
    make(&arguments, &environment, style)
}

/// Makes a root filesystem, as a command line of `rootless-install` asks for it.
fn make(arguments: &[OsString], environment: &environment::Environment, style: Style) -> ExitCode {
    let given = match Cli::read(arguments) {
        Ok(given) => given,
        Err(mut error) => {
            if let Some(surprise) = command_before_others(arguments, &error) {
                error::print(&surprise, None::<&str>, style);
                return Exit::Usage.into();
            }
            return clap_exit(&mut error, style);
        }
    };
    if given.is_multi() {
        return multi::main(arguments, &given, environment, style);
    }
    match given.resolve(environment) {
        Ok(settings) => install(&settings, style),
        Err(error) => {
            error::print(&error, error.hint(), style);
            Exit::Usage.into()
        }
    }
}

/// Returns what is wrong with the first word where one that comes behind it is too much: it was meant for a command.
fn command_before_others(arguments: &[OsString], error: &clap::Error) -> Option<TargetError> {
    let first = arguments
        .get(1)
        .filter(|word| !word.as_bytes().starts_with(b"-"))?;
    let behind = error.kind() == ErrorKind::UnknownArgument && arguments.len() > 2;
    behind
        .then(|| TargetError::of_word_before_others(first))
        .flatten()
}

/// A command on targets: it gets its name, the arguments that begin with it, the environment and the style.
type OnTargets = fn(&str, &[OsString], &environment::Environment, Style) -> ExitCode;

/// The commands on targets, which [`command_names`](crate::command_names) knows as well.
const ON_TARGETS: [(&str, OnTargets); 17] = [
    ("build", build::main),
    ("convert", convert::main),
    ("pack", pack::main),
    ("push", push::main),
    ("unpack", unpack::main),
    ("check", check::main),
    ("stat", stat::main),
    ("sbom", sbom::main),
    ("boot", boot::main),
    ("chown", change::main),
    ("chmod", change::main),
    ("mknod", change::main),
    ("setcap", change::main),
    ("mount", mount::main),
    ("umount", mount::unmount),
    ("adopt", adopt::main),
    ("rm", rm::main),
];

/// Returns the command on targets that the first argument names.
fn on_targets(arguments: &[OsString]) -> Option<(&'static str, OnTargets)> {
    let first = arguments.get(1)?;
    let (name, command) = ON_TARGETS.iter().find(|(name, _)| first == *name)?;
    Some((name, *command))
}

/// Prints what clap says of a command line, and returns the exit status.
fn clap_exit(error: &mut clap::Error, style: Style) -> ExitCode {
    print_usage(error, style);
    match error.use_stderr() {
        true => Exit::Usage.into(),
        false => Exit::Success.into(),
    }
}

/// Prints an error of the command line, or the help or version that was asked for: these go to standard output.
///
/// clap's advice for an option that does not exist, to give it as a value, would make a target of its name; and what it
/// calls similar to a value may have one letter of it.
fn print_usage(error: &mut clap::Error, style: Style) {
    if error.kind() == ErrorKind::UnknownArgument {
        error.remove(ContextKind::Suggested);
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if let (Some(given), Some(similar)) = (text(ContextKind::InvalidValue), text(ContextKind::SuggestedValue))
        && !similar.starts_with(given)
        && distance(given, similar, 2).is_none()
    {
        error.remove(ContextKind::SuggestedValue);
    }
    if style.unicode {
        let _ = error.print();
        return;
    }
    let text = task_progress::ascii(&error.render().to_string());
    let _ = match error.use_stderr() {
        true => std::io::stderr().write_all(text.as_bytes()),
        false => std::io::stdout().write_all(text.as_bytes()),
    };
}

/// Does what the settings ask for, telling the user about it on standard error.
pub fn install(settings: &Settings, style: Style) -> ExitCode {
    made(settings, style, |reporter, cancel| {
        commands::install::run(settings, reporter, cancel)
    })
}

/// Does what makes a result, telling the user about it on standard error.
fn made(
    settings: &Settings,
    style: Style,
    work: impl FnOnce(Arc<dyn Reporter>, &Cancel) -> Result<Summary, commands::Error>,
) -> ExitCode {
    with_reporter(settings, style, |reporter, cancel, log| {
        let mut summary = work(Arc::clone(&reporter), cancel)?;
        summary.log = log.map(Path::to_owned);
        for (package, why) in &summary.deferred {
            reporter.event(&Event::Warning {
                message: &format!("package {package} is left for later: {why}"),
            });
        }
        if !summary.deferred.is_empty() {
            reporter.event(&Event::Warning {
                message: "run `dpkg --configure -a` in the target, as root on a machine of its architecture, \
                          to complete it",
            });
        }
        if !settings.dry_run {
            reporter.event(&Event::Summary { summary: &summary });
            crate::cache::tidy(&settings.cache, &*reporter);
        }
        Ok(Exit::Success)
    })
}

/// Does some work of which the user is told on standard error and in a log, and which a signal stops.
fn with_reporter(
    settings: &Settings,
    style: Style,
    work: impl FnOnce(Arc<dyn Reporter>, &Cancel, Option<&Path>) -> Result<Exit, commands::Error>,
) -> ExitCode {
    let (was_root, cancel) = match begin(style) {
        Ok(begun) => begun,
        Err(exit) => return exit.into(),
    };
    let console = task_progress::for_stderr(settings.verbosity, style);
    if was_root {
        console
            .note("root is not needed: its capabilities are given up, all goes on as for an ordinary user");
    }
    let log = open_log(settings, &*console);
    let mut reporters = vec![console];
    if let Some(log) = &log {
        reporters.push(Box::new(log.clone()));
    }
    let reporter: Arc<dyn Reporter> = Arc::new(Tee(reporters));
    task_progress::trace::listen(&reporter);
    // The bars go before a message comes.
    let path = log.as_ref().map(|log| log.path().to_owned());
    match work(reporter, &cancel, path.as_deref()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            if let Some(log) = &log {
                log.write(&error::message(&error, error.hint().as_deref(), Style::default()));
            }
            let exit = failed(&error, &cancel, style);
            if let Some(log) = log
                && (settings.verbosity >= Verbosity::Normal || !error.is_cancelled())
            {
                let _ = writeln!(std::io::stderr(), "log: {}", escape_path(log.path()));
            }
            exit
        }
    }
}

/// Does some work of which the user is told on standard error, and which a signal stops.
fn with_console(
    verbosity: Verbosity,
    style: Style,
    work: impl FnOnce(Arc<dyn Reporter>, &Cancel) -> Result<Exit, commands::Error>,
) -> ExitCode {
    let cancel = match begin(style) {
        Ok((_, cancel)) => cancel,
        Err(exit) => return exit.into(),
    };
    let reporter: Arc<dyn Reporter> = Arc::from(task_progress::for_stderr(verbosity, style));
    task_progress::trace::listen(&reporter);
    match work(reporter, &cancel) {
        Ok(exit) => exit.into(),
        Err(error) => failed(&error, &cancel, style),
    }
}

/// Gives up what root has, checks what every command needs of the machine, and listens to signals. Returns whether this was
/// root, and the token that signals cancel.
fn begin(style: Style) -> Result<(bool, Cancel), Exit> {
    let was_root = privileges::give_up().map_err(|error| {
        error::print(&error, None::<&str>, style);
        Exit::Failure
    })?;
    begin_as_root(style).map(|cancel| (was_root, cancel))
}

/// As [`begin`], for what root does with root's rights.
fn begin_as_root(style: Style) -> Result<Cancel, Exit> {
    // Threads and the log need what is checked here.
    staging::check_machine()
        .and_then(|()| staging::check_limits())
        .map_err(|error| {
            error::print(&error, error.hint(), style);
            Exit::Failure
        })?;
    let cancel = Cancel::new();
    cancel.listen(staging::end_late).map_err(|error| {
        error::print(&error, None::<&str>, style);
        Exit::Failure
    })?;
    Ok(cancel)
}

/// Prints the error of a command, and returns the exit status.
fn failed(error: &commands::Error, cancel: &Cancel, style: Style) -> ExitCode {
    error::print(error, error.hint(), style);
    match cancel.signal() {
        Some(signal) if error.is_cancelled() => Exit::Signal(signal).into(),
        _ => Exit::Failure.into(),
    }
}

/// Opens the log. A log the user asked for and that cannot be written is worth a
/// warning, as is any other: the run itself does not need it.
fn open_log(settings: &Settings, console: &dyn Reporter) -> Option<Arc<LogFile>> {
    if settings.dry_run && settings.log.is_none() {
        return None;
    }
    let path = settings.log.clone().unwrap_or_else(|| {
        default_path(
            &settings.cache,
            SystemTime::now(),
            settings.system.arch.name,
            &settings.archives.suite,
        )
    });
    match LogFile::create(&path) {
        Ok(log) => {
            log.write(&settings.to_string());
            Some(Arc::new(log))
        }
        Err(error) => {
            console.warn(&format!("cannot write the log {}: {error}", path.display()));
            None
        }
    }
}
