//! Scripts without namespaces: this machine's own root directory and tools, and the target at a
//! path of the machine. Each script runs in a [`sandbox`].

use super::deadline::Deadline;
use super::fusermount::{self, Mount};
use super::output::MARK;
use super::{Ended, Sink, ViewError, admin_mount_point, io_error, output::Collector, sandbox};
use crate::limits;
use rootless_install_fs::{SERVED, ServeOptions, Server, Target};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::io::{PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Options for scripts on the machine itself.
pub struct SandboxedOptions<'a> {
    /// The target.
    pub target: &'a Target,
    /// An empty directory, the mount point; `None` where there is no FUSE, and scripts see the
    /// directory on the disk.
    pub mount_point: Option<&'a Path>,
    /// dpkg's administrative directory where it is outside of the target; it is mounted, too, where the target is.
    pub admin: Option<&'a Target>,
    /// Socket on which the shim asks.
    pub control: Option<PathBuf>,
    /// Directories of this run that scripts may read.
    pub readable: Vec<PathBuf>,
    /// Directories that scripts may write to besides the target.
    pub writable: Vec<PathBuf>,
    /// Receiver of each line that scripts write, as it comes.
    pub sink: Sink,
}

/// Scripts on the machine itself, each in a sandbox of its own.
pub(super) struct Sandboxed {
    writer: PipeWriter,
    directory: PathBuf,
    control: Option<PathBuf>,
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    mounts: Vec<Mount>,
}

impl Sandboxed {
    pub(super) fn start(options: SandboxedOptions<'_>) -> Result<(Self, Collector, Vec<Server>), ViewError> {
        let (reader, writer) = std::io::pipe().map_err(io_error("make a pipe"))?;
        let mut servers = Vec::new();
        let mut mounts = Vec::new();
        let mut writable = options.writable;
        if let Some(path) = options.mount_point {
            let admin = options.admin.map(|admin| (admin, admin_mount_point(path)));
            let mut mount = |(target, path): (&Target, PathBuf)| {
                let (mounted, fuse) = fusermount::mount(&path)?;
                mounts.push(mounted);
                let serve = ServeOptions {
                    root: Some((nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())),
                    ..ServeOptions::default()
                };
                servers.push(rootless_install_fs::serve(target, fuse, serve).map_err(ViewError::Serve)?);
                writable.push(path.join(SERVED));
                Ok(())
            };
            let target = (options.target, path.to_owned());
            let mounted = std::iter::once(target).chain(admin).try_for_each(&mut mount);
            if let Err(error) = mounted {
                mounts.iter().for_each(Mount::unmount);
                return Err(error);
            }
        } else {
            let directories = std::iter::once(options.target).chain(options.admin);
            writable.extend(directories.map(|directory| directory.root_path().to_owned()));
        }
        let directory = match options.mount_point {
            Some(path) => path.join(SERVED),
            None => options.target.root_path().to_owned(),
        };
        let sandboxed = Self {
            writer,
            directory,
            control: options.control,
            readable: options.readable,
            writable,
            mounts,
        };
        Ok((sandboxed, Collector::new(reader, options.sink), servers))
    }

    /// Unmounts, so that servers end.
    pub(super) fn unmount(&self) {
        self.mounts.iter().for_each(Mount::unmount);
    }

    /// Breaks the connection to the server, wherever it is still mounted.
    pub(super) fn abort(&self) {
        self.mounts.iter().for_each(Mount::abort);
    }

    pub(super) fn run(
        &mut self,
        arguments: &[&str],
        environment: &[(String, String)],
        limit: Option<Duration>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Ended, ViewError> {
        let mut child = match self.spawn(arguments, environment) {
            Ok(child) => child,
            Err(error) => return Ok(Ended::NotRun(error.to_string())),
        };
        let handle = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| std::io::Error::other("no process id"))
            .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?))
            .map_err(io_error("watch a script"))?;
        let deadline = Deadline::new(limit, cancelled);
        let mut killed = None;
        while !deadline.readable(&handle)? {
            if let Some(verdict) = deadline.verdict() {
                // The end of its input is the sandbox's order to end the script.
                drop(child.stdin.take());
                killed = killed.or(Some(verdict));
            }
        }
        let status = child.wait().map_err(io_error("wait for a script"))?;
        let _ = self.writer.write_all(&[MARK, b"\n"].concat());
        let ended = match status.code() {
            Some(sandbox::NOT_RUN) => Ended::NotRun("it could not be started in its sandbox".to_owned()),
            Some(status) => Ended::Exited(status),
            None => Ended::NotRun("its sandbox was killed".to_owned()),
        };
        Ok(killed.unwrap_or(ended))
    }

    fn spawn(&self, arguments: &[&str], environment: &[(String, String)]) -> std::io::Result<Child> {
        let writers = [self.writer.try_clone()?, self.writer.try_clone()?];
        let [out, errors] = writers.map(|writer| Stdio::from(OwnedFd::from(writer)));
        Command::new("/proc/self/exe")
            .arg(sandbox::MARKER)
            .arg(&self.directory)
            .arg(self.control.as_deref().unwrap_or(Path::new("")))
            .arg(self.readable.len().to_string())
            .args(&self.readable)
            .arg(self.writable.len().to_string())
            .args(&self.writable)
            .args(arguments.iter().map(OsString::from))
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .envs(limits::for_scripts())
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(errors)
            .spawn()
    }
}
