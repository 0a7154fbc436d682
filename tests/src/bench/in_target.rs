//! What `apt-get install` takes in a target that is there (`run`), beside what the same packages take more in an
//! installation that has them from the start.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::run::{command, measured, succeed};
use super::usage::{self, Usage};
use crate::error::At as _;
use crate::real::{KEYRING, Real};
use crate::{Error, Result};

/// Longest time in the target, as a multiple of what the packages take more from the start.
pub const LIMIT: f64 = 1.5;

/// Architecture of the target.
const ARCH: &str = "riscv64";

/// Package that is asked for.
const PACKAGE: &str = "openssh-server";

/// Medians of what each took.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Number of packages that apt-get installed, with those that it depends on.
    packages: usize,
    /// The installation without them.
    without: Usage,
    /// The installation with them.
    with: Usage,
    /// apt-get in the target.
    in_target: Usage,
}

impl Measured {
    /// Time in the target, as a multiple of what the packages take more from the start.
    fn times(&self) -> f64 {
        self.in_target.wall / (self.with.wall - self.without.wall)
    }
}

/// Measures in `runs` rounds, after one that fills the caches and shows which packages there are.
///
/// # Errors
/// When something cannot be made, or apt-get fails.
pub fn measure(real: &Real, runs: usize) -> Result<Measured> {
    let base = real.work.out("base");
    succeed("rootless-install", &mut command(real, &install(real, "", &base))?)?;
    succeed(
        "apt-get update",
        &mut command(real, &within(real, &base, &["update"]))?,
    )?;
    let before = packages(&base)?;
    let mut added = String::new();
    let mut all: [Vec<Usage>; 3] = Default::default();
    for round in 0..=runs {
        let target = real.work.out("target");
        let copy = ["cp", "-a"].map(OsString::from).into_iter();
        let copy: Vec<OsString> = copy.chain([base.clone().into(), target.clone().into()]).collect();
        succeed("cp", &mut command(real, &copy)?)?;
        let words = within(real, &target, &["install", "-y", PACKAGE]);
        let in_target = measured(real, "run", &words)?;
        if round == 0 {
            let new: Vec<String> = packages(&target)?.difference(&before).cloned().collect();
            added = new.join(",");
        }
        remove(real, &target)?;
        let from_start = |name: &str, include: &str| {
            let used = measured(real, name, &install(real, include, &target));
            remove(real, &target)?;
            used
        };
        let without = from_start("without", "")?;
        let with = from_start("with", &added)?;
        if round > 0 {
            for (all, one) in all.iter_mut().zip([without, with, in_target]) {
                all.push(one);
            }
        }
    }
    let [without, with, in_target] = all.map(|all| usage::median(&all));
    Ok(Measured {
        packages: added.split(',').count(),
        without,
        with,
        in_target,
    })
}

/// Words of an installation with `include` besides.
fn install(real: &Real, include: &str, target: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![real.work.program().into(), "--quiet".into(), "--cache".into()];
    words.push(real.work.path("cache").into());
    let mirror = real.mirror.url();
    for (name, value) in [
        ("--arch", ARCH),
        ("--variant", "apt"),
        ("--mirror", &mirror),
        ("--keyring", KEYRING),
        ("--include", include),
    ] {
        if !value.is_empty() {
            words.extend([name.into(), value.into()]);
        }
    }
    words.push(target.into());
    words
}

/// Words of apt-get in a target.
fn within(real: &Real, target: &Path, arguments: &[&str]) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![real.work.program().into(), "run".into(), "--cache".into()];
    words.extend([real.work.path("cache").into(), target.into()]);
    words.extend(["--", "apt-get"].map(OsString::from));
    words.extend(arguments.iter().map(OsString::from));
    words
}

fn remove(real: &Real, target: &Path) -> Result<()> {
    let words: [OsString; 3] = [real.work.program().into(), "rm".into(), target.into()];
    succeed("rootless-install rm", &mut command(real, &words)?)
}

/// Names of the packages in a target.
fn packages(target: &Path) -> Result<BTreeSet<String>> {
    let path: PathBuf = target.join("var/lib/dpkg/status");
    let status = std::fs::read_to_string(&path).at(&path)?;
    let names = status.lines().filter_map(|line| line.strip_prefix("Package: "));
    Ok(names.map(str::to_owned).collect())
}

/// Returns the table, and an error where the target takes longer than [`LIMIT`].
///
/// # Errors
/// The time in the target.
pub fn table(measured: &Measured) -> (String, Result<()>) {
    let row = |title: &str, wall: f64, cpu: f64| format!("| {title} | {wall:.2} | {cpu:.2} |\n");
    let mut text = format!(
        "| {ARCH} apt, {PACKAGE}: {} packages | seconds | processor seconds |\n|---|--:|--:|\n",
        measured.packages
    );
    let Measured {
        without,
        with,
        in_target,
        ..
    } = measured;
    text += &row("the installation without them", without.wall, without.cpu);
    text += &row("the installation with them", with.wall, with.cpu);
    text += &row(
        "what they take more",
        with.wall - without.wall,
        with.cpu - without.cpu,
    );
    let title = format!("`run TARGET -- apt-get install -y {PACKAGE}`");
    text += &row(&title, in_target.wall, in_target.cpu);
    let times = measured.times();
    text += &format!("| times, of {LIMIT} at most | {times:.2} | |\n");
    let judged = match times > 0.0 && times <= LIMIT {
        true => Ok(()),
        false => Err(Error::Machine(format!(
            "in the target it takes {times:.2} times what it takes more from the start; {LIMIT} is the limit"
        ))),
    };
    (text, judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(without: f64, with: f64, in_target: f64) -> Measured {
        let usage = |wall| Usage {
            wall,
            ..Usage::default()
        };
        Measured {
            packages: 2,
            without: usage(without),
            with: usage(with),
            in_target: usage(in_target),
        }
    }

    #[test]
    fn the_time_is_that_of_what_is_more() {
        let (text, judged) = table(&of(2.0, 6.0, 5.0));
        assert!(text.contains("| what they take more | 4.00 |"), "{text}");
        assert!(text.contains("at most | 1.25 |") && judged.is_ok(), "{text}");
        assert!(table(&of(2.0, 6.0, 7.0)).1.is_err());
        // With as much noise as this nothing was measured.
        assert!(table(&of(6.0, 6.0, 1.0)).1.is_err() && table(&of(6.0, 5.0, 1.0)).1.is_err());
    }
}
