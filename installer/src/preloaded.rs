//! Libraries that fakeroot(1) and fakechroot(1) load into every program. Owners are recorded here without them, and the
//! ids that they show are not those that the kernel goes by: this program runs without them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Variable of the dynamic loader (ld.so(8)).
const PRELOAD: &str = "LD_PRELOAD";

/// Variable by which a process finds fakeroot's record of owners.
const KEY: &str = "FAKEROOTKEY";

/// Variable of a process whose root directory fakechroot has changed.
const BASE: &str = "FAKECHROOT_BASE";

const LIBRARIES: [&[u8]; 2] = [b"libfakeroot", b"libfakechroot"];

/// Whether one of the libraries is loaded, and paths mean what they say.
pub fn is_there() -> bool {
    let loaded = |value: OsString| without_libraries(&value).len() < value.len();
    std::env::var_os(PRELOAD).is_some_and(loaded) && std::env::var_os(BASE).is_none()
}

/// Whether fakeroot records owners for those who run this program.
pub fn records_owners() -> bool {
    is_there() && std::env::var_os(KEY).is_some()
}

/// Has a command run without the libraries.
pub fn without(command: &mut Command) -> &mut Command {
    if is_there() {
        let rest = without_libraries(&std::env::var_os(PRELOAD).unwrap_or_default());
        match rest.is_empty() {
            true => command.env_remove(PRELOAD),
            false => command.env(PRELOAD, rest),
        };
        for (name, _) in std::env::vars_os() {
            if name == KEY || name.as_bytes().starts_with(b"FAKECHROOT") {
                command.env_remove(name);
            }
        }
    }
    command
}

/// Executes this program anew without the libraries; returns only where that fails.
pub fn again(arguments: &[OsString]) -> io::Error {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return error,
    };
    let mut command = Command::new(own);
    if let Some((name, rest)) = arguments.split_first() {
        command.arg0(name).args(rest);
    }
    without(&mut command).exec()
}

/// Returns a list of libraries, which spaces or colons separate, without those of fakeroot and fakechroot.
fn without_libraries(list: &OsStr) -> OsString {
    let is_other = |path: &&[u8]| {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        !LIBRARIES.iter().any(|library| name.starts_with(library))
    };
    let rest: Vec<&[u8]> = list
        .as_bytes()
        .split(|byte| b": ".contains(byte))
        .filter(|path| !path.is_empty())
        .collect();
    let kept: Vec<&[u8]> = rest.iter().copied().filter(is_other).collect();
    match kept.len() == rest.len() {
        true => list.to_owned(),
        false => OsString::from_vec(kept.join(&b':')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_libraries_stay() {
        let rest = |list: &str| without_libraries(OsStr::new(list)).into_string().unwrap();
        assert_eq!(rest("libfakechroot.so libfakeroot-sysv.so"), "");
        assert_eq!(
            rest("/usr/lib/libfakeroot/libfakeroot-0.so:/x/libeatmydata.so"),
            "/x/libeatmydata.so"
        );
        assert_eq!(rest("/x/libeatmydata.so  b.so"), "/x/libeatmydata.so  b.so");
    }
}
