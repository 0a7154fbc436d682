//! dpkg(1), where the installer does its work.
//!
//! The shim takes dpkg's place in the caller's process: the call goes to the installer with the caller's descriptors, and
//! the maintainer scripts that the installer names are run here, with the terminal, the working directory and the
//! environment that dpkg would hand down ([`shim_protocol::dialogue`]).

mod pipes;

use crate::counterpart::{encoded, joined, strings};
use crate::{complain, execution, sys};
use pipes::Pipes;
use shim_protocol::dialogue::{Ended, LONGEST, Run};
use shim_protocol::paths::{CONTROL, DPKG};
use shim_protocol::{Reply, Request};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

/// Actions that need nothing of the target, and are called often.
const WITHOUT_TARGET: [&str; 2] = ["--compare-versions", "--validate-"];

/// Variables that the installer is told (dpkg(1), "ENVIRONMENT").
const TOLD: [&str; 9] = [
    "DPKG_ADMINDIR",
    "DPKG_COLORS",
    "DPKG_DEBUG",
    "DPKG_FORCE",
    "DPKG_FRONTEND_LOCKED",
    "DPKG_NLS",
    "DPKG_ROOT",
    "SOURCE_DATE_EPOCH",
    "COLUMNS",
];

/// Exit status of dpkg for errors that are no package's.
const TROUBLE: i32 = 2;

/// Has the installer do what dpkg, or dpkg-query, does with these arguments. Returns the exit status; none where the native counterpart
/// serves.
pub(crate) fn run(program: &[u8], arguments: &[OsString]) -> Option<i32> {
    let mut words = arguments.iter().filter_map(|argument| argument.to_str());
    if words.any(|word| WITHOUT_TARGET.iter().any(|action| word.starts_with(action)))
        || std::fs::metadata(DPKG).is_err()
    {
        return None;
    }
    let reply =
        converse(program, arguments).map_err(|error| format!("the installer does not answer: {error}"));
    match reply.as_deref().map(Reply::decode) {
        Ok(Ok(Reply::Done {
            output,
            messages,
            status,
        })) => {
            sys::write_all(1, output);
            sys::complain(messages);
            Some(i32::from(status))
        }
        Ok(Ok(Reply::Counterpart)) => None,
        Ok(Ok(Reply::Refused(reason))) => Some(trouble(reason)),
        Ok(Ok(_)) => Some(trouble(b"the installer's answer makes no sense")),
        Ok(Err(error)) => Some(trouble(error.to_string().as_bytes())),
        Err(problem) => Some(trouble(problem.as_bytes())),
    }
}

fn trouble(problem: &[u8]) -> i32 {
    complain(&[b"dpkg: error: ", problem]);
    TROUBLE
}

/// Holds the whole conversation, and returns the reply.
fn converse(program: &[u8], arguments: &[OsString]) -> io::Result<Vec<u8>> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    execution::take_back(&mut variables);
    let told = variables
        .iter()
        .filter(|(name, _)| TOLD.iter().any(|told| name == told));
    let told: Vec<Vec<u8>> = told
        .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
        .collect();
    let environment = joined(told.iter().map(Vec::as_slice));
    let named = named_descriptors(arguments);
    let numbers: Vec<String> = named.iter().map(RawFd::to_string).collect();
    let descriptors = joined(numbers.iter().map(String::as_bytes));
    let words = arguments.iter().map(|argument| argument.as_bytes());
    let arguments = joined(std::iter::once(program).chain(words));
    let directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let request = encoded(&Request::Dpkg {
        directory: directory.as_os_str().as_bytes(),
        environment: strings(&environment),
        descriptors: strings(&descriptors),
        arguments: strings(&arguments),
    });
    let nothing = std::fs::File::open("/dev/null")?;
    let standard = [0, 1, 2].map(|number| match sys::is_open(number) {
        true => number,
        false => nothing.as_raw_fd(),
    });
    let (mut pipes, sent) = Pipes::of(standard, named, theirs.as_raw_fd())?;
    let mut stream = sys::connect(Path::new(CONTROL))?;
    let begun = sys::send_with(&stream, &request, &sent)?;
    stream.write_all(request.get(begun..).unwrap_or_default())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    drop(theirs);
    pipes.are_sent();
    loop {
        pipes.pass_on_until(&ours)?;
        let Some(message) = hear(&mut ours)? else { break };
        let ended = match Run::decode(&message) {
            Ok(run) => {
                pipes.pause()?;
                execute(&run, &variables)
            }
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        };
        ours.write_all(&ended.encode())?;
    }
    // The installer has closed its ends before it replies.
    let mut reply = Vec::new();
    pipes.pass_on_until(&stream)?;
    stream.read_to_end(&mut reply)?;
    pipes.pause()?;
    Ok(reply)
}

/// Descriptors that arguments name (`--status-fd`), as far as they are open.
fn named_descriptors(arguments: &[OsString]) -> Vec<RawFd> {
    const OPTION: &str = "--status-fd";
    let mut named = Vec::new();
    let mut words = arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or_default());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix(OPTION) {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => continue,
        };
        let number = value.and_then(|value| value.parse().ok());
        named.extend(number.filter(|number| sys::is_open(*number) && !named.contains(number)));
    }
    named
}

/// Hears the next message; none at the end of the dialogue.
fn hear(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        heard => heard?,
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Runs a program and waits for its end, while signals of the terminal are for the program only, as dpkg does it.
fn execute(run: &Run<'_>, variables: &[(OsString, OsString)]) -> Ended {
    let mut command = run.command.iter().map(OsStr::from_bytes);
    let program = command.next().unwrap_or_default();
    let arguments: Vec<&OsStr> = command.collect();
    let set: Vec<(OsString, OsString)> = run.environment.iter().filter_map(variable).collect();
    let prepare = |program: &OsStr, arguments: &[&OsStr]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .envs(variables.iter().cloned())
            .envs(set.iter().cloned());
        sys::keep_in(&mut command, run.filter);
        command.spawn()
    };
    let started = match prepare(program, &arguments) {
        // execvp(3): a file that is no program is a script of the shell.
        Err(error) if error.raw_os_error() == Some(ENOEXEC) => {
            let all: Vec<&OsStr> = std::iter::once(program).chain(arguments).collect();
            prepare(OsStr::new("/bin/sh"), &all)
        }
        started => started,
    };
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Ended::NotRun(error.raw_os_error().unwrap_or(0)),
    };
    let ignoring = sys::ignore_terminal();
    let ended = child.wait();
    drop(ignoring);
    match ended {
        Err(error) => Ended::NotRun(error.raw_os_error().unwrap_or(0)),
        Ok(status) => match status.signal() {
            Some(signal) => Ended::Signalled(signal),
            None => Ended::Exited(status.code().unwrap_or(1)),
        },
    }
}

/// errno(3): not a program.
const ENOEXEC: i32 = 8;

fn variable(text: &[u8]) -> Option<(OsString, OsString)> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    let (name, value) = text.split_at_checked(at)?;
    let value = value.get(1..)?;
    Some((
        OsString::from_vec(name.to_vec()),
        OsString::from_vec(value.to_vec()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_for_front_ends_are_found() {
        let words = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            named_descriptors(&words(&["--status-fd", "1", "--status-fd=2", "-i"])),
            [1, 2]
        );
        assert_eq!(
            named_descriptors(&words(&["--status-fd", "999", "--status-fd", "x"])),
            []
        );
    }

    #[test]
    fn programs_run_with_the_variables_that_are_named() {
        let mut strings = Vec::new();
        for word in ["sh", "-c", "test \"$DPKG_ROOT,$KEPT\" = /x,y && exit 3"] {
            strings.extend_from_slice(word.as_bytes());
            strings.push(0);
        }
        let run = |command: &[u8]| {
            let run = Run {
                filter: &[],
                command: shim_protocol::Strings::new(command).unwrap(),
                environment: shim_protocol::Strings::new(b"DPKG_ROOT=/x\0").unwrap(),
            };
            execute(
                &run,
                &[("KEPT".into(), "y".into()), ("PATH".into(), "/bin".into())],
            )
        };
        assert_eq!(run(&strings), Ended::Exited(3));
        assert_eq!(run(b"/no/such/program\0"), Ended::NotRun(2));
        assert_eq!(run(b"sh\0-c\0kill -9 $$\0"), Ended::Signalled(9));
    }
}
