//! Tools' files, and the environment with which they run.

use crate::sys;
use shim_protocol::{PHANTOM_DIRECTORY, names};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directories in which a shell looks without `PATH`.
const DEFAULT: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// execve(2): not an executable format (`ENOEXEC`).
const NO_FORMAT: i32 = 8;

/// The installer's directory: this helper, its links in `bin`, and the socket.
pub(crate) struct Home(PathBuf);

impl Home {
    /// It is where this program is: [`PHANTOM_DIRECTORY`] in a namespace.
    pub(crate) fn find() -> Self {
        let own = std::fs::read_link("/proc/self/exe").ok();
        let directory = own.as_deref().and_then(Path::parent);
        Self(directory.unwrap_or(Path::new(PHANTOM_DIRECTORY)).to_owned())
    }

    /// The socket.
    pub(crate) fn control(&self) -> PathBuf {
        self.0.join(names::CONTROL)
    }

    /// `PATH` without the links to this helper.
    pub(crate) fn path(&self) -> Vec<u8> {
        let path = std::env::var_os("PATH").map_or_else(|| DEFAULT.to_vec(), OsString::into_vec);
        without(&path, self.0.join(names::WRAPPERS).as_os_str().as_bytes())
    }
}

fn without(path: &[u8], links: &[u8]) -> Vec<u8> {
    let own = |directory: &&[u8]| directory.strip_suffix(b"/").unwrap_or(directory) != links;
    let kept: Vec<&[u8]> = path.split(|&b| b == b':').filter(own).collect();
    kept.join(&b':')
}

/// The first program of a name; `below` is put in front of every directory.
pub(crate) fn search(below: &[u8], path: &[u8], tool: &[u8]) -> Option<OsString> {
    let candidates = path.split(|&b| b == b':').map(|directory| {
        let directory = if directory.is_empty() { b"." } else { directory };
        OsString::from_vec([below, directory, b"/", tool].concat())
    });
    candidates.into_iter().find(|candidate| match below {
        b"" => std::fs::metadata(candidate)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0),
        // A link there leads to a file of the root, not to what is seen from here.
        _ => std::fs::symlink_metadata(candidate).is_ok_and(|found| !found.is_dir()),
    })
}

/// The environment.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// The caller's, with these set.
pub(crate) fn environment(set: &[(&str, &OsStr)]) -> Variables {
    let mut variables: Variables = std::env::vars_os()
        .filter(|(name, _)| !set.iter().any(|(known, _)| name == known))
        .collect();
    variables.extend(
        set.iter()
            .map(|(name, value)| (OsString::from(name), value.to_os_string())),
    );
    variables
}

/// Whether a program is a script that speaks of `DPKG_ROOT`, other than in a comment.
pub(crate) fn reads_root(program: &[u8]) -> bool {
    let lines = || program.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_start);
    let speaks = |line: &[u8]| line.windows(9).any(|word| word == b"DPKG_ROOT");
    program.starts_with(b"#!") && lines().any(|line| !line.starts_with(b"#") && speaks(line))
}

/// The environment of a program that has the root as its root directory.
pub(crate) fn environment_inside(root: &[u8], path: &[u8]) -> Variables {
    let admin = crate::paths::admin_directory(root);
    // One outside of the root has the same path there.
    let inside = admin.strip_prefix(root).filter(|rest| rest.starts_with(b"/"));
    environment(&[
        ("DPKG_ROOT", OsStr::new("")),
        ("DPKG_ADMINDIR", OsStr::from_bytes(inside.unwrap_or(&admin))),
        ("PATH", OsStr::from_bytes(path)),
    ])
}

/// Becomes a program. A file without a format is a script, as execvp(3) has it. The error is
/// what execve(2) says.
pub(crate) fn become_(
    program: &OsStr,
    name: &OsStr,
    arguments: &[OsString],
    environment: &Variables,
) -> std::io::Error {
    let error = sys::execute(program, name, arguments, environment);
    if error.raw_os_error() != Some(NO_FORMAT) {
        return error;
    }
    let script: Vec<OsString> = std::iter::once(program.to_owned())
        .chain(arguments.iter().cloned())
        .collect();
    sys::execute(OsStr::new("/bin/sh"), OsStr::new("sh"), &script, environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_are_left_out() {
        let links = b"/.rootless-install/bin";
        for (path, kept) in [
            ("/.rootless-install/bin:/usr/sbin:/usr/bin", "/usr/sbin:/usr/bin"),
            ("/usr/bin:/.rootless-install/bin/", "/usr/bin"),
            ("/opt/bin::/bin", "/opt/bin::/bin"),
        ] {
            assert_eq!(without(path.as_bytes(), links), kept.as_bytes(), "{path}");
        }
    }

    #[test]
    fn scripts_that_read_the_root() {
        for (text, reads) in [
            ("#!/bin/sh\nrootdir=\"${DPKG_ROOT:-}\"\n", true),
            ("#!/usr/bin/perl\nmy $root = $ENV{DPKG_ROOT};\n", true),
            ("#!/bin/sh\n  # knows nothing of DPKG_ROOT\n", false),
            ("#!/bin/sh\n", false),
            ("\x7fELF DPKG_ROOT", false),
            ("", false),
        ] {
            assert_eq!(reads_root(text.as_bytes()), reads, "{text}");
        }
    }

    #[test]
    fn programs_are_found_in_order() {
        assert_eq!(search(b"", b"/nowhere:/bin", b"sh").unwrap(), "/bin/sh");
        assert_eq!(search(b"", b"/etc:/nowhere", b"passwd"), None);
        assert!(search(b"/", b"/nowhere:/bin", b"sh").is_some());
    }
}
