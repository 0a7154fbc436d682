//! `mount` and `umount`: a target as a filesystem that the user's programs see.

use super::error::Error;
use crate::finished;
use rootless_install_fs::Target;
use script_host::view::{self, Mounted};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use task_progress::Cancel;

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct MountSettings {
    /// The target's directory.
    pub target: PathBuf,
    /// The directory that it is mounted at.
    pub at: PathBuf,
    /// Whether nothing can be changed there.
    pub read_only: bool,
}

/// Time that a server has to end after its mount has.
const PATIENCE: Duration = Duration::from_secs(3);

/// Mounts the target and serves it until it is unmounted, or the user stops it. `ready` is called when it is there.
///
/// # Errors
/// Those of opening the target, and of mounting.
pub fn run(settings: &MountSettings, ready: impl FnOnce(), cancel: &Cancel) -> Result<(), Error> {
    let (target, hold) = open(settings)?;
    let mounted = Mounted::new(&target, &settings.at, settings.read_only)?;
    ready();
    mounted.serve(&|| cancel.check().is_err());
    drop(hold);
    Ok(())
}

/// Runs a command with the target mounted, where nobody else sees it.
///
/// # Errors
/// Those of opening the target, and of making namespaces.
pub fn run_command(settings: &MountSettings, command: &[OsString]) -> Result<ExitStatus, Error> {
    let (target, hold) = open(settings)?;
    let status = view::run_with_mount(&target, &settings.at, settings.read_only, command)?;
    drop(hold);
    Ok(status)
}

fn open(settings: &MountSettings) -> Result<(Target, finished::Hold), Error> {
    let target = finished::open(&settings.target)?;
    let hold = finished::hold(&target, !settings.read_only)?;
    match settings.at.is_dir() {
        true => Ok((target, hold)),
        false => Err(Error::NotMountable {
            path: settings.at.clone(),
        }),
    }
}

/// Unmounts a target. With `lazy` also one that is in use, which then ends with the last use. Waits until the target can
/// be worked on again.
///
/// # Errors
/// It is not mounted there, or in use.
pub fn unmount(at: &Path, lazy: bool) -> Result<(), Error> {
    let source = mounted_at(at).ok_or_else(|| Error::NotMounted { path: at.to_owned() })?;
    view::unmount(at, lazy)?;
    let until = Instant::now() + PATIENCE;
    while !lazy && source.is_absolute() && Instant::now() < until {
        if Target::open(&source).is_ok_and(|target| finished::hold(&target, true).is_ok()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Returns the target that is mounted at a directory by this program (proc(5), `mountinfo`).
fn mounted_at(at: &Path) -> Option<PathBuf> {
    // Of a mount without a server the path cannot be resolved; its parent can.
    let at = std::fs::canonicalize(at).ok().or_else(|| {
        let parent = match at.parent()? {
            parent if parent.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        Some(std::fs::canonicalize(parent).ok()?.join(at.file_name()?))
    })?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    source_in(&mounts, &at)
}

/// Returns the source of the last mount of this program at a path.
fn source_in(mounts: &str, at: &Path) -> Option<PathBuf> {
    mounts.lines().rev().find_map(|line| {
        let (begin, end) = line.split_once(" - ")?;
        let mut end = end.split(' ');
        let (kind, source) = (end.next()?, end.next()?);
        let here = plain(begin.split(' ').nth(4)?);
        (kind == "fuse.rootless-install" && Path::new(&here) == at).then(|| PathBuf::from(plain(source)))
    })
}

/// Returns a field without its escapes: three octal digits after a backslash.
fn plain(field: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\043", "#"),
        ("\\134", "\\"),
    ];
    escapes.iter().fold(field.to_owned(), |text, (escaped, plain)| {
        text.replace(escaped, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_this_program_are_known() {
        let mounts = "1 1 0:1 / /a rw - ext4 x rw\n\
            2 1 0:2 / /m\\040n rw shared:1 - fuse.rootless-install /t\\040u rw,user_id=1\n\
            3 1 0:3 / /b rw - fuse.sshfs x rw\n";
        assert_eq!(source_in(mounts, Path::new("/m n")), Some(PathBuf::from("/t u")));
        assert_eq!(source_in(mounts, Path::new("/a")), None);
        assert_eq!(source_in(mounts, Path::new("/b")), None);
    }
}
