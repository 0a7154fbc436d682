//! The line of a maintainer script that is being executed.
//!
//! `sh -x` cannot tell: the shell of Debian, dash, is built without `$LINENO`, and bash takes `PS4` from
//! nobody's environment when it runs as root. Their trace goes to standard error, too, where `x=$(f 2>&1)`
//! catches it and the script does something else. So shell scripts of packages are interpreted by bash with a
//! start-up file (`startup`) that sends the trace to a pipe of its own (bash(1), `BASH_XTRACEFD`) and sets
//! `PS4` there, for `sh` in POSIX mode. The shim does that (`maintscript-shim/src/traced.rs`): it replaces the
//! shells in the native root, and has the real ones in its directory.
//!
//! The shell writes a command to the pipe before it executes it. So the last record in the pipe, while an access of
//! the shell waits for its answer, is that of the command which makes the access.

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

/// Shells of the native root that the shim replaces; `sh` is a link to one of them.
const SHELLS: [&str; 2] = ["dash", "bash"];

/// Returns the start-up file of shells that trace to a pipe. Each record has the process, the line, the lines from
/// which functions and sourced files were called, their files, and the command.
fn startup(pipe: &str) -> String {
    format!(
        "unset BASH_ENV\n\
         exec {{BASH_XTRACEFD}}>>{pipe}\n\
         PS4=$'\\1''$BASHPID $LINENO ${{BASH_LINENO[@]}}'$'\\3''${{BASH_SOURCE[@]}}'$'\\2'\n\
         case ${TRACE} in sh) set -o posix;; esac\n\
         set -x\n"
    )
}

/// Greatest number of bytes of an incomplete record that is kept; a command may have any length.
const LONGEST: usize = 64 << 10;

/// The position of a shell in its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Path of the script as the shell has it: a `config`, where debconf runs it from another script.
    pub file: PathBuf,
    /// Line of the maintainer script; in a function or sourced file, the line that called it.
    pub line: u32,
    /// The command that is executed.
    pub command: String,
}

/// Records that the shells of one script have written so far.
#[derive(Debug, Default)]
struct Records {
    /// The incomplete record at the end.
    rest: Vec<u8>,
    /// Last position of each process, by its number in its own namespace.
    spots: HashMap<u32, Spot>,
    /// Processes that have executed a program and traced nothing since.
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

    /// Takes one line. One without the mark at its beginning continues a command of several lines.
    fn record(&mut self, line: &str, admin: &Path) -> Option<()> {
        let line = line.trim_end_matches('\n').strip_prefix('\u{1}')?;
        // The mark is repeated for commands in command substitutions.
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

/// Reads the traces of shells.
#[derive(Debug)]
pub struct Tracer {
    pipe: Option<File>,
    admin: PathBuf,
    records: Records,
}

/// Greatest number of generations from a process up to its shell.
const GENERATIONS: usize = 64;

impl Tracer {
    /// Returns one without a pipe, for scripts that are not traced.
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
    /// Those of making the pipe, the start-up file and the shells.
    pub fn prepare(private: &Path, native: &Target, admin: &Path, shim: &Path) -> io::Result<Self> {
        let pipe = private.join(names::TRACE);
        nix::unistd::mkfifo(&pipe, NixMode::from_bits_truncate(0o600))?;
        fs::set_permissions(&pipe, Permissions::from_mode(0o666))?;
        // With a writer here the pipe never reports its end.
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

    /// Reads what has been written, so that no shell waits for room in the pipe.
    pub fn drain(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            self.records
                .take(chunk.get(..length).unwrap_or_default(), &self.admin);
        }
    }

    /// Notes that a process executes a program. A shell has begun with its script when it traces something.
    pub fn executes(&mut self, processes: &dyn Processes, pid: u32) {
        if self.pipe.is_some()
            && let Some(status) = processes.status(pid)
        {
            self.drain();
            self.records.starting.insert(status.inner);
        }
    }

    /// Whether a traced shell has not begun with its script yet: files that it reads then are its own matter.
    pub fn is_starting(&mut self, processes: &dyn Processes, pid: u32) -> bool {
        self.drain();
        let status = processes.status(pid);
        status.is_some_and(|status| self.records.starting.contains(&status.inner))
    }

    /// Returns the position of a process that is a shell, or else of its nearest ancestor that is one.
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

/// Returns the only line of a script that has a path, or else the name of a tool; for scripts that are not traced.
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

/// Returns a better position for an access of a shell itself: where the command that it traced last does not have
/// the path, the next line that has it, or the only line that does.
pub fn nearer(script: &str, path: &str, spot: &Spot) -> Option<Spot> {
    let line = |number: u32| script.lines().nth(usize::try_from(number).ok()?.checked_sub(1)?);
    if names(&spot.command, path) || line(spot.line).is_some_and(|line| names(line, path)) {
        return None;
    }
    let after = usize::try_from(spot.line).ok()?;
    let mut ahead = (1..).zip(script.lines()).skip(after);
    let ahead = ahead.find(|(_, text)| names(code(text), path));
    // An assignment does not access a path.
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
mod tests;
