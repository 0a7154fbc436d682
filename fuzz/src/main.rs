//! Fuzzing: everything that reads what others wrote gets inputs that nobody would write.
//!
//! Each [target](targets) reads mutated inputs for some minutes. It must not panic, must end within seconds, and may
//! not take more memory than [`sys::LIMIT`]. Inputs whose outcome was not seen before (an error with other words, other
//! numbers of things found) are kept and mutated further; that takes the place of counters in the compiled code, which
//! only a nightly compiler makes.
//!
//! ```text
//! seeds/TARGET/…                  inputs to begin with, and every input that once was a finding
//! target/fuzz/TARGET/corpus/…     inputs kept from run to run
//! target/fuzz/TARGET/findings/…   inputs that panicked, hung or took too much
//! totals.tsv                      seconds and executions so far, from which docs/fuzzing.md is made
//! ```
//!
//! The program executes itself for each target, so that an input that kills it is found, too.

mod mutate;
mod options;
mod supervise;
mod sys;
mod targets;
#[cfg(test)]
mod tests;
mod totals;
mod worker;

use std::process::ExitCode;

use options::{Command, Options};

fn main() -> ExitCode {
    let done = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Fuzz(options)) => supervise::run(&options),
        Ok(Command::Work(work)) => worker::run(&work).map(|()| true),
        Ok(Command::Replay { target, files }) => worker::replay(target, &files),
        Ok(Command::List) => {
            use std::io::Write as _;
            let names: Vec<&str> = targets::ALL.iter().map(|spec| spec.name).collect();
            let listed = writeln!(std::io::stdout(), "{}", names.join("\n"));
            listed.map(|()| true).map_err(|error| error.to_string())
        }
        Ok(Command::Tables) => totals::write_table().map(|()| true),
        Err(problem) => Err(problem),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            say(&format!("fuzz: {problem}"));
            ExitCode::from(2)
        }
    }
}

/// Prints a line; whoever does not read it does not matter.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
