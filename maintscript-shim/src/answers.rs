//! Tools whose output depends on the machine, and what is done about each.
//!
//! One row a tool: a native counterpart would tell or write what belongs to this
//! machine, or act on the running system. Everything else is executed as it is.
//! The rows and their reasons are repeated in `docs/semantics.md`.

mod compiler;
mod depmod;
mod getconf;
mod localedef;
mod modules;
mod uname;

use crate::base_name;
use crate::paths::Architecture;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What becomes of an execution.
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
    /// The native counterpart is executed.
    Execute(Execution),
}

/// How a native counterpart is executed where that is not simply as it was
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
    /// A first run, with these arguments, for the native tools of this run; nothing
    /// comes of its failure.
    pub(crate) first: Option<Vec<OsString>>,
    /// What becomes of its standard output.
    pub(crate) rewrite: Option<Rewrite>,
    /// What is done to the files it wrote, once it has succeeded, with its arguments.
    pub(crate) after: Option<After>,
}

/// Changes the files that a tool wrote, given its arguments.
pub(crate) type After = fn(&Architecture, &[OsString]) -> std::io::Result<()>;

/// What becomes of standard output, and where it goes.
#[derive(Debug)]
pub(crate) struct Rewrite {
    /// From what the native tool wrote to what the target's would write.
    pub(crate) text: fn(&Architecture, &[u8]) -> Vec<u8>,
    /// A file instead of standard output.
    pub(crate) file: Option<String>,
    /// Arguments of the caller that the counterpart does not get.
    pub(crate) without: &'static [&'static str],
}

/// What is done for a tool.
enum Way {
    /// It is answered; `None` executes the counterpart after all.
    Told(fn(&Architecture, &[OsString]) -> Option<Vec<u8>>),
    /// It is executed, but not simply.
    Executed(fn(&Architecture, &[OsString]) -> Execution),
    /// The installer does it.
    Installer,
}

use Way::{Executed, Installer, Told};

/// Tools by name and what is done; a name that ends with `*` is the beginning of
/// names. Those are programs of `/usr/bin` and `/usr/sbin`, or of a library.
static TABLE: &[(&str, Way)] = &[
    // uname(1): the kernel knows only the machine's own name.
    ("uname", Told(uname::uname)),
    // arch(1): the same as `uname -m`.
    (
        "arch",
        Told(|arch, arguments| arguments.is_empty().then(|| line(arch.uname))),
    ),
    // dpkg(1): compiled in.
    ("dpkg", Told(dpkg)),
    // getconf(1): word size, signedness of char and compiler flags are compiled in.
    ("getconf", Executed(getconf::getconf)),
    // Compilers: their machine is compiled in.
    ("gcc*", Told(compiler::machine)),
    ("g++*", Told(compiler::machine)),
    ("cpp*", Told(compiler::machine)),
    ("cc", Told(compiler::machine)),
    ("clang*", Told(compiler::machine)),
    // start-stop-daemon(8): nothing may be started in a filesystem being made.
    (
        "start-stop-daemon",
        Told(|_, _| Some(b"\nWarning: Fake start-stop-daemon called, doing nothing\n".to_vec())),
    ),
    // ldconfig(8): the kind of libraries and of its cache are compiled in.
    ("ldconfig", Installer),
    // localedef(1): the byte order of this machine unless it is told another.
    ("localedef", Executed(localedef::localedef)),
    // depmod(8): a hash of 16-bit numbers as in memory decides an order.
    ("depmod", Executed(depmod::depmod)),
    // Lists of modules: they load each, and write paths that are compiled in.
    ("gdk-pixbuf-query-loaders*", Executed(modules::pixbuf)),
    ("gtk-query-immodules-3.0", Executed(modules::gtk3)),
    ("gtk-query-immodules-2.0", Executed(modules::gtk2)),
    ("gio-querymodules*", Executed(modules::load)),
    ("vlc-cache-gen", Executed(modules::load)),
    ("libgvc6-config-update", Executed(modules::graphviz)),
    ("dot", Executed(modules::graphviz)),
    // fc-cache(1): names of its files have the machine's byte order and word size.
    ("fc-cache", Executed(modules::fontconfig)),
    // lscpu(1): uname(2).
    ("lscpu", Executed(modules::machine)),
    // Interpreters: what they know of the machine, and their modules.
    ("bash", Executed(modules::bash)),
    ("perl*", Executed(modules::perl)),
    ("python3*", Executed(modules::python)),
];

/// What is done when the tool at `path`, which has no links in it, is called with
/// `arguments` by the name `called`: one program may be several tools.
pub(crate) fn answer(arch: &Architecture, path: &OsStr, called: &OsStr, arguments: &[OsString]) -> Answer {
    let as_it_is = || Answer::Execute(Execution::default());
    let Some(kind) = kind(arch, path) else {
        return as_it_is();
    };
    let row = |name| TABLE.iter().find(|(pattern, _)| names(arch, pattern, name));
    match row(base_name(path)).or_else(|| row(base_name(called))) {
        Some((_, Told(tool))) if kind == Kind::Program => match tool(arch, arguments) {
            Some(output) => Answer::Done { output, status: 0 },
            None => as_it_is(),
        },
        Some((_, Installer)) if kind == Kind::Program => Answer::Ldconfig,
        Some((_, Executed(how))) => Answer::Execute(how(arch, arguments)),
        _ => as_it_is(),
    }
}

/// Whether a row's pattern is for the tool of a name.
fn names(arch: &Architecture, pattern: &str, name: &[u8]) -> bool {
    // Programs of a toolchain have the triplet in their name.
    let plain = name
        .strip_prefix(arch.triplet.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"-"))
        .unwrap_or(name);
    match pattern.strip_suffix('*') {
        Some(beginning) => plain.starts_with(beginning.as_bytes()),
        None => plain == pattern.as_bytes(),
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// Of a directory of programs.
    Program,
    /// Of a library's directory.
    Helper,
}

fn kind(arch: &Architecture, path: &OsStr) -> Option<Kind> {
    let bytes = path.as_bytes();
    let name = base_name(path);
    let directory = bytes.get(..bytes.len() - name.len()).unwrap_or_default();
    let programs: [&[u8]; 4] = [b"/usr/bin/", b"/bin/", b"/usr/sbin/", b"/sbin/"];
    if programs.contains(&directory) {
        return Some(Kind::Program);
    }
    let below = directory.strip_prefix(b"/usr").unwrap_or(directory);
    let library = below.strip_prefix(b"/lib/").is_some_and(|rest| {
        rest.strip_prefix(arch.triplet.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"/"))
    });
    (library || below.starts_with(b"/libexec/")).then_some(Kind::Helper)
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
        let known = std::fs::read_to_string("/var/lib/dpkg/arch").unwrap_or_default();
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
        let arch = target(OsStr::new(name)).unwrap();
        match answer(arch, OsStr::new(path), OsStr::new(path), &arguments(given)) {
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
        assert!(is_plain(&executed("riscv64", "/usr/bin/dpkg", &["-l"])));
    }
}
