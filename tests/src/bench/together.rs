//! Runs of this program at the same time, which share one cache and this machine's processors.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::peers::{Job, Peer};
use super::run::{measured, remove};
use super::usage::Usage;
use crate::deb::hex;
use crate::error::At as _;
use crate::real::Real;
use crate::{Error, Result};

/// How many at once.
pub const AT_ONCE: [usize; 4] = [1, 2, 4, 8];
/// How many at once begin with an empty cache.
pub const COLD: [usize; 2] = [1, 4];
/// The median of so many rounds.
pub const ROUNDS: usize = 3;

/// What some runs at once took.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// How many.
    pub runs: usize,
    /// Seconds until all were done; the median.
    pub seconds: f64,
    /// The same of each round.
    pub rounds: Vec<f64>,
    /// Seconds of all processors, of all runs; the median.
    pub processors: f64,
}

impl Point {
    fn of(runs: usize, rounds: &[(f64, f64)]) -> Self {
        let column = |of: fn(&(f64, f64)) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
        Self {
            runs,
            seconds: median(column(|round| round.0)),
            rounds: column(|round| round.0),
            processors: median(column(|round| round.1)),
        }
    }

    /// Seconds for each run.
    #[must_use]
    pub fn each(&self) -> f64 {
        self.seconds / self.runs.max(1) as f64
    }
}

/// Runs with an empty cache, and with what these have left in it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// With an empty cache, in the order of [`COLD`].
    pub cold: Vec<Point>,
    /// With a full one, in the order of [`AT_ONCE`].
    pub warm: Vec<Point>,
}

/// Measures all of them. Every run must make the same bytes.
///
/// # Errors
/// When a run fails, or makes other bytes than the first.
pub fn measure(real: &Real, job: &Job) -> Result<Measured> {
    let mut together = Together {
        real,
        job,
        hash: None,
    };
    // In turns, so that what the machine does besides hits all alike.
    let mut cold = COLD.map(|runs| (runs, Vec::new()));
    for round in 0..=ROUNDS {
        for (runs, rounds) in &mut cold {
            remove(&real.work.path("cache"))?;
            real.work.make_dir("cache")?;
            let took = together.at_once(*runs)?;
            // In the first the mirror fetches what it does not have yet.
            if round > 0 {
                rounds.push(took);
            }
        }
    }
    // What only a second run leaves in the cache.
    together.at_once(1)?;
    let mut warm = AT_ONCE.map(|runs| (runs, Vec::new()));
    for _ in 0..ROUNDS {
        for (runs, rounds) in &mut warm {
            rounds.push(together.at_once(*runs)?);
        }
    }
    let points = |all: &[(usize, Vec<(f64, f64)>)]| {
        let of = all.iter().map(|(runs, rounds)| Point::of(*runs, rounds));
        of.collect()
    };
    Ok(Measured {
        cold: points(&cold),
        warm: points(&warm),
    })
}

struct Together<'a> {
    real: &'a Real,
    job: &'a Job,
    /// Of the first tar.
    hash: Option<String>,
}

impl Together<'_> {
    /// Seconds until all are done, and those of all processors.
    fn at_once(&mut self, runs: usize) -> Result<(f64, f64)> {
        let names: Vec<String> = (0..runs).map(|number| format!("together-{number}")).collect();
        let tar = |name: &String| self.real.work.out(&format!("{name}.tar"));
        let once = |name: &String| -> Result<Usage> {
            let words: Vec<OsString> = Peer::Own.command(self.real, self.job, &tar(name), Path::new(""));
            measured(self.real, name, &words)
        };
        let started = Instant::now();
        let done: Vec<Result<Usage>> = std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().map(|name| scope.spawn(|| once(name))).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .map(|usage| usage.unwrap_or_else(|_| Err(fail("its thread has ended".to_owned()))))
                .collect()
        });
        let seconds = started.elapsed().as_secs_f64();
        let mut processors = 0.0;
        for usage in done {
            processors += usage?.cpu;
        }
        let tars: Vec<PathBuf> = names.iter().map(tar).collect();
        for tar in &tars {
            self.same(tar)?;
            remove(tar)?;
        }
        Ok((seconds, processors))
    }

    fn same(&mut self, tar: &Path) -> Result<()> {
        let hash = sha256(tar)?;
        let first = self.hash.get_or_insert_with(|| hash.clone());
        if *first == hash {
            return Ok(());
        }
        Err(fail(format!(
            "{} has SHA-256 {hash}, the first one {first}",
            tar.display()
        )))
    }
}

fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).at(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).at(path)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn fail(what: String) -> Error {
    Error::Command {
        command: "rootless-install".to_owned(),
        what,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The table, in Markdown.
#[must_use]
pub fn table(measured: &Measured) -> String {
    let one = measured.warm.first().map_or(f64::NAN, Point::each);
    let row = |title: String, point: &Point| {
        let least = point.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = point.rounds.iter().copied().fold(0.0, f64::max);
        format!(
            "| {title} | {:.2} | {least:.2}–{most:.2} | {:.2} | {:.2} | {:.2} |\n",
            point.seconds,
            point.each(),
            point.processors,
            point.each() / one
        )
    };
    let mut text = "| runs at once | seconds until all are done | least–most | seconds / runs | \
        processor seconds in all | seconds / runs, to that of one |\n|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for point in &measured.warm {
        text += &row(point.runs.to_string(), point);
    }
    for point in &measured.cold {
        text += &row(format!("{}, from an empty cache", point.runs), point);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_to_one_run() {
        let warm = vec![
            Point::of(1, &[(4.0, 5.0), (3.0, 4.0), (9.0, 9.0)]),
            Point::of(4, &[(8.0, 20.0)]),
        ];
        let cold = vec![Point::of(4, &[(20.0, 30.0)])];
        let text = table(&Measured { cold, warm });
        assert!(
            text.contains("| 1 | 4.00 | 3.00–9.00 | 4.00 | 5.00 | 1.00 |\n"),
            "{text}"
        );
        assert!(
            text.contains("| 4 | 8.00 | 8.00–8.00 | 2.00 | 20.00 | 0.50 |\n"),
            "{text}"
        );
        assert!(text.ends_with("| 4, from an empty cache | 20.00 | 20.00–20.00 | 5.00 | 30.00 | 1.25 |\n"));
    }
}
