//! Packing targets, and other programs' words about the results.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::error::At as _;
use crate::program::{Outcome, Workplace, which};

/// Runs the program with words and paths, all of which exist as they are.
///
/// # Errors
/// When it cannot be run.
pub fn run(work: &Workplace, words: &[&dyn AsRef<OsStr>]) -> Result<Outcome> {
    work.run_plain(words.iter().map(|word| word.as_ref())).end()
}

/// Packs a target as `out/NAME`.
///
/// # Errors
/// When the program cannot be run.
///
/// # Panics
/// When it fails.
pub fn pack(work: &Workplace, target: &Path, name: &str, options: &[&str]) -> Result<()> {
    let out = work.out(name);
    let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"pack"];
    words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
    words.extend([&target as &dyn AsRef<OsStr>, &out]);
    run(work, &words)?.succeeded();
    Ok(())
}

/// Runs another program. Returns what it printed.
///
/// # Errors
/// When it cannot be run.
///
/// # Panics
/// When it fails.
pub fn told(program: &str, words: &[&dyn AsRef<OsStr>]) -> Result<Vec<u8>> {
    let path = which(program).unwrap_or_else(|| program.into());
    let done = Command::new(&path)
        .args(words.iter().map(|word| word.as_ref()))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC0")
        .output()
        .at(&path)?;
    let said = String::from_utf8_lossy(&done.stderr);
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success(),
        "{program}: {}: {said}{printed}",
        done.status
    );
    Ok(done.stdout)
}

/// As [`told`], as text.
///
/// # Errors
/// Those of [`told`].
///
/// # Panics
/// Those of [`told`].
pub fn text(program: &str, words: &[&dyn AsRef<OsStr>]) -> Result<String> {
    Ok(String::from_utf8_lossy(&told(program, words)?).into_owned())
}
