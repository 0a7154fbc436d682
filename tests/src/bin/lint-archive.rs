//! Looks with lint at the packages of the archive, and writes what it finds into docs/lint-findings.md.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use rootless_install_tests::error::At as _;
use rootless_install_tests::fidelity::state::States;
use rootless_install_tests::fidelity::tables;
use rootless_install_tests::findings::{SUITES, arguments, kept, table};
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::probe::Need;
use rootless_install_tests::program::{Workplace, sweep, workspace};
use rootless_install_tests::real::{EPOCH, cache};
use rootless_install_tests::{Error, Result};

const USAGE: &str = "\
usage: lint-archive [--mirror URL] [--tables]

  --mirror URL  a mirror on loopback that runs already [the tests' pinned one]
  --tables      writes the tables from the reports in target/lint, and runs nothing
";

fn main() -> ExitCode {
    let mut mirror = None;
    let mut only_tables = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--mirror" => mirror = arguments.next(),
            "--tables" => only_tables = true,
            _ => {
                say(USAGE.trim_end());
                return ExitCode::from(2);
            }
        }
    }
    match work(mirror, only_tables) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn work(given: Option<String>, only_tables: bool) -> Result<()> {
    let pinned = match given {
        Some(_) => None,
        None => Some(Mirror::pinned(&cache())?),
    };
    let mirror = given.or_else(|| pinned.as_ref().map(Mirror::url));
    let mirror = mirror.unwrap_or_default();
    if !only_tables {
        if let Some(why) = Need::TO_CONFIGURE.iter().find_map(|need| need.missing()) {
            return Err(Error::Machine(why));
        }
        sweep()?;
        for suite in SUITES {
            look(suite, &mirror)?;
        }
    }
    let states = States::default();
    let mut made = BTreeMap::new();
    for suite in SUITES {
        let path = kept().join(suite);
        let report = std::fs::read_to_string(&path).at(&path)?;
        made.insert(suite.to_owned(), table(&report, &states.of(&mirror, suite)?)?);
    }
    tables::write(&workspace().join("docs/lint-findings.md"), &made, &[])
}

// Runs lint on a suite, and keeps its report.
fn look(suite: &str, mirror: &str) -> Result<()> {
    let place = Workplace::new()?;
    let mut all = vec![
        "lint".into(),
        "--cache".into(),
        place.path("cache").into_os_string(),
    ];
    all.extend(arguments(suite, mirror).into_iter().map(Into::into));
    let run = place.run_plain(all).env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let done = run.limit(Duration::from_secs(3600)).end()?;
    // 3: there are findings.
    if !matches!(done.status.code(), Some(0 | 3)) {
        return Err(Error::Command {
            command: format!("lint of {suite}"),
            what: done.stderr,
        });
    }
    let path = kept().join(suite);
    std::fs::create_dir_all(kept()).at(&path)?;
    std::fs::write(&path, &done.stdout).at(&path)?;
    say(&format!("{suite}: {:.0} s", done.elapsed.as_secs_f64()));
    Ok(())
}
