//! Calls of dpkg by programs in the view, answered where the session is.
//!
//! The shim takes dpkg's place in the caller's process, and whoever opened the session does the work ([`Dpkg`]). The work has
//! a session of its own over the same target, whose programs the shim runs as its children ([`Caller`]).

use super::shared::Shared;
use super::{Result, Session, SessionError};
use crate::view::Ended;
use crate::view::script_filter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shim_protocol::Strings;
use shim_protocol::dialogue::{self, Run};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Does what dpkg(1) does for programs in the view.
pub trait Dpkg: Sync {
    /// Answers a call. The session is on the target of the view, and runs scripts in the caller's process.
    fn call(&self, session: &mut Session<'_>, call: DpkgCall) -> DpkgAnswer;
}

/// A call of dpkg by a program in the view.
#[derive(Debug)]
pub struct DpkgCall {
    /// Working directory, a path of the view.
    pub directory: PathBuf,
    /// Variables of the environment that concern dpkg.
    pub environment: Vec<(OsString, OsString)>,
    /// Name of the program: `dpkg` or `dpkg-query`.
    pub program: OsString,
    /// Command line without the program.
    pub arguments: Vec<OsString>,
    /// Standard input, output and error.
    pub standard: [OwnedFd; 3],
    /// Descriptors that the command line names, with the numbers that they have in the caller.
    pub named: Vec<(RawFd, OwnedFd)>,
}

/// The answer to a call of dpkg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpkgAnswer {
    /// It is done, with this exit status.
    Done(u8),
    /// The native dpkg does it.
    Native,
}

/// Time between two looks at whether the work is to stop.
const INTERVAL: Duration = Duration::from_millis(100);

/// The process of the caller, in which the shim runs programs.
pub(super) struct Caller {
    stream: UnixStream,
    /// Filter of system calls for programs (seccomp(2)).
    filter: Vec<u8>,
}

impl Caller {
    /// Runs a program and waits for its end; of `variables` those of dpkg are set in the caller's environment.
    fn run(
        &mut self,
        command: &[&str],
        variables: &[(String, String)],
        session: &Shared<'_>,
    ) -> Result<Ended> {
        let joined = |words: &mut dyn Iterator<Item = String>| -> Vec<u8> {
            words.flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect()
        };
        let command = joined(&mut command.iter().map(|word| (*word).to_owned()));
        let of_dpkg = variables.iter().filter(|(name, _)| name.starts_with("DPKG_"));
        let environment = joined(&mut of_dpkg.map(|(name, value)| format!("{name}={value}")));
        let run = Run {
            filter: &self.filter,
            command: Strings::new(&command).unwrap_or_default(),
            environment: Strings::new(&environment).unwrap_or_default(),
        };
        let mut message = vec![0; 4];
        run.encode(&mut |piece| message.extend_from_slice(piece));
        let length = u32::try_from(message.len() - 4).unwrap_or(u32::MAX);
        if let Some(place) = message.first_chunk_mut() {
            *place = length.to_be_bytes();
        }
        self.stream
            .write_all(&message)
            .map_err(|_| SessionError::CallerGone)?;
        let interval = Timespec::try_from(INTERVAL).ok();
        loop {
            session.options.cancel.check()?;
            match poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], interval.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(_) => return Err(SessionError::CallerGone),
            }
        }
        let mut ended = [0; dialogue::Ended::LENGTH];
        self.stream
            .read_exact(&mut ended)
            .map_err(|_| SessionError::CallerGone)?;
        Ok(match dialogue::Ended::decode(ended) {
            Ok(dialogue::Ended::Exited(status)) => Ended::Exited(status),
            Ok(dialogue::Ended::Signalled(signal)) => Ended::Signalled(signal),
            Ok(dialogue::Ended::NotRun(errno)) => {
                Ended::NotRun(io::Error::from_raw_os_error(errno).to_string())
            }
            Err(_) => return Err(SessionError::CallerGone),
        })
    }
}

impl Session<'_> {
    /// Runs a command in the process of the caller of dpkg; none where this session is no answer to one.
    pub(super) fn run_in_caller(
        &mut self,
        command: &[&str],
        variables: &[(String, String)],
    ) -> Option<Result<Ended>> {
        let caller = self.caller.as_mut()?;
        Some(caller.run(command, variables, self.shared))
    }
}

impl Shared<'_> {
    /// Answers a call of dpkg; `descriptors` came along. The error is a reason in words.
    pub(super) fn call_dpkg(
        &self,
        directory: &[u8],
        environment: Strings<'_>,
        numbers: Strings<'_>,
        arguments: Strings<'_>,
        descriptors: Vec<OwnedFd>,
    ) -> std::result::Result<DpkgAnswer, String> {
        let Some(dpkg) = self.options.surroundings.dpkg else {
            return Ok(DpkgAnswer::Native);
        };
        let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or("descriptors are missing");
        let standard = [next()?, next()?, next()?];
        let stream = UnixStream::from(next()?);
        let numbers = numbers
            .iter()
            .filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok());
        let named = numbers.zip(descriptors).collect();
        let variable = |bytes: &[u8]| {
            let at = bytes.iter().position(|&byte| byte == b'=')?;
            Some((text(bytes.get(..at)?), text(bytes.get(at + 1..)?)))
        };
        let mut session = Session {
            shared: self,
            environment: self.environment().map_err(|error| error.to_string())?,
            view: None,
            lacking: Vec::new(),
            caller: Some(Caller {
                stream,
                filter: script_filter(self.options.surroundings.network),
            }),
        };
        let mut arguments = arguments.iter().map(text);
        let program = arguments.next().ok_or("the program has no name")?;
        Ok(dpkg.call(
            &mut session,
            DpkgCall {
                directory: PathBuf::from(text(directory)),
                environment: environment.iter().filter_map(variable).collect(),
                program,
                arguments: arguments.collect(),
                standard,
                named,
            },
        ))
    }
}
