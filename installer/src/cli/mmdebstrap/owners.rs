//! Calls whose results belong to whom they should: directories that root makes, or somebody under fakeroot(1).

use super::{Call, words};
use crate::cli::environment::Environment;
use crate::cli::{Cli, Exit};
use crate::commands::real_owners::{self, RealOwners};
use crate::preloaded;
use crate::target_spec::TargetSpec;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use task_progress::{Style, escape_path};

/// Whether these arguments are a call that makes a directory whose owners fakeroot is to record.
pub fn fills_for_fakeroot(arguments: &[OsString], environment: &Environment) -> bool {
    let call = words(arguments)
        .filter(|_| preloaded::records_owners())
        .and_then(|words| Call::read(words).ok())
        .filter(|call| call.asks.is_none());
    // What is on standard input is for the call itself.
    let words = call.and_then(|call| call.into_words(&mut io::empty()).ok());
    words.is_some_and(|words| with_real_owners(&words, environment).is_some())
}

/// Returns a command line with the step left out in which devices are made.
pub(super) fn without_devices(mut words: Vec<OsString>) -> Vec<OsString> {
    words.insert(1, OsString::from("--skip=output/dev"));
    words
}

/// Returns what a call that root makes with real owners is, where it asks for a directory.
pub(super) fn with_real_owners(words: &[OsString], environment: &Environment) -> Option<RealOwners> {
    // What is wrong with the words is told by what makes the target.
    let settings = Cli::read(words).ok()?.resolve(environment).ok()?;
    let TargetSpec::Directory(directory) = &settings.target else {
        return None;
    };
    if settings.dry_run {
        return None;
    }
    let (_, options) = words.split_last()?;
    let mut arguments: Vec<OsString> = options
        .iter()
        .skip(1)
        .filter(|word| *word != "--" && !word.as_bytes().starts_with(b"--format="))
        .cloned()
        .collect();
    arguments.extend(["--format=tar", "--hook-format=directory", "--", "-"].map(OsString::from));
    Some(RealOwners {
        directory: directory.clone(),
        arguments,
        temporary: settings.temporary,
    })
}

pub(super) fn make_as_root(wanted: &RealOwners, style: Style) -> ExitCode {
    let cancel = match super::super::begin_as_root(style) {
        Ok(cancel) => cancel,
        Err(exit) => return exit.into(),
    };
    match real_owners::run(wanted, &cancel) {
        Ok(None) => {
            let _ = writeln!(
                io::stderr(),
                "unpacked with real owners: {}",
                escape_path(&wanted.directory)
            );
            Exit::Success.into()
        }
        Ok(Some(status)) => u8::try_from(status).unwrap_or(1).into(),
        Err(error) => super::super::failed(&error, &cancel, style),
    }
}
