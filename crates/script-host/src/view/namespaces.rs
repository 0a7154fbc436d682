//! The namespaces of a view, and the conversation with the agent that holds them.

use super::agent::FUSE_FAILED;
use super::command::{self, Command, CommandEnd};
use super::deadline::Deadline;
use super::idmap::{self, IdRange, Mapper};
use super::message::{FromAgent, MountPoints, ToAgent, receive_descriptors, send_descriptors};
use super::output::Collector;
use super::processor::{self, Processors};
use super::relay::Relay;
use super::{AGENT_MARKER, Ended, LAYERS_MARKER, PROBE_MARKER, ViewError, ViewOptions, handlers, io_error};
use crate::limits;
use rootless_install_fs::{ServeOptions, Server, Target};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{self, Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A variable of the environment with which executions are redirected as on a kernel whose user namespaces
/// have no handlers of binfmt_misc (before Linux 6.7).
const NO_HANDLERS: &str = "ROOTLESS_INSTALL_NO_BINFMT_MISC";

/// Time that the agent has to end, with everything in the view.
const PATIENCE: Duration = Duration::from_secs(4);

/// Time that the agent has for each step of making the view.
const STEP: Duration = Duration::from_secs(60);

/// The namespaces of a view, which live as long as the agent.
pub(super) struct Namespaces {
    socket: UnixStream,
    agent: Child,
    processors: Processors,
}

impl Namespaces {
    /// Makes them, mounts the target there and serves it.
    pub(super) fn start(options: ViewOptions<'_>) -> Result<(Self, Collector, Vec<Server>), ViewError> {
        let (range, mapper) = probe()?;
        let range = match &options.around {
            Some(_) => range.with_own(nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw()),
            None => range,
        };
        let (mut socket, theirs) = UnixStream::pair().map_err(io_error("make a socket pair"))?;
        let (reader, writer) = io::pipe().map_err(io_error("make a pipe"))?;
        let errors = writer.try_clone().map_err(io_error("copy a descriptor"))?;
        let mut agent = process::Command::new("/proc/self/exe")
            .arg(AGENT_MARKER)
            .env_clear()
            .envs(limits::for_scripts())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(writer)))
            .stderr(Stdio::from(OwnedFd::from(errors)))
            .spawn()
            .map_err(io_error("start the process that holds the view"))?;
        let output = Collector::new(reader, options.sink);
        let redirect = options.serve.redirect.as_ref();
        let wanted = redirect.filter(|_| std::env::var_os(NO_HANDLERS).is_none());
        let handlers = wanted.map_or_else(Vec::new, |redirect| handlers::prepare(redirect, options.private));
        let points = ToAgent::Points(MountPoints {
            target: options.mount_point.to_owned(),
            private: options.private.to_owned(),
            native_system: options.native_system.map(Path::to_owned),
            native_root: options
                .native_root
                .as_ref()
                .map(|native| native.mount_point.to_owned()),
            layer: options
                .native_root
                .as_ref()
                .and_then(|native| native.layer.map(Path::to_owned)),
            admin: options.admin.as_ref().map(|admin| admin.mount_point.clone()),
            around: options.around.as_ref().map(|around| around.directory.to_owned()),
            running: options
                .around
                .as_ref()
                .map_or(super::message::Running::ALL, |around| around.running),
            terminal: options
                .around
                .as_ref()
                .map_or(super::message::OnTerminal::Nothing, |around| around.terminal),
            machine: options.machine.map(str::to_owned),
            host_network: options.host_network,
            read_only: options.read_only,
            binds: options.binds.iter().map(|bind| bind.point.clone()).collect(),
            resolver: options.resolver,
        });
        let input = options.around.map(|around| around.input);
        let native = options.native_root.map(|native| (native.root, native.serve));
        let admin = options.admin.map(|admin| (admin.directory, admin.serve));
        let durable = options.serve.durable;
        let serve = || ServeOptions {
            durable,
            ..ServeOptions::default()
        };
        let bound = options.binds.iter().map(|bind| (&bind.directory, serve()));
        let served = std::iter::once((options.target, options.serve))
            .chain(native)
            .chain(admin)
            .chain(bound);
        let begun = points
            .send(&mut socket)
            .and_then(|()| input.map_or(Ok(()), |input| send_descriptors(&socket, &[input.as_fd()])))
            .map_err(ViewError::Lost);
        match begun.and_then(|()| set_up(&mut socket, &agent, (&range, &mapper), handlers, served)) {
            Ok(servers) => {
                let threads: Vec<i32> = servers.iter().flat_map(Server::threads).copied().collect();
                let processors = Processors::new(&threads);
                let namespaces = Self {
                    socket,
                    agent,
                    processors,
                };
                Ok((namespaces, output, servers))
            }
            Err(error) => {
                drop(socket);
                let _ = agent.kill();
                let _ = agent.wait();
                Err(error)
            }
        }
    }

    pub(super) fn run(
        &mut self,
        arguments: &[&str],
        environment: &[(String, String)],
        limit: Option<Duration>,
        cancelled: &dyn Fn() -> bool,
        mut relay: Option<Relay<'_>>,
    ) -> Result<Ended, ViewError> {
        let run = ToAgent::Run {
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            environment: environment.to_vec(),
            processor: self.processors.choose(),
        };
        run.send(&mut self.socket).map_err(ViewError::Lost)?;
        let mut deadline = Deadline::new(limit, cancelled);
        let mut killed = None;
        let mut spread = false;
        loop {
            let heard = match &mut relay {
                None => deadline.readable(&self.socket)?,
                Some(relay) => {
                    let turn = relay.turn(&self.socket)?;
                    if turn.typed {
                        deadline.renew();
                    }
                    turn.heard
                }
            };
            if heard {
                break;
            }
            if !spread && deadline.elapsed() > processor::ALONE {
                self.processors.spread();
                ToAgent::Spread.send(&mut self.socket).map_err(ViewError::Lost)?;
                spread = true;
            }
            if let (Some(verdict), None) = (deadline.verdict(), &killed) {
                ToAgent::Kill.send(&mut self.socket).map_err(ViewError::Lost)?;
                killed = Some(verdict);
            }
        }
        if let Some(relay) = &mut relay {
            relay.drain();
        }
        let ended = match FromAgent::receive(&mut self.socket).map_err(ViewError::Lost)? {
            FromAgent::Exited(status) => Ended::Exited(status),
            FromAgent::Signalled(signal) => Ended::Signalled(signal),
            FromAgent::NotRun(reason) => Ended::NotRun(reason),
            other => return Err(unexpected(&other)),
        };
        Ok(killed.unwrap_or(ended))
    }

    /// Mounts what of a running system the target has, for programs that run around it.
    pub(super) fn populate(&mut self) -> Result<(), ViewError> {
        ToAgent::Populate
            .send(&mut self.socket)
            .map_err(ViewError::Lost)?;
        match FromAgent::receive(&mut self.socket).map_err(ViewError::Lost)? {
            FromAgent::Ready => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs a user's command and waits for its end.
    pub(super) fn command(
        &mut self,
        command: Command,
        signals: &command::Signals,
    ) -> Result<CommandEnd, ViewError> {
        self.processors.spread();
        command::run(&mut self.socket, command, signals)
    }

    /// Ends everything in them.
    pub(super) fn stop(&mut self) {
        // The end of the conversation ends process 1, and with it everything.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let until = Instant::now() + PATIENCE;
        while let Ok(None) = self.agent.try_wait() {
            if Instant::now() > until {
                let _ = self.agent.kill();
                tracing::warn!(target: task_progress::trace::WARNING, "the process that holds the view does not end");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Checks what the view needs of this machine, before anything is downloaded.
///
/// # Errors
/// Those of [`View::start`](super::View::start).
pub fn probe() -> Result<(IdRange, Mapper), ViewError> {
    use std::fs::OpenOptions;
    let found = idmap::probe()?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map_err(|error| ViewError::NoFuse(error.to_string()))?;
    for (file, allows) in [
        (
            "/proc/sys/user/max_user_namespaces",
            (|n| n > 0) as fn(u64) -> bool,
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", |n| n > 0),
    ] {
        let value = std::fs::read_to_string(file)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        let root = nix::unistd::geteuid().is_root();
        if value.is_some_and(|n| !allows(n)) && !(root && file.ends_with("clone")) {
            return Err(ViewError::NoUserNamespaces(format!("{file} is 0")));
        }
    }
    try_namespaces(&found)?;
    Ok(found)
}

/// Makes namespaces for a moment, with the ids mapped: some machines let a user make them, and then do nothing in
/// them; and whether newuidmap maps depends on more than its file. That it could be done stays so.
fn try_namespaces((range, mapper): &(IdRange, Mapper)) -> Result<(), ViewError> {
    static MADE: OnceLock<()> = OnceLock::new();
    if MADE.get().is_some() {
        return Ok(());
    }
    let failed = io_error("try to make a user namespace");
    let mut tried = process::Command::new("/proc/self/exe")
        .arg(PROBE_MARKER)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(&failed)?;
    // It says a byte when it has a namespace, and hears one when the ids are mapped.
    let mut byte = [0];
    let made = tried
        .stdout
        .take()
        .is_some_and(|mut out| out.read_exact(&mut byte).is_ok());
    let mapped = if made {
        idmap::write(tried.id(), range, mapper)
    } else {
        Ok(())
    };
    if mapped.is_ok()
        && let Some(input) = &mut tried.stdin
    {
        // Where it has ended, its exit status says so.
        let _ = input.write_all(&byte);
    }
    drop(tried.stdin.take());
    let ended = tried.wait_with_output().map_err(failed)?;
    mapped?;
    if ended.status.success() {
        MADE.get_or_init(|| ());
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    Err(match reason.strip_prefix(FUSE_FAILED) {
        Some(reason) => ViewError::NoFuse(reason.to_owned()),
        None => ViewError::NoUserNamespaces(reason),
    })
}

/// Whether the kernel lets an ordinary user lay a filesystem in memory over another one (Linux 6.6 and later).
#[must_use]
pub fn has_layers() -> bool {
    *LAYERS.get_or_init(try_layers)
}

/// The answer of [`has_layers`], which stays the same.
static LAYERS: OnceLock<bool> = OnceLock::new();

fn try_layers() -> bool {
    let tried = process::Command::new("/proc/self/exe")
        .arg(LAYERS_MARKER)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

fn set_up<'t>(
    socket: &mut UnixStream,
    agent: &Child,
    (range, mapper): (&IdRange, &Mapper),
    handlers: Vec<String>,
    served: impl Iterator<Item = (&'t Target, ServeOptions)>,
) -> Result<Vec<Server>, ViewError> {
    socket
        .set_read_timeout(Some(STEP))
        .map_err(io_error("limit a wait"))?;
    expect(socket, &FromAgent::Unshared)?;
    idmap::write(agent.id(), range, mapper)?;
    ToAgent::Mapped { handlers }
        .send(socket)
        .map_err(ViewError::Lost)?;
    let handled = match receive(socket)? {
        FromAgent::Mounted { handled } => handled,
        other => return Err(unexpected(&other)),
    };
    let servers = served
        .map(|(target, mut serve)| {
            let [fuse] = receive_descriptors(socket).map_err(ViewError::Lost)?;
            // Handlers of the kernel do it.
            serve.redirect = serve.redirect.filter(|_| !handled);
            rootless_install_fs::serve(target, fuse, serve).map_err(ViewError::Serve)
        })
        .collect::<Result<Vec<_>, _>>()?;
    ToAgent::Serving.send(socket).map_err(ViewError::Lost)?;
    expect(socket, &FromAgent::Ready)?;
    socket.set_read_timeout(None).map_err(io_error("limit a wait"))?;
    Ok(servers)
}

fn expect(socket: &mut UnixStream, wanted: &FromAgent) -> Result<(), ViewError> {
    let got = receive(socket)?;
    if got == *wanted {
        Ok(())
    } else {
        Err(unexpected(&got))
    }
}

fn unexpected(message: &FromAgent) -> ViewError {
    ViewError::Lost(io::Error::other(format!("unexpected message {message:?}")))
}

/// Returns the agent's next message; a failure it reports is an error.
fn receive(socket: &mut UnixStream) -> Result<FromAgent, ViewError> {
    match FromAgent::receive(socket).map_err(ViewError::Lost)? {
        FromAgent::Failed {
            action,
            reason,
            errno: _,
        } if action.contains("user namespace") => {
            Err(ViewError::NoUserNamespaces(format!("cannot {action}: {reason}")))
        }
        FromAgent::Failed {
            action,
            reason,
            errno: _,
        } if action.contains("/dev/fuse") => Err(ViewError::NoFuse(format!("cannot {action}: {reason}"))),
        FromAgent::Failed { action, reason, .. } => Err(ViewError::SetUp { action, reason }),
        message => Ok(message),
    }
}
