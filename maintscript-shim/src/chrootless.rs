//! Chrootless wrappers: this helper by the names of tools.
//!
//! `PATH` of a script that runs outside of its root (dpkg(1), `--force-script-chrootless`) begins with a directory
//! in which every program has a link to this helper. It looks the tool up in the table ([`tool_table`]), makes the call act on the
//! root that `DPKG_ROOT` names, reports to the installer what it had to do ([`shim_protocol::Violation`]), and
//! executes the program of that name that comes next in `PATH`. Whatever the installer replies, the tool runs.
//! Without `DPKG_ROOT`, or with `/`, it executes that program at once.
//!
//! What the kernel refuses, or would refuse, of an ordinary user is recorded instead ([`shim_protocol::Record`]).
//!
//! ldconfig(8) is run by the installer, with the arguments `-r` and the value of `DPKG_ROOT` in front where the
//! caller gave no `-r`; its working directory is a path of the outer system, too.
//!
//! # Environment
//!
//! `DPKG_ROOT`; [`ARCHITECTURE`](variables::ARCHITECTURE), else the first line of the root's `var/lib/dpkg/arch`,
//! else `DPKG_MAINTSCRIPT_ARCH`; [`NO_NAMESPACE`](variables::NO_NAMESPACE) and [`NO_FUSE`](variables::NO_FUSE).
//! A program in the root has `DPKG_ROOT` empty, `DPKG_ADMINDIR` as it is there, and the `PATH` without the links: what
//! it executes is redirected, and is no violation.

mod call;
pub(crate) mod inner;
mod misled;
mod owner;
mod paths;
mod plan;
mod program;
mod query;
mod record;
mod report;
mod special;
#[cfg(test)]
mod tests;

use crate::counterpart;
use crate::{NOT_EXECUTABLE, NOT_FOUND, base_name, complain, sys};
use paths::World;
use plan::{Action, Plan};
use program::{Home, Variables};
use report::{Finding, Line};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tool_table::{Method, Recorded};

/// The machine as it is.
struct Machine;

impl World for Machine {
    fn exists(&self, path: &[u8]) -> bool {
        std::fs::symlink_metadata(OsStr::from_bytes(path)).is_ok()
    }

    fn directory(&self) -> Vec<u8> {
        // By the name its caller has for it, as `DPKG_ROOT` is: there may be links in it (sh(1), PWD).
        let file = |path: &OsStr| {
            std::fs::metadata(path)
                .ok()
                .map(|found| (found.dev(), found.ino()))
        };
        if let Some(named) = std::env::var_os("PWD")
            && named.as_bytes().starts_with(b"/")
            && file(&named).is_some_and(|named| Some(named) == file(OsStr::new(".")))
        {
            return named.into_vec();
        }
        let directory = std::env::current_dir();
        directory.map_or_else(
            |_| b"/".to_vec(),
            |directory| directory.into_os_string().into_vec(),
        )
    }

    fn read(&self, path: &[u8]) -> Vec<u8> {
        std::fs::read(OsStr::from_bytes(path)).unwrap_or_default()
    }
}

/// Whether this helper is called as a tool.
pub(crate) fn is_called(arguments: &[OsString]) -> bool {
    arguments
        .first()
        .is_some_and(|name| !matches!(base_name(name), b"shim" | b"maintscript-shim"))
}

/// A call of a tool.
struct Tool<'a> {
    /// `argv[0]`.
    called: &'a OsStr,
    /// The same without a directory.
    name: &'a [u8],
    home: Home,
    /// `PATH` without the links.
    path: Vec<u8>,
}

/// Does what a tool is called for; the exit status, where this returns.
pub(crate) fn run(arguments: &[OsString]) -> i32 {
    let Some((called, rest)) = arguments.split_first() else {
        return NOT_EXECUTABLE;
    };
    let home = Home::find();
    let tool = Tool {
        called,
        name: base_name(called),
        path: home.path(),
        home,
    };
    let Some(root) = root(std::env::var_os("DPKG_ROOT")) else {
        return tool.become_(rest, &program::environment(&[]));
    };
    let row = tool_table::wrapped(tool.name);
    let method = row.and_then(|row| Some(&row.root.as_ref()?.method));
    let plan = match method {
        Some(method) if tool.knows_root(method) => Plan::as_it_is(rest.to_vec()),
        _ => plan::plan(&Machine, &root, method, tool.name, rest.to_vec()),
    };
    tool.carry_out(&root, plan, row.and_then(|row| row.recorded))
}

/// The root, if there is one that is not this.
fn root(variable: Option<OsString>) -> Option<Vec<u8>> {
    let given = variable?.into_vec();
    let plain = paths::normal(&given);
    (given.starts_with(b"/") && plain != b"/").then_some(plain)
}

impl Tool<'_> {
    /// Whether the tool has learnt to read `DPKG_ROOT` since its row was written, as ucf(1) did after
    /// trixie: seen in its text, where it is a script.
    fn knows_root(&self, method: &Method) -> bool {
        let may_learn = match method {
            Method::Option(_) => true,
            Method::Chroot(how) => how.only_outside.is_none() && !how.or_nothing,
            _ => false,
        };
        let text = || Some(Machine.read(program::search(b"", &self.path, self.name)?.as_bytes()));
        may_learn && text().is_some_and(|text| program::reads_root(&text))
    }

    fn carry_out(&self, root: &[u8], plan: Plan, recorded: Option<Recorded>) -> i32 {
        if let Action::Confine { or_nothing } = plan.action {
            return self.confine(root, &plan, or_nothing);
        }
        for finding in &plan.findings {
            report::report(&self.home.control(), self.name, finding);
        }
        match plan.action {
            Action::Run(set) => {
                let set: Vec<(&str, &OsStr)> = set.iter().map(|(n, v)| (*n, OsStr::new(v))).collect();
                let variables = program::environment(&set);
                if let Some(recorded) = recorded
                    && let Some(program) = program::search(b"", &self.path, self.name)
                    && let Some(status) = record::run(
                        &Machine,
                        root,
                        (self.name, recorded),
                        &program,
                        &plan.arguments,
                        &self.home,
                    )
                {
                    return status;
                }
                self.become_(&plan.arguments, &variables)
            }
            Action::Leave => self.become_(&plan.arguments, &program::environment_inside(root, &self.path)),
            Action::Answer(answer) => {
                sys::complain(&answer.messages);
                sys::write_all(1, &answer.output);
                answer.status
            }
            Action::Ldconfig => {
                let done = counterpart::ldconfig(&self.home.control(), &plan.arguments).transpose();
                match done {
                    None => self.become_(&plan.arguments, &program::environment(&[])),
                    Some(done) => crate::tell(Path::new(self.called), done),
                }
            }
            // It was the first to be looked at.
            Action::Confine { .. } => NOT_EXECUTABLE,
        }
    }

    /// Executes the program of the outer system.
    fn become_(&self, arguments: &[OsString], environment: &Variables) -> i32 {
        let Some(program) = program::search(b"", &self.path, self.name) else {
            complain(&[self.name, b": not found"]);
            return NOT_FOUND;
        };
        self.execute(&program, arguments, environment)
    }

    fn execute(&self, program: &OsStr, arguments: &[OsString], environment: &Variables) -> i32 {
        // A caller that found the link in PATH and calls it by its path means the program.
        let by_path = self.called.as_bytes().contains(&b'/');
        let name = if by_path { program } else { self.called };
        let error = program::become_(program, name, arguments, environment);
        complain(&[program.as_bytes(), b": ", error.to_string().as_bytes()]);
        NOT_EXECUTABLE
    }

    /// Executes the root's own program with the root as its root directory. It does no harm that
    /// this process is in there when it cannot be executed.
    fn confine(&self, root: &[u8], plan: &Plan, or_nothing: bool) -> i32 {
        let line = Line::open(&self.home.control());
        let directory = Machine.directory();
        let entered = match program::search(root, &self.path, self.name) {
            Some(_) => enter(root, &directory).map_err(|error| error.to_string()),
            None => Err(String::from("the root does not have it")),
        };
        let helped = entered.is_ok();
        if let Some(finding) = plan.findings.first() {
            let finding = Finding {
                helped,
                ..finding.clone()
            };
            let _ = line.send(&finding.message(self.name));
        }
        let Err(reason) = entered else {
            let Some(program) = program::search(b"", &self.path, self.name) else {
                complain(&[self.name, b": not found in the root"]);
                return NOT_FOUND;
            };
            let variables = program::environment_inside(root, &self.path);
            return self.execute(&program, &plan.arguments, &variables);
        };
        complain(&[
            b"rootless-install: ",
            crate::script().as_bytes(),
            b": ",
            self.name,
            b" cannot be confined to ",
            root,
            b": ",
            reason.as_bytes(),
        ]);
        if or_nothing {
            return 0;
        }
        // It may do no more than its user may, who has nothing here that is his.
        let mut variables = program::environment(&[("HOME", OsStr::new("/nonexistent"))]);
        variables.retain(|(name, _)| !name.as_bytes().starts_with(b"XDG_"));
        self.become_(&plan.arguments, &variables)
    }
}

/// chroot(2), with the working directory where it is in the root.
fn enter(root: &[u8], directory: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::chroot(OsStr::from_bytes(root))?;
    let inside = directory.strip_prefix(root).unwrap_or(directory);
    std::env::set_current_dir("/")?;
    if !inside.is_empty() {
        // A directory that only the outer system has is none of the root.
        let _ = std::env::set_current_dir(OsStr::from_bytes(inside));
    }
    Ok(())
}
