//! The dialogue about the scripts of a call of dpkg ([`Request::Dpkg`](crate::Request::Dpkg)).
//!
//! The shim takes dpkg's place in the caller's process, and the installer does the work. Maintainer scripts are children of
//! the shim, as they would be of dpkg: with its terminal, descriptors and environment. On a socket of their own the
//! installer says which to run, and hears how each ended, until it closes its end.
//!
//! A message of the installer is its length, four bytes (big endian), and a [`Run`]. The shim answers with an [`Ended`].

use crate::Error;
use crate::strings::{Decimal, Strings, number};

/// Longest message of the installer in bytes.
pub const LONGEST: usize = 4 << 20;

/// A program that the shim runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Filter of system calls that it gets (seccomp(2)), eight bytes an instruction; empty for none.
    pub filter: &'a [u8],
    /// Program and arguments.
    pub command: Strings<'a>,
    /// Variables that are set in its environment, `NAME=VALUE`.
    pub environment: Strings<'a>,
}

const BAD: Error = Error("the message about a script makes no sense");

impl<'a> Run<'a> {
    /// Hands the bytes of the message, without its length, to `sink`, piece by piece.
    pub fn encode(&self, sink: &mut impl FnMut(&[u8])) {
        let count = |n: usize| Decimal::new(u32::try_from(n).unwrap_or(u32::MAX));
        for length in [self.filter.len(), self.command.iter().count()] {
            sink(count(length).as_bytes());
            sink(b"\0");
        }
        sink(self.command.as_bytes());
        sink(self.environment.as_bytes());
        sink(self.filter);
    }

    /// Reads the bytes of a message without its length.
    ///
    /// # Errors
    /// The bytes are no message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let number_before = |bytes: &'a [u8]| -> Option<(usize, &'a [u8])> {
            let end = bytes.iter().position(|&byte| byte == 0)?;
            let (text, rest) = bytes.split_at_checked(end)?;
            Some((usize::try_from(number(text)?).ok()?, rest.get(1..)?))
        };
        let read = || {
            let (filter, rest) = number_before(bytes)?;
            let (count, rest) = number_before(rest)?;
            let (strings, filter) = rest.split_at_checked(rest.len().checked_sub(filter)?)?;
            let ends = strings.iter().enumerate().filter(|(_, byte)| **byte == 0);
            let length = match count {
                0 => 0,
                _ => ends.map(|(at, _)| at + 1).nth(count - 1)?,
            };
            let (command, environment) = strings.split_at_checked(length)?;
            Some(Self {
                filter,
                command: Strings::new(command)?,
                environment: Strings::new(environment)?,
            })
        };
        read().ok_or(BAD)
    }
}

/// The end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// A signal of this number ended it.
    Signalled(i32),
    /// It could not be executed, for the reason of this number (errno(3)).
    NotRun(i32),
}

impl Ended {
    /// Number of bytes of the message.
    pub const LENGTH: usize = 5;

    /// Returns the message.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        let (kind, number) = match self {
            Self::Exited(status) => (b'e', status),
            Self::Signalled(signal) => (b's', signal),
            Self::NotRun(errno) => (b'n', errno),
        };
        let [a, b, c, d] = number.to_be_bytes();
        [kind, a, b, c, d]
    }

    /// Reads the message.
    ///
    /// # Errors
    /// The bytes are no message.
    pub fn decode(bytes: [u8; Self::LENGTH]) -> Result<Self, Error> {
        let [kind, a, b, c, d] = bytes;
        let number = i32::from_be_bytes([a, b, c, d]);
        match kind {
            b'e' => Ok(Self::Exited(number)),
            b's' => Ok(Self::Signalled(number)),
            b'n' => Ok(Self::NotRun(number)),
            _ => Err(BAD),
        }
    }
}
