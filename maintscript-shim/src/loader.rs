//! The target's dynamic loader, executed by its path or asked to list what a
//! program needs (ld.so(8)): ldd(1) does both. The installer has the answer, since
//! the native loader would tell of native libraries.

use crate::base_name;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// With this in the environment every dynamic program lists its libraries.
const TRACE: &str = "LD_TRACE_LOADED_OBJECTS";

/// The loader's part in an execution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task<'a> {
    /// It has nothing to do with the loader.
    None,
    /// The installer is asked.
    Ask,
    /// The loader was given this program to execute, with its arguments.
    Execute(&'a OsStr, &'a [OsString]),
}

/// Returns the loader's part when the file `real` is executed with `arguments`.
pub(crate) fn task<'a>(real: &Path, arguments: &'a [OsString]) -> Task<'a> {
    decide(real, arguments, std::env::var_os(TRACE).is_some())
}

fn decide<'a>(real: &Path, arguments: &'a [OsString], traced: bool) -> Task<'a> {
    if traced {
        return Task::Ask;
    }
    if !is_loader(real) {
        return Task::None;
    }
    let mut rest = arguments;
    while let Some((first, tail)) = rest.split_first() {
        match first.as_bytes() {
            b"--inhibit-cache" => rest = tail,
            b"--library-path"
            | b"--inhibit-rpath"
            | b"--preload"
            | b"--argv0"
            | b"--audit"
            | b"--glibc-hwcaps-prepend"
            | b"--glibc-hwcaps-mask" => rest = tail.get(1..).unwrap_or_default(),
            option if option.starts_with(b"-") => return Task::Ask,
            _ => return Task::Execute(first, tail),
        }
    }
    Task::Ask
}

/// Whether a file has the name that glibc gives the loader, in a directory of libraries.
fn is_loader(real: &Path) -> bool {
    let name = base_name(real.as_os_str());
    let versioned = |rest: &[u8]| rest.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let named = match name.strip_prefix(b"ld") {
        Some(rest) => {
            rest.starts_with(b"-linux")
                || rest.starts_with(b".so.")
                || rest.starts_with(b"64.so.")
                // glibc before 2.34: ld-2.31.so
                || rest
                    .strip_prefix(b"-")
                    .and_then(|rest| rest.strip_suffix(b".so"))
                    .is_some_and(versioned)
        }
        None => false,
    };
    let path = real.as_os_str().as_bytes();
    named && (path.starts_with(b"/lib") || path.starts_with(b"/usr/lib"))
}

/// The variables that concern the loader, as `NAME=VALUE`.
pub(crate) fn environment() -> Vec<OsString> {
    let own = |name: &OsStr| name.as_bytes().starts_with(b"LD_");
    std::env::vars_os()
        .filter(|(name, _)| own(name))
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, line: &str, traced: bool) -> String {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        match decide(Path::new(path), &arguments, traced) {
            Task::None => "none".into(),
            Task::Ask => "ask".into(),
            Task::Execute(program, arguments) => format!("{} {}", program.display(), arguments.len()),
        }
    }

    #[test]
    fn loaders_are_known() {
        for name in [
            "/usr/lib/riscv64-linux-gnu/ld-linux-riscv64-lp64d.so.1",
            "/usr/lib/ld-linux.so.2",
            "/lib64/ld64.so.2",
            "/lib/ld.so.1",
            "/lib/s390x-linux-gnu/ld-2.31.so",
        ] {
            assert_eq!(told(name, "--verify /bin/ls", false), "ask", "{name}");
            assert_eq!(told(name, "/bin/ls -l", false), "/bin/ls 1", "{name}");
        }
        for name in [
            "/usr/bin/ld",
            "/tmp/ld-linux.so.2",
            "/usr/lib/ld-2.31.so.x",
            "/usr/lib/ldscripts",
        ] {
            assert_eq!(told(name, "--verify /bin/ls", false), "none", "{name}");
        }
    }

    #[test]
    fn options_before_the_program() {
        let loader = "/lib/ld.so.1";
        assert_eq!(
            told(
                loader,
                "--inhibit-cache --library-path /x --argv0 y /bin/ls -a -l",
                false
            ),
            "/bin/ls 2"
        );
        for line in ["", "--list /bin/ls", "--version", "--library-path", "--unknown x"] {
            assert_eq!(told(loader, line, false), "ask", "{line}");
        }
        assert_eq!(told(loader, "/bin/ls", true), "ask");
        assert_eq!(told("/usr/bin/ls", "", true), "ask");
        assert_eq!(told("/usr/bin/ls", "--list", false), "none");
    }
}
