//! A place for hooks: programs that the user gives for moments of an installation. They run around the target, in this
//! machine's own root directory and with the user's rights there, as root of the target, which they see at a path.
//!
//! It is opened before anything is installed, and lasts longer than the session of the installation, with which it
//! shares the private directory: `chroot` to the target has its programs executed as in the view.

use super::serving::policy;
use super::{Result, RunResult, SessionError, private, serving};
use crate::unrunnable::Unrunnable;
use crate::view::relay::{Hear, Own};
use crate::view::{Around, OnTerminal, Running, Sink, View, ViewOptions};
use deb_arch::Architecture;
use rootless_install_fs::Target;
use shim_protocol::names;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use task_progress::Cancel;

/// Greatest length of a request of a hook, in bytes: the kernel's limit of all arguments (execve(2)) is a quarter of
/// this.
const LONGEST: u32 = 8 << 20;

/// Answers what a hook asks for through the socket, in words, with an error in words.
pub type AnswerHook<'a> = dyn Fn(&[OsString]) -> std::result::Result<(), String> + Sync + 'a;

/// Hears what hooks print on a terminal of their own.
pub type HearHook = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Options of a place for hooks, for [`with_hook_place`].
pub struct HookPlaceOptions<'a> {
    /// The target, which may be empty.
    pub target: &'a Target,
    /// Architecture of the target.
    pub arch: &'static Architecture,
    /// Foreign architectures of the target.
    pub foreign: &'a [&'static Architecture],
    /// Whether native programs stand in for the target's.
    pub redirected: bool,
    /// Root of a native system that is used instead of packages.
    pub native_system: Option<&'a Path>,
    /// The directory of the run that its session has, too.
    pub scratch: &'a Path,
    /// Path at which hooks see the target; made here.
    pub mount_point: PathBuf,
    /// Working directory of hooks.
    pub directory: &'a Path,
    /// What of a running system the target has.
    pub running: Running,
    /// What of their standard input, output and error is a terminal of their own, where one can be made.
    pub terminal: OnTerminal,
    /// Receiver of each line that hooks write.
    pub sink: Sink,
    /// Receiver of what hooks print on their terminal, in pieces.
    pub heard: HearHook,
    /// Answers requests of hooks.
    pub answer: &'a AnswerHook<'a>,
}

/// A place for hooks.
pub struct HookPlace {
    view: View,
    root: PathBuf,
    populated: bool,
    terminal: Option<(Own, OnTerminal)>,
    heard: HearHook,
}

/// Makes a place for hooks, does some work with it, and ends it with all that hooks have left running.
///
/// # Errors
/// Those of the work, and [`SessionError`] where the place cannot be made.
pub fn with_hook_place<T, E: From<SessionError>>(
    options: HookPlaceOptions<'_>,
    work: impl FnOnce(&mut HookPlace) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let listener = options.prepare()?;
    let answer = options.answer;
    std::thread::scope(|scope| {
        scope.spawn(|| listen(&listener, answer));
        // A socket that is shut down ends the thread, also after a panic.
        let _ended = ShutDown(&listener);
        let mut place = options.open()?;
        work(&mut place)
    })
}

struct ShutDown<'l>(&'l UnixListener);

impl Drop for ShutDown<'_> {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(self.0, rustix::net::Shutdown::Both);
    }
}

impl HookPlaceOptions<'_> {
    fn private(&self) -> PathBuf {
        self.scratch.join("private")
    }

    /// Makes the private directory, the socket and the mount point.
    fn prepare(&self) -> Result<UnixListener> {
        let private = self.private();
        private::create(&private, self.redirected, self.arch, false)?;
        if let Some(system) = self.native_system {
            private::check_native_system(system)?;
            private::create_mount_points(&private.join(names::SYSROOT))?;
        }
        let written = |path: &Path| {
            let path = path.to_owned();
            move |source| SessionError::Write { path, source }
        };
        match fs::create_dir(&self.mount_point) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(written(&self.mount_point))?,
        }
        super::control::bind(&private.join(names::HOOKS)).map_err(written(&private))
    }

    fn open(self) -> Result<HookPlace> {
        let private = self.private();
        let programs = self.redirected.then(|| match self.native_system {
            Some(directory) => directory.to_owned(),
            None => private.join(names::SYSROOT),
        });
        let (terminal, input) = self.input().map_err(|source| SessionError::Write {
            path: PathBuf::from("/dev/stdin"),
            source,
        })?;
        let mut serve = serving::serve_target(self.arch, self.foreign, programs, false);
        serve.bare = true;
        // What a running system has there is mounted later.
        serve.late = ["/proc", "/dev"].map(PathBuf::from).into();
        // What is seen of it is in the target itself, or is not there.
        let hidden = [
            (policy::FILE, false),
            ("/proc", self.running.proc),
            ("/dev", self.running.dev),
        ];
        let is_hidden = |path: &Path| hidden.iter().any(|(is, seen)| path == Path::new(is) && !seen);
        serve.phantoms.retain(|phantom| !is_hidden(&phantom.path));
        let view = View::start(ViewOptions {
            target: self.target,
            mount_point: &self.mount_point,
            private: &private,
            native_system: self.native_system,
            serve,
            native_root: None,
            admin: None,
            machine: None,
            host_network: true,
            read_only: false,
            binds: Vec::new(),
            resolver: None,
            around: Some(Around {
                directory: self.directory,
                input,
                terminal: terminal.as_ref().map_or(OnTerminal::Nothing, |(_, kind)| *kind),
                running: self.running,
            }),
            sink: self.sink,
        })?;
        Ok(HookPlace {
            view,
            root: self.mount_point,
            populated: false,
            terminal,
            heard: self.heard,
        })
    }

    /// Returns the terminal of hooks, and their standard input: its other end, or this process's own.
    fn input(&self) -> io::Result<(Option<(Own, OnTerminal)>, OwnedFd)> {
        if self.terminal != OnTerminal::Nothing
            && let Ok((own, input)) = Own::new(self.terminal)
        {
            return Ok((Some((own, self.terminal)), input));
        }
        let given = io::stdin();
        // The user's own terminal is none for programs of the target.
        let own = Some(&given).filter(|input| !input.is_terminal());
        let input = own.and_then(|input| input.as_fd().try_clone_to_owned().ok());
        Ok((
            None,
            input.map_or_else(|| fs::File::open("/dev/null").map(Into::into), Ok)?,
        ))
    }
}

impl HookPlace {
    /// Returns the path at which hooks see the target.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether hooks print on the user's terminal, by one of their own.
    pub fn prints_itself(&self) -> bool {
        matches!(self.terminal, Some((_, OnTerminal::All)))
    }

    /// Notes that the target has programs now, which are to be executed: it gets what a running system has.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn has_programs(&mut self) -> Result<()> {
        if !self.populated {
            self.view.populate()?;
            self.populated = true;
        }
        Ok(())
    }

    /// Runs a command and waits for its end; `name` is that of the hook in messages, `variables` the whole environment,
    /// `unrunnable` the record of programs of the session that answers what is executed in the target, if one is open.
    ///
    /// # Errors
    /// The run was cancelled, or the place is lost. A command that fails is no error.
    pub fn run(
        &mut self,
        name: &str,
        command: &[&str],
        variables: &[(String, String)],
        limit: Option<Duration>,
        cancel: &Cancel,
        unrunnable: Option<&Unrunnable>,
    ) -> Result<RunResult> {
        cancel.check()?;
        // The attempt may be that of a script of a dpkg in the hook, which takes it.
        let first = std::cell::RefCell::new(None);
        let stop = || {
            let tried = unrunnable.and_then(Unrunnable::first);
            let stops = tried.is_some();
            if stops {
                first.replace(tried);
            }
            stops || cancel.is_cancelled()
        };
        let outcome = match &self.terminal {
            None => self.view.run(name, command, variables, limit, &stop),
            Some((own, _)) => {
                let heard: &Hear<'_> = &self.heard;
                self.view
                    .run_on_terminal((name, command), variables, limit, &stop, (own, heard))
            }
        };
        let refusal = unrunnable.and_then(Unrunnable::script_ended);
        let refusal = refusal.or_else(|| first.take());
        let outcome = outcome?;
        cancel.check()?;
        Ok(RunResult { outcome, refusal })
    }
}

impl std::fmt::Debug for HookPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HookPlace").field(&self.root).finish()
    }
}

/// Answers requests: one connection, which all hooks inherit, and one request after another on it.
fn listen(listener: &UnixListener, answer: &AnswerHook<'_>) {
    // The agent is the only one who finds the socket before a hook runs.
    let Ok((mut stream, _)) = listener.accept() else {
        return;
    };
    while let Ok(Some(words)) = receive(&mut stream) {
        let reply = match answer(&words) {
            Ok(()) => String::new(),
            Err(reason) => reason,
        };
        if send(&mut stream, reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// Asks for what a hook wants, on the socket that it has inherited: words, each ended by a zero byte. Returns the error in
/// words, if there is one.
///
/// # Errors
/// Those of the socket.
pub fn ask(
    stream: &mut (impl Read + Write),
    words: &[OsString],
) -> io::Result<std::result::Result<(), String>> {
    let mut request = Vec::new();
    for word in words {
        request.extend_from_slice(word.as_bytes());
        request.push(0);
    }
    send(stream, &request)?;
    let reply = receive_frame(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(match reply.as_slice() {
        [] => Ok(()),
        reason => Err(String::from_utf8_lossy(reason).into_owned()),
    })
}

fn send(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(bytes);
    stream.write_all(&frame)
}

fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<OsString>>> {
    let Some(request) = receive_frame(stream)? else {
        return Ok(None);
    };
    let words = request.strip_suffix(b"\0").unwrap_or(&request);
    let words = words.split(|byte| *byte == 0);
    Ok(Some(
        words.map(|word| OsStr::from_bytes(word).to_owned()).collect(),
    ))
}

fn receive_frame(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame)?;
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_in_turn() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hooks");
        let listener = UnixListener::bind(&path).unwrap();
        let answer = |words: &[OsString]| match words {
            [one, two] if one == "upload" && two.is_empty() => Ok(()),
            words => Err(format!("{} words", words.len())),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| listen(&listener, &answer));
            let mut stream = UnixStream::connect(&path).unwrap();
            let mut asked = |words: &[&str]| {
                let words: Vec<OsString> = words.iter().map(OsString::from).collect();
                ask(&mut stream, &words).unwrap()
            };
            assert_eq!(asked(&["upload", ""]), Ok(()));
            assert_eq!(asked(&["a", "b", "c"]), Err("3 words".to_owned()));
            drop(stream);
        });
    }
}
