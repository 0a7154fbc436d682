//! The command lines of `rootless-install chown`, `chmod`, `mknod` and `setcap`.

use super::console;
use super::environment::Environment;
use super::exit::Exit;
use crate::commands::change::{self, Change, ChangeSettings};
use crate::commands::mode_change::ModeChange;
use clap::{Args, Parser};
use rootless_install_fs::FileType;
use shim_protocol::capability;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::{Style, Verbosity};

/// Options of all.
#[derive(Debug, Args)]
struct Common {
    /// The target, whose own paths are given then
    #[arg(long, value_name = "TARGET")]
    root: Option<PathBuf>,
}

/// Changes the owner that the target's users see, by the names of the target's own passwd and group
///
/// As of the kernel's chown(2), a file loses its set-id bits and capabilities with it.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install chown www-data: target/var/www
  rootless-install chown -R 1000:1000 target/home/user")]
struct ChownArgs {
    /// USER, USER:GROUP, USER: or :GROUP, names or numbers
    #[arg(value_name = "OWNER")]
    owner: String,

    /// Files in a target
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Change all that is below directories, too, and links themselves
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Change links, and not what they lead to
    #[arg(short = 'H', long)]
    no_dereference: bool,

    #[command(flatten)]
    common: Common,
}

/// Changes the mode that the target's users see
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install chmod 4755 target/usr/bin/sudo
  rootless-install chmod -R g-w,o-rwx target/srv")]
struct ChmodArgs {
    /// An octal mode, or changes as chmod(1) takes them: u+x, go-w,a+X, g=u
    #[arg(value_name = "MODE", allow_hyphen_values = true, value_parser = ModeChange::parse)]
    mode: ModeChange,

    /// Files in a target
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Change all that is below directories, too
    #[arg(short = 'R', long)]
    recursive: bool,

    #[command(flatten)]
    common: Common,
}

/// Makes a device, a pipe or a socket that the target's users see
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install mknod target/dev/ttyS0 c 4 64
  rootless-install mknod --mode 660 --owner root:disk target/dev/vda b 253 0
  rootless-install mknod target/run/pipe p")]
struct MknodArgs {
    /// The path in a target
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// c or u for a character device, b for a block device, p for a pipe, s for a socket
    #[arg(value_name = "TYPE", value_parser = ["c", "u", "b", "p", "s"])]
    kind: String,

    /// The device's major number
    #[arg(value_name = "MAJOR", required_if_eq_any = [("kind", "c"), ("kind", "u"), ("kind", "b")])]
    major: Option<u32>,

    /// The device's minor number
    #[arg(value_name = "MINOR", required_if_eq_any = [("kind", "c"), ("kind", "u"), ("kind", "b")])]
    minor: Option<u32>,

    /// Its mode
    #[arg(short, long, value_name = "MODE", default_value = "644", value_parser = octal)]
    mode: u32,

    /// Its owner, as chown takes it
    #[arg(long, value_name = "OWNER", default_value = "0:0")]
    owner: String,

    #[command(flatten)]
    common: Common,
}

/// Gives files capabilities, or takes them away
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  rootless-install setcap cap_net_raw+ep target/usr/bin/ping
  rootless-install setcap --remove target/usr/bin/ping")]
struct SetcapArgs {
    /// Capabilities as setcap(8) takes them; with --remove a file
    #[arg(value_name = "CAPABILITIES", allow_hyphen_values = true)]
    first: OsString,

    /// Files in a target
    #[arg(value_name = "PATH", required_unless_present = "remove")]
    paths: Vec<PathBuf>,

    /// Take all capabilities away
    #[arg(short, long)]
    remove: bool,

    #[command(flatten)]
    common: Common,
}

fn octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "give it in octal, as 644".to_owned())
}

/// Text that names no capabilities.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} names no capabilities: give them as cap_net_raw+ep or cap_setuid,cap_setgid=p")]
struct NoCapabilities(OsString);

/// Runs one of the commands, by its name.
pub(super) fn main(name: &str, arguments: &[OsString], _: &Environment, style: Style) -> ExitCode {
    match settings(name, arguments, style) {
        Ok(settings) => console::run(Verbosity::Normal, style, |_, cancel| {
            change::run(&settings, cancel)?;
            Ok(Exit::Success)
        }),
        Err(exit) => exit,
    }
}

fn settings(name: &str, arguments: &[OsString], style: Style) -> Result<ChangeSettings, ExitCode> {
    let plain = |common: Common, paths, change| ChangeSettings {
        root: common.root,
        paths,
        change,
        recursive: false,
        no_dereference: false,
    };
    Ok(match name {
        "chown" => {
            let args: ChownArgs = console::parse(name, arguments, style)?;
            ChangeSettings {
                recursive: args.recursive,
                no_dereference: args.no_dereference,
                ..plain(args.common, args.paths, Change::Owner(args.owner))
            }
        }
        "chmod" => {
            let args: ChmodArgs = console::parse(name, arguments, style)?;
            ChangeSettings {
                recursive: args.recursive,
                ..plain(args.common, args.paths, Change::Mode(args.mode))
            }
        }
        "mknod" => {
            let args: MknodArgs = console::parse(name, arguments, style)?;
            let (major, minor) = (args.major.unwrap_or_default(), args.minor.unwrap_or_default());
            let kind = match args.kind.as_str() {
                "b" => FileType::BlockDevice { major, minor },
                "p" => FileType::Fifo,
                "s" => FileType::Socket,
                _ => FileType::CharDevice { major, minor },
            };
            let change = Change::Node {
                kind,
                mode: args.mode,
                owner: Some(args.owner),
            };
            plain(args.common, vec![args.path], change)
        }
        _ => {
            let args: SetcapArgs = console::parse(name, arguments, style)?;
            let mut paths = args.paths;
            let value = match args.remove {
                true => {
                    paths.insert(0, PathBuf::from(args.first));
                    None
                }
                false => {
                    let value = capability::attribute(args.first.as_encoded_bytes());
                    let wrong = || console::usage(&NoCapabilities(args.first), None, style);
                    Some(value.ok_or_else(wrong)?.to_vec())
                }
            };
            plain(args.common, paths, Change::Capability(value))
        }
    })
}
