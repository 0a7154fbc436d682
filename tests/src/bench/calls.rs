//! What a call of dpkg takes on a root filesystem with the packages of minbase, beside the machine's own dpkg on a copy
//! of the same, as `--force-script-chrootless` has it: its scripts run on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::run::{command, succeed};
use crate::deb::Package;
use crate::real::Real;
use crate::{Error, Result};

/// Longest time of a call in chrootless mode, in seconds: so many times dpkg's, and this.
pub const LIMIT: (f64, f64) = (2.0, 0.25);

/// Architecture of the target.
const ARCH: &str = "riscv64";

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// The machine's dpkg.
    Dpkg,
    /// This program, scripts outside of the target.
    Chrootless,
    /// This program, scripts in the view.
    View,
}

/// Calls, one after the other: a package that is new, one that is there, nothing to do, and the removal.
const CALLS: [(&str, &[&str]); 4] = [
    ("--install of a package that is new", &["--install", "DEB"]),
    ("--install over the same version", &["--install", "DEB"]),
    (
        "--configure --pending, nothing to do",
        &["--configure", "--pending"],
    ),
    ("--purge", &["--purge", "small"]),
];

/// Median seconds of a call by each caller.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    title: &'static str,
    dpkg: f64,
    chrootless: f64,
    view: f64,
}

impl Row {
    /// Whether the call in chrootless mode is within [`LIMIT`].
    #[must_use]
    pub fn is_within_limit(&self) -> bool {
        let (times, besides) = LIMIT;
        self.chrootless <= times * self.dpkg + besides
    }
}

/// Measures the calls, in `runs` rounds of which each caller has its turn, after one that fills the caches.
///
/// # Errors
/// When something cannot be made, or a call fails.
pub fn measure(real: &Real, runs: usize) -> Result<Vec<Row>> {
    let target = real.work.out("target");
    let made = real.install(ARCH, "minbase", &target).end()?;
    made.succeeded();
    let copy = real.work.out("copy");
    let words = ["cp", "-a"].map(OsString::from);
    let words = [&words[..], &[target.clone().into(), copy.clone().into()]].concat();
    succeed("cp", &mut command(real, &words)?)?;
    let script = "#!/bin/sh\nset -e\n: >\"$DPKG_ROOT/var/lib/small\"\n";
    let small = Package::new("small", "1.0-1", "all")
        .file("usr/share/small/a", "1", 0o644)
        .script("postinst", script)
        .script("prerm", script);
    let deb = real.work.write("home/small.deb", &small.build()?)?;
    let callers = [
        (Caller::Dpkg, copy.as_path()),
        (Caller::Chrootless, target.as_path()),
        (Caller::View, target.as_path()),
    ];
    let mut times = vec![[Vec::new(), Vec::new(), Vec::new()]; CALLS.len()];
    for round in 0..=runs {
        for (number, (caller, root)) in callers.iter().enumerate() {
            for ((_, call), times) in CALLS.iter().zip(&mut times) {
                let words = words_of(real, *caller, root, call, &deb);
                let mut call = command(real, &words)?;
                call.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
                let begun = Instant::now();
                succeed("dpkg", &mut call)?;
                if round > 0
                    && let Some(times) = times.get_mut(number)
                {
                    times.push(begun.elapsed().as_secs_f64());
                }
            }
        }
    }
    let rows = CALLS.iter().zip(times).map(|((title, _), times)| {
        let [dpkg, chrootless, view] = times.map(median);
        Row {
            title,
            dpkg,
            chrootless,
            view,
        }
    });
    Ok(rows.collect())
}

fn words_of(real: &Real, caller: Caller, root: &Path, call: &[&str], deb: &PathBuf) -> Vec<OsString> {
    let mut words: Vec<OsString> = match caller {
        Caller::Dpkg => ["dpkg", "--force-not-root", "--log=/dev/null"]
            .map(Into::into)
            .to_vec(),
        Caller::Chrootless | Caller::View => {
            let mirror = real.mirror.url();
            let mut words: Vec<OsString> = vec![real.work.program().into(), "dpkg".into()];
            words.extend(["--cache".into(), real.work.path("cache").into()]);
            words.extend(["--mirror", &mirror, "--keyring", crate::real::KEYRING].map(OsString::from));
            words
        }
    };
    if caller != Caller::View {
        words.push("--force-script-chrootless".into());
    }
    words.extend(["--root".into(), root.into()]);
    words.extend(call.iter().map(|word| match *word {
        "DEB" => deb.into(),
        word => word.into(),
    }));
    words
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the table, and an error where a call in chrootless mode is slower than [`LIMIT`].
///
/// # Errors
/// The calls that are too slow.
pub fn table(rows: &[Row]) -> (String, Result<()>) {
    let (times, besides) = LIMIT;
    let mut text = format!(
        "| {ARCH} minbase, seconds | dpkg | in chrootless mode | times | limit: {times} × dpkg + {besides} | in the view |\n\
         |---|--:|--:|--:|--:|--:|\n"
    );
    for row in rows {
        text += &format!(
            "| `{}` | {:.2} | {:.2} | {:.1} | {:.2} | {:.2} |\n",
            row.title,
            row.dpkg,
            row.chrootless,
            row.chrootless / row.dpkg,
            times * row.dpkg + besides,
            row.view
        );
    }
    let slow: Vec<&str> = rows
        .iter()
        .filter(|row| !row.is_within_limit())
        .map(|row| row.title)
        .collect();
    let judged = match slow.is_empty() {
        true => Ok(()),
        false => Err(Error::Machine(format!(
            "slower than the limit: {}",
            slow.join(", ")
        ))),
    };
    (text, judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_calls_are_named() {
        let row = |title, dpkg, chrootless| Row {
            title,
            dpkg,
            chrootless,
            view: 0.0,
        };
        let (text, judged) = table(&[row("quick", 0.2, 0.6), row("slow", 0.2, 0.7)]);
        assert!(
            text.contains("| `quick` | 0.20 | 0.60 | 3.0 | 0.65 | 0.00 |\n"),
            "{text}"
        );
        assert!(judged.is_err_and(|error| error.to_string().ends_with("limit: slow")));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
