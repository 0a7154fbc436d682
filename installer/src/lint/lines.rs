//! Which line of a maintainer script is being executed.
//!
//! `sh -x` cannot tell: the shell of Debian, dash, is built without `$LINENO`, and bash takes `PS4` from
//! nobody's environment when it runs as root. Their trace goes to standard error, too, where `x=$(f 2>&1)`
//! catches it and the script does something else. So shell scripts of packages are interpreted by bash with a
//! start-up file ([`startup`]) that sends the trace to a pipe of its own (bash(1), `BASH_XTRACEFD`) and sets
//! `PS4` there, for `sh` in POSIX mode. The shim does that (`maintscript-shim/src/traced.rs`): it stands in the
//! place of the shells in the native root, and has the real ones beside it.
//!
//! The shell writes a command to the pipe before it executes it, so whoever reads the pipe while the shell's
//! access waits for its answer knows the command it is from.

use super::classify::{code, names};
use super::process::{Processes, is_script};
use nix::sys::stat::Mode as NixMode;
use rootless_install_fs::{FileType, Meta, Target};
use shim_protocol::variables::TRACE;
use shim_protocol::{names, paths};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Shells of the native root that the shim stands in for; `sh` is a link to one of them.
const SHELLS: [&str; 2] = ["dash", "bash"];

/// Returns the shell's start-up file, for a pipe. For each command it has written: its process, the line, the lines
/// from which functions and files on the way were called, their files, and the command.
fn startup(pipe: &str) -> String {
    format!(
        "unset BASH_ENV\n\
         exec {{BASH_XTRACEFD}}>>{pipe}\n\
         PS4=$'\\1''$BASHPID $LINENO ${{BASH_LINENO[@]}}'$'\\3''${{BASH_SOURCE[@]}}'$'\\2'\n\
         case ${TRACE} in sh) set -o posix;; esac\n\
         set -x\n"
    )
}

/// The longest record that is kept; a command may have any length.
const LONGEST: usize = 64 << 10;

/// Where a shell is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The script's path as the shell has it: debconf runs a package's `config` from its other scripts.
    pub file: PathBuf,
    /// The line of the maintainer script: where its function or sourced file was called from, if it is in
    /// one.
    pub line: u32,
    /// The command that it executes.
    pub command: String,
}

/// What the shells of one script have written so far.
#[derive(Debug, Default)]
struct Records {
    rest: Vec<u8>,
    /// By the number of the process in its own namespace.
    spots: HashMap<u32, Spot>,
    /// Processes that have executed a program and written nothing since.
    starting: HashSet<u32>,
}

impl Records {
    fn take(&mut self, bytes: &[u8], admin: &Path) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.record(&String::from_utf8_lossy(&line), admin);
        }
        if self.rest.len() > LONGEST {
            self.rest.truncate(LONGEST / 2);
        }
    }

    /// One line. What has no mark in front is the rest of a command of several lines.
    fn record(&mut self, line: &str, admin: &Path) -> Option<()> {
        let line = line.trim_end_matches('\n').strip_prefix('\u{1}')?;
        // It is repeated for commands in commands.
        let (place, command) = line.trim_start_matches('\u{1}').split_once('\u{2}')?;
        let (numbers, files) = place.split_once('\u{3}')?;
        let mut numbers = numbers.split(' ');
        let pid = numbers.next()?.parse().ok()?;
        self.starting.remove(&pid);
        let mut frames = numbers.zip(files.split(' '));
        let (line, file) = frames.find(|(_, file)| is_script(file, admin))?;
        let spot = Spot {
            file: file.into(),
            line: line.parse().ok()?,
            command: command.to_owned(),
        };
        self.spots.insert(pid, spot);
        Some(())
    }
}

/// Reads what shells write about themselves.
#[derive(Debug)]
pub struct Tracer {
    pipe: Option<File>,
    admin: PathBuf,
    records: Records,
}

/// How many steps there are at most from a process to its shell.
const GENERATIONS: usize = 64;

impl Tracer {
    /// One that knows nothing, for scripts that are not traced.
    pub fn blind(admin: &Path) -> Self {
        Self {
            pipe: None,
            admin: admin.to_owned(),
            records: Records::default(),
        }
    }

    /// Prepares the private directory of a run and the native root for traced shells. `admin` is
    /// `DPKG_ADMINDIR`, `shim` the shim's path in the native root.
    ///
    /// # Errors
    /// What cannot be made.
    pub fn prepare(private: &Path, native: &Target, admin: &Path, shim: &Path) -> io::Result<Self> {
        let pipe = private.join(names::TRACE);
        nix::unistd::mkfifo(&pipe, NixMode::from_bits_truncate(0o600))?;
        fs::set_permissions(&pipe, Permissions::from_mode(0o666))?;
        // With a writer of its own it has no end.
        let pipe = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(pipe)?;
        fs::write(private.join(names::TRACE_STARTUP), startup(paths::TRACE))?;
        fs::set_permissions(private.join(names::TRACE_STARTUP), Permissions::from_mode(0o644))?;
        let shells = private.join(names::SHELLS);
        fs::create_dir(&shells)?;
        fs::set_permissions(&shells, Permissions::from_mode(0o755))?;
        for name in SHELLS {
            let path = Path::new("/usr/bin").join(name);
            let program = match native.read(&path) {
                Ok(program) => program,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(io::Error::other(error)),
            };
            fs::write(shells.join(name), program)?;
            fs::set_permissions(shells.join(name), Permissions::from_mode(0o755))?;
            let link = Meta::of_root(FileType::Symlink, 0o777);
            native
                .remove(&path)
                .and_then(|()| native.make_symlink(&path, shim, &link))
                .map_err(io::Error::other)?;
        }
        Ok(Self {
            pipe: Some(pipe),
            ..Self::blind(admin)
        })
    }

    /// Forgets the shells of a script that has ended.
    pub fn begin(&mut self) {
        self.drain();
        self.records = Records::default();
    }

    /// Takes what has been written. Without that, shells would wait in the end.
    pub fn drain(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            self.records
                .take(chunk.get(..length).unwrap_or_default(), &self.admin);
        }
    }

    /// A process executes a program. Where that is a shell, it has begun with its script when it writes.
    pub fn executes(&mut self, processes: &dyn Processes, pid: u32) {
        if self.pipe.is_some()
            && let Some(status) = processes.status(pid)
        {
            self.drain();
            self.records.starting.insert(status.inner);
        }
    }

    /// Whether a shell that is traced has not come to its script yet: what it reads is its own business.
    pub fn is_starting(&mut self, processes: &dyn Processes, pid: u32) -> bool {
        self.drain();
        let status = processes.status(pid);
        status.is_some_and(|status| self.records.starting.contains(&status.inner))
    }

    /// Where the shell is that a process is, or comes from.
    pub fn spot(&mut self, processes: &dyn Processes, pid: u32) -> Option<Spot> {
        self.drain();
        if self.records.spots.is_empty() {
            return None;
        }
        let mut at = pid;
        for _ in 0..GENERATIONS {
            let status = processes.status(at)?;
            if let Some(spot) = self.records.spots.get(&status.inner) {
                return Some(spot.clone());
            }
            at = status.parent;
        }
        None
    }
}

/// The line of a script that has a path, or else the name of a tool, if there is but one: for scripts that
/// are not traced.
pub fn guess(script: &str, tool: &str, what: &str) -> Option<u32> {
    let only = |text: &str| {
        let mut lines = (1..)
            .zip(script.lines())
            .filter(|(_, line)| names(code(line), text));
        let (number, _) = lines.next()?;
        lines.next().is_none().then_some(number)
    };
    only(what).or_else(|| only(tool))
}

/// A better place for what a shell did by itself: where the command that it wrote last has nothing to do
/// with a path, and a line further on does, or one line at all.
pub fn nearer(script: &str, path: &str, spot: &Spot) -> Option<Spot> {
    let line = |number: u32| script.lines().nth(usize::try_from(number).ok()?.checked_sub(1)?);
    if names(&spot.command, path) || line(spot.line).is_some_and(|line| names(line, path)) {
        return None;
    }
    let after = usize::try_from(spot.line).ok()?;
    let mut ahead = (1..).zip(script.lines()).skip(after);
    let ahead = ahead.find(|(_, text)| names(code(text), path));
    // Where a variable is set nothing is looked at.
    let only = || guess(script, path, path).filter(|number| !line(*number).is_some_and(sets));
    let number = ahead.map(|(number, _)| number).or_else(only)?;
    Some(Spot {
        file: spot.file.clone(),
        line: number,
        command: line(number)?.trim().to_owned(),
    })
}

/// Whether a line is `NAME=…`.
fn sets(line: &str) -> bool {
    let name = line.trim_start().split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

#[cfg(test)]
#[path = "lines/tests.rs"]
mod tests;
