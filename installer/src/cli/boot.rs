//! The command line of `rootless-install boot`.

use super::console::{self, Messages};
use super::environment::Environment;
use super::error;
use super::exit::Exit;
use super::values;
use crate::boot::watch::{Until, Watch};
use crate::boot::{Failure, OutPath};
use crate::commands::boot::{self, BootSettings, Booted};
use clap::{ArgAction, Parser};
use deb_arch::Architecture;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use task_progress::{Style, escape};

/// Exit status where time is up, as timeout(1) has it.
const TIMEOUT: u8 = 124;

/// Starts a target or an image in a virtual machine, and says whether it comes up
///
/// This is a check, which nothing else needs: it runs qemu. What is given is not changed, the guest has no network, and
/// all that is made for it is removed.
#[derive(Debug, Parser)]
#[command(after_help = "\
Exit status:
  0          what was waited for was seen, or the script succeeded
  that of the script, where --run gives one
  1          it could not be started, halted too early, or its kernel panicked
  2          the command line makes no sense
  124        nothing was said for too long, or time was up
  128 + N    stopped by the signal N

Examples:
  rootless-install boot target/
  rootless-install boot --until ssh.service --log console.log disk.qcow2
  rootless-install boot --run check.sh --out /var/log:results/ arm64.ext4")]
struct BootArgs {
    /// A target, an archive of one, an image of ext4, or a disk with a firmware (.img, .qcow2)
    #[arg(value_name = "TARGET|IMAGE")]
    what: PathBuf,

    /// Architecture, where neither dpkg's database nor the table of partitions says one
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    arch: Option<&'static Architecture>,

    /// Memory of the virtual machine
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = memory)]
    memory: u64,

    /// Processors of the virtual machine
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,

    /// Further words for the kernel
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true, value_parser = words)]
    append: Option<String>,

    /// What to wait for: a unit of systemd's that is reached, or a text on the console [default: a login prompt or
    /// multi-user.target]
    #[arg(long, value_name = "UNIT|TEXT", value_parser = until)]
    until: Option<Until>,

    /// Give up when nothing was said for so long
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = values::timeout)]
    silence: Duration,

    /// Give up after so long
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = values::timeout)]
    timeout: Duration,

    /// A script to run in the guest as root, when the unit of --until [default: multi-user.target] is reached; what it says goes to
    /// standard output
    #[arg(long, value_name = "SCRIPT")]
    run: Option<PathBuf>,

    /// Bring a file or directory of the guest to a directory of this machine when the script has ended; more than once for more
    #[arg(long, value_name = "PATH:DIR", action = ArgAction::Append, requires = "run", value_parser = OutPath::parse)]
    out: Vec<OutPath>,

    /// Most that can be brought out
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = values::size, requires = "run")]
    out_size: u64,

    /// Write the console to a file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Write memory, disk, sectors and times to a file, as JSON
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,

    #[command(flatten)]
    messages: Messages,
}

/// Runs the command.
pub(super) fn main(name: &str, arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let args: BootArgs = match console::parse(name, arguments, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    if args.run.is_some() && matches!(args.until, Some(Until::Text(_))) {
        return console::usage(
            &Mistake,
            Some("name a unit, or have the script itself wait for what it needs"),
            style,
        );
    }
    let settings = BootSettings {
        what: args.what,
        arch: args.arch,
        memory: args.memory,
        cpus: args.cpus,
        append: args.append,
        watch: Watch {
            until: args.until.unwrap_or(Until::Up),
            runs: args.run.is_some(),
            silence: args.silence,
            timeout: args.timeout,
        },
        run: args.run,
        out: args.out,
        out_size: args.out_size,
        log: args.log,
        stats: args.stats,
        temporary: environment.temporary(),
    };
    console::run(args.messages.verbosity(), style, |reporter, cancel| {
        let booted = boot::run(&settings, &**reporter, cancel)?;
        if let (None, Some(time)) = (&booted.failure, booted.boot) {
            reporter.note(&format!("up after {:.1} s", time.as_secs_f64()));
        }
        Ok(tell(&booted, style))
    })
}

/// Prints what the script has said, and what went wrong. Returns the exit status.
fn tell(booted: &Booted, style: Style) -> Exit {
    // Where nobody reads it, nobody is told.
    let _ = std::io::stdout().lock().write_all(&booted.output);
    let Some((failure, last)) = &booted.failure else {
        return booted.status.map_or(Exit::Success, Exit::Command);
    };
    if !last.is_empty() && !matches!(failure, Failure::Out { .. }) {
        let mut text = String::from("last lines of the console:\n");
        for line in last {
            text += &format!("  {}\n", escape(line));
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    error::print(failure, failure.hint(), style);
    match (failure, booted.status) {
        (failure, _) if failure.is_timeout() => Exit::Command(TIMEOUT),
        // The script's own failure says more than what is missing after it.
        (Failure::Out { .. }, Some(status @ 1..)) => Exit::Command(status),
        _ => Exit::Failure,
    }
}

/// `--run` with a text to wait for.
#[derive(Debug, thiserror::Error)]
#[error("--until: a script begins when a unit is reached, not when there is a text on the console")]
struct Mistake;

fn architecture(name: &str) -> Result<&'static Architecture, String> {
    Architecture::by_name(name).ok_or_else(|| format!("`{}` is no architecture of Debian's", escape(name)))
}

fn memory(text: &str) -> Result<u64, String> {
    match values::size(text)? {
        size if size < 64 << 20 => Err("less than 64M: no system of Debian's starts in it".to_owned()),
        size => Ok(size),
    }
}

fn words(text: &str) -> Result<String, String> {
    match text.chars().all(|char| char.is_ascii_graphic() || char == ' ') {
        true => Ok(text.to_owned()),
        false => Err("the kernel takes letters, digits and signs of ASCII".to_owned()),
    }
}

fn until(text: &str) -> Result<Until, String> {
    match text.trim() {
        "" => Err("there is nothing to wait for".to_owned()),
        text => Ok(Until::parse(text)),
    }
}
