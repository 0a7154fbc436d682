//! The answers to the shim's requests.

use super::control::{Control, Reply, done, refused};
use super::shared::Shared;
use super::{DpkgAnswer, Result, ScriptRoot, SessionError};
use crate::arch_output::{self, Verdict};
use crate::unrunnable::Refusal;
use glibc_tools::{Output, ldconfig, ldd};
use shim_protocol::{Request, Strings, Violation, names};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;
use task_progress::Event;

/// Answers the shim while a session is open.
pub(super) struct Answers<'s> {
    shared: &'s Shared<'s>,
    /// Held while ldconfig runs: scripts may start two at once, which would make and remove the same links.
    one_ldconfig: Mutex<()>,
}

impl<'s> Answers<'s> {
    pub(super) fn new(shared: &'s Shared<'s>) -> Self {
        Self {
            shared,
            one_ldconfig: Mutex::new(()),
        }
    }

    /// Answers in threads of `scope`, where there is a shim that asks.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(super) fn listen<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Option<Control<'scope>>> {
        // Nobody asks where the target's own programs are executed.
        if !self.shared.redirected && !self.shared.options.root.is_chrootless() {
            return Ok(None);
        }
        let path = self.shared.private().join(names::CONTROL);
        match Control::listen(scope, &path, |request, descriptors| {
            self.answer(request, descriptors)
        }) {
            Ok(control) => Ok(Some(control)),
            Err(source) => Err(SessionError::Write { path, source }),
        }
    }

    fn answer(&self, request: Request<'_>, descriptors: Vec<OwnedFd>) -> Reply {
        let shared = self.shared;
        let refuse = |tool: &Path, reason: String| {
            shared.unrunnable.refuse(Refusal {
                tool: tool.to_owned(),
                reason: reason.clone(),
            });
            refused(reason)
        };
        match request {
            Request::Counterpart { path } => {
                let path = as_path(path);
                let named = shared.with_admin(path);
                let found = match shared.counterparts {
                    Some(counterparts) => counterparts.find(&named),
                    None => shared
                        .native_script(&named)
                        .unwrap_or_else(|| Err(shared.lacking().into())),
                };
                found.map_or_else(
                    |reason| refuse(path, reason),
                    |path| Reply::Execute(path.into_os_string().into_encoded_bytes()),
                )
            }
            Request::Judge { program, arguments } => {
                let program = as_path(program);
                match arch_output::judge(program, &words(arguments), shared.options.arch) {
                    Verdict::Run => Reply::Counterpart,
                    Verdict::Cross(otherwise) => {
                        let found = match shared.counterparts {
                            Some(counterparts) => counterparts.find_cross(program),
                            None => Err(shared.lacking().into()),
                        };
                        match (found, otherwise) {
                            (Ok(path), _) => Reply::Execute(path.into_os_string().into_encoded_bytes()),
                            (Err(_), None) => Reply::Counterpart,
                            (Err(lacking), Some(reason)) => refuse(program, format!("{reason}; {lacking}")),
                        }
                    }
                    Verdict::Processor => done(shared.ask_processor(program)),
                    Verdict::Refuse(reason) => refuse(program, reason),
                    Verdict::Convert(form) => {
                        arch_output::into_native(shared.options.target, shared.options.arch, form, program);
                        Reply::CounterpartReported
                    }
                }
            }
            Request::Ended { program } => {
                let program = as_path(program);
                let converted = arch_output::form_of(program).map_or(Ok(()), |form| {
                    arch_output::into_target(shared.options.target, shared.options.arch, form, program)
                });
                match converted {
                    Ok(()) => done(Output::default()),
                    Err(reason) => refuse(program, reason),
                }
            }
            Request::Dpkg {
                directory,
                environment,
                descriptors: numbers,
                arguments,
            } => match shared.call_dpkg(directory, environment, numbers, arguments, descriptors) {
                Ok(DpkgAnswer::Done(status)) => done(Output {
                    status: i32::from(status),
                    ..Output::default()
                }),
                Ok(DpkgAnswer::Native) => Reply::Counterpart,
                Err(reason) => refused(reason),
            },
            Request::Violation(violation) => {
                shared.violated(&violation);
                Reply::Counterpart
            }
            Request::Record(record) => match shared.record(&record) {
                Ok(()) => Reply::Counterpart,
                Err(reason) => refused(reason),
            },
            Request::Failed { program, reason } => {
                refuse(as_path(program), String::from_utf8_lossy(reason).into_owned())
            }
            Request::Ldconfig { directory, arguments } => {
                let _alone = self.one_ldconfig.lock().unwrap_or_else(PoisonError::into_inner);
                let (directory, arguments) = (as_path(directory), words(arguments));
                let (directory, arguments) = match shared.options.root {
                    ScriptRoot::Target => (directory, arguments),
                    _ => (
                        inside(&shared.dpkg_root(), directory).unwrap_or(Path::new("/")),
                        without_root(&arguments),
                    ),
                };
                match ldconfig::run_in(shared.options.target, shared.options.arch, directory, &arguments) {
                    Ok(output) => done(output),
                    Err(error) if error.is_another_program() => Reply::Counterpart,
                    Err(error) => refuse(Path::new("/usr/sbin/ldconfig"), error.to_string()),
                }
            }
            Request::Loader {
                directory,
                environment,
                program,
                arguments,
            } => match ldd::run(
                shared.options.target,
                shared.options.arch,
                as_path(directory),
                &words(environment),
                OsStr::from_bytes(program),
                &words(arguments),
            ) {
                Ok(Some(output)) => done(output),
                Ok(None) => Reply::Counterpart,
                Err(error) => refused(error.to_string()),
            },
        }
    }
}

impl Shared<'_> {
    /// Says that the native programs that a session has lack one.
    fn lacking(&self) -> &'static str {
        match self.native_system {
            Some(_) => "the system given with --native-sysroot does not have it",
            None => "the native system does not have it",
        }
    }

    /// Answers for the target's processor a program that asks for an extension by its name, `test-SSE2` or
    /// `sse2-support.0123456789`.
    fn ask_processor(&self, program: &Path) -> Output {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let before = || name.split_once("-support.").map(|(extension, _)| extension);
        let extension = name.strip_prefix("test-").or_else(before).unwrap_or(&name);
        let has = match &self.options.scripts.processor {
            Some(processor) => processor.has(extension),
            None => true,
        };
        self.options
            .reporter
            .event(&Event::ProcessorAsked { extension, has });
        Output {
            status: i32::from(!has),
            ..Output::default()
        }
    }

    /// Reports a script that does something outside of `DPKG_ROOT`.
    fn violated(&self, violation: &Violation<'_>) {
        let [tool, subject] = [violation.tool, violation.subject].map(String::from_utf8_lossy);
        let kind = violation.kind.name();
        self.options
            .reporter
            .detail(&format!("outside of DPKG_ROOT: {tool} {subject} ({kind})"));
        if let Some(observer) = &self.options.observer {
            observer.violation(violation);
        }
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn words(strings: Strings<'_>) -> Vec<&OsStr> {
    strings.iter().map(OsStr::from_bytes).collect()
}

/// Returns a path as scripts see it as a path of the target, which they see at `root`; none for a path outside.
pub(super) fn inside<'a>(root: &Path, path: &'a Path) -> Option<&'a Path> {
    let rest = path.strip_prefix(root).ok()?;
    if rest.as_os_str().is_empty() {
        return Some(Path::new("/"));
    }
    // The rest of an absolute path, with the slash before it.
    let bytes = path.as_os_str().as_bytes();
    let rest = bytes.len() - rest.as_os_str().len() - 1;
    bytes.get(rest..).map(OsStr::from_bytes).map(Path::new)
}

/// Returns the arguments of an ldconfig that works in the target, without the option `-r` (ldconfig(8)).
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
    fn paths_in_the_target() {
        let inside = |path| inside(Path::new("/target"), Path::new(path));
        assert_eq!(inside("/target/usr/lib"), Some(Path::new("/usr/lib")));
        assert_eq!(inside("/target"), Some(Path::new("/")));
        assert_eq!(inside("/tmp"), None);
    }

    #[test]
    fn the_root_option_of_ldconfig() {
        let given = ["-r", "/target", "-X", "-r/target", "/lib"].map(OsStr::new);
        assert_eq!(without_root(&given), ["-X", "/lib"]);
    }
}
