//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::targets::{self, Spec};

const HELP: &str = "fuzz [--seconds N] [TARGET…]     each target for N seconds (300), one after the other
fuzz --replay TARGET FILE…       reads these inputs once
fuzz --list                      names the targets
fuzz --tables                    writes docs/fuzzing.md from the totals";

/// What is to be done.
pub(crate) enum Command {
    Fuzz(Options),
    /// One target, in a process of its own.
    Work(Work),
    Replay {
        target: &'static Spec,
        files: Vec<PathBuf>,
    },
    List,
    Tables,
}

/// Settings of a run.
pub(crate) struct Options {
    /// Time for each target.
    pub(crate) time: Duration,
    /// Targets in their order.
    pub(crate) targets: Vec<&'static Spec>,
}

/// Settings of a worker.
pub(crate) struct Work {
    pub(crate) target: &'static Spec,
    pub(crate) time: Duration,
    /// Directory for files of this worker, in which the input that is being read is `current`.
    pub(crate) scratch: PathBuf,
}

impl Options {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
        let words: Vec<String> = arguments
            .map(|word| {
                word.into_string()
                    .map_err(|word| format!("{}: no UTF-8", word.display()))
            })
            .collect::<Result<_, _>>()?;
        let known = |name: &str| {
            targets::ALL.iter().find(|spec| spec.name == name).ok_or_else(|| {
                let names: Vec<&str> = targets::ALL.iter().map(|spec| spec.name).collect();
                format!(
                    "there is no target {name}; there are {}\n{HELP}",
                    names.join(", ")
                )
            })
        };
        let seconds = |text: &str| {
            let seconds = text.parse().map(Duration::from_secs);
            seconds.map_err(|_| format!("{text}: no number of seconds\n{HELP}"))
        };
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["--tables"] => Ok(Command::Tables),
            ["--list"] => Ok(Command::List),
            ["--work", target, time, scratch] => Ok(Command::Work(Work {
                target: known(target)?,
                time: seconds(time)?,
                scratch: scratch.into(),
            })),
            ["--replay", target, files @ ..] => Ok(Command::Replay {
                target: known(target)?,
                files: files.iter().map(PathBuf::from).collect(),
            }),
            rest => {
                let (time, names) = match rest {
                    ["--seconds", time, names @ ..] => (seconds(time)?, names),
                    names => (Duration::from_secs(300), names),
                };
                let mut chosen: Vec<_> = names.iter().map(|name| known(name)).collect::<Result<_, _>>()?;
                if chosen.is_empty() {
                    chosen = targets::ALL.iter().collect();
                }
                Ok(Command::Fuzz(Self {
                    time,
                    targets: chosen,
                }))
            }
        }
    }
}
