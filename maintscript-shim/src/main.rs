//! The static helper that every redirected execution enters.
//!
//! The kernel runs it as the interpreter of a target program, as
//! `shim ARCH PATH ARGUMENT...` (execve(2), "Interpreter scripts"), or as a handler of binfmt_misc, as
//! `rootless-install-handlers/ARCH PATH NAME ARGUMENT...`: ARCH is the
//! target's Debian architecture (with `+` and that of the program where it is
//! one of the target's foreign ones), PATH what the caller executed, NAME the
//! program's `argv[0]` (elsewhere that is PATH). The shim finds
//! the file that PATH names in the view, and executes its counterpart from the
//! native sysroot with the caller's arguments and environment. A few tools
//! that carry their architecture inside are answered here ([`answers`]).
//!
//! By any other name it is a wrapper of a tool that a script calls which runs outside of its
//! root ([`chrootless`]).
//!
//! The build script compiles it with `rustc` alone, statically linked, so it depends on nothing but `std`, crates
//! that need not even that, and the C library's entry points in [`sys`]. The runtime's own start-up is skipped (`no_main`): it would
//! change signal dispositions that the executed program must inherit.

#![cfg_attr(not(test), no_main)]

mod answers;
mod chrootless;
mod counterpart;
mod credentials;
mod dpkg;
mod elf;
mod execution;
mod loader;
mod paths;
mod sys;
mod traced;

use answers::{Answer, Execution};
use counterpart::{Counterpart, Done, Found};
use paths::Architecture;
use shim_protocol::HANDLERS;
use shim_protocol::paths::CONTROL;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Exit status of a shell for "command not found".
const NOT_FOUND: i32 = 127;
/// Exit status of a shell for "found but cannot be executed", as a program without a native counterpart.
const NOT_EXECUTABLE: i32 = 126;

/// Runs PATH with its arguments; returns the exit status when nothing could be
/// executed.
fn run(arguments: &[OsString]) -> i32 {
    let [_, arch, path, rest @ ..] = arguments else {
        sys::complain(b"maintscript-shim: usage: maintscript-shim ARCH PATH [ARGUMENT...]\n");
        return 2;
    };
    interpret(arch, path, path, rest)
}

/// Runs PATH, as the program `name`, for a machine that ARCH says.
fn interpret(arch: &OsStr, path: &OsStr, name: &OsStr, rest: &[OsString]) -> i32 {
    let Some((arch, made_for)) = paths::target_and_program(arch) else {
        complain(&[b"maintscript-shim: unknown architecture ", arch.as_bytes()]);
        return 2;
    };
    execute(arch, made_for, (path, name), rest)
}

/// Returns ARCH, PATH, NAME and the arguments of a call as a handler of binfmt_misc.
fn handled(arguments: &[OsString]) -> Option<(&OsStr, &OsStr, &OsStr, &[OsString])> {
    let [own, path, name, rest @ ..] = arguments else {
        return None;
    };
    let arch = own
        .as_bytes()
        .strip_prefix(HANDLERS.as_bytes())?
        .strip_prefix(b"/")?;
    Some((OsStr::from_bytes(arch), path, name, rest))
}

/// Runs the program at `path`, which is made for `made_for` and whose `argv[0]` is `name`, or what is done in its
/// place.
fn execute(
    arch: &Architecture,
    made_for: &Architecture,
    (path, name): (&OsStr, &OsStr),
    rest: &[OsString],
) -> i32 {
    let resolved = counterpart::resolve(path);
    let program = resolved.clone();
    // A script outside of its root has executed a program of it: there it has another name.
    let inside = chrootless::inner::inside(&resolved);
    let called = inside
        .as_ref()
        .and_then(|_| chrootless::inner::inside(Path::new(path)))
        .map_or_else(|| path.to_owned(), PathBuf::into_os_string);
    if let Some(inside) = &inside {
        let native = paths::in_sysroot(made_for, inside.as_os_str());
        chrootless::inner::tell(path, std::fs::metadata(native).is_ok());
    }
    let real = inside.unwrap_or(resolved);
    match loader::task(&real, rest) {
        loader::Task::None => {}
        loader::Task::Execute(program, rest) => return execute(arch, made_for, (program, program), rest),
        loader::Task::Ask => {
            let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
            let directory = chrootless::inner::inside(&directory).unwrap_or(directory);
            if let Some(done) = counterpart::loader(&directory, &called, rest).transpose() {
                return tell(&real, done);
            }
        }
    }
    let mut execution = Execution::default();
    match answers::answer(arch, real.as_os_str(), &called, rest) {
        Answer::Done { output, status } => {
            sys::write_all(1, &output);
            return status;
        }
        Answer::Ldconfig => {
            if let Some(done) = counterpart::ldconfig(Path::new(CONTROL), rest).transpose() {
                return tell(&real, done);
            }
        }
        Answer::Dpkg => {
            if let Some(status) = dpkg::run(base_name(real.as_os_str()), rest) {
                return status;
            }
        }
        Answer::Execute(planned) => execution = planned,
    }
    match counterpart::find(made_for, &called, &real, rest) {
        Ok(Found::Done(done)) => tell(&real, Ok(done)),
        Ok(Found::Execute(Counterpart {
            path: native,
            reported,
        })) => {
            if let Some(program) = reported
                && let Some(status) = sys::wait_for_child()
            {
                return report_end(&program, status);
            }
            credentials::take(&program);
            match execution::run(arch, &native, name, rest, execution) {
                Ok(status) => status,
                Err(error) => {
                    counterpart::failed(&real, &error.to_string());
                    complain(&[
                        b"rootless-install: cannot execute ",
                        native.as_bytes(),
                        b": ",
                        error.to_string().as_bytes(),
                    ]);
                    NOT_EXECUTABLE
                }
            }
        }
        Err(reason) => {
            let script = script();
            complain(&[
                b"rootless-install: ",
                script.as_bytes(),
                b": no native counterpart of ",
                real.as_os_str().as_bytes(),
                b": ",
                reason.as_bytes(),
            ]);
            NOT_EXECUTABLE
        }
    }
}

/// Hands on what the installer did in the place of a tool; the exit status.
fn tell(tool: &Path, done: Result<Done, OsString>) -> i32 {
    match done {
        Ok(done) => {
            sys::complain(&done.messages);
            sys::write_all(1, &done.output);
            i32::from(done.status)
        }
        Err(reason) => {
            complain(&[
                b"rootless-install: ",
                script().as_bytes(),
                b": ",
                base_name(tool.as_os_str()),
                b": ",
                reason.as_bytes(),
            ]);
            1
        }
    }
}

/// The end of a program whose output the installer converts now.
fn report_end(program: &[u8], status: i32) -> i32 {
    match counterpart::ended(program) {
        Ok(()) => status,
        Err(reason) => {
            complain(&[
                b"rootless-install: ",
                script().as_bytes(),
                b": ",
                reason.as_bytes(),
            ]);
            1
        }
    }
}

/// Which maintainer script this runs for, from dpkg's environment (dpkg(1)).
fn script() -> OsString {
    let mut name = std::env::var_os("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
    if let Some(kind) = std::env::var_os("DPKG_MAINTSCRIPT_NAME") {
        name.push(".");
        name.push(kind);
    }
    if name.is_empty() {
        OsString::from("command")
    } else {
        name
    }
}

fn complain(parts: &[&[u8]]) {
    let mut line = parts.concat();
    line.push(b'\n');
    sys::complain(&line);
}

/// Entry for the C library; see the note on `no_main` above.
#[cfg(not(test))]
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "the symbol the C library calls")]
extern "C" fn main(argc: i32, argv: *const *const std::ffi::c_char) -> i32 {
    enter(&sys::arguments(argc, argv))
}

/// Does what the name by which this is called asks for; the exit status when nothing could be executed.
fn enter(arguments: &[OsString]) -> i32 {
    if let Some((arch, path, name, rest)) = handled(arguments) {
        return interpret(arch, path, name, rest);
    }
    if traced::is_meant(arguments) {
        return traced::run(arguments);
    }
    if chrootless::is_called(arguments) {
        return chrootless::run(arguments);
    }
    run(arguments)
}

/// The last component of a path.
fn base_name(path: &OsStr) -> &[u8] {
    let bytes = path.as_bytes();
    bytes.rsplit(|&b| b == b'/').next().unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_names() {
        assert_eq!(base_name(OsStr::new("/usr/bin/uname")), b"uname");
        assert_eq!(base_name(OsStr::new("uname")), b"uname");
    }

    #[test]
    fn refuses_wrong_use() {
        assert_eq!(enter(&["shim".into()]), 2);
        assert_eq!(run(&["shim".into(), "vax".into(), "/bin/true".into()]), 2);
        let handler = OsString::from("rootless-install-handlers/vax");
        assert_eq!(enter(&[handler, "/bin/true".into(), "true".into()]), 2);
    }

    #[test]
    fn handlers_know_the_callers_name() {
        let arguments =
            ["rootless-install-handlers/riscv64+arm64", "/bin/sh", "-sh", "a"].map(OsString::from);
        let (arch, path, name, rest) = handled(&arguments).unwrap();
        assert_eq!(
            (arch, path, name),
            (
                OsStr::new("riscv64+arm64"),
                OsStr::new("/bin/sh"),
                OsStr::new("-sh")
            )
        );
        assert_eq!(rest, ["a"]);
        assert!(handled(&["shim".into(), "riscv64".into(), "/bin/sh".into()]).is_none());
        assert!(handled(&arguments[..2]).is_none());
    }
}
