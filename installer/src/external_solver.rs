//! Programs that choose packages for apt, by its External Dependency Solver Protocol (apt.conf(5), `Dir::Bin::Solvers`).

use crate::sys;
use apt_solve::{External, Resolver, Solver};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Directories that have them, of this machine.
const DIRECTORIES: [&str; 2] = ["/usr/local/lib/apt/solvers", "/usr/lib/apt/solvers"];
/// Most bytes of an answer.
const ANSWER: u64 = 64 << 20;
/// Most bytes of what a program says that are told.
const TOLD: usize = 400;

/// A name that is no resolver's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no solver `{name}`: apt has `internal` and `3.0`, and this machine {}",
    match .has.as_slice() {
        [] => "none in /usr/lib/apt/solvers (aspcud is in the package apt-cudf with aspcud)".to_owned(),
        has => format!("has {}", has.join(", ")),
    }
)]
pub struct NoSolver {
    /// The name.
    name: String,
    /// The programs that there are.
    has: Vec<String>,
}

/// Returns the resolver of a name, as `APT::Solver` has it.
///
/// # Errors
/// [`NoSolver`] where that is none of apt's and no program.
pub fn named(name: &str) -> Result<Solver, NoSolver> {
    if let Ok(own) = name.parse() {
        return Ok(own);
    }
    let none = || NoSolver {
        name: name.to_owned(),
        has: programs(),
    };
    // A name, and no path.
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(none());
    }
    let mut files = DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(name));
    let path = files.find(|file| file.is_file()).ok_or_else(none)?;
    Ok(Solver::External(External {
        name: name.to_owned(),
        resolver: Arc::new(Program { path }),
    }))
}

/// The programs of this machine, but for the one that only writes down what it is asked.
fn programs() -> Vec<String> {
    let entries = DIRECTORIES
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok());
    let names = entries
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| !name.contains("dump") && name != "apt")
        .collect();
    names.sort();
    names
}

#[derive(Debug)]
struct Program {
    path: PathBuf,
}

impl Resolver for Program {
    fn ask(&self, scenario: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.path.display());
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        sys::die_with_parent(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let (input, output, messages) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut answer = String::new();
        let (read, said) = std::thread::scope(|scope| {
            // One that needs no more of it ends before it has read all.
            scope.spawn(|| input.map(|mut input| input.write_all(scenario.as_bytes())));
            let said = scope.spawn(|| {
                let mut said = Vec::new();
                let _ = messages.map(|messages| messages.take(ANSWER).read_to_end(&mut said));
                String::from_utf8_lossy(&said).trim().to_owned()
            });
            let read = output.map(|output| output.take(ANSWER).read_to_string(&mut answer));
            (read, said.join().unwrap_or_default())
        });
        let status = child.wait().map_err(failed)?;
        read.transpose().map_err(failed)?;
        // What it says of a problem is an answer, whatever its status.
        match status.success() || answer.contains("\nMessage:") {
            true => Ok(answer),
            false => Err(format!(
                "{} failed ({status}): {}",
                self.path.display(),
                end_of(&said)
            )),
        }
    }
}

/// Returns the end of what was said.
fn end_of(said: &str) -> &str {
    let mut at = said.len().saturating_sub(TOLD);
    while !said.is_char_boundary(at) {
        at += 1;
    }
    said.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn program(text: &str) -> (tempfile::TempDir, Program) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("solver");
        std::fs::write(&path, text).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        (dir, Program { path })
    }

    #[test]
    fn a_program_is_asked() {
        let (_dir, asked) = program("#!/bin/sh\nwc -c\n");
        let scenario = "x".repeat(1 << 20);
        assert_eq!(asked.ask(&scenario).expect("an answer").trim(), "1048576");
        // One that reads nothing, and ends.
        let (_dir, deaf) = program("#!/bin/sh\necho 'Install: 1'\n");
        assert_eq!(deaf.ask(&scenario).expect("an answer"), "Install: 1\n");
        let (_dir, failing) = program("#!/bin/sh\necho why >&2\nexit 3\n");
        let error = failing.ask("").expect_err("a failure");
        assert!(
            error.contains("exit status: 3") && error.ends_with("why"),
            "{error}"
        );
        let (_dir, telling) = program("#!/bin/sh\nprintf 'Error: 1\\nMessage: no\\n'\nexit 1\n");
        assert!(telling.ask("").expect("an answer").contains("Message: no"));
    }

    #[test]
    fn names_that_are_none() {
        for name in ["../../bin/sh", "nobody-has-this", ""] {
            let error = named(name).expect_err("no resolver").to_string();
            assert!(error.contains(&format!("there is no solver `{name}`")), "{error}");
        }
        assert_eq!(
            named("3.0").map(|solver| solver.to_string()).as_deref(),
            Ok("3.0")
        );
    }
}
