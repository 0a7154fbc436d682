//! What goes between the user's terminal and one that a program has for itself.
//!
//! A program that had the user's own could type on it (TIOCSTI), read what is meant for others, and leave it in another
//! mode. With one of its own it has job control and a size, and what it does to that ends with it.

use super::{OnTerminal, ViewError, deadline};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{self, OptionalActions, Termios};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Makes a terminal. Returns both of its ends, that of the program last.
///
/// # Errors
/// Those of openpt(3).
pub(super) fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let terminal = ioctl_tiocgptpeer(&master, flags)?;
    Ok((master, terminal))
}

/// Hears what is printed on a terminal.
pub type Hear<'h> = dyn Fn(&[u8]) + 'h;

/// A terminal for programs that run one after another.
pub struct Own {
    master: OwnedFd,
    kind: OnTerminal,
}

impl Own {
    /// Makes one. Returns the end of the programs, too.
    ///
    /// # Errors
    /// Those of openpt(3).
    pub(crate) fn new(kind: OnTerminal) -> io::Result<(Self, OwnedFd)> {
        let (master, terminal) = terminal()?;
        Ok((Self { master, kind }, terminal))
    }

    /// Begins to pass on what goes between it and the user's terminal.
    pub(super) fn relay<'h>(&self, heard: &'h dyn Fn(&[u8])) -> io::Result<Relay<'h>> {
        let input = io::stdin();
        let out = match self.kind {
            OnTerminal::All => io::stderr().as_fd().try_clone_to_owned(),
            // What is typed is seen there, too.
            _ => input.as_fd().try_clone_to_owned(),
        };
        let raw = Raw::of_hook(input.as_fd(), self.kind == OnTerminal::Input)?;
        Ok(Relay::new(self.master.try_clone()?, out?, raw, heard))
    }
}

/// The user's terminal in raw mode, as long as this lives.
pub(super) struct Raw {
    terminal: OwnedFd,
    before: Termios,
    leave: OptionalActions,
}

impl Raw {
    /// Sets the mode. What the program prints is not changed any more on its way.
    pub(super) fn new(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        Self::set(terminal, OptionalActions::Now, |_, _| {})
    }

    /// Sets the mode for a hook. What it has not read of what was typed is dropped at the end: a terminal may have answered
    /// what the target's programs have printed. With `lines` others print lines on the terminal meanwhile.
    pub(super) fn of_hook(terminal: BorrowedFd<'_>, lines: bool) -> io::Result<Self> {
        Self::set(terminal, OptionalActions::Flush, |raw, before| {
            if lines {
                raw.output_modes = before.output_modes;
            }
        })
    }

    fn set(
        terminal: BorrowedFd<'_>,
        leave: OptionalActions,
        adapt: impl FnOnce(&mut Termios, &Termios),
    ) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        adapt(&mut raw, &before);
        termios::tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(Self {
            terminal: terminal.try_clone_to_owned()?,
            before,
            leave,
        })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, self.leave, &self.before);
    }
}

/// Passes on what goes between the user's terminal and that of a program.
pub(super) struct Relay<'h> {
    /// The other end of the program's terminal.
    pub(super) master: File,
    /// Whether there may be more to read on standard input.
    pub(super) types: bool,
    /// Whether there may be more to print.
    pub(super) prints: bool,
    /// What was typed and the program's terminal has no room for yet.
    keys: Vec<u8>,
    out: File,
    heard: &'h dyn Fn(&[u8]),
    _raw: Raw,
}

/// Number of bytes that may wait for a program to read; what is typed then stays in the user's terminal.
const MOST_KEYS: usize = 1 << 16;

/// A moment of waiting.
pub(super) struct Turn {
    /// Whether the agent has said something.
    pub(super) heard: bool,
    /// Whether the user has typed something.
    pub(super) typed: bool,
}

impl<'h> Relay<'h> {
    /// Begins. What the program prints goes to `out`, and `heard` hears it.
    pub(super) fn new(master: OwnedFd, out: OwnedFd, raw: Raw, heard: &'h dyn Fn(&[u8])) -> Self {
        // A program that does not read is heard all the same.
        let flags = fcntl_getfl(&master).unwrap_or(OFlags::empty());
        let _ = fcntl_setfl(&master, flags | OFlags::NONBLOCK);
        let relay = Self {
            master: master.into(),
            types: true,
            prints: true,
            keys: Vec::new(),
            out: out.into(),
            heard,
            _raw: raw,
        };
        relay.resize();
        relay
    }

    /// Gives the program's terminal the size of the user's.
    pub(super) fn resize(&self) {
        let size = termios::tcgetwinsize(&self.out).or_else(|_| termios::tcgetwinsize(io::stdin()));
        if let Ok(size) = size
            && size.ws_row != 0
            && termios::tcgetwinsize(&self.master).is_ok_and(|known| known != size)
        {
            let _ = termios::tcsetwinsize(&self.master, size);
        }
    }

    /// Waits a moment for the agent, and passes on meanwhile what is typed and printed.
    ///
    /// # Errors
    /// Those of poll(2).
    pub(super) fn turn(&mut self, agent: &UnixStream) -> Result<Turn, ViewError> {
        self.resize();
        let input = io::stdin();
        let none = PollFlags::empty();
        let of_program = self.awaited();
        let (moves, types) = (!of_program.is_empty(), self.takes_keys());
        let [heard, moved, typed] = {
            let mut waiting = vec![PollFd::new(agent, PollFlags::IN)];
            waiting.extend(moves.then(|| PollFd::new(&self.master, of_program)));
            waiting.extend(types.then(|| PollFd::new(&input, PollFlags::IN)));
            let interval = Timespec::try_from(deadline::INTERVAL).ok();
            match poll(&mut waiting, interval.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(ViewError::Lost(error.into())),
            }
            let mut ready = waiting.iter().map(PollFd::revents);
            [true, moves, types].map(|waits| waits.then(|| ready.next()).flatten().unwrap_or(none))
        };
        self.pass_on(moved);
        let typed = !typed.is_empty();
        if typed {
            self.read_keys();
        }
        let heard = !heard.is_empty();
        Ok(Turn { heard, typed })
    }

    /// Returns what is waited for at the program's terminal.
    pub(super) fn awaited(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.prints);
        flags.set(PollFlags::OUT, self.prints && !self.keys.is_empty());
        flags
    }

    /// Whether more may be read of what is typed.
    pub(super) fn takes_keys(&self) -> bool {
        self.types && self.keys.len() < MOST_KEYS
    }

    /// Does what the program's terminal is ready for.
    pub(super) fn pass_on(&mut self, ready: PollFlags) {
        if ready.contains(PollFlags::OUT) {
            self.type_keys();
        }
        if !ready.difference(PollFlags::OUT).is_empty() {
            self.print();
        }
    }

    /// Passes on what the program has written. Returns whether there may be more.
    pub(super) fn print(&mut self) -> bool {
        let mut chunk = [0; 16384];
        match self.master.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // EIO says that nobody has the other end any more.
            Ok(0) | Err(_) => {
                self.prints = false;
                false
            }
            Ok(length) => {
                let printed = chunk.get(..length).unwrap_or_default();
                let _ = self.out.write_all(printed);
                (self.heard)(printed);
                true
            }
        }
    }

    pub(super) fn read_keys(&mut self) {
        let mut chunk = [0; 4096];
        match rustix::io::read(io::stdin(), &mut chunk) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => self.types = false,
            Ok(length) => {
                self.keys
                    .extend_from_slice(chunk.get(..length).unwrap_or_default());
                self.type_keys();
            }
        }
    }

    /// Types what the program's terminal has room for.
    fn type_keys(&mut self) {
        match self.master.write(&self.keys) {
            Ok(length) => drop(self.keys.drain(..length.min(self.keys.len()))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Nobody reads them any more.
            Err(_) => self.keys.clear(),
        }
    }

    /// Passes on what the program wrote before its end.
    pub(super) fn drain(&mut self) {
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        while self.prints {
            let ready = poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&moment));
            if !matches!(ready, Ok(1..)) || !self.print() {
                return;
            }
        }
    }
}

/// Returns what of a hook's standard input, output and error is to be a terminal of its own: what is one of this
/// process's, where it is the one that the user types to.
#[must_use]
pub fn for_hooks() -> OnTerminal {
    use OnTerminal::{All, Input, Nothing};
    let input = io::stdin();
    let ours = termios::isatty(&input)
        && termios::tcgetpgrp(&input).is_ok_and(|group| group == rustix::process::getpgrp());
    match (ours, termios::isatty(io::stderr())) {
        (false, _) => Nothing,
        (true, false) => Input,
        (true, true) => All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_what_is_typed_and_is_heard() {
        let (users_master, users) = terminal().unwrap();
        let (master, programs) = terminal().unwrap();
        let heard = std::cell::RefCell::new(Vec::new());
        let hear = |printed: &[u8]| heard.borrow_mut().extend_from_slice(printed);
        let size = termios::Winsize {
            ws_row: 33,
            ws_col: 99,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        termios::tcsetwinsize(&users_master, size).unwrap();
        let before = termios::tcgetattr(&users).unwrap();
        let raw = Raw::of_hook(users.as_fd(), false).unwrap();
        let out = users.try_clone().unwrap();
        let mut relay = Relay::new(master, out, raw, &hear);
        assert!(
            !termios::tcgetattr(&users)
                .unwrap()
                .local_modes
                .contains(termios::LocalModes::ISIG)
        );
        assert_eq!(termios::tcgetwinsize(&programs).unwrap(), size);
        let mut programs = File::from(programs);
        programs.write_all(b"prompt> ").unwrap();
        relay.drain();
        assert_eq!(&*heard.borrow(), b"prompt> ");
        let mut shown = [0; 64];
        // A terminal whose master is closed has no modes any more.
        let mut users_master = File::from(users_master);
        let length = users_master.read(&mut shown).unwrap();
        assert_eq!(&shown[..length], b"prompt> ");
        drop(relay);
        let after = termios::tcgetattr(&users).unwrap();
        assert_eq!(after.local_modes, before.local_modes);
        assert_eq!(after.output_modes, before.output_modes);
    }

    #[test]
    fn a_program_that_does_not_read_is_heard() {
        let (_users_master, users) = terminal().unwrap();
        let (master, programs) = terminal().unwrap();
        let heard = std::cell::RefCell::new(0);
        let hear = |printed: &[u8]| *heard.borrow_mut() += printed.len();
        // As programs do that take single keys: nothing is thrown away, and nothing comes back.
        let mut modes = termios::tcgetattr(&programs).unwrap();
        modes.make_raw();
        termios::tcsetattr(&programs, OptionalActions::Now, &modes).unwrap();
        let raw = Raw::of_hook(users.as_fd(), false).unwrap();
        let out = File::options().write(true).open("/dev/null").unwrap();
        let mut relay = Relay::new(master, out.into(), raw, &hear);
        let pasted: Vec<u8> = (0..200_000_u32)
            .map(|number| b'a' + (number % 26) as u8)
            .collect();
        relay.keys.extend_from_slice(&pasted);
        relay.type_keys();
        assert!(!relay.keys.is_empty() && !relay.takes_keys());
        let mut programs = File::from(programs);
        programs.write_all(b"still here").unwrap();
        relay.drain();
        assert_eq!(*heard.borrow(), 10);
        let mut read = Vec::new();
        let mut chunk = [0; 4096];
        while read.len() < pasted.len() {
            assert!(relay.awaited().contains(PollFlags::OUT) || relay.keys.is_empty());
            relay.type_keys();
            let length = programs.read(&mut chunk).unwrap();
            read.extend_from_slice(&chunk[..length]);
        }
        assert!(read == pasted && relay.takes_keys());
    }
}
