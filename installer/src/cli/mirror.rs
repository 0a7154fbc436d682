//! The command `rootless-install mirror`: a part of archives, to install from.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, CommandFactory, ValueHint};

use super::environment::Environment;
use super::{Cli, Exit, clap_exit, error, with_reporter};
use crate::commands;
use crate::mirror::{self, MirrorSettings, Renewal};
use task_progress::Style;
use task_progress::summary::ByteCount;

/// The command's word.
pub const NAME: &str = "mirror";

const ABOUT: &str =
    "Makes or renews a partial mirror, from which apt, debootstrap, mmdebstrap and this program install";

const LONG_ABOUT: &str = "\
Makes or renews a partial mirror: a directory from which apt, debootstrap, mmdebstrap and this
program install what the options ask for, for each of the architectures.

Release files, signatures and indexes are as the archives have them. DIR is a link to one of two
states beside it, .DIR.1 and .DIR.2. A renewal fills the other one, with hard links to all that is
unchanged, and then has DIR lead to it; until then, and whenever it is killed, the former state is
whole. Where the archives have not changed a renewal asks once for each Release file.";

const AFTER_HELP: &str = "\
Examples:
  rootless-install mirror --suite trixie --arch riscv64,arm64 --include openssh-server /srv/mirror
  rootless-install mirror --suite trixie --arch riscv64 --all /srv/mirror
  rootless-install mirror --verify /srv/mirror
  rootless-install --mirror 'deb file:/srv/mirror/debian trixie main' --arch riscv64 target/";

/// Options of an installation that mean something here; all others are refused.
const USED: [&str; 25] = [
    "target",
    "arch",
    "suite",
    "variant",
    "include",
    "components",
    "mirror",
    "keyring",
    "auth_file",
    "ca_certificate",
    "client_certificate",
    "client_key",
    "imitate",
    "merged_usr",
    "allow_older_release",
    "download_timeout",
    "offline",
    "snapshot",
    "snapshot_url",
    "cache",
    "log",
    "dry_run",
    "verbose",
    "debug",
    "quiet",
];

/// Runs the command with these words, of which the first is its own.
pub fn main(words: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let mut command = Cli::command().mut_args(|arg| match USED.contains(&arg.get_id().as_str()) {
        true => arg,
        false => arg.hide(true),
    });
    let unused: Vec<String> = command
        .get_arguments()
        .map(|arg| arg.get_id().as_str())
        .filter(|id| !USED.contains(id) && !matches!(*id, "help" | "version"))
        .map(str::to_owned)
        .collect();
    command = command
        .name("rootless-install mirror")
        .bin_name("rootless-install mirror")
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_help(AFTER_HELP)
        .after_long_help(AFTER_HELP)
        .mut_arg("target", |arg| {
            let help = "The mirror: a link to a directory, which is made";
            arg.value_name("DIR")
                .help(help)
                .long_help(help)
                .value_hint(ValueHint::AnyPath)
        })
        .arg(flag("all", "All packages of the indexes"))
        .arg(flag(
            "no-native-tools",
            "Leave out what this machine needs to install packages of other architectures",
        ))
        .arg(
            Arg::new("languages")
                .long("languages")
                .value_name("LANG")
                .value_delimiter(',')
                .value_parser(language)
                .default_value("en")
                .help("Languages of which it has translations of descriptions; `none` for none"),
        )
        .arg(flag("verify", "Check every file, and change nothing").conflicts_with_all(["prune", "all"]))
        .arg(flag("prune", "Remove the former state").conflicts_with("all"))
        .arg(flag("json", "Print what was done as JSON"));
    let read = command.try_get_matches_from_mut(words).and_then(|matches| {
        let given = |id: &&String| matches.value_source(id) == Some(ValueSource::CommandLine);
        match unused.iter().find(given) {
            Some(id) => {
                let text = format!("--{} means nothing for a mirror", id.replace('_', "-"));
                Err(command.error(ErrorKind::ArgumentConflict, text))
            }
            None => Ok(matches),
        }
    });
    let matches = match read {
        Ok(matches) => matches,
        Err(mut error) => return clap_exit(&mut error, style),
    };
    let flag = |name: &str| matches.get_flag(name);
    let (all, verify, prune, json) = (flag("all"), flag("verify"), flag("prune"), flag("json"));
    let native_tools = !flag("no-native-tools");
    let languages = matches.get_many::<String>("languages").into_iter().flatten();
    let languages: Vec<String> = languages
        .filter(|language| *language != "none")
        .cloned()
        .collect();
    let directory = PathBuf::from(matches.get_one::<OsString>("target").cloned().unwrap_or_default());
    let settings = Cli::of(matches).map(|given| given.of_directory().resolve(environment));
    let settings = match settings {
        Ok(Ok(settings)) => settings,
        Ok(Err(error)) => {
            error::print(&error, error.hint(), style);
            return Exit::Usage.into();
        }
        Err(mut error) => return clap_exit(&mut error, style),
    };
    with_reporter(&settings.clone(), style, |reporter, cancel, _| {
        let mut out = io::stdout().lock();
        if verify {
            let (faults, files) = mirror::verify(&directory, cancel).map_err(commands::Error::from)?;
            let printed = match json {
                true => as_json(&mut out, &serde_json::json!({ "files": files, "faults": faults })),
                false => faults
                    .iter()
                    .try_for_each(|fault| writeln!(out, "{}: {}", fault.path, fault.what))
                    .and_then(|()| writeln!(out, "{files} files, {} of them wrong", faults.len())),
            };
            printed.map_err(commands::Error::Print)?;
            return Ok(if faults.is_empty() {
                Exit::Success
            } else {
                Exit::Findings
            });
        }
        if prune {
            let there = mirror::prune(&directory, settings.dry_run).map_err(commands::Error::from)?;
            let text = match (there, settings.dry_run) {
                (false, _) => "there is no former state",
                (true, true) => "the former state would be removed",
                (true, false) => "the former state is removed",
            };
            writeln!(out, "{text}").map_err(commands::Error::Print)?;
            return Ok(Exit::Success);
        }
        let mirror = MirrorSettings {
            settings: settings.clone(),
            directory: directory.clone(),
            all,
            native_tools,
            languages,
        };
        let reporter = Arc::clone(&reporter);
        let renewal = mirror::renew(&mirror, &reporter, cancel).map_err(commands::Error::from)?;
        let printed = match json {
            true => as_json(&mut out, &renewal),
            false => print(&mut out, &renewal, &directory, settings.dry_run),
        };
        printed.map_err(commands::Error::Print)?;
        Ok(Exit::Success)
    })
}

/// Reads the name of a language, as files of translations have it.
fn language(text: &str) -> Result<String, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err("a language is `en`, `pt_BR` or the like".to_owned()),
    }
}

fn as_json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

fn print(out: &mut dyn Write, renewal: &Renewal, directory: &Path, dry_run: bool) -> io::Result<()> {
    writeln!(out, "{} files, {}", renewal.files, ByteCount(renewal.bytes))?;
    if renewal.unchanged {
        writeln!(out, "nothing has changed")?;
    } else {
        let would = if dry_run { "would be " } else { "" };
        writeln!(
            out,
            "{} {would}kept, {} {would}new ({}), {} {would}gone",
            renewal.kept,
            renewal.new,
            ByteCount(renewal.new_bytes),
            renewal.gone
        )?;
    }
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let directory = directory.to_string_lossy();
    for line in &renewal.sources {
        let line = line.replacen(
            "file:DIR/",
            &format!("file:{}/", directory.trim_end_matches('/')),
            1,
        );
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
