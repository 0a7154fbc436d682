//! What clap is told of the options of `run` and `shell`.

use super::super::values;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, Command, value_parser};
use script_host::Network;
use std::ffi::OsString;
use std::path::PathBuf;

const LONG_ABOUT: &str = "\
Runs a command in a target, as its root or another of its users. Programs of the target are
executed as their native counterparts, which come from the target's own sources of packages;
owners, modes and devices are recorded as in an installation. So apt, dpkg, passwd, systemctl
enable and all that works without a running system of its own work there.

The command has this process's standard input, output and error, and a terminal of its own
where these are one. Signals are passed on.";

const AFTER_HELP: &str = "\
Exit status: that of the command, 128 + the signal's number where a signal ended it, and
  1    it could not be tried
  2    the command line makes no sense
  126  it cannot be run here; 127: it is not there

Examples:
  rootless-install run target/ -- apt-get update
  rootless-install run target/ -- apt-get install -y openssh-server
  rootless-install run --user www-data --bind ./site:/var/www:ro target/ -- ls -l /var/www
  rootless-install shell target/";

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// Returns the command line.
pub fn command_line(shell: bool) -> Command {
    let (name, about) = match shell {
        false => ("rootless-install run", "Runs a command in a target"),
        true => ("rootless-install shell", "Runs the user's shell in a target"),
    };
    let words = Arg::new("command")
        .value_parser(value_parser!(OsString))
        .num_args(1..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    let words = match shell {
        false => words
            .value_name("COMMAND")
            .required(true)
            .help("The command and its arguments, after `--`"),
        true => words
            .value_name("ARGUMENT")
            .help("Arguments of the shell, after `--`"),
    };
    Command::new(name)
        .bin_name(name)
        .args_override_self(true)
        .about(about)
        .long_about(LONG_ABOUT)
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The target: a directory that this program made, or dpkg; or an archive of one")
                .long_help(
                    "The target: a directory that this program made, or dpkg; or an archive of one\n\n\
                     An archive (a tar, also compressed, and what else `rootless-install unpack` reads) is unpacked, and \
                     written again when the command has succeeded; a shell need not.",
                ),
        )
        .arg(words)
        .arg(option("user", "NAME|UID[:GROUP]", "User of the target [default: root]"))
        .arg(
            option("bind", "SRC[:DST[:ro]]", "A directory or file of this machine that is seen in the target")
                .long_help(
                    "A directory or file of this machine that is seen in the target, at DST or at its own path\n\n\
                     What is written there is written, unless with `:ro`; owners are recorded as in a target. DST need \
                     not be there. May be given more than once.",
                )
                .value_parser(value_parser!(OsString))
                .action(ArgAction::Append),
        )
        .arg(
            option("workdir", "DIR", "Working directory in the target [default: /, for a shell the user's home]")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            option("env", "NAME[=VALUE]", "A variable of the environment, with the caller's value where none is given")
                .value_parser(value_parser!(OsString))
                .action(ArgAction::Append),
        )
        .arg(
            option("network", "none|host", "Network of the command; maintainer scripts have none")
                .default_value("host")
                .value_parser(PossibleValuesParser::new(["none", "host"]).map(|word| match word.as_str() {
                    "none" => Network::None,
                    _ => Network::Host,
                })),
        )
        .arg(
            Arg::new("read-only")
                .long("read-only")
                .action(ArgAction::SetTrue)
                .help("The target cannot be changed; several such commands may run at a time"),
        )
        .arg(
            option("output", "OUT", "Another archive to write, instead of the one that is TARGET")
                .value_parser(value_parser!(OsString)),
        )
        .arg(option("arch", "ARCH", "Architecture of a target whose database says none"))
        .arg(
            option("mirror", "URL", "Where native tools come from [default: the target's own sources]")
                .value_parser(values::mirror)
                .action(ArgAction::Append),
        )
        .arg(option("suite", "SUITE", "Suite of a --mirror that is a URL").default_value("stable").value_parser(values::suite))
        .arg(
            option("components", "C,...", "Components of a --mirror that is a URL [default: main]")
                .value_parser(values::components)
                .action(ArgAction::Append),
        )
        .arg(
            option("keyring", "FILE", "OpenPGP keys that may sign archives, beside the target's and this machine's")
                .value_parser(value_parser!(PathBuf))
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("allow-older-release")
                .long("allow-older-release")
                .action(ArgAction::SetTrue)
                .help("Accept an archive whose state is older than the one seen last"),
        )
        .arg(
            option("download-timeout", "DURATION", "How long a mirror may take for its next bytes")
                .default_value("30s")
                .value_parser(values::download_timeout),
        )
        .arg(
            option("native-sysroot", "auto|DIR", "Where native tools come from: packages, or the root of a native system")
                .default_value("auto")
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            option("cache", "DIR", "Where downloads and the native sysroot are kept")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .action(ArgAction::Count)
                .help("Tell about native tools that are fetched; twice: about every script"),
        )
}
