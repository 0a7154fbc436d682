//! Shells that tell which line of a maintainer script they execute.
//!
//! For lint the helper stands in the place of the native root's shells, and the real ones are beside it. A
//! shell script of a package is interpreted by bash with a start-up file that has it write each command, with
//! its line, to a pipe of the installer; why by bash, and what it writes, is in `installer/src/lint/lines.rs`.
//! Everything else is executed by the shell that was called.

use crate::{NOT_FOUND, base_name, complain, sys};
use shim_protocol::paths::{SHELLS, TRACE_STARTUP};
use shim_protocol::variables::TRACE;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The program that does a shell's work, as it is called in [`SHELLS`]; nothing for what is no shell.
fn real(name: &[u8]) -> Option<&'static str> {
    match name.strip_prefix(b"-").unwrap_or(name) {
        b"sh" | b"dash" => Some("dash"),
        b"bash" | b"rbash" => Some("bash"),
        _ => None,
    }
}

/// Whether the helper was called as a shell whose scripts are traced.
pub(crate) fn is_meant(arguments: &[OsString]) -> bool {
    let name = arguments.first().map(|first| base_name(first));
    name.and_then(real).is_some() && std::env::var_os(TRACE).is_some()
}

/// Executes the shell; returns the exit status when it cannot be.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    let Some((called, rest)) = arguments.split_first() else {
        return NOT_FOUND;
    };
    let Some(shell) = real(base_name(called)) else {
        return NOT_FOUND;
    };
    let admin = std::env::var_os("DPKG_ADMINDIR").unwrap_or_default();
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let can_trace = || Path::new(TRACE_STARTUP).exists() && Path::new(SHELLS).join("bash").exists();
    let (program, name) = if is_script(rest, Path::new(&admin)) && can_trace() {
        environment.retain(|(name, _)| name != TRACE && name != "BASH_ENV");
        let mode = if shell == "dash" { "sh" } else { "bash" };
        environment.push((TRACE.into(), mode.into()));
        environment.push(("BASH_ENV".into(), TRACE_STARTUP.into()));
        // By the name of `sh` it would not read the file.
        ("bash", OsStr::new("bash"))
    } else {
        (shell, called.as_os_str())
    };
    let path = format!("{SHELLS}/{program}");
    let error = sys::execute(OsStr::new(&path), name, rest, &environment);
    complain(&[
        b"rootless-install: cannot execute ",
        path.as_bytes(),
        b": ",
        error.to_string().as_bytes(),
    ]);
    NOT_FOUND
}

/// Whether a shell's arguments are a maintainer script's: options without values, and then its path below
/// dpkg's directory (dpkg(1), `info/` and `tmp.ci/`).
fn is_script(arguments: &[OsString], admin: &Path) -> bool {
    let mut options = arguments
        .iter()
        .take_while(|argument| argument.as_bytes().starts_with(b"-"));
    let short = |option: &OsString| {
        let option = option.as_bytes();
        !option.starts_with(b"--") && !option.iter().any(|byte| b"cos".contains(byte))
    };
    if !options.all(short) {
        return false;
    }
    let script = arguments
        .iter()
        .find(|argument| !argument.as_bytes().starts_with(b"-"));
    let below = script.and_then(|path| Path::new(path).strip_prefix(admin).ok());
    below.is_some_and(|path| path.starts_with("info") || path.starts_with("tmp.ci"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(arguments: &[&str]) -> bool {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        is_script(&arguments, Path::new("/target/var/lib/dpkg"))
    }

    #[test]
    fn only_maintainer_scripts_are_traced() {
        assert!(is(&["/target/var/lib/dpkg/info/x.postinst", "configure", ""]));
        assert!(is(&[
            "-e",
            "-u",
            "/target/var/lib/dpkg/tmp.ci/preinst",
            "install"
        ]));
        assert!(!is(&["-c", "/target/var/lib/dpkg/info/x.postinst"]));
        assert!(!is(&["-ec", "/target/var/lib/dpkg/info/x.postinst"]));
        assert!(!is(&[
            "/usr/sbin/invoke-rc.d",
            "/target/var/lib/dpkg/info/x.postinst"
        ]));
        assert!(!is(&["/target/var/lib/dpkg/information"]));
        assert!(!is(&[]));
    }

    #[test]
    fn shells_are_known_by_their_names() {
        assert_eq!(real(b"sh"), Some("dash"));
        assert_eq!(real(b"-bash"), Some("bash"));
        assert_eq!(real(b"shim"), None);
        // Without the variable the helper is what it always is.
        assert!(!is_meant(&["/bin/sh".into()]));
    }
}
