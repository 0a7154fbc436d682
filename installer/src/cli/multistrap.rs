//! multistrap's command line: `multistrap [-a ARCH] [-d DIR] -f FILE`, by that name or as the first word.
//!
//! Options of `rootless-install` that concern the run, and not what is made, may stand between multistrap's own.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory};

use super::environment::Environment;
use super::{Cli, Exit, clap_exit, error, install};
use crate::multistrap::{
    Configuration, MultistrapError, Overrides, RELEASE, Translation, find, read, summary,
};
use deb_archive::FetchOptions;
use task_progress::{Style, escape};

/// Names of the command.
const NAMES: [&str; 2] = ["multistrap", "em_multistrap"];

/// Options of `rootless-install` that are taken here, by their identifiers.
pub const TAKEN: [&str; 29] = [
    "allow_older_release",
    "arch_bits",
    "arch_elf_machine",
    "arch_endianness",
    "arch_like",
    "arch_table",
    "arch_triplet",
    "cache",
    "debconf_selections",
    "debug",
    "download_timeout",
    "hook_timeout",
    "ignore_missing",
    "keep_failed",
    "keyring",
    "log",
    "missing",
    "mode",
    "native_mirror",
    "native_sysroot",
    "offline",
    "on_unrunnable",
    "quiet",
    "script_timeout",
    "snapshot",
    "snapshot_url",
    "target_cpu",
    "verbose",
    "merged_usr",
];

const USAGE: &str = "\
Usage:
  multistrap [-a ARCH] [-d DIR] -f FILE
  multistrap [-a ARCH] [-d DIR] -s NAME
  multistrap --simulate -f FILE

Makes a root filesystem from several repositories, as a configuration file says it, for any
architecture and as an ordinary user. Packages are configured, whatever the architecture.

Options:
  -f, --file FILE       configuration file; a name without a slash is also looked for as with -s
  -s, --shortcut NAME   NAME.conf in /etc/multistrap.d, /usr/share/multistrap or here
  -a, --arch ARCH       architecture, in the place of the file's
  -d, --dir DIR         directory, in the place of the file's
      --tidy-up         as cleanup=true
      --no-auth         as noauth=true
      --source-dir DIR  as retainsources=DIR
      --simulate, --dry-run
                        print what the configuration says, and stop
      --plan            print what would be installed, and stop
      --version         print the release of multistrap whose command line this is
  -h, -?, --help        print this

Options of rootless-install that are taken as well: --cache, --native-sysroot, --offline, --snapshot,
--keyring, --debconf-selections, --on-unrunnable, --script-timeout, --hook-timeout, --target-cpu, --mode,
--merged-usr, --arch-table, --arch-triplet, --arch-bits, --arch-endianness, --arch-elf-machine, --arch-like,
--ignore-missing, --missing, --native-mirror, --download-timeout, --allow-older-release, --keep-failed, --log, --verbose,
--debug, --quiet.

docs/multistrap.md says what each key of a configuration does here.
";

/// Reason why a command line has no meaning.
#[derive(Debug, thiserror::Error)]
enum CallError {
    /// There is no such option.
    #[error("unknown option: {}", escape(.0))]
    Unknown(String),
    /// An option needs a value.
    #[error("option {0} requires an argument")]
    Value(String),
    /// A word is no option.
    #[error("`{}`: multistrap takes options only", escape(.0))]
    Word(String),
    /// There is no configuration.
    #[error("no configuration file is named")]
    NoFile,
    /// There is no cache, and so no keys can be fetched.
    #[error(transparent)]
    Settings(#[from] super::resolve::SettingsError),
    /// The configuration has no meaning.
    #[error(transparent)]
    Multistrap(#[from] MultistrapError),
}

impl CallError {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown(_) | Self::Word(_) => Some("see `multistrap --help`"),
            Self::NoFile => Some("name one with -f FILE, or with -s NAME"),
            Self::Settings(error) => error.hint(),
            Self::Multistrap(error) => error.hint(),
            Self::Value(_) => None,
        }
    }
}

/// Returns the words of a call of multistrap: those after its name as the first argument, or all where that is the
/// program's own name; none for other commands.
pub fn words(arguments: &[OsString]) -> Option<&[OsString]> {
    let (own, rest) = arguments.split_first()?;
    let name = own.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    if NAMES.iter().any(|known| name == known.as_bytes()) {
        return Some(rest);
    }
    let (first, rest) = rest.split_first()?;
    NAMES.iter().any(|known| first == known).then_some(rest)
}

/// Runs a call of multistrap.
pub fn main(words: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let call = match Call::read(words) {
        Ok(call) => call,
        Err(failed) => return fail(&failed, style),
    };
    let text = match call.asks {
        Some(Asked::Help) => USAGE.to_owned(),
        Some(Asked::Version) => format!("multistrap {RELEASE}\n"),
        None => String::new(),
    };
    if call.asks.is_some() {
        // Who closes the pipe has read enough.
        let _ = io::stdout().write_all(text.as_bytes());
        return Exit::Success.into();
    }
    let configuration = match call.configuration() {
        Ok(configuration) => configuration,
        Err(failed) => return fail(&failed, style),
    };
    if call.simulate {
        return match summary(&configuration) {
            Ok(text) => {
                warn(configuration.notes(), style);
                let _ = io::stdout().write_all(text.as_bytes());
                Exit::Success.into()
            }
            Err(failed) => fail(&failed.into(), style),
        };
    }
    call.make(&configuration, environment, style)
}

fn fail(failed: &CallError, style: Style) -> ExitCode {
    error::print(failed, failed.hint(), style);
    Exit::Usage.into()
}

fn warn(notes: &[String], style: Style) {
    for note in notes {
        let text = format!("{} {}\n", style.warning("warning:"), escape(note));
        let _ = io::stderr().write_all(style.encode(text).as_bytes());
    }
}

/// What is answered instead of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Help,
    Version,
}

/// A call of multistrap.
#[derive(Debug, Default)]
struct Call {
    file: Option<String>,
    shortcut: Option<String>,
    overrides: Overrides,
    simulate: bool,
    plan: bool,
    asks: Option<Asked>,
    /// Options of `rootless-install`.
    others: Vec<OsString>,
}

impl Call {
    fn read(words: &[OsString]) -> Result<Self, CallError> {
        let command = Cli::command();
        let mut call = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let shown = word.to_string_lossy().into_owned();
            let (name, inner) = match shown.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (shown.as_str(), None),
            };
            let mut value = || {
                let next = || words.next().map(|word| word.to_string_lossy().into_owned());
                inner
                    .clone()
                    .or_else(next)
                    .ok_or_else(|| CallError::Value(name.to_owned()))
            };
            match name {
                "-f" | "--file" => call.file = Some(value()?),
                "-s" | "--shortcut" => call.shortcut = Some(value()?),
                "-a" | "--arch" => call.overrides.arch = Some(value()?),
                "-d" | "--dir" => call.overrides.directory = Some(value()?),
                "--source-dir" => call.overrides.source_dir = Some(value()?),
                "--tidy-up" => call.overrides.tidy_up = true,
                "--no-auth" => call.overrides.no_auth = true,
                "--simulate" | "--dry-run" => call.simulate = true,
                "--plan" => call.plan = true,
                "-h" | "-?" | "--help" => call.asks = call.asks.or(Some(Asked::Help)),
                "--version" => call.asks = call.asks.or(Some(Asked::Version)),
                _ if !name.starts_with('-') => return Err(CallError::Word(shown)),
                _ => {
                    let is_named = |arg: &&clap::Arg| {
                        let long = name.strip_prefix("--");
                        let short = name.strip_prefix('-').filter(|short| short.chars().count() == 1);
                        long.is_some_and(|long| {
                            arg.get_long_and_visible_aliases()
                                .is_some_and(|all| all.contains(&long))
                        }) || short.is_some_and(|short| {
                            arg.get_short().is_some_and(|letter| short.starts_with(letter))
                        })
                    };
                    let arg = command
                        .get_arguments()
                        .find(is_named)
                        .filter(|arg| TAKEN.contains(&arg.get_id().as_str()))
                        .ok_or_else(|| CallError::Unknown(shown.clone()))?;
                    call.others.push(word.clone());
                    let takes = !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count);
                    if takes && inner.is_none() {
                        let value = words.next().ok_or_else(|| CallError::Value(name.to_owned()))?;
                        call.others.push(value.clone());
                    }
                }
            }
        }
        Ok(call)
    }

    fn configuration(&self) -> Result<Configuration, CallError> {
        let path = match (&self.file, &self.shortcut) {
            (_, Some(name)) => find(name, true)?,
            (Some(name), None) => find(name, false)?,
            (None, None) => return Err(CallError::NoFile),
        };
        Ok(Configuration::new(&read(&path)?, &self.overrides)?)
    }

    fn make(&self, configuration: &Configuration, environment: &Environment, style: Style) -> ExitCode {
        let mut words = vec![OsString::from("rootless-install")];
        words.extend(self.others.iter().cloned());
        if self.plan {
            words.push("--dry-run".into());
        }
        // The configuration says what else there is.
        words.extend(["--".into(), OsStr::new("target/").into()]);
        let given = match Cli::read(&words) {
            Ok(given) => given,
            Err(mut error) => return clap_exit(&mut error, style),
        };
        let made = given
            .resolve(environment)
            .map_err(CallError::from)
            .and_then(|mut settings| {
                let mut options = FetchOptions::new(&settings.cache);
                options.offline = settings.archives.offline;
                options.timeout = settings.archives.download_timeout;
                let translation = Translation::new(configuration, options)?;
                warn(&translation.notes, style);
                settings.system.arch = translation.arch;
                settings.system.foreign.clone_from(&translation.foreign);
                let keys = translation.apply(&mut settings);
                Ok((settings, keys))
            });
        match made {
            Ok((settings, keys)) => {
                let status = install(&settings, style);
                drop(keys);
                status
            }
            Err(failed) => fail(&failed, style),
        }
    }
}

#[cfg(test)]
mod tests;
