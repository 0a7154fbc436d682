//! All test programs of the workspace, several at once: `cargo test` runs one after the other, and most of
//! them wait for something most of the time.
//!
//! cargo builds them and says where they are (`cargo test --no-run --message-format=json`). Each runs its
//! tests one at a time, as many programs at once as the machine has processors and one more. What takes
//! longest begins first.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::At as _;
use crate::scenario::TIMES;
use crate::{Error, Result};

/// A test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its package and target: `rootless-install-tests/errors`.
    pub name: String,
    /// The file to execute.
    pub file: PathBuf,
    /// The package's directory, in which cargo runs it.
    pub dir: PathBuf,
}

/// The end of a test program.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// Whether all of its tests passed.
    pub passed: bool,
    /// Time it took.
    pub elapsed: Duration,
}

/// What a test took.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// Seconds from its begin to its end.
    pub seconds: f64,
    /// Seconds of all processors.
    pub processors: f64,
    /// Its name.
    pub name: String,
}

/// The end of all test programs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Programs in the order in which they ended.
    pub programs: Vec<Ended>,
    /// Tests that were declared with `scenario!`, dearest first.
    pub tests: Vec<Timed>,
}

impl Summary {
    /// Whether there are programs, and all of them passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.programs.is_empty() && self.programs.iter().all(|ended| ended.passed)
    }
}

/// The test programs in cargo's messages, one message a line.
///
/// # Errors
/// When the file cannot be read or a line is not JSON.
pub fn programs(messages: &Path) -> Result<Vec<Program>> {
    let mut found = Vec::new();
    for (number, line) in BufReader::new(File::open(messages).at(messages)?)
        .lines()
        .enumerate()
    {
        let line = line.at(messages)?;
        let message: Value = serde_json::from_str(&line).map_err(|error| Error::Line {
            path: messages.to_path_buf(),
            line: number + 1,
            what: error.to_string(),
        })?;
        found.extend(program(&message));
    }
    // Stable: the others stay in cargo's order.
    found.sort_by_key(|program| first(&program.name));
    Ok(found)
}

fn program(message: &Value) -> Option<Program> {
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    if message.pointer("/profile/test") != Some(&Value::Bool(true)) {
        return None;
    }
    let dir = Path::new(text("/manifest_path")?).parent()?;
    let package = dir.file_name()?.to_string_lossy();
    Some(Program {
        name: format!("{package}/{}", text("/target/name")?),
        file: text("/executable")?.into(),
        dir: dir.to_path_buf(),
    })
}

// The place in the order of what takes long: references first, which one processor makes alone.
fn first(name: &str) -> usize {
    const LONG: [&str; 9] = [
        "tests/fidelity",
        "tests/real_archive",
        "tests/in_place_of_dpkg",
        "tests/semantics",
        "tests/without_namespaces",
        "tests/interrupt",
        "tests/chrootless",
        "tests/errors",
        "fs/view",
    ];
    LONG.iter().position(|long| *long == name).unwrap_or(LONG.len())
}

/// Runs the programs, `jobs` at once, and tells `out` how each ended, with what it printed.
///
/// # Errors
/// When a program cannot be started.
pub fn run(programs: &[Program], jobs: usize, out: &(dyn Fn(&[u8]) + Sync)) -> Result<Summary> {
    let dir = tempfile::tempdir().at("a temporary directory")?;
    let times = dir.path().join("times");
    let left = Mutex::new(programs.iter().enumerate());
    let ended = Mutex::new(Vec::new());
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, program)) = next else { break };
                    match one(program, &dir.path().join(number.to_string()), &times, out) {
                        Ok(one) => ended.lock().unwrap_or_else(PoisonError::into_inner).push(one),
                        Err(error) => {
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            break;
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(Summary {
        programs: ended.into_inner().unwrap_or_else(PoisonError::into_inner),
        tests: dearest(&std::fs::read_to_string(&times).unwrap_or_default()),
    })
}

fn one(program: &Program, output: &Path, times: &Path, out: &(dyn Fn(&[u8]) + Sync)) -> Result<Ended> {
    let file = File::create(output).at(output)?;
    let started = Instant::now();
    let status = Command::new(&program.file)
        .current_dir(&program.dir)
        .env("CARGO_MANIFEST_DIR", &program.dir)
        .env("RUST_TEST_THREADS", "1")
        .env(TIMES, times)
        .stdin(Stdio::null())
        .stderr(file.try_clone().at(output)?)
        .stdout(file)
        .status()
        .at(&program.file)?;
    let ended = Ended {
        name: program.name.clone(),
        passed: status.success(),
        elapsed: started.elapsed(),
    };
    let said = std::fs::read(output).at(output)?;
    let mut text = format!(
        "\n-- {}: {}, {:.1} s\n",
        ended.name,
        if ended.passed { "passed" } else { "FAILED" },
        ended.elapsed.as_secs_f64()
    )
    .into_bytes();
    text.extend(said);
    // All at once: others end meanwhile.
    out(&text);
    Ok(ended)
}

fn dearest(times: &str) -> Vec<Timed> {
    let mut all: Vec<Timed> = times.lines().filter_map(timed).collect();
    all.sort_by(|a, b| b.processors.total_cmp(&a.processors));
    all
}

fn timed(line: &str) -> Option<Timed> {
    let mut fields = line.split('\t');
    Some(Timed {
        seconds: fields.next()?.parse().ok()?,
        processors: fields.next()?.parse().ok()?,
        name: fields.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_messages_and_ordered() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("messages");
        let test = |name: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/w/tests/Cargo.toml\",\"target\":\
                 {{\"name\":\"{name}\"}},\"profile\":{{\"test\":true}},\"executable\":\"/w/target/{name}\"}}\n"
            )
        };
        let library = test("lib").replace("true", "false");
        let text = [
            test("cli"),
            library,
            test("fidelity"),
            "{\"reason\":\"build-finished\"}\n".to_owned(),
        ];
        std::fs::write(&path, text.concat()).expect("written");
        let found = programs(&path).expect("programs");
        let names: Vec<&str> = found.iter().map(|program| program.name.as_str()).collect();
        assert_eq!(names, ["tests/fidelity", "tests/cli"]);
        assert_eq!(found[0].dir, Path::new("/w/tests"));
        assert_eq!(found[0].file, Path::new("/w/target/fidelity"));
        std::fs::write(&path, "warning: no JSON\n").expect("written");
        assert!(programs(&path).is_err());
    }

    #[test]
    fn a_failure_is_seen() {
        let program = |file: &str| Program {
            name: file.to_owned(),
            file: Path::new("/bin").join(file),
            dir: "/".into(),
        };
        let said = Mutex::new(String::new());
        let out = |text: &[u8]| {
            let mut said = said.lock().expect("not poisoned");
            *said += &String::from_utf8_lossy(text);
        };
        let both = run(&[program("true"), program("false")], 2, &out).expect("run");
        for end in ["-- true: passed", "-- false: FAILED"] {
            assert!(said.lock().expect("not poisoned").contains(end));
        }
        assert!(!both.passed());
        assert_eq!(both.programs.iter().filter(|ended| ended.passed).count(), 1);
        assert!(run(&[program("true")], 1, &out).expect("run").passed());
        assert!(!Summary::default().passed(), "nothing was run");
        assert!(run(&[program("not-there")], 1, &out).is_err());
    }

    #[test]
    fn times_are_ordered() {
        let all = dearest("31.5\t1.0\ta\n2.0\t30.5\tb\ncut");
        let names: Vec<&str> = all.iter().map(|timed| timed.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
