//! Runs the program as an ordinary user, and looks for what it leaves behind.

pub mod limited;
mod outcome;
mod traces;
mod workplace;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::At as _;
use crate::{Error, Result};

pub use outcome::{Outcome, Running};
pub use traces::{Traces, runs_anywhere};
pub use workplace::{Run, Workplace};

/// The workspace's own directory.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A command in `PATH` or in the usual places of system commands.
#[must_use]
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// The built program: `$ROOTLESS_INSTALL`, or `target/release/rootless-install`.
///
/// # Errors
/// When it is not there.
pub fn built() -> Result<PathBuf> {
    let path = std::env::var_os("ROOTLESS_INSTALL").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            target
                .unwrap_or_else(|| workspace().join("target"))
                .join("release/rootless-install")
        },
        PathBuf::from,
    );
    if !path.is_file() {
        return Err(Error::Machine(format!("{} is not built", path.display())));
    }
    Ok(path)
}

/// A copy of the program that every user can execute.
///
/// # Errors
/// When it is not built or cannot be copied.
pub fn program() -> Result<PathBuf> {
    executable_by_all(&built()?)
}

/// A copy of another build of the program, as [`program`].
///
/// # Errors
/// When it is not there or cannot be copied.
pub fn another(build: &Path) -> Result<PathBuf> {
    executable_by_all(build)
}

/// A copy of the program that runs, as [`program`].
///
/// # Errors
/// When it cannot be copied.
pub fn own() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|error| Error::Machine(error.to_string()))?;
    executable_by_all(&own)
}

/// The workspace may lie below a directory that the test's user cannot enter.
fn executable_by_all(built: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let name = crate::deb::hex(&Sha256::digest(std::fs::read(built).at(built)?));
    let place = place()?.join(format!("program-{}", name.get(..16).unwrap_or(&name)));
    let copy = place.join(built.file_name().unwrap_or_default());
    if !copy.exists() {
        let open = || std::fs::Permissions::from_mode(0o755);
        std::fs::create_dir_all(&place).at(&place)?;
        std::fs::set_permissions(&place, open()).at(&place)?;
        // Another process writes it: a file that is open for writing cannot be
        // executed, and what this process has open any other thread's child has, too.
        let part = place.join(format!("{}{:?}", passing("part"), std::thread::current().id()));
        let done = std::process::Command::new("cp")
            .arg(built)
            .arg(&part)
            .status()
            .at(built)?;
        if !done.success() {
            return Err(Error::Machine(format!(
                "cannot copy {} to {}",
                built.display(),
                part.display()
            )));
        }
        std::fs::set_permissions(&part, open()).at(&part)?;
        std::fs::rename(&part, &copy).at(&copy)?;
    }
    Ok(copy)
}

/// The beginning of the name of a directory in [`place`] that this process
/// removes at its end, and [`sweep`] if it cannot.
#[must_use]
pub fn passing(what: &str) -> String {
    format!("{what}-{}-", std::process::id())
}

/// Removes what processes that were killed have left in [`place`].
///
/// # Errors
/// When the directory cannot be read.
pub fn sweep() -> Result<()> {
    let place = place()?;
    for entry in std::fs::read_dir(&place).at(&place)? {
        let path = entry.at(&place)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut parts = name.split('-');
        let (Some("work" | "mmdebstrap"), Some(id), Some(_)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let running = |id: u32| Path::new("/proc").join(id.to_string()).exists();
        if id.parse().is_ok_and(|id| !running(id)) {
            // What belongs to other users stays, unless root sweeps.
            let _ = std::fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// A directory that every user can enter, for what tests make.
///
/// # Errors
/// When it cannot be made.
pub fn place() -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let base = std::env::var_os("ROOTLESS_INSTALL_TEST_DIR").map_or_else(
        || {
            PathBuf::from(format!(
                "/var/tmp/rootless-install-tests-{}",
                nix::unistd::geteuid()
            ))
        },
        PathBuf::from,
    );
    std::fs::create_dir_all(&base).at(&base)?;
    std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o755)).at(&base)?;
    Ok(base)
}
