//! Processes: maintainer scripts and tools, distinguished by their command lines.

use std::path::Path;

/// Numbers of a process, from `/proc/PID/status` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Number of its parent.
    pub parent: u32,
    /// Its own number in the innermost namespace it is in.
    pub inner: u32,
}

/// Source of knowledge about processes, each of which is stopped meanwhile.
pub trait Processes: Send + Sync {
    /// Returns the command line; none where there is no such process.
    fn command(&self, pid: u32) -> Option<Vec<String>>;
    /// Returns the numbers of the process and its parent; none where there is no such process.
    fn status(&self, pid: u32) -> Option<Status>;
}

/// This machine's /proc. All users may read these files (proc(5)), unless it is mounted with `hidepid`: then nothing
/// is known about processes of other users.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proc;

impl Processes for Proc {
    fn command(&self, pid: u32) -> Option<Vec<String>> {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        let arguments = line.split(|byte| *byte == 0);
        Some(
            arguments
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect(),
        )
    }

    fn status(&self, pid: u32) -> Option<Status> {
        parse_status(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }
}

fn parse_status(text: &str) -> Option<Status> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let number = |word: Option<&str>| word?.parse().ok();
    Some(Status {
        parent: number(field("PPid:")?.split_whitespace().next())?,
        inner: number(field("NSpid:")?.split_whitespace().last())?,
    })
}

/// A process, as its command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// The interpreter of a maintainer script.
    Script {
        /// The script's path as it was called.
        path: String,
        /// Whether the interpreter is a shell.
        shell: bool,
    },
    /// Anything else.
    Tool {
        /// The last component of the program's path, or of the script's where it is interpreted.
        name: String,
        /// The arguments after that.
        arguments: Vec<String>,
    },
}

/// Shells that read a script given by its name.
const SHELLS: [&str; 6] = ["sh", "dash", "bash", "rbash", "ksh", "zsh"];

/// Beginnings of names of other interpreters: versions follow.
const INTERPRETERS: [&str; 5] = ["perl", "python", "ruby", "tclsh", "lua"];

/// Returns the last component of a path, without the `-` of a login shell.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path).trim_start_matches('-')
}

/// Whether a path is that of a maintainer script, of a package that is unpacked (`info`) or is just being unpacked
/// (`tmp.ci`); `admin` is `DPKG_ADMINDIR`.
pub fn is_script(path: &str, admin: &Path) -> bool {
    let Ok(rest) = Path::new(path).strip_prefix(admin) else {
        return false;
    };
    rest.starts_with("info") || rest.starts_with("tmp.ci")
}

impl Process {
    /// Reads a command line; `admin` is `DPKG_ADMINDIR`.
    pub fn of(command: &[String], admin: &Path) -> Self {
        let program = command.first().map_or("", String::as_str);
        let name = name_of(program);
        let shell = SHELLS.contains(&name);
        let tool = |name: &str, rest: &[String]| Self::Tool {
            name: name.to_owned(),
            arguments: rest.to_vec(),
        };
        let rest = command.get(1..).unwrap_or_default();
        if !shell && !INTERPRETERS.iter().any(|start| name.starts_with(start)) {
            return tool(name, rest);
        }
        let Some(at) = rest.iter().position(|argument| !argument.starts_with('-')) else {
            return tool(name, rest);
        };
        let (options, after) = rest.split_at(at);
        // The program is in the arguments, and not in a file.
        let inline = |option: &String| match shell {
            true => !option.starts_with("--") && option.ends_with('c'),
            false => option == "-c" || option == "-m" || option.ends_with('e') || option.ends_with('E'),
        };
        match after {
            [script, arguments @ ..] if !options.iter().any(inline) => {
                if is_script(script, admin) {
                    Self::Script {
                        path: script.clone(),
                        shell,
                    }
                } else {
                    tool(name_of(script), arguments)
                }
            }
            _ => tool(name, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &[&str]) -> Process {
        let command: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        Process::of(&command, Path::new("/target/var/lib/dpkg"))
    }

    fn tool(name: &str, arguments: &[&str]) -> Process {
        Process::Tool {
            name: name.into(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    #[test]
    fn scripts_and_tools_are_told_apart() {
        let postinst = "/target/var/lib/dpkg/info/foo:riscv64.postinst";
        let script = |path: &str, shell| Process::Script {
            path: path.into(),
            shell,
        };
        assert_eq!(
            of(&["/bin/sh", "-e", postinst, "configure", ""]),
            script(postinst, true)
        );
        assert_eq!(of(&["bash", postinst]), script(postinst, true));
        assert_eq!(of(&["/usr/bin/perl", "-w", postinst]), script(postinst, false));
        let preinst = "/target/var/lib/dpkg/tmp.ci/preinst";
        assert_eq!(of(&["/bin/sh", preinst, "install"]), script(preinst, true));
        // Debconf's frontend is a tool, with the script as an argument.
        assert_eq!(
            of(&[
                "/usr/bin/perl",
                "-w",
                "/usr/share/debconf/frontend",
                postinst,
                "configure"
            ]),
            tool("frontend", &[postinst, "configure"])
        );
        assert_eq!(
            of(&["/bin/sh", "/usr/sbin/invoke-rc.d", "x", "start"]),
            tool("invoke-rc.d", &["x", "start"])
        );
        assert_eq!(
            of(&["sh", "-ec", "test -e /x"]),
            tool("sh", &["-ec", "test -e /x"])
        );
        assert_eq!(
            of(&["perl", "-ne", "print", postinst]),
            tool("perl", &["-ne", "print", postinst])
        );
        assert_eq!(of(&["chown", "root", "/x"]), tool("chown", &["root", "/x"]));
        assert_eq!(of(&[]), tool("", &[]));
        assert_eq!(of(&["-bash"]), tool("bash", &[]));
    }

    #[test]
    fn status_files() {
        let text = "Name:\tsh\nPid:\t4711\nPPid:\t4700\nNSpid:\t4711\t12\nNSpgid:\t1\n";
        let expected = Status {
            parent: 4700,
            inner: 12,
        };
        assert_eq!(parse_status(text), Some(expected));
        assert_eq!(parse_status("Name:\tsh\n"), None);
        let me = Proc.status(std::process::id());
        assert!(me.is_some_and(|status| status.parent > 0));
        let command = Proc.command(std::process::id());
        assert_eq!(command, Some(std::env::args().collect()));
    }
}
