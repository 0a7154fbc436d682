//! How long a root filesystem takes, beside `fakeroot mmdebstrap --mode=chrootless`.
//!
//! `bench [--runs N] [--arch ARCH] [--variant VARIANT] [--emulated]`
//!
//! Both read one pinned mirror, with warm caches, and take turns, so that what
//! the machine does besides hits both alike. Medians and their ratio are
//! printed. `--emulated` measures `mmdebstrap --mode=unshare` too, which for a
//! foreign architecture needs qemu-user-static and binfmt_misc.
//!
//! The caches: rootless-install has its own; mmdebstrap has none, so its
//! packages come from the pinned mirror on loopback each time, from the page
//! cache: some tenths of a second.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use rootless_install_tests::probe::Need;
use rootless_install_tests::program::which;
use rootless_install_tests::real::{EPOCH, Real};
use rootless_install_tests::reference::Emulation;
use rootless_install_tests::{Error, Result};

struct Options {
    runs: usize,
    arch: String,
    variant: String,
    emulated: bool,
}

fn options() -> Option<Options> {
    let mut options = Options {
        runs: 5,
        arch: "riscv64".to_owned(),
        variant: "minbase".to_owned(),
        emulated: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => options.runs = arguments.next()?.parse().ok().filter(|runs| *runs > 0)?,
            "--arch" => options.arch = arguments.next()?,
            "--variant" => options.variant = arguments.next()?,
            "--emulated" => options.emulated = true,
            // cargo bench and cargo run hand this on.
            "--bench" => {}
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        say("usage: bench [--runs N] [--arch ARCH] [--variant VARIANT] [--emulated]");
        return ExitCode::from(2);
    };
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

type Run<'a> = Box<dyn Fn(&Path) -> Result<()> + 'a>;

struct Contestant<'a> {
    name: &'static str,
    run: Run<'a>,
    times: Vec<Duration>,
}

fn measure(options: &Options) -> Result<()> {
    for need in Need::TO_CONFIGURE
        .iter()
        .chain(&[Need::Archive, Need::Mmdebstrap, Need::Fakeroot])
    {
        if let Some(why) = need.missing() {
            return Err(Error::Machine(why));
        }
    }
    let real = Real::new()?;
    let Options {
        runs, arch, variant, ..
    } = options;
    let mut contestants = vec![
        Contestant {
            name: "rootless-install",
            run: Box::new(|target| {
                let outcome = real.install(arch, variant, target).env("RUST_LOG", "off").end()?;
                ended("rootless-install", outcome.status.success(), &outcome.stderr)
            }),
            times: Vec::new(),
        },
        Contestant {
            name: "fakeroot mmdebstrap --mode=chrootless",
            run: Box::new(|target| {
                mmdebstrap(
                    &real,
                    "fakeroot",
                    &["mmdebstrap", "--mode=chrootless"],
                    options,
                    target,
                )
            }),
            times: Vec::new(),
        },
    ];
    let _emulation = if options.emulated {
        contestants.push(Contestant {
            name: "mmdebstrap --mode=unshare, emulated",
            run: Box::new(|target| mmdebstrap(&real, "mmdebstrap", &["--mode=unshare"], options, target)),
            times: Vec::new(),
        });
        Some(Emulation::on()?)
    } else {
        None
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    say(&format!(
        "{arch} {variant}, {runs} runs each in turns, warm caches, {cores} cores"
    ));
    let target = real.work.out("root.tar");
    for round in 0..=*runs {
        for contestant in &mut contestants {
            let started = Instant::now();
            (contestant.run)(&target)?;
            let elapsed = started.elapsed();
            std::fs::remove_file(&target).map_err(|source| Error::File {
                path: target.clone(),
                source,
            })?;
            // The first round fills the caches.
            if round > 0 {
                contestant.times.push(elapsed);
            }
        }
    }
    let mut medians = Vec::new();
    for contestant in &mut contestants {
        contestant.times.sort();
        let median = contestant
            .times
            .get(runs / 2)
            .copied()
            .unwrap_or_default()
            .as_secs_f64();
        let each: Vec<String> = contestant
            .times
            .iter()
            .map(|time| format!("{:.2}", time.as_secs_f64()))
            .collect();
        say(&format!(
            "{:<40} median {median:6.2} s   ({})",
            contestant.name,
            each.join(" ")
        ));
        medians.push((contestant.name, median));
    }
    if let Some(((_, own), others)) = medians.split_first() {
        for (name, other) in others {
            say(&format!("ratio to {name}: {:.2}", own / other));
        }
    }
    Ok(())
}

fn mmdebstrap(real: &Real, program: &str, first: &[&str], options: &Options, target: &Path) -> Result<()> {
    let program_path = which(program).unwrap_or_else(|| PathBuf::from(program));
    let mut command = real.work.account().command(&program_path);
    let arguments = [
        OsString::from(format!("--architectures={}", options.arch)),
        format!("--variant={}", options.variant).into(),
        "stable".into(),
        target.into(),
        real.mirror.url().into(),
    ];
    let done = command
        .args(first)
        .args(arguments)
        .env("HOME", real.work.path("home"))
        .env("TMPDIR", real.work.path("tmp"))
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .current_dir(real.work.path("home"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Command {
            command: program.to_owned(),
            what: error.to_string(),
        })?;
    ended(
        program,
        done.status.success(),
        &String::from_utf8_lossy(&done.stderr),
    )
}

fn ended(command: &str, fine: bool, said: &str) -> Result<()> {
    if fine {
        return Ok(());
    }
    Err(Error::Command {
        command: command.to_owned(),
        what: said.to_owned(),
    })
}
