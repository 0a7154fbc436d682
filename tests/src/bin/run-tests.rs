//! Runs all test programs, several at once.
//!
//! `run-tests MESSAGES`, where `MESSAGES` is what `cargo test --no-run --message-format=json` has printed.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use rootless_install_tests::suite::{Summary, programs, run};
use rootless_install_tests::{Error, Result};

/// How many of the dearest tests are named.
const NAMED: usize = 25;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [messages] => all(Path::new(messages)),
        _ => Err(Error::Machine("usage: run-tests MESSAGES".to_owned())),
    };
    match done {
        Ok(summary) => {
            tell(&summary);
            ExitCode::from(u8::from(!summary.passed()))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn all(messages: &Path) -> Result<Summary> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    run(&programs(messages)?, processors + 1, &|text| {
        let _ = std::io::stdout().lock().write_all(text);
    })
}

fn tell(summary: &Summary) {
    let mut text = String::from("\nSeconds of each test program:\n");
    let mut programs = summary.programs.clone();
    programs.sort_by_key(|ended| std::cmp::Reverse(ended.elapsed));
    for ended in &programs {
        text += &format!("{:8.1}  {}\n", ended.elapsed.as_secs_f64(), ended.name);
    }
    text += "\nDearest end-to-end tests:\n seconds  processors  test\n";
    for test in summary.tests.iter().take(NAMED) {
        text += &format!("{:8.1}  {:10.1}  {}\n", test.seconds, test.processors, test.name);
    }
    for ended in programs.iter().filter(|ended| !ended.passed) {
        text += &format!("\nFAILED: {}\n", ended.name);
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
}
