//! mmdebstrap's command line: `mmdebstrap [OPTION…] [SUITE [TARGET [MIRROR…]]]`, by that name or as the first word.
//!
//! It is read as mmdebstrap reads it (Getopt::Long: options anywhere, any beginning that is not ambiguous, capitals or
//! not, single letters together), and handed on as a command line of `rootless-install`, which has the same options.

mod options;
mod owners;
mod suites;

pub use options::{OPTIONS, Takes};
pub use owners::fills_for_fakeroot;

use super::environment::Environment;
use super::{Cli, Exit, error};
use crate::preloaded;
use clap::CommandFactory;
use options::find;
use owners::{make_as_root, with_real_owners, without_devices};
use script_host::view::privileges;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::Style;

/// Name of the command.
const NAME: &str = "mmdebstrap";

/// Release of mmdebstrap whose command line this is.
pub const RELEASE: &str = "1.5.7";

/// Reason why a command line has no meaning.
#[derive(Debug, thiserror::Error)]
pub enum MmdebstrapError {
    /// There is no such option.
    #[error("unknown option: {0}")]
    Unknown(String),
    /// An option could be several.
    #[error("option {option} is ambiguous ({})", candidates.join(", "))]
    Ambiguous {
        /// The option.
        option: String,
        /// Those that it could be.
        candidates: Vec<&'static str>,
    },
    /// An option needs a value.
    #[error("option {0} requires an argument")]
    Value(String),
    /// An option has a value and takes none.
    #[error("option {0} does not take an argument")]
    NoValue(String),
    /// Sources on standard input cannot be read.
    #[error("cannot read sources from standard input")]
    Input(#[source] io::Error),
    /// A log cannot be written.
    #[error("cannot open {} for writing", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A target is no target of mmdebstrap's.
    #[error("refusing to use the filesystem root as output directory")]
    Root,
    /// mmdebstrap's own way into a directory of another user's.
    #[error("--unshare-helper: directories made here are not those of another user")]
    UnshareHelper,
}

impl MmdebstrapError {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown(_) | Self::Ambiguous { .. } => Some("see `mmdebstrap --help`"),
            Self::UnshareHelper => Some("they are yours: look at them as they are, or make a tar of them"),
            _ => None,
        }
    }
}

/// Returns the words of a call of mmdebstrap: those after `mmdebstrap` as the first argument, or all where that is the
/// program's own name; none for other commands.
pub fn words(arguments: &[OsString]) -> Option<&[OsString]> {
    let (own, rest) = arguments.split_first()?;
    let name = own.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    if name == NAME.as_bytes() {
        return Some(rest);
    }
    let (first, rest) = rest.split_first()?;
    (first == NAME).then_some(rest)
}

/// Runs a call of mmdebstrap.
pub fn main(words: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let fail = |failed: &MmdebstrapError| {
        error::print(failed, failed.hint(), style);
        Exit::Usage.into()
    };
    let mut call = match Call::read(words) {
        Ok(call) => call,
        Err(failed) => return fail(&failed),
    };
    if let Some(asked) = call.asks {
        return answer(asked);
    }
    if let Some(log) = &call.log
        && let Err(failed) = redirect(log)
    {
        return fail(&failed);
    }
    let style = match call.log {
        Some(_) => environment.style(),
        None => style,
    };
    for option in &call.nothing {
        let _ = writeln!(
            io::stderr(),
            "the option --{option} does nothing: it exists for programs that call debootstrap"
        );
    }
    // The mode that mmdebstrap chooses itself.
    if matches!(call.mode.as_deref(), None | Some("auto" | "sudo")) && privileges::may_make_any_file() {
        call.mode = Some("root".to_owned());
    }
    let as_root = call.mode.as_deref() == Some("root") && privileges::may_make_any_file()
        || preloaded::records_owners();
    let chrootless = call.mode.as_deref() == Some("chrootless");
    if let Some(mode) = call
        .mode
        .as_deref()
        .filter(|mode| is_privileged(mode) && !as_root)
    {
        let _ = writeln!(
            io::stderr(),
            "mode {mode} is not needed: all is done as an ordinary user, and owners, modes and devices are recorded"
        );
    }
    let words = match call.into_words(&mut io::stdin().lock()) {
        Ok(words) => words,
        Err(failed) => return fail(&failed),
    };
    let wanted = with_real_owners(&words, environment);
    match wanted {
        Some(wanted) if as_root => make_as_root(&wanted, style),
        // In that mode mmdebstrap makes none in a directory either.
        Some(_) if chrootless => super::make(&without_devices(words), environment, style),
        _ => super::make(&words, environment, style),
    }
}

fn is_privileged(mode: &str) -> bool {
    ["root", "sudo", "fakeroot", "fakechroot", "proot"].contains(&mode)
}

/// Options of which the last one counts, whatever the others say.
const ONE_VALUE: [&str; 3] = ["variant", "mode", "format"];

/// What is answered instead of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Help,
    Man,
    Version,
}

fn answer(asked: Asked) -> ExitCode {
    let mut command = Cli::command()
        .name(NAME)
        .bin_name(NAME)
        .override_usage("mmdebstrap [OPTION...] [SUITE [TARGET [MIRROR...]]]");
    let text = match asked {
        Asked::Help => command.render_help().to_string(),
        Asked::Man => command.render_long_help().to_string(),
        Asked::Version => format!("mmdebstrap {RELEASE}\n"),
    };
    // Who closes the pipe has read enough.
    let _ = io::stdout().write_all(text.as_bytes());
    Exit::Success.into()
}

/// Has messages written to a file, and not to standard error.
fn redirect(log: &OsStr) -> Result<(), MmdebstrapError> {
    let path = PathBuf::from(log);
    let failed = |source| MmdebstrapError::Log {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    rustix::stdio::dup2_stderr(&file).map_err(|errno| failed(errno.into()))
}

/// A call of mmdebstrap.
#[derive(Debug, Default)]
struct Call {
    /// Options of `rootless-install`.
    options: Vec<OsString>,
    /// SUITE, TARGET and mirrors.
    arguments: Vec<OsString>,
    /// Options that do nothing.
    nothing: Vec<&'static str>,
    mode: Option<String>,
    log: Option<OsString>,
    asks: Option<Asked>,
    has_variant: bool,
}

impl Call {
    fn read(words: &[OsString]) -> Result<Self, MmdebstrapError> {
        let mut call = Self::default();
        if words.first().is_some_and(|word| word == "--unshare-helper") {
            return Err(MmdebstrapError::UnshareHelper);
        }
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            match bytes {
                b"--" => {
                    call.arguments.extend(words.cloned());
                    break;
                }
                [b'-', b'-', rest @ ..] => {
                    let (name, value) = match rest.iter().position(|byte| *byte == b'=') {
                        Some(at) => (&rest[..at], Some(OsStr::from_bytes(&rest[at + 1..]).to_owned())),
                        None => (rest, None),
                    };
                    let option = find(&String::from_utf8_lossy(name))?;
                    let shown = || format!("--{}", option.name);
                    let value = match (option.takes, value) {
                        (Takes::Value, None) => Some(
                            words
                                .next()
                                .cloned()
                                .ok_or_else(|| MmdebstrapError::Value(shown()))?,
                        ),
                        (Takes::Value, value) => value,
                        (_, Some(_)) => return Err(MmdebstrapError::NoValue(shown())),
                        (_, None) => None,
                    };
                    call.take(option.name, option.takes, value);
                }
                [b'-', letters @ ..] if !letters.is_empty() => {
                    for letter in letters {
                        let option = OPTIONS
                            .iter()
                            .find(|option| option.letter == Some(char::from(*letter)))
                            .ok_or_else(|| MmdebstrapError::Unknown(format!("-{}", char::from(*letter))))?;
                        call.take(option.name, option.takes, None);
                    }
                }
                _ => call.arguments.push(word.clone()),
            }
        }
        Ok(call)
    }

    fn take(&mut self, name: &'static str, takes: Takes, value: Option<OsString>) {
        match (name, takes) {
            ("help", _) => self.asks = self.asks.or(Some(Asked::Help)),
            ("man", _) => self.asks = self.asks.or(Some(Asked::Man)),
            ("version", _) => self.asks = self.asks.or(Some(Asked::Version)),
            ("logfile", _) => self.log = value,
            (_, Takes::NothingToDo) => self.nothing.push(name),
            // Lists that scripts have joined may be empty.
            ("include", _) if value.as_deref().is_some_and(has_no_name) => {}
            _ => {
                if name == "variant" {
                    self.has_variant = true;
                }
                if name == "mode" {
                    self.mode = value.as_ref().map(|mode| mode.to_string_lossy().into_owned());
                }
                let mut word = OsString::from(format!("--{name}"));
                if ONE_VALUE.contains(&name) {
                    let before = format!("--{name}=");
                    self.options
                        .retain(|known| !known.as_bytes().starts_with(before.as_bytes()));
                }
                if let Some(value) = value {
                    word.push("=");
                    word.push(value);
                }
                self.options.push(word);
            }
        }
    }

    /// Returns the command line of `rootless-install` that means the same; sources may come from `input`.
    fn into_words(self, input: &mut dyn Read) -> Result<Vec<OsString>, MmdebstrapError> {
        let option = |name: &str, value: &OsStr| {
            let mut word = OsString::from(format!("--{name}="));
            word.push(value);
            word
        };
        let mut read = || -> Result<OsString, MmdebstrapError> {
            let mut text = Vec::new();
            input.read_to_end(&mut text).map_err(MmdebstrapError::Input)?;
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            Ok(OsString::from_vec(text))
        };
        let mut arguments = self.arguments.into_iter();
        let suite = arguments.next();
        let target = arguments.next().unwrap_or_else(|| OsString::from("-"));
        if target.as_bytes().iter().all(|byte| *byte == b'/') && !target.is_empty() {
            return Err(MmdebstrapError::Root);
        }
        let mut mirrors: Vec<OsString> = Vec::new();
        match &suite {
            None => {
                let _ = writeln!(
                    io::stderr(),
                    "no SUITE is given: sources are read from standard input"
                );
                mirrors.push(read()?);
            }
            Some(suite) => {
                for mirror in arguments {
                    mirrors.push(if mirror == "-" { read()? } else { mirror });
                }
                if mirrors.is_empty() && suite.is_empty() {
                    // A setup hook may bring sources.
                    mirrors.push(OsString::new());
                } else if mirrors.is_empty() {
                    let components = components(&self.options);
                    mirrors
                        .extend(suites::sources(&suite.to_string_lossy(), &components).map(OsString::from));
                }
            }
        }
        let mut words = vec![OsString::from("rootless-install")];
        if target == "/dev/null"
            && !self
                .options
                .iter()
                .any(|word| word.as_bytes().starts_with(b"--format="))
        {
            words.push(OsString::from("--format=null"));
        }
        if !self.has_variant {
            words.push(OsString::from("--variant=important"));
        }
        words.extend(self.options);
        if let Some(mode) = &self.mode {
            words.push(option("hook-mode", OsStr::new(mode)));
        }
        words.push(option("suite", suite.as_deref().unwrap_or_default()));
        words.extend(mirrors.iter().map(|mirror| option("mirror", mirror)));
        words.push(OsString::from("--"));
        words.push(target);
        Ok(words)
    }
}

/// Whether a list has separators only.
fn has_no_name(list: &OsStr) -> bool {
    list.as_bytes()
        .iter()
        .all(|byte| *byte == b',' || byte.is_ascii_whitespace())
}

/// Returns the components that options name, for sources that are made here.
fn components(options: &[OsString]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let values = options
        .iter()
        .filter_map(|word| word.to_str()?.strip_prefix("--components="));
    for name in values.flat_map(|value| value.split(|c: char| c == ',' || c.is_whitespace())) {
        if !name.is_empty() && !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    if all.is_empty() {
        all.push("main".to_owned());
    }
    all
}

#[cfg(test)]
mod tests;
