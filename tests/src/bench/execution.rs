//! What an execution costs: of a foreign program in the view, whose native counterpart is
//! executed instead by way of the shim, beside that native program in the same view, and
//! beside this machine's own outside.

use std::path::Path;
use std::process::Stdio;

use crate::deb::Package;
use crate::synthetic::{Synthetic, package};
use crate::{Error, Result};

/// Rounds; the first fills the caches and is not counted.
pub const ROUNDS: usize = 9;
/// Executions in a row. A script has one processor for its first second; all that is
/// measured in one is to fit into it, as most scripts do.
pub const IN_A_ROW: usize = 100;
/// How often each kind takes its turn in a round.
const TURNS: usize = 3;

/// The program by its path in the view; its foreign file does nothing.
const PROGRAM: &str = "/usr/bin/true";
/// Its native counterpart, which the shim executes.
const NATIVE: &str = "/.rootless-install/sysroot/usr/bin/true";
/// Where the script of the view writes.
const RESULT: &str = "var/lib/timing";

/// How the program is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On this machine, outside any view.
    Outside,
    /// The native file, in the view.
    Native,
    /// The foreign file, in the view.
    Redirected,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Outside, Self::Native, Self::Redirected];

    fn title(self) -> &'static str {
        match self {
            Self::Outside => "native program, outside",
            Self::Native => "native program, in the view",
            Self::Redirected => "foreign program, redirected in the view",
        }
    }
}

/// Microseconds of an execution, one figure from each turn of each round.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<(Kind, f64)>);

impl Times {
    fn of(&self, kind: Kind) -> Vec<f64> {
        let mut times: Vec<f64> = self
            .0
            .iter()
            .filter(|(of, _)| *of == kind)
            .map(|(_, time)| *time)
            .collect();
        times.sort_by(f64::total_cmp);
        times
    }

    fn median(&self, kind: Kind) -> f64 {
        let times = self.of(kind);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// A shell script that executes programs by turns and writes a line for each turn: which,
/// and nanoseconds. Paths are absolute, for the shell has a `true` of its own. Output
/// is written at the end: a program that has it open would close it, which is a request in the view.
fn script(programs: &[&str], out: &str) -> String {
    let turn: String = (0..programs.len())
        .map(|number| format!("turn \"$program{number}\" {number}\n"))
        .collect();
    let paths: String = (0..)
        .zip(programs)
        .map(|(number, path): (usize, _)| format!("program{number}={path}\n$program{number}\n"))
        .collect();
    format!(
        r#"#!/bin/sh
set -e
turn() {{
	i=0 begin=$(/usr/bin/date +%s%N)
	while [ $i -lt {IN_A_ROW} ]; do "$1"; i=$((i + 1)); done
	end=$(/usr/bin/date +%s%N)
	lines="$lines$2 $((end - begin))
"
}}
{paths}{}printf %s "$lines" >{out}
"#,
        turn.repeat(TURNS)
    )
}

/// Lines of a script whose programs were of these kinds.
fn parse(text: &str, kinds: &[Kind]) -> Result<Vec<(Kind, f64)>> {
    let line = |line: &str| {
        let (number, nanos) = line.split_once(' ')?;
        let kind = kinds.get(number.parse::<usize>().ok()?)?;
        let nanos: f64 = nanos.parse().ok()?;
        Some((*kind, nanos / 1e3 / IN_A_ROW as f64))
    };
    let times: Option<Vec<_>> = text.lines().map(line).collect();
    times
        .filter(|times| times.len() == kinds.len() * TURNS)
        .ok_or_else(|| fail(format!("the script wrote {text:?}")))
}

/// Measures all kinds, in turns.
///
/// # Errors
/// When the archive cannot be made, or the program or a script fails.
pub fn measure() -> Result<Times> {
    let archive = Synthetic::with(&[timing()?])?;
    let mut times = Times::default();
    for round in 0..=ROUNDS {
        let measured = [outside(&archive)?, inside(&archive)?].concat();
        if round > 0 {
            times.0.extend(measured);
        }
    }
    Ok(times)
}

fn timing() -> Result<Package> {
    let script = script(&[NATIVE, PROGRAM], &format!("/{RESULT}"));
    Ok(package("timing")?.script("postinst", &script))
}

fn inside(archive: &Synthetic) -> Result<Vec<(Kind, f64)>> {
    let outcome = archive.install("timing", "target").end()?;
    if !outcome.status.success() {
        return Err(fail(outcome.stderr));
    }
    let target = archive.work.out("target");
    let path = target.join(RESULT);
    let text = std::fs::read_to_string(&path).map_err(|error| fail(error.to_string()))?;
    super::run::remove(&target)?;
    parse(&text, &[Kind::Native, Kind::Redirected])
}

/// The same by this machine's shell, the one that the native packages have.
fn outside(archive: &Synthetic) -> Result<Vec<(Kind, f64)>> {
    let done = archive
        .work
        .account()
        .command(Path::new("/usr/bin/dash"))
        .args(["-c", &script(&[PROGRAM], "&1")])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !done.status.success() {
        return Err(fail(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    parse(&String::from_utf8_lossy(&done.stdout), &[Kind::Outside])
}

fn fail(what: String) -> Error {
    Error::Command {
        command: "executions".to_owned(),
        what,
    }
}

/// The table, in Markdown.
#[must_use]
pub fn table(times: &Times) -> String {
    let mut text =
        "| | µs | least–most | to native in the view | to outside |\n|---|--:|--:|--:|--:|\n".to_owned();
    for kind in Kind::ALL {
        let (all, median) = (times.of(kind), times.median(kind));
        text += &format!(
            "| {} | {median:.0} | {:.0}–{:.0} | {:.2} | {:.2} |\n",
            kind.title(),
            all.first().copied().unwrap_or(f64::NAN),
            all.last().copied().unwrap_or(f64::NAN),
            median / times.median(Kind::Native),
            median / times.median(Kind::Outside),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_timed_and_read() {
        let done = std::process::Command::new("sh")
            .args(["-c", &script(&["/bin/true", "/bin/true"], "&1")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let times = Times(parse(&text, &[Kind::Native, Kind::Redirected]).unwrap());
        assert!(times.median(Kind::Native) > 0.0 && times.of(Kind::Redirected).len() == TURNS);
        assert!(parse(&text, &[Kind::Outside]).is_err() && parse("", &[Kind::Outside]).is_err());
    }

    #[test]
    fn the_table_has_ratios() {
        let times = Times(vec![
            (Kind::Outside, 400.0),
            (Kind::Native, 500.0),
            (Kind::Redirected, 600.0),
        ]);
        let text = table(&times);
        assert!(
            text.ends_with("in the view | 600 | 600–600 | 1.20 | 1.50 |\n"),
            "{text}"
        );
    }
}
