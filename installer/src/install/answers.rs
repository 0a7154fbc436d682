//! What the shim asks, and what it is told.

use super::Installation;
use super::control::{Reply, Request};
use crate::hazards::{self, Verdict};
use crate::ldconfig::{self, Ran};
use crate::ldd;
use crate::sysroot::Sysroot;
use crate::unrunnable::{Refusal, Unrunnable};
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
