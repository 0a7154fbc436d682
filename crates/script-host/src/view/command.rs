//! A user's command in a view, and its conversation with the terminal.

use super::ViewError;
pub use super::message::{Command, Standard, User};
use super::message::{FromAgent, ToAgent, receive_descriptors, send_descriptors};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{self, OptionalActions, Termios, Winsize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use task_progress::WINDOW;

/// The end of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// It exited with this status.
    Exited(i32),
    /// A signal of this number ended it.
    Signalled(i32),
    /// It could not be executed, for this reason.
    NotRun(String),
    /// There is no such program.
    NotFound,
}

/// The outside of a command while it runs: signals that are passed on.
pub struct Signals {
    /// Numbers of signals for the command, a byte each; [`WINDOW`] says that the window of the terminal has another size.
    pub numbers: UnixStream,
}

/// The terminal of this process in raw mode, as long as this lives.
struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    fn new(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(Self {
            terminal: terminal.try_clone_to_owned()?,
            before,
        })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Runs a command through the agent and waits for its end.
pub(super) fn run(
    socket: &mut UnixStream,
    command: Command,
    signals: &Signals,
) -> Result<CommandEnd, ViewError> {
    let has_terminal = command.standard.contains(&Standard::Terminal);
    ToAgent::Command(command).send(socket).map_err(ViewError::Lost)?;
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    send_descriptors(socket, &[input.as_fd(), output.as_fd(), error.as_fd()]).map_err(ViewError::Lost)?;
    let mut relay = None;
    loop {
        let message = match &mut relay {
            None => wait(socket, signals, None)?,
            Some(relay) => wait(socket, signals, Some(relay))?,
        };
        let ended = match message {
            FromAgent::Terminal if has_terminal => {
                let [master] = receive_descriptors(socket).map_err(ViewError::Lost)?;
                relay = Some(Relay::new(master).map_err(|source| ViewError::Io {
                    action: "use the terminal",
                    source,
                })?);
                continue;
            }
            FromAgent::Exited(status) => CommandEnd::Exited(status),
            FromAgent::Signalled(signal) => CommandEnd::Signalled(signal),
            FromAgent::NotRun(reason) => CommandEnd::NotRun(reason),
            FromAgent::NotFound => CommandEnd::NotFound,
            other => {
                let problem = format!("unexpected message {other:?}");
                return Err(ViewError::Lost(io::Error::other(problem)));
            }
        };
        if let Some(mut relay) = relay {
            relay.drain();
        }
        return Ok(ended);
    }
}

/// Waits for the agent's next message, and passes on meanwhile what goes between the terminals, and signals.
fn wait(
    socket: &mut UnixStream,
    signals: &Signals,
    mut relay: Option<&mut Relay>,
) -> Result<FromAgent, ViewError> {
    let lost = |error: rustix::io::Errno| ViewError::Lost(error.into());
    loop {
        let input = io::stdin();
        let (heard, signalled, typed, printed) = {
            let mut waiting = vec![
                PollFd::new(&*socket, PollFlags::IN),
                PollFd::new(&signals.numbers, PollFlags::IN),
            ];
            if let Some(relay) = &relay {
                let of = |open: bool| if open { PollFlags::IN } else { PollFlags::empty() };
                waiting.push(PollFd::new(&relay.master, of(relay.prints)));
                if relay.types {
                    waiting.push(PollFd::new(&input, PollFlags::IN));
                }
            }
            match poll(&mut waiting, None) {
                Err(rustix::io::Errno::INTR) => continue,
                done => done.map_err(lost)?,
            };
            let ready = |at: usize| waiting.get(at).is_some_and(|one| !one.revents().is_empty());
            (ready(0), ready(1), ready(3), ready(2))
        };
        if let Some(relay) = &mut relay {
            if printed {
                relay.print();
            }
            if typed {
                relay.read_keys();
            }
        }
        if signalled {
            let mut numbers = [0; 16];
            let length = (&signals.numbers).read(&mut numbers).unwrap_or(0);
            for number in numbers.iter().take(length) {
                match (*number, &relay) {
                    (WINDOW, Some(relay)) => relay.resize(),
                    (WINDOW, None) => {}
                    (number, _) => ToAgent::Signal(i32::from(number))
                        .send(socket)
                        .map_err(ViewError::Lost)?,
                }
            }
        }
        if heard {
            return FromAgent::receive(socket).map_err(ViewError::Lost);
        }
    }
}

/// Passes on what goes between the user's terminal and that of the command.
struct Relay {
    master: File,
    types: bool,
    prints: bool,
    _raw: Option<Raw>,
}

impl Relay {
    fn new(master: OwnedFd) -> io::Result<Self> {
        let raw = Raw::new(io::stdin().as_fd())?;
        let relay = Self {
            master: master.into(),
            types: true,
            prints: true,
            _raw: Some(raw),
        };
        relay.resize();
        Ok(relay)
    }

    fn resize(&self) {
        let size = termios::tcgetwinsize(io::stdout()).or_else(|_| termios::tcgetwinsize(io::stdin()));
        let known = |size: &Winsize| size.ws_row != 0;
        if let Some(size) = size.ok().filter(known) {
            let _ = termios::tcsetwinsize(&self.master, size);
        }
    }

    /// Passes on what the command has written. Returns whether there may be more.
    fn print(&mut self) -> bool {
        let mut chunk = [0; 16384];
        match self.master.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            // EIO says that nobody has the other end any more.
            Ok(0) | Err(_) => {
                self.prints = false;
                false
            }
            Ok(length) => {
                let mut out = io::stdout().lock();
                let _ = out.write_all(chunk.get(..length).unwrap_or_default());
                let _ = out.flush();
                true
            }
        }
    }

    fn read_keys(&mut self) {
        let mut chunk = [0; 4096];
        match rustix::io::read(io::stdin(), &mut chunk) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => self.types = false,
            Ok(length) => {
                let _ = self.master.write_all(chunk.get(..length).unwrap_or_default());
            }
        }
    }

    /// Passes on what the command wrote before its end.
    fn drain(&mut self) {
        let moment = rustix::event::Timespec {
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
