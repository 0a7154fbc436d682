//! The front: this helper by the names of tools. `PATH` of a script that runs outside of its root
//! (dpkg(1), `--force-script-chrootless`) begins with a directory in which every program has a
//! link to it. It looks the tool up in the [`table`], makes the call act on the root that
//! `DPKG_ROOT` names, tells the installer what it had to do, and executes the program of that name that
//! comes next in `PATH`. Without `DPKG_ROOT`, or with `/`, it executes that at once.
//!
//! # What it tells
//!
//! Requests go to the socket `control` beside this program, one a connection, ended by
//! shutting the sending side down, as the others do (`installer/src/install/control.rs`). Every
//! field has a NUL behind it, the last one too; numbers are decimal unless it is said.
//! Whatever the answer to `v` is, the tool runs.
//!
//! `v` KIND NUL TOOL NUL WHAT NUL HELPED NUL PID NUL: a call that is not as the contract has it.
//!
//! | KIND | it is told when | WHAT |
//! |---|---|---|
//! | `path` | an argument names a file outside the root | the path as the caller wrote it, whole |
//! | `uncovered` | the tool has no row | the tool |
//! | `outer-query` | the outer system is asked or would be acted on: also users and groups that chown(1) and install(1) are given, start-stop-daemon(8), verbs of systemctl(1) | what is asked for |
//! | `chroot` | chroot(8) is called | the root, or the operand |
//! | `target-binary` | a program of the root is executed by its path; this is told by the name `shim` | the path as the caller wrote it |
//! | `no-root-option` | the tool was not told of the root, or cannot be | the option that it has, ending with `=` where a value is attached; the tool where it has none |
//!
//! TOOL is the name without a directory; HELPED is `1` when the call acts in the root nevertheless or
//! is answered for it, else `0`; PID is what getpid(2) gives this process, which becomes the tool.
//!
//! `m` is what the kernel refused, or would refuse, of an ordinary user. PATH is absolute, as the caller sees it
//! (below `DPKG_ROOT`). The answer is `>` when it is recorded, or `-` REASON.
//!
//! | message | meaning |
//! |---|---|
//! | `m` `owner` NUL PATH NUL UID NUL GID NUL FOLLOW NUL | chown(2), or lchown(2) when FOLLOW is `0`, not `1`; UID or GID is `-` when it stays |
//! | `m` `owner-of` NUL PATH NUL REFERENCE NUL WHICH NUL FOLLOW NUL | the owner that is recorded for REFERENCE, links followed; WHICH is `group` or `both` |
//! | `m` `node` NUL PATH NUL TYPE NUL MAJOR NUL MINOR NUL MODE NUL | mknod(2): TYPE is `b` or `c`, MODE octal with the mask taken off; nothing is at PATH |
//! | `m` `capability` NUL PATH NUL HEX NUL | the bytes of `security.capability` as lower-case hexadecimal digits; none at all take it away |
//!
//! ldconfig(8) is the request `l` as ever, with the arguments `-r` and the value of `DPKG_ROOT` in front
//! where the caller gave no `-r`; its working directory is a path of the outer system, too.
//!
//! # Environment
//!
//! `DPKG_ROOT`; `ROOTLESS_INSTALL_ARCH` (Debian's name of the root's architecture; else the first line of its
//! `var/lib/dpkg/arch`, else `DPKG_MAINTSCRIPT_ARCH`); `ROOTLESS_INSTALL_NO_NAMESPACE` and
//! `ROOTLESS_INSTALL_NO_FUSE`: where one is `1`, owners, devices and capabilities are told with `m` at once.
//! A program in the root has `DPKG_ROOT` empty, `DPKG_ADMINDIR=/var/lib/dpkg`, and the `PATH`
//! without the links: what it executes is redirected, and is no violation.

mod call;
mod capability;
pub(crate) mod inner;
mod owner;
mod paths;
mod plan;
mod program;
mod query;
mod record;
mod special;
#[path = "../../installer/src/front/table.rs"]
#[allow(dead_code, reason = "reasons and names are for the installer")]
mod table;
mod tell;
#[cfg(test)]
mod tests;

use crate::counterpart::{self, Reply};
use crate::{NOT_EXECUTABLE, NOT_FOUND, base_name, complain, sys};
use paths::World;
use plan::{Action, Plan};
use program::{Home, Variables};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tell::{Finding, Line};

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
    let row = table::find(tool.name);
    let plan = match row {
        Some(row) if tool.knows_root(row) => Plan::as_it_is(rest.to_vec()),
        _ => plan::plan(&Machine, &root, row, tool.name, rest.to_vec()),
    };
    tool.carry_out(&root, plan)
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
    fn knows_root(&self, row: &table::Row) -> bool {
        let may_learn = match &row.method {
            table::Method::Option(_) => true,
            table::Method::Chroot(how) => how.only_outside.is_none() && !how.or_nothing,
            _ => false,
        };
        let text = || Some(Machine.read(program::search(b"", &self.path, self.name)?.as_bytes()));
        may_learn && text().is_some_and(|text| program::reads_root(&text))
    }

    fn carry_out(&self, root: &[u8], plan: Plan) -> i32 {
        if let Action::Confine { or_nothing } = plan.action {
            return self.confine(root, &plan, or_nothing);
        }
        for finding in &plan.findings {
            tell::tell(&self.home.control(), self.name, finding);
        }
        match plan.action {
            Action::Run(set) => {
                let set: Vec<(&str, &OsStr)> = set.iter().map(|(n, v)| (*n, OsStr::new(v))).collect();
                let variables = program::environment(&set);
                if record::concerns(self.name)
                    && let Some(program) = program::search(b"", &self.path, self.name)
                    && let Some(status) =
                        record::run(&Machine, root, self.name, &program, &plan.arguments, &self.home)
                {
                    return status;
                }
                self.become_(&plan.arguments, &variables)
            }
            Action::Leave => self.become_(&plan.arguments, &program::environment_inside(&self.path)),
            Action::Answer(answer) => {
                sys::complain(&answer.messages);
                sys::write_all(1, &answer.output);
                answer.status
            }
            Action::Ldconfig => match counterpart::ldconfig(&self.home.control(), &plan.arguments) {
                Ok(Reply::Counterpart | Reply::Execute(_) | Reply::Tell) => {
                    self.become_(&plan.arguments, &program::environment(&[]))
                }
                told => crate::tell(Path::new(self.called), told),
            },
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
            let _ = line.say(&finding.message(self.name));
        }
        let Err(reason) = entered else {
            let Some(program) = program::search(b"", &self.path, self.name) else {
                complain(&[self.name, b": not found in the root"]);
                return NOT_FOUND;
            };
            return self.execute(
                &program,
                &plan.arguments,
                &program::environment_inside(&self.path),
            );
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
