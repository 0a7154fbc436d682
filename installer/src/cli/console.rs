//! How commands on targets are run: their options in common, messages on standard error, signals, exit statuses. They keep no
//! log.

use super::environment::Environment;
use super::error;
use super::exit::Exit;
use crate::commands;
use crate::staging;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser};
use script_host::view::privileges;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use task_progress::{Cancel, Reporter, Style, Verbosity};

/// Options that all commands on targets have.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Messages {
    /// Tell more
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,

    /// Print nothing but warnings and errors
    #[arg(short, long, visible_alias = "silent")]
    quiet: bool,
}

impl Messages {
    pub(super) fn verbosity(self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, 0) => Verbosity::Normal,
            (_, 1) => Verbosity::Verbose,
            _ => Verbosity::Debug,
        }
    }
}

/// Parses the arguments of a command, the first of which is its name.
///
/// # Errors
/// The exit status, when the error, or the help that was asked for, is printed.
pub(super) fn parse<T: Parser>(name: &str, arguments: &[OsString], style: Style) -> Result<T, ExitCode> {
    let full = format!("rootless-install {name}");
    let command = T::command()
        .bin_name(full)
        .args_override_self(true)
        .max_term_width(100);
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches| T::from_arg_matches(&matches));
    parsed.map_err(|mut error| {
        super::print_usage(&mut error, style);
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Success.into(),
            _ => Exit::Usage.into(),
        }
    })
}

/// Prints an error of the command line. Returns its exit status.
pub(super) fn usage(error: &dyn std::error::Error, hint: Option<&str>, style: Style) -> ExitCode {
    error::print(error, hint, style);
    Exit::Usage.into()
}

/// Does some work of which the user is told on standard error, and which a signal stops.
pub(super) fn run(
    verbosity: Verbosity,
    style: Style,
    work: impl FnOnce(&Arc<dyn Reporter>, &Cancel) -> Result<Exit, commands::Error>,
) -> ExitCode {
    match privileges::give_up() {
        Ok(_) => run_as_it_is(verbosity, style, work),
        Err(error) => {
            error::print(&error, None::<&str>, style);
            Exit::Failure.into()
        }
    }
}

/// As [`run`], with the capabilities that the process has.
pub(super) fn run_as_it_is(
    verbosity: Verbosity,
    style: Style,
    work: impl FnOnce(&Arc<dyn Reporter>, &Cancel) -> Result<Exit, commands::Error>,
) -> ExitCode {
    let failed = |error: &dyn std::error::Error, hint: Option<String>| -> ExitCode {
        error::print(error, hint, style);
        Exit::Failure.into()
    };
    if let Err(error) = staging::check_limits() {
        return failed(&error, error.hint());
    }
    let cancel = Cancel::new();
    if let Err(error) = cancel.listen(staging::end_late) {
        return failed(&error, None);
    }
    commands::begin();
    let reporter: Arc<dyn Reporter> = Arc::from(task_progress::for_stderr(verbosity, style));
    task_progress::trace::listen(&reporter);
    let done = work(&reporter, &cancel);
    // The bars go before a message comes.
    drop(reporter);
    match done {
        Ok(exit) => exit.into(),
        Err(error) => match cancel.signal() {
            Some(signal) if error.is_cancelled() => {
                error::print(&error, error.hint(), style);
                Exit::Signal(signal).into()
            }
            _ => failed(&error, error.hint()),
        },
    }
}

/// Returns the latest time of results.
///
/// # Errors
/// The exit status, when the error is printed.
pub(super) fn source_date_epoch(environment: &Environment, style: Style) -> Result<Option<i64>, ExitCode> {
    let given = environment.source_date_epoch.as_deref();
    given
        .map(super::resolve::source_date_epoch)
        .transpose()
        .map_err(|error| usage(&error, error.hint(), style))
}
