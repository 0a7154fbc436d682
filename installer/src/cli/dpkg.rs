//! The command dpkg: `rootless-install dpkg …`, or this program called `dpkg`.
//!
//! Options are those of dpkg(1), on a root filesystem of the user's own, and some of `rootless-install`: `--arch`,
//! `--native-sysroot`, `--cache`, `--mirror`, `--suite`, `--components`, `--keyring`, `--allow-older-release`, `--download-timeout`,
//! `--script-timeout`. Front ends that cannot pass these on take them from the environment variable `ROOTLESS_INSTALL_OPTIONS`, between blanks.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use super::environment::Environment;
use crate::dpkg::{self, Call, Defaults, Parsed, parse};
use script_host::view::privileges;
use task_progress::Cancel;

/// Returns the words of a call of dpkg: those after `dpkg` as the first argument, or all where the program's own name
/// ends in `dpkg`; none for other commands.
pub fn words(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (own, rest) = arguments.split_first()?;
    let name = own.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    if name.ends_with(b"dpkg") {
        return Some(rest.to_vec());
    }
    let (first, rest) = rest.split_first()?;
    (first == "dpkg").then(|| rest.to_vec())
}

/// Runs a call of dpkg with these words. Exit statuses are dpkg's: 0, 1 for a failure of packages or a check that is
/// negative, 2 for all other errors.
pub fn main(words: &[OsString], environment: &Environment) -> ExitCode {
    let given = std::env::var_os("ROOTLESS_INSTALL_OPTIONS").unwrap_or_default();
    let ours = given
        .as_bytes()
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let ours = ours.map(|word| OsStr::from_bytes(word).to_owned());
    let path = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(Into::into)
    };
    let defaults = Defaults {
        root: path("DPKG_ROOT"),
        admindir: path("DPKG_ADMINDIR"),
        source_date_epoch: environment
            .source_date_epoch
            .as_ref()
            .and_then(|epoch| epoch.to_str()?.parse().ok()),
        frontend_locked: std::env::var_os("DPKG_FRONTEND_LOCKED").is_some(),
    };
    match parse(ours.chain(words.iter().cloned()), &defaults) {
        Ok(Parsed::Call(call)) => match call.options.unsupported() {
            Some(option) => fail(&format!("--{option} is not done by rootless-install")),
            None => run(*call, environment),
        },
        Ok(Parsed::Backend(arguments)) => {
            let error = std::process::Command::new("dpkg-deb").args(arguments).exec();
            fail(&format!("unable to execute dpkg-deb: {error}"))
        }
        Err(problem) => {
            eprintln!(
                "dpkg: error: {problem}\n\nType dpkg --help for help about installing and deinstalling packages."
            );
            ExitCode::from(2)
        }
    }
}

fn run(mut call: Call, environment: &Environment) -> ExitCode {
    if call.options.cache.is_none() {
        call.options.cache = environment.cache();
    }
    if let Err(error) = privileges::give_up() {
        return fail(&error.to_string());
    }
    let cancel = Cancel::new();
    if let Err(error) = cancel.listen(crate::staging::end_late) {
        return fail(&error.to_string());
    }
    let status = dpkg::run(&call, &cancel);
    match cancel.signal() {
        Some(signal) if status != 0 => super::Exit::Signal(signal).into(),
        _ => ExitCode::from(status),
    }
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("dpkg: error: {problem}");
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_dpkg_are_told_apart() {
        let words = |all: &[&str]| words(&all.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(
            words(&["rootless-install", "dpkg", "-l"]),
            Some(vec!["-l".into()])
        );
        assert_eq!(words(&["/usr/bin/rootless-install", "dpkg"]), Some(Vec::new()));
        assert_eq!(
            words(&["/x/rootless-install-dpkg", "-C"]),
            Some(vec!["-C".into()])
        );
        assert_eq!(words(&["dpkg", "dpkg"]), Some(vec!["dpkg".into()]));
        assert_eq!(words(&["rootless-install", "dpkg/"]), None);
        assert_eq!(words(&["rootless-install", "target"]), None);
    }
}
