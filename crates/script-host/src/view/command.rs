//! A user's command in a view, and its conversation with the terminal.

use super::ViewError;
pub use super::message::{Command, Standard, User};
use super::message::{FromAgent, ToAgent, receive_descriptors, send_descriptors};
use super::relay::{Raw, Relay};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Read};
use std::os::fd::AsFd;
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
                let unusable = super::error::io_error("use the terminal");
                let raw = Raw::new(io::stdin().as_fd())
                    .and_then(|raw| Ok((raw, io::stdout().as_fd().try_clone_to_owned()?)));
                let (raw, out) = raw.map_err(unusable)?;
                relay = Some(Relay::new(master, out, raw, &|_| {}));
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
    mut relay: Option<&mut Relay<'_>>,
) -> Result<FromAgent, ViewError> {
    let lost = |error: rustix::io::Errno| ViewError::Lost(error.into());
    loop {
        let input = io::stdin();
        let of_program = relay.as_ref().map_or(PollFlags::empty(), |relay| relay.awaited());
        let types = relay.as_ref().is_some_and(|relay| relay.takes_keys());
        let [heard, signalled, moved, typed] = {
            let mut waiting = vec![
                PollFd::new(&*socket, PollFlags::IN),
                PollFd::new(&signals.numbers, PollFlags::IN),
            ];
            let moves = !of_program.is_empty();
            if let Some(relay) = relay.as_ref().filter(|_| moves) {
                waiting.push(PollFd::new(&relay.master, of_program));
            }
            waiting.extend(types.then(|| PollFd::new(&input, PollFlags::IN)));
            match poll(&mut waiting, None) {
                Err(rustix::io::Errno::INTR) => continue,
                done => done.map_err(lost)?,
            };
            let mut ready = waiting.iter().map(PollFd::revents);
            [true, true, moves, types].map(|waits| {
                waits
                    .then(|| ready.next())
                    .flatten()
                    .unwrap_or(PollFlags::empty())
            })
        };
        if let Some(relay) = &mut relay {
            relay.pass_on(moved);
            if !typed.is_empty() {
                relay.read_keys();
            }
        }
        if !signalled.is_empty() {
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
        if !heard.is_empty() {
            return FromAgent::receive(socket).map_err(ViewError::Lost);
        }
    }
}
