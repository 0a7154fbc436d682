//! The commands `plan` and `diff`: what would be installed, and what differs between two locks.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, CommandFactory, Parser};

use super::environment::Environment;
use super::{Cli, Exit, clap_exit, console, error, install};
use crate::package_lock::{PackageLock, compare};
use task_progress::Style;

/// Word of the command that prints a plan.
pub const PLAN: &str = "plan";
/// Word of the command that compares locks.
pub const DIFF: &str = "diff";

const ABOUT: &str = "Prints what would be installed, and in which order";

/// Prints the plan of an installation, with the options of one. `words` begin with the command's own.
pub fn plan(words: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let command = Cli::command()
        .name("rootless-install plan")
        .bin_name("rootless-install plan")
        .about(ABOUT)
        .long_about(ABOUT)
        .after_help("")
        .after_long_help("")
        .mut_arg("target", |arg| arg.required(false).default_value("-").hide(true))
        .mut_arg("dry_run", |arg| arg.hide(true))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print it as a lock, as --lock writes one"),
        );
    let given = command.try_get_matches_from(words).and_then(|matches| {
        let json = matches.get_flag("json");
        Ok((Cli::of(matches)?, json))
    });
    let (given, json) = match given {
        Ok(given) => given,
        Err(mut error) => return clap_exit(&mut error, style),
    };
    match given.of_plan().resolve(environment) {
        Ok(mut settings) => {
            settings.plan_as_lock = json;
            // A lock can be read by a program, and has no other text around it.
            settings.target = crate::target_spec::TargetSpec::Nothing;
            install(&settings, style)
        }
        Err(error) => {
            error::print(&error, error.hint(), style);
            Exit::Usage.into()
        }
    }
}

const AFTER_DIFF: &str = "\
Lines begin with `+` for packages that only the second one has, `-` for those that only the first
one has, `^` for newer versions, `v` for older ones, and `!` for another file of the same version.

Exit status: 0 where the packages are the same, 3 where they are not, 1 and 2 for errors.";

/// Compares two locks, as --lock writes them
#[derive(Debug, Parser)]
#[command(after_help = AFTER_DIFF)]
struct DiffArgs {
    /// The first lock
    first: PathBuf,
    /// The second lock
    second: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Compares two locks. `words` begin with the command's own.
pub fn diff(words: &[OsString], style: Style) -> ExitCode {
    let args: DiffArgs = match console::parse(DIFF, words, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let read = PackageLock::read(&args.first).and_then(|first| Ok((first, PackageLock::read(&args.second)?)));
    let (first, second) = match read {
        Ok(both) => both,
        Err(error) => {
            error::print(&error, error.hint(), style);
            return Exit::Failure.into();
        }
    };
    let found = compare(&first, &second);
    let mut out = io::stdout().lock();
    let printed = match args.json {
        true => serde_json::to_writer_pretty(&mut out, &found)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
        false => write!(out, "{found}"),
    };
    match printed {
        Ok(()) if found.is_empty() => Exit::Success.into(),
        Ok(()) => Exit::Findings.into(),
        Err(error) => {
            error::print(&error, None::<&str>, style);
            Exit::Failure.into()
        }
    }
}
