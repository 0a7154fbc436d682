//! A directory with real owners, modes and devices, for root who asks for one: a child makes a tar as an ordinary user
//! would, and root unpacks it.

use super::error::Error;
use crate::preloaded;
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use task_progress::Cancel;

/// What is to be made.
#[derive(Debug)]
pub struct RealOwners {
    /// The directory.
    pub directory: PathBuf,
    /// Arguments with which this program writes a tar of it to standard output.
    pub arguments: Vec<OsString>,
    /// Directory for temporary files.
    pub temporary: PathBuf,
}

/// Name that filesystems give to a directory of their own.
const LOST_AND_FOUND: &str = "lost+found";

/// Interval at which children are looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Makes the directory, or leaves it as it was. Returns the exit status of the child that made the tar where that has failed,
/// and has said so.
///
/// # Errors
/// A directory that cannot be used, and those of unpacking.
pub fn run(wanted: &RealOwners, cancel: &Cancel) -> Result<Option<i32>, Error> {
    let path = &wanted.directory;
    if path.symlink_metadata().is_ok() {
        // It may be a mount point, which nothing can be renamed to.
        check_empty(path)?;
        let done = fill(wanted, path, cancel);
        if !matches!(done, Ok(None)) {
            empty(path);
        }
        return done;
    }
    let staging = Staging::for_output(&TargetSpec::Directory(path.clone()), &wanted.temporary)?;
    let done = fill(wanted, &staging.root(), cancel)?;
    if done.is_none() {
        staging.commit()?;
    }
    Ok(done)
}

/// Checks that a path is a directory with nothing in it that is anybody's.
fn check_empty(path: &Path) -> Result<(), Error> {
    use crate::staging::Error as StagingError;
    let path = path.to_owned();
    let Ok(found) = fs::read_dir(&path) else {
        return Err(StagingError::NotADirectory { path }.into());
    };
    for entry in found.flatten() {
        let has_files = fs::read_dir(entry.path()).map_or(true, |mut files| files.next().is_some());
        if entry.file_name() != LOST_AND_FOUND || has_files {
            return Err(StagingError::NotEmpty { path }.into());
        }
    }
    Ok(())
}

/// Removes what a run that failed has put into a directory.
fn empty(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_name() == LOST_AND_FOUND {
            continue;
        }
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = match is_directory {
            true => rootless_install_fs::remove_tree(&entry.path()),
            false => fs::remove_file(entry.path()),
        };
        if let Err(error) = removed {
            tracing::warn!("{} stays: {error}", entry.path().display());
        }
    }
}

fn fill(wanted: &RealOwners, directory: &Path, cancel: &Cancel) -> Result<Option<i32>, Error> {
    let failed = |program: &'static str| {
        move |source: io::Error| Error::RealOwners {
            program,
            directory: wanted.directory.clone(),
            source,
        }
    };
    let own = std::env::current_exe().map_err(failed("rootless-install"))?;
    // Whatever this program is called here: the words are its own command line's.
    let mut maker = Running::start(
        preloaded::without(&mut Command::new(own))
            .arg0("rootless-install")
            .args(&wanted.arguments)
            .stdout(Stdio::piped()),
    )
    .map_err(failed("rootless-install"))?;
    let tar = maker.0.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let mut said = tempfile::tempfile().map_err(failed("tar"))?;
    let mut unpacker = Running::start(
        Command::new("tar")
            .args([
                "--extract",
                "--file=-",
                "--numeric-owner",
                "--same-owner",
                "--same-permissions",
            ])
            .args(["--xattrs", "--xattrs-include=*", "--acls", "--directory"])
            .arg(directory)
            .env("LC_ALL", "C.UTF-8")
            .stdin(tar)
            .stderr(said.try_clone().map_err(failed("tar"))?),
    )
    .map_err(failed("tar"))?;
    // Who ends first with a failure is the cause of the other's.
    let made = loop {
        if cancel.is_cancelled() {
            maker.terminate();
            unpacker.terminate();
        }
        if let Some(status) = maker.ended().map_err(failed("rootless-install"))? {
            break Some(status);
        }
        if unpacker
            .ended()
            .map_err(failed("tar"))?
            .is_some_and(|status| !status.success())
        {
            break None;
        }
        std::thread::sleep(INTERVAL);
    };
    cancel.check()?;
    if let Some(made) = made.filter(|made| !made.success()) {
        return Ok(Some(made.code().unwrap_or(1)));
    }
    let unpacked = loop {
        if let Some(status) = unpacker.ended().map_err(failed("tar"))? {
            break status;
        }
        if cancel.is_cancelled() {
            unpacker.terminate();
        }
        std::thread::sleep(INTERVAL);
    };
    cancel.check()?;
    if unpacked.success() {
        return Ok(None);
    }
    let mut text = String::new();
    let _ = said.rewind().and_then(|()| said.read_to_string(&mut text));
    let last = text.lines().next().unwrap_or("it said nothing");
    Err(failed("tar")(io::Error::other(last.to_owned())))
}

/// A child that ends with this.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.0.id()).unwrap_or(i32::MAX);
        // It may have ended.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.terminate();
            let _ = self.0.wait();
        }
    }
}
