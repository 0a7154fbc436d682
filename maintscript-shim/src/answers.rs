//! Answers to tools whose native counterpart would tell or write what belongs to this machine, or act on the running
//! system ([`tool_table::Answer`]). Everything else is executed as it is. The rows and their reasons are repeated in
//! `docs/semantics.md`.

mod apt;
mod compiler;
mod depmod;
mod getconf;
mod interpreters;
mod localedef;
mod modules;
mod uname;

use crate::base_name;
use crate::paths::{Architecture, admin_directory};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use tool_table::Responder;

/// Decision about an execution.
pub(crate) enum Answer {
    /// Answered here: what goes to standard output, and the exit status.
    Done {
        /// Bytes for standard output.
        output: Vec<u8>,
        /// Exit status.
        status: i32,
    },
    /// The installer runs ldconfig on the target.
    Ldconfig,
    /// The installer may do what dpkg does.
    Dpkg,
    /// The native counterpart is executed.
    Execute(Execution),
}

/// The execution of a native counterpart, where that is not simply as it was
/// called.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    /// Arguments put before the caller's.
    pub(crate) arguments: Vec<OsString>,
    /// Variables of the environment that are set unless the caller set them;
    /// programs started by this one do not see them.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Libraries of the target that it loads are replaced by native ones.
    pub(crate) libraries: bool,
    /// uname(2) gives the target's machine.
    pub(crate) machine: bool,
    /// It is told the name without its directory, as it writes it somewhere and is
    /// called so.
    pub(crate) by_name: bool,
    /// It is told the path at which it is, as it finds other programs beside it.
    pub(crate) by_path: bool,
    /// A first run, with these arguments, for the native tools of this run; nothing
    /// comes of its failure.
    pub(crate) first: Option<Vec<OsString>>,
    /// Change of its standard output; none passes it on.
    pub(crate) rewrite: Option<Rewrite>,
    /// Change of the files that it wrote, made with its arguments once it has succeeded.
    pub(crate) after: Option<After>,
}

/// Changes the files that a tool wrote, given its arguments.
pub(crate) type After = fn(&Architecture, &[OsString]) -> std::io::Result<()>;

/// Change of standard output, and its destination.
#[derive(Debug)]
pub(crate) struct Rewrite {
    /// Returns the output of the target's tool for that of the native one.
    pub(crate) text: fn(&Architecture, &[u8]) -> Vec<u8>,
    /// A file instead of standard output.
    pub(crate) file: Option<String>,
    /// Arguments of the caller that the counterpart does not get.
    pub(crate) without: &'static [&'static str],
}

/// Form of a responder's answer.
enum Form {
    /// It prints; `None` executes the counterpart after all.
    Prints(Option<Vec<u8>>),
    /// The counterpart is executed, but not simply.
    Executes(Execution),
    /// The installer does it, or the answer says that it may.
    Installer(fn() -> Answer),
}

/// Returns a responder's answer for a target, to the arguments of the tool at `path`.
fn form(responder: Responder, arch: &Architecture, path: &OsStr, arguments: &[OsString]) -> Form {
    match responder {
        Responder::Text(text) => Form::Prints(Some(text.into())),
        Responder::Uname => Form::Prints(uname::uname(arch, arguments)),
        Responder::Arch => Form::Prints(arguments.is_empty().then(|| line(arch.uname))),
        Responder::Dpkg => match dpkg(arch, arguments) {
            Some(output) => Form::Prints(Some(output)),
            None => Form::Installer(|| Answer::Dpkg),
        },
        Responder::Apt => Form::Executes(apt::apt(arch, path)),
        Responder::Compiler => match compiler::machine(arch, arguments) {
            Some(output) => Form::Prints(Some(output)),
            None => Form::Executes(compiler::cross(arch, path, arguments)),
        },
        Responder::Ldconfig => Form::Installer(|| Answer::Ldconfig),
        Responder::Getconf => Form::Executes(getconf::getconf(arguments)),
        Responder::Localedef => Form::Executes(localedef::localedef(arch, arguments)),
        Responder::Depmod => Form::Executes(depmod::depmod(arch)),
        Responder::PixbufLoaders => Form::Executes(modules::pixbuf(arch, arguments)),
        Responder::Gtk3Modules => Form::Executes(modules::gtk3(arch, arguments)),
        Responder::Gtk2Modules => Form::Executes(modules::gtk2(arch, arguments)),
        Responder::Modules => Form::Executes(modules::load()),
        Responder::Graphviz => Form::Executes(modules::graphviz(arch)),
        Responder::Fontconfig => Form::Executes(modules::fontconfig(arch)),
        Responder::Machine => Form::Executes(modules::machine()),
        Responder::Magic => Form::Executes(modules::magic(arch, arguments)),
        Responder::Make => Form::Executes(modules::make(arch, arguments)),
        Responder::Bash => Form::Executes(modules::bash(arch)),
        Responder::Perl => Form::Executes(modules::perl(arch, arguments)),
        Responder::Python => {
            // python3-apt is a module.
            let mut execution = modules::python(arch);
            execution.variables.extend(apt::variable());
            Form::Executes(execution)
        }
        Responder::Ruby => Form::Executes(interpreters::ruby(arch, path, arguments)),
        Responder::Lua => Form::Executes(interpreters::lua(arch, path)),
        Responder::Ocaml => Form::Executes(interpreters::ocaml(arguments)),
        Responder::R => Form::Executes(interpreters::r()),
        Responder::Tcl => Form::Executes(interpreters::tcl(arch)),
        Responder::Node => Form::Executes(interpreters::node(arch)),
        Responder::Guile => Form::Executes(interpreters::guile(arch, path)),
    }
}

/// Returns the answer to a call of the tool at `path`, which has no links in it, with
/// `arguments` by the name `called`: one program may be several tools.
pub(crate) fn answer(arch: &Architecture, path: &OsStr, called: &OsStr, arguments: &[OsString]) -> Answer {
    let as_it_is = || Answer::Execute(Execution::default());
    let Some(kind) = kind(path) else {
        return as_it_is();
    };
    let Some(known) = row(arch, base_name(path)).or_else(|| row(arch, base_name(called))) else {
        return as_it_is();
    };
    match (form(known.responder, arch, path, arguments), kind) {
        (Form::Prints(Some(output)), Kind::Program) => Answer::Done { output, status: 0 },
        (Form::Installer(answer), Kind::Program) => answer(),
        (Form::Executes(execution), _) => Answer::Execute(execution),
        (Form::Prints(_) | Form::Installer(_), _) => as_it_is(),
    }
}

/// The row for the tool of a name. Programs of a toolchain have the machine's name in front, or the triplet.
fn row(arch: &Architecture, name: &[u8]) -> Option<&'static tool_table::Answer> {
    let machine = compiler::machine_name(arch);
    let without = |front: &str| name.strip_prefix(front.as_bytes())?.strip_prefix(b"-");
    let plain = without(&machine).or_else(|| without(arch.triplet));
    tool_table::answer(plain.unwrap_or(name))
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// Those of a directory of programs.
    Program,
    /// Those of a library's or another program's own directory.
    Helper,
}

fn kind(path: &OsStr) -> Option<Kind> {
    let bytes = path.as_bytes();
    let name = base_name(path);
    let directory = bytes.get(..bytes.len() - name.len()).unwrap_or_default();
    let programs: [&[u8]; 4] = [b"/usr/bin/", b"/bin/", b"/usr/sbin/", b"/sbin/"];
    if programs.contains(&directory) {
        return Some(Kind::Program);
    }
    let below = directory.strip_prefix(b"/usr").unwrap_or(directory);
    let helper = below.starts_with(b"/lib/") || below.starts_with(b"/libexec/");
    helper.then_some(Kind::Helper)
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// dpkg(1): the queries whose answer is the architecture.
fn dpkg(arch: &Architecture, arguments: &[OsString]) -> Option<Vec<u8>> {
    let commands: Vec<&str> = arguments.iter().filter_map(|a| a.to_str()).collect();
    if commands.contains(&"--print-architecture") {
        return Some(line(arch.name));
    }
    if commands.contains(&"--print-foreign-architectures") {
        let list = [&admin_directory(b"")[..], b"/arch"].concat();
        let known = std::fs::read_to_string(OsStr::from_bytes(&list)).unwrap_or_default();
        let foreign = known
            .lines()
            .filter(|name| !name.is_empty() && *name != arch.name);
        return Some(foreign.flat_map(line).collect());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::target;

    pub(super) fn arguments(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    fn told_for(name: &str, path: &str, given: &[&str]) -> Option<String> {
        let arch = target(OsStr::new(name)).unwrap();
        match answer(arch, OsStr::new(path), OsStr::new(path), &arguments(given)) {
            Answer::Done { output, status: 0 } => Some(String::from_utf8(output).unwrap()),
            _ => None,
        }
    }

    pub(super) fn told(path: &str, given: &[&str]) -> Option<String> {
        told_for("riscv64", path, given)
    }

    pub(super) fn executed(name: &str, path: &str, given: &[&str]) -> Execution {
        called(name, path, path, given)
    }

    pub(super) fn called(name: &str, path: &str, by: &str, given: &[&str]) -> Execution {
        let arch = target(OsStr::new(name)).unwrap();
        match answer(arch, OsStr::new(path), OsStr::new(by), &arguments(given)) {
            Answer::Execute(execution) => execution,
            _ => panic!("{path} is not executed"),
        }
    }

    pub(super) fn is_plain(execution: &Execution) -> bool {
        execution.arguments.is_empty()
            && execution.variables.is_empty()
            && !execution.libraries
            && !execution.machine
            && !execution.by_name
            && execution.rewrite.is_none()
            && execution.after.is_none()
    }

    /// An execution in words.
    fn shown(execution: &Execution) -> String {
        let mut words = vec!["executes"];
        let arguments: Vec<_> = execution.arguments.iter().map(|a| a.to_string_lossy()).collect();
        words.extend(arguments.iter().map(|argument| &**argument));
        // Those depend on what is installed on this machine.
        let depends = |name: &str| matches!(name, "PERL5LIB" | "_PYTHON_SYSCONFIGDATA_NAME");
        let names = execution.variables.iter().map(|(name, _)| *name);
        words.extend(names.filter(|name| !depends(name)));
        for (name, on) in [
            ("libraries", execution.libraries),
            ("machine", execution.machine),
            ("by-name", execution.by_name),
            ("first", execution.first.is_some()),
            ("rewritten", execution.rewrite.is_some()),
            ("afterwards", execution.after.is_some()),
        ] {
            words.extend(on.then_some(name));
        }
        words.join(" ")
    }

    /// They are written for a machine with words of 64 bits, the least significant byte first.
    #[test]
    #[cfg(all(target_endian = "little", target_pointer_width = "64"))]
    fn every_example_is_as_written() {
        let mut wrong = String::new();
        for example in tool_table::tools().flat_map(|tool| tool.examples()) {
            let Some(tool_table::Setting::Target(name)) = example.setting else {
                continue;
            };
            let arch = target(OsStr::new(name)).unwrap();
            let (path, given) = example.words.split_first().unwrap();
            let got = match answer(arch, OsStr::new(path), OsStr::new(path), &arguments(given)) {
                Answer::Done { output, .. } => format!("prints {:?}", String::from_utf8_lossy(&output)),
                Answer::Ldconfig | Answer::Dpkg => String::from("installer"),
                Answer::Execute(execution) => shown(&execution),
            };
            if got != example.outcome {
                wrong.push_str(&format!("{name}$ {}\n    {got}\n", example.words.join(" ")));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    #[test]
    fn dpkg_queries() {
        assert_eq!(
            told("/usr/bin/dpkg", &["--print-architecture"]).unwrap(),
            "riscv64\n"
        );
        assert!(told("/usr/bin/dpkg", &["--print-foreign-architectures"]).is_some());
        assert_eq!(told("/usr/bin/dpkg", &["--assert-multi-arch"]), None);
        assert_eq!(
            told("/usr/bin/dpkg", &["--compare-versions", "1", "lt", "2"]),
            None
        );
    }

    #[test]
    fn only_in_program_directories() {
        assert_eq!(told("/opt/bin/uname", &["-m"]), None);
        assert_eq!(told("/usr/lib/riscv64-linux-gnu/uname", &["-m"]), None);
        assert!(told("/usr/sbin/start-stop-daemon", &["--start"]).is_some());
    }

    #[test]
    fn others_are_executed_as_they_are() {
        assert!(is_plain(&executed("riscv64", "/usr/bin/sed", &["p"])));
    }
}
