//! What the shim asks, and what it is told.

use super::Installation;
use super::control::{Reply, Request};
use crate::hazards::{self, Verdict};
use crate::ldconfig::{self, Ran};
use crate::ldd;
use crate::sysroot::Sysroot;
use crate::unrunnable::{Refusal, Unrunnable};
use crate::view::DPKG_ROOT;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Installation<'_, '_> {
    /// Answers the shim.
    pub(super) fn answer(
        &self,
        sysroot: Option<&Sysroot<'_, '_>>,
        unrunnable: &Unrunnable,
        request: Request<'_>,
    ) -> Reply {
        let refuse = |tool: &Path, reason: String| {
            unrunnable.refuse(Refusal {
                tool: tool.to_owned(),
                reason: reason.clone(),
            });
            Reply::Refused(reason)
        };
        match request {
            Request::Counterpart(path) => {
                let found = match sysroot {
                    Some(sysroot) => sysroot.find(path),
                    None => Err("the system given with --native-sysroot does not have it".into()),
                };
                found.map_or_else(|reason| refuse(path, reason), Reply::Execute)
            }
            Request::Hazard { program, arguments } => match hazards::judge(program, &arguments, self.arch) {
                Verdict::Run => Reply::Counterpart,
                Verdict::Refuse(reason) => refuse(program, reason),
                Verdict::Convert => {
                    hazards::into_native(self.target, self.arch);
                    Reply::Tell
                }
            },
            Request::Executed { program } => match hazards::into_target(self.target, self.arch) {
                Ok(()) => Reply::Done(Ran::default()),
                Err(reason) => refuse(program, reason),
            },
            Request::Failed { program, reason } => refuse(program, reason.to_string_lossy().into_owned()),
            Request::Ldconfig { directory, arguments } => {
                let (directory, arguments) = match self.native_root {
                    Some(_) => (inside(directory), without_root(&arguments)),
                    None => (directory, arguments),
                };
                match ldconfig::run_in(self.target, self.arch, directory, &arguments) {
                    Ok(ran) => Reply::Done(ran),
                    Err(error) if error.is_unknown_version() => Reply::Counterpart,
                    Err(error) => refuse(Path::new("/usr/sbin/ldconfig"), error.to_string()),
                }
            }
            Request::Loader {
                directory,
                environment,
                program,
                arguments,
            } => match ldd::run(
                self.target,
                self.arch,
                directory,
                &environment,
                program,
                &arguments,
            ) {
                Ok(Some(ran)) => Reply::Done(ran),
                Ok(None) => Reply::Counterpart,
                Err(error) => Reply::Refused(error.to_string()),
            },
        }
    }
}

/// A path of the native root as one of the target, which it sees at [`DPKG_ROOT`].
fn inside(path: &Path) -> &Path {
    match path.strip_prefix(DPKG_ROOT) {
        Ok(rest) if !rest.as_os_str().is_empty() => {
            // The rest of an absolute path, with the slash before it.
            let bytes = path.as_os_str().as_bytes();
            let rest = bytes.len() - rest.as_os_str().len() - 1;
            Path::new(OsStr::from_bytes(bytes.get(rest..).unwrap_or_default()))
        }
        _ => Path::new("/"),
    }
}

/// The arguments of an ldconfig that works in the target, without the option that says so
/// (ldconfig(8), `-r`).
fn without_root<'a>(arguments: &[&'a OsStr]) -> Vec<&'a OsStr> {
    let mut kept = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if *argument == "-r" {
            rest.next();
        } else if !argument.as_bytes().starts_with(b"-r") {
            kept.push(*argument);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_native_root() {
        assert_eq!(inside(Path::new("/target/usr/lib")), Path::new("/usr/lib"));
        assert_eq!(inside(Path::new("/target")), Path::new("/"));
        assert_eq!(inside(Path::new("/tmp")), Path::new("/"));
    }

    #[test]
    fn the_root_option_of_ldconfig() {
        let given = ["-r", "/target", "-X", "-r/target", "/lib"].map(OsStr::new);
        assert_eq!(without_root(&given), ["-X", "/lib"]);
    }
}
