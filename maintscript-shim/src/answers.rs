//! Tools that carry their architecture inside, answered for the target.
//!
//! One row a tool: a native counterpart would tell the machine's architecture,
//! or act on the running system. Everything else is executed.

use crate::base_name;
use crate::paths::Arch;
use crate::sys;
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
    Execute,
}

type Row = (&'static [u8], fn(&Arch, &[OsString]) -> Option<Vec<u8>>);

/// Tool (in a directory of programs) and its answer; `None` executes the
/// counterpart after all.
static TABLE: &[Row] = &[
    // uname(1): the kernel knows only the machine's own name.
    (b"uname", uname),
    // arch(1): the same as `uname -m`.
    (b"arch", |arch, arguments| {
        arguments.is_empty().then(|| line(arch.machine))
    }),
    // dpkg(1): compiled in.
    (b"dpkg", dpkg),
    // start-stop-daemon(8): nothing may be started in a filesystem being made.
    (b"start-stop-daemon", |_, _| {
        Some(b"\nWarning: Fake start-stop-daemon called, doing nothing\n".to_vec())
    }),
];

/// Whether the tool at `path`, called with `arguments`, is answered here.
pub(crate) fn answer(arch: &Arch, path: &OsStr, arguments: &[OsString]) -> Answer {
    let bytes = path.as_bytes();
    let name = base_name(path);
    let directory = bytes.get(..bytes.len() - name.len()).unwrap_or_default();
    let programs: [&[u8]; 4] = [b"/usr/bin/", b"/bin/", b"/usr/sbin/", b"/sbin/"];
    if !programs.contains(&directory) {
        return Answer::Execute;
    }
    // ldconfig(8): the kind of libraries and of its cache are compiled in.
    if name == b"ldconfig" {
        return Answer::Ldconfig;
    }
    let row = TABLE.iter().find(|(tool, _)| *tool == name);
    match row.and_then(|(_, tool)| tool(arch, arguments)) {
        Some(output) => Answer::Done { output, status: 0 },
        None => Answer::Execute,
    }
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// uname(1) of coreutils: fields in its order whatever the order of options.
/// Unknown options are left to the counterpart, which complains as usual.
fn uname(arch: &Arch, arguments: &[OsString]) -> Option<Vec<u8>> {
    const LONG: [(&str, u8); 10] = [
        ("--all", b'a'),
        ("--kernel-name", b's'),
        ("--sysname", b's'),
        ("--nodename", b'n'),
        ("--kernel-release", b'r'),
        ("--release", b'r'),
        ("--kernel-version", b'v'),
        ("--machine", b'm'),
        ("--processor", b'p'),
        ("--hardware-platform", b'i'),
    ];
    let mut wanted = Vec::new();
    for argument in arguments {
        let text = argument.to_str()?;
        if let Some((_, letter)) = LONG.iter().find(|(name, _)| *name == text) {
            wanted.push(*letter);
        } else if text == "--operating-system" {
            wanted.push(b'o');
        } else {
            let letters = text
                .strip_prefix('-')
                .filter(|l| !l.is_empty() && !l.starts_with('-'))?;
            wanted.extend_from_slice(letters.as_bytes());
        }
    }
    if wanted.is_empty() {
        wanted.push(b's');
    }
    if !wanted.iter().all(|l| b"asnrvmpio".contains(l)) {
        return None;
    }
    let all = wanted.contains(&b'a');
    let [name, node, release, version] = sys::kernel();
    let machine = OsString::from(arch.machine);
    // `uname -a` leaves out processor and platform, which Linux does not know.
    let fields = [
        (b's', name, true),
        (b'n', node, true),
        (b'r', release, true),
        (b'v', version, true),
        (b'm', machine, true),
        (b'p', OsString::from("unknown"), false),
        (b'i', OsString::from("unknown"), false),
        (b'o', OsString::from("GNU/Linux"), true),
    ];
    let shown: Vec<&[u8]> = fields
        .iter()
        .filter(|(letter, _, in_all)| wanted.contains(letter) || (all && *in_all))
        .map(|(_, text, _)| text.as_bytes())
        .collect();
    let mut output = shown.join(&b' ');
    output.push(b'\n');
    Some(output)
}

/// dpkg(1): the queries whose answer is the architecture.
fn dpkg(arch: &Arch, arguments: &[OsString]) -> Option<Vec<u8>> {
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

    fn told(path: &str, arguments: &[&str]) -> Option<String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        match answer(
            target(OsStr::new("riscv64")).unwrap(),
            OsStr::new(path),
            &arguments,
        ) {
            Answer::Done { output, status: 0 } => Some(String::from_utf8(output).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn machine_names() {
        assert_eq!(told("/usr/bin/uname", &["-m"]).unwrap(), "riscv64\n");
        assert_eq!(
            told("/usr/bin/uname", &["--machine", "-s"]).unwrap(),
            "Linux riscv64\n"
        );
        assert_eq!(told("/usr/bin/uname", &[]).unwrap(), "Linux\n");
        assert!(
            told("/usr/bin/uname", &["-a"])
                .unwrap()
                .ends_with(" riscv64 GNU/Linux\n")
        );
        assert_eq!(told("/usr/bin/uname", &["--bogus"]), None);
        assert_eq!(told("/usr/bin/arch", &[]).unwrap(), "riscv64\n");
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
        assert!(told("/usr/sbin/start-stop-daemon", &["--start"]).is_some());
    }
}
