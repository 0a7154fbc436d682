//! One run of a command, as the ordinary user and measured.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::usage::{self, Usage};
use crate::error::At as _;
use crate::real::{EPOCH, Real};
use crate::{Error, Result};

/// A command of the ordinary user's, from its words.
///
/// # Errors
/// When there are none.
pub fn command(real: &Real, words: &[OsString]) -> Result<Command> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Error::Machine("no command".to_owned()))?;
    let mut command = real.work.account().command(Path::new(program));
    command
        .args(arguments)
        .env("HOME", real.work.path("home"))
        .env("TMPDIR", real.work.path("tmp"));
    Ok(command)
}

/// Runs a command, and fails with all that it says.
///
/// # Errors
/// When it cannot be started or fails.
pub fn succeed(name: &str, command: &mut Command) -> Result<()> {
    let done = command.output().at(Path::new(name))?;
    if done.status.success() {
        return Ok(());
    }
    Err(Error::Command {
        command: name.to_owned(),
        what: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

/// Runs a command and tells what it took. `name` is that of no other command at the same time.
///
/// # Errors
/// As [`usage::measure`].
pub fn measured(real: &Real, name: &str, words: &[OsString]) -> Result<Usage> {
    let file = real.work.out(&format!("{name}.usage"));
    // bench calls itself: what it writes down is of this command alone.
    let own = crate::program::own()?;
    let recorded = [own.into(), "--record".into(), file.clone().into()];
    let mut command = command(real, &[&recorded[..], words].concat())?;
    command
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .current_dir(real.work.path("home"));
    usage::measure(&file, &mut command)
}

/// Removes a file or a directory with all in it, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    removed.at(path)
}
