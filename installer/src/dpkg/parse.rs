//! Parsing of dpkg's command line, as dpkg does it (`dpkg_options_parse` in its source).
//!
//! Options come first: arguments begin at the first word that is no option, or after `--`. The value of a long option
//! is in the same word or the next one; several short options may share a word. dpkg's configuration files are not
//! read, since they are the machine's.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::option_table::{Meaning, OptionSpec, Value, options};
use super::options::{Action, Call, Options};
use crate::settings::{NativeTools, download_timeout};
use deb_arch::Architecture;

/// A command line.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// A call of dpkg.
    Call(Box<Call>),
    /// A call of dpkg-deb, with its arguments.
    Backend(Vec<OsString>),
}

/// Parses the words after the program's name.
///
/// # Errors
/// The problem, in dpkg's words.
pub fn parse(words: impl IntoIterator<Item = OsString>, environment: &Defaults) -> Result<Parsed, String> {
    let mut parser = Parser {
        known: options(),
        options: Options::default(),
        action: None,
        root: environment.root.clone(),
        admindir: environment.admindir.clone(),
        instdir: None,
    };
    parser.options.scripts.source_date_epoch = environment.source_date_epoch;
    parser.options.frontend_locked = environment.frontend_locked;
    let mut words = words.into_iter().peekable();
    let is_option = |word: &OsString| word.as_bytes().starts_with(b"-") && word.len() > 1;
    while let Some(word) = words.next_if(is_option) {
        if word == "--" {
            break;
        }
        let bytes = word.into_vec();
        match bytes.strip_prefix(b"--") {
            Some(long) => parser.long(long, &mut words)?,
            None => parser.short(bytes.get(1..).unwrap_or_default(), &mut words)?,
        }
    }
    parser.finish(words.collect())
}

/// Values of the environment, which options override (dpkg(1), "ENVIRONMENT").
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// `DPKG_ROOT`.
    pub root: Option<PathBuf>,
    /// `DPKG_ADMINDIR`.
    pub admindir: Option<PathBuf>,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<i64>,
    /// `DPKG_FRONTEND_LOCKED`: whether the caller holds the lock of front ends.
    pub frontend_locked: bool,
}

/// State of parsing.
struct Parser {
    /// All options that there are.
    known: Vec<OptionSpec>,
    /// Options of the call so far.
    options: Options,
    /// The action, or that of dpkg-deb, and the name of its option.
    action: Option<(Result<Action, &'static str>, &'static str)>,
    root: Option<PathBuf>,
    admindir: Option<PathBuf>,
    instdir: Option<PathBuf>,
}

impl Parser {
    /// Takes a long option; its value may be the next word.
    fn long(&mut self, text: &[u8], more: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        let found = self.known.iter().find_map(|known| {
            let rest = text.strip_prefix(known.long.as_bytes())?;
            let mark = if known.value == Value::Joined { b'-' } else { b'=' };
            match rest.split_first() {
                None => Some((known.clone(), None)),
                Some((first, value)) if *first == mark => {
                    Some((known.clone(), Some(OsStr::from_bytes(value).to_owned())))
                }
                Some(_) => None,
            }
        });
        let Some((known, value)) = found else {
            return Err(format!("unknown option --{}", String::from_utf8_lossy(text)));
        };
        let value = match (known.value, value) {
            (Value::None, Some(_)) => return Err(format!("--{} option does not take a value", known.long)),
            (Value::None, None) => OsString::new(),
            (_, Some(value)) => value,
            (_, None) => more
                .next()
                .ok_or_else(|| format!("--{} option takes a value", known.long))?,
        };
        self.take(&known, value)
    }

    /// Takes short options that share a word; the value of the last may be the next word.
    fn short(&mut self, letters: &[u8], more: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        let mut rest = letters;
        while let Some((letter, after)) = rest.split_first() {
            let letter = char::from(*letter);
            rest = after;
            let known = self.known.iter().find(|known| known.short == Some(letter));
            let known = known
                .cloned()
                .ok_or_else(|| format!("unknown option -{letter}"))?;
            let mut value = OsString::new();
            if known.value == Value::None {
                if rest.starts_with(b"=") {
                    return Err(format!("-{letter} option does not take a value"));
                }
            } else if rest.is_empty() {
                value = more
                    .next()
                    .ok_or_else(|| format!("-{letter} option takes a value"))?;
            } else {
                value = OsStr::from_bytes(rest.strip_prefix(b"=").unwrap_or(rest)).to_owned();
                rest = &[];
            }
            self.take(&known, value)?;
        }
        Ok(())
    }

    /// Takes an option with its value: an action, or a setting.
    fn take(&mut self, known: &OptionSpec, value: OsString) -> Result<(), String> {
        let name = known.long;
        let action = match &known.meaning {
            Meaning::Nothing => return Ok(()),
            Meaning::NotDone => return Err(format!("--{name} is not done by rootless-install")),
            Meaning::Setting => return self.set(name, &value),
            Meaning::Backend => Err(name),
            Meaning::Action(action) => Ok(action.clone()),
            Meaning::Assert => Ok(Action::Assert(text(name, &value)?.to_owned())),
        };
        match &self.action {
            Some((_, other)) if *other != name => Err(format!("conflicting actions --{name} and --{other}")),
            _ => {
                self.action = Some((action, name));
                Ok(())
            }
        }
    }

    /// Sets an option of the call.
    fn set(&mut self, name: &'static str, value: &OsStr) -> Result<(), String> {
        let options = &mut self.options;
        match name {
            "pending" => options.pending = true,
            "recursive" => options.recursive = true,
            "pre-invoke" => options.pre_invoke.push(text(name, value)?.to_owned()),
            "post-invoke" => options.post_invoke.push(text(name, value)?.to_owned()),
            "status-logger" => options.status_loggers.push(text(name, value)?.to_owned()),
            "refuse-downgrade-short" => {
                options.forces.set("downgrade", false);
            }
            "selected-only" | "no-also-select" => options.also_select = false,
            "triggers" => options.triggers = Some(true),
            "no-triggers" => options.triggers = Some(false),
            "skip-same-version" => options.skip_same = true,
            "auto-deconfigure" => options.auto_deconfigure = true,
            "robot" => options.robot = true,
            "no-act" | "dry-run" | "simulate" => options.act = false,
            "verify-format" if value == "rpm" => {}
            "verify-format" => {
                let format = value.display();
                return Err(format!("unknown verify output format '{format}'"));
            }
            "allow-older-release" => options.archives.allow_older = true,
            "path-exclude" => options.filters.add(Path::new(value), false),
            "path-include" => options.filters.add(Path::new(value), true),
            "status-fd" => options.status_fds.push(number(name, value)?),
            "log" => options.log = Some(value.into()),
            "root" => {
                self.root = Some(value.into());
                (self.admindir, self.instdir) = (None, None);
            }
            "abort-after" => options.abort_after = usize::try_from(number(name, value)?).unwrap_or(0),
            "admindir" => self.admindir = Some(value.into()),
            "instdir" => self.instdir = Some(value.into()),
            "ignore-depends" => {
                let names = text(name, value)?.split(',').map(str::to_owned);
                options.ignore_depends.extend(names);
            }
            "debug" => {
                let mask = u32::from_str_radix(text(name, value)?, 8);
                options.debug = mask.map_err(|_| format!("--{name} requires a positive octal argument"))?;
            }
            "force" if value == "help" => self.action = Some((Ok(Action::ForceHelp), "force-help")),
            "force" => options.forces.set_all(text(name, value)?, true)?,
            "refuse" | "no-force" => options.forces.set_all(text(name, value)?, false)?,
            "arch" => {
                let found = Architecture::by_name(text(name, value)?);
                let unknown = || format!("--arch: '{}' is no architecture of Debian's", value.display());
                options.arch = Some(found.ok_or_else(unknown)?);
            }
            "native-sysroot" => {
                options.native = match std::fs::canonicalize(value) {
                    _ if value == "auto" => NativeTools::Packages,
                    Ok(path) if path.is_dir() => NativeTools::Directory(path),
                    _ => {
                        return Err(format!(
                            "--native-sysroot: there is no directory {}",
                            value.display()
                        ));
                    }
                }
            }
            "cache" => options.cache = Some(value.into()),
            "mirror" => options.archives.mirrors.push(text(name, value)?.to_owned()),
            "suite" => options.archives.suite = text(name, value)?.to_owned(),
            "components" => {
                let names = text(name, value)?
                    .split([',', ' '])
                    .filter(|name| !name.is_empty());
                options.archives.components = names.map(str::to_owned).collect();
            }
            "keyring" => options.archives.keyrings.push(value.into()),
            "download-timeout" => {
                let limit = download_timeout(text(name, value)?);
                options.archives.download_timeout = limit.map_err(|error| format!("--{name}: {error}"))?;
            }
            _ => {
                let limit = text(name, value)?;
                let limit = humantime::parse_duration(limit)
                    .map_err(|error| format!("--{name}: '{limit}' is no time: {error}"))?;
                options.scripts.timeout = (!limit.is_zero()).then_some(limit);
            }
        }
        Ok(())
    }

    /// Returns the call, when all options are known.
    fn finish(mut self, arguments: Vec<OsString>) -> Result<Parsed, String> {
        let Some((action, _)) = self.action.take() else {
            return Err("need an action option".to_owned());
        };
        (self.options.root, self.options.admindir) = self.places();
        match action {
            Ok(action) => Ok(Parsed::Call(Box::new(Call {
                action,
                arguments,
                options: self.options,
            }))),
            Err(backend) => {
                let first = [OsString::from(format!("--{backend}")), "--".into()];
                Ok(Parsed::Backend(first.into_iter().chain(arguments).collect()))
            }
        }
    }

    /// Returns the root directory of the target, and the administrative directory where it is not `var/lib/dpkg` there.
    fn places(&self) -> (PathBuf, Option<PathBuf>) {
        let root = self.instdir.clone().or_else(|| self.root.clone());
        let Some(admindir) = &self.admindir else {
            return (root.unwrap_or_else(|| PathBuf::from("/")), None);
        };
        let clean = |path: &Path| path.components().collect::<PathBuf>();
        let above = admindir
            .to_str()
            .and_then(|path| path.trim_end_matches('/').strip_suffix("/var/lib/dpkg"));
        let above = above.map(|above| PathBuf::from(if above.is_empty() { "/" } else { above }));
        match (root, above) {
            (None, Some(above)) => (above, None),
            (Some(root), Some(above)) if clean(&root) == clean(&above) => (root, None),
            (root, _) => (root.unwrap_or_else(|| PathBuf::from("/")), Some(admindir.clone())),
        }
    }
}

/// Returns the value of an option as text.
fn text<'v>(name: &str, value: &'v OsStr) -> Result<&'v str, String> {
    value
        .to_str()
        .ok_or_else(|| format!("--{name}: '{}' is not UTF-8", value.display()))
}

/// Parses a number as strtol(3) does with base 0.
fn number(name: &str, value: &OsStr) -> Result<i32, String> {
    let bad = || format!("invalid integer for --{name}: '{}'", value.display());
    let text = value.to_str().ok_or_else(bad)?;
    let parsed = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hex), _) => i32::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => i32::from_str_radix(octal, 8),
        _ => text.parse(),
    };
    parsed.ok().filter(|number| *number >= 0).ok_or_else(bad)
}

#[cfg(test)]
mod tests;
