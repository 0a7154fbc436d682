//! Subordinate ids and the maps of the view's user namespace.
//!
//! The target's ids 0 to 65535 are mapped to the user's subordinate range, so
//! that no process in the view is the user (subuid(5), newuidmap(1),
//! user_namespaces(7)).

use super::ViewError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Number of ids that a Debian system uses: Policy section 9.2.2 ends at 65535.
const WANTED: u32 = 65536;

/// First outside id when root has no range of its own.
const ROOTS_OWN: u32 = 0x4000_0000;

/// The first outside ids that stand for the target's users and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// Outside user id of the target's uid 0.
    pub uid: u32,
    /// Outside group id of the target's gid 0.
    pub gid: u32,
}

/// Writer of the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapper {
    /// The set-id helpers of the package uidmap.
    Helpers {
        /// Path of newuidmap.
        uid: PathBuf,
        /// Path of newgidmap.
        gid: PathBuf,
    },
    /// This process, which is root.
    Root,
}

/// Finds the user's range and the writer of the maps.
///
/// # Errors
/// [`ViewError::NoSubordinateIds`] and [`ViewError::NoIdMapHelper`].
pub fn probe() -> Result<(IdRange, Mapper), ViewError> {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|u| u.name);
    let find = |file: &'static str| -> Option<u32> {
        let text = fs::read_to_string(file).unwrap_or_default();
        range(&text, name.as_deref(), uid.as_raw())
    };
    let (uids, gids) = (find("/etc/subuid"), find("/etc/subgid"));
    if uid.is_root() {
        let range = IdRange {
            uid: uids.unwrap_or(ROOTS_OWN),
            gid: gids.unwrap_or(ROOTS_OWN),
        };
        return Ok((range, Mapper::Root));
    }
    let user = name.unwrap_or_else(|| uid.to_string());
    let missing = |file: &'static str| ViewError::NoSubordinateIds {
        user: user.clone(),
        file,
    };
    let range = IdRange {
        uid: uids.ok_or_else(|| missing("/etc/subuid"))?,
        gid: gids.ok_or_else(|| missing("/etc/subgid"))?,
    };
    let mapper = Mapper::Helpers {
        uid: helper("newuidmap")?,
        gid: helper("newgidmap")?,
    };
    Ok((range, mapper))
}

fn helper(name: &'static str) -> Result<PathBuf, ViewError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok())
        .ok_or(ViewError::NoIdMapHelper { name })
}

/// Returns the start of the first range of at least [`WANTED`] ids that the file gives to the user, by name or
/// number (subuid(5)).
fn range(text: &str, name: Option<&str>, uid: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (owner, start, count) = (fields.next()?, fields.next()?, fields.next()?);
        let owned = Some(owner) == name || owner.parse() == Ok(uid);
        let enough = count.parse::<u32>().is_ok_and(|n| n >= WANTED);
        start.parse().ok().filter(|_| owned && enough)
    })
}

/// Writes both maps of the namespace that process `pid` made.
///
/// # Errors
/// [`ViewError::IdMap`] with the message of the helper or the kernel.
pub fn write(pid: u32, range: IdRange, mapper: &Mapper) -> Result<(), ViewError> {
    match mapper {
        Mapper::Helpers { uid, gid } => {
            call(uid, pid, range.uid)?;
            call(gid, pid, range.gid)
        }
        Mapper::Root => {
            let put = |file: &str, start: u32| {
                let path = format!("/proc/{pid}/{file}");
                fs::write(&path, format!("0 {start} {WANTED}\n")).map_err(|error| ViewError::IdMap {
                    program: path.into(),
                    reason: error.to_string(),
                })
            };
            super::privileges::with_map_rights(|| {
                put("uid_map", range.uid).and_then(|()| put("gid_map", range.gid))
            })
            .map_err(|error| ViewError::IdMap {
                program: "capset".into(),
                reason: error.to_string(),
            })?
        }
    }
}

fn call(program: &Path, pid: u32, start: u32) -> Result<(), ViewError> {
    let failed = |reason: String| ViewError::IdMap {
        program: program.to_owned(),
        reason,
    };
    let done = Command::new(program)
        .args([
            pid.to_string(),
            "0".to_owned(),
            start.to_string(),
            WANTED.to_string(),
        ])
        .output()
        .map_err(|error: io::Error| failed(error.to_string()))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_name_and_number() {
        let text = "other:1:65536\nsmall:5:1000\nme:100000:65536\n1000:300000:70000\nbad\n:::\n";
        assert_eq!(range(text, Some("me"), 7), Some(100_000));
        assert_eq!(range(text, Some("else"), 1000), Some(300_000));
        assert_eq!(range(text, Some("small"), 7), None);
        assert_eq!(range(text, None, 7), None);
    }
}
