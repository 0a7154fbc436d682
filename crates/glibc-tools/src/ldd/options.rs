//! The loader's command line and environment (ld.so(8)).

use super::LddError;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Task of the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Execute the program.
    Run,
    /// List its libraries.
    List,
    /// Tell whether it is a dynamic program.
    Verify,
    /// Print the version.
    Version,
}

/// Environment variables whose names begin with `LD_`.
#[derive(Clone, Copy)]
pub(super) struct Environment<'e>(&'e [&'e OsStr]);

impl<'e> Environment<'e> {
    pub(super) fn new(variables: &'e [&'e OsStr]) -> Self {
        Self(variables)
    }

    /// Returns the value of a variable; `None` if it is not set.
    fn get(self, name: &[u8]) -> Option<&'e [u8]> {
        self.0
            .iter()
            .find_map(|variable| variable.as_bytes().strip_prefix(name)?.strip_prefix(b"="))
    }

    /// Returns whether a variable is set, be it empty.
    pub(super) fn has(self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }
}

/// The loader's command line and environment, parsed.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) mode: Mode,
    /// The program as it was given.
    pub(super) program: Vec<u8>,
    /// `LD_LIBRARY_PATH` or `--library-path`.
    pub(super) library_path: Option<Vec<u8>>,
    /// Libraries that `LD_PRELOAD` and `--preload` name.
    pub(super) preload: Vec<Vec<u8>>,
    /// List of objects whose RPATH and RUNPATH do not count (`--inhibit-rpath`).
    pub(super) inhibited: Option<Vec<u8>>,
    /// `--inhibit-cache`.
    pub(super) without_cache: bool,
    /// `LD_VERBOSE`.
    pub(super) verbose: bool,
}

impl Options {
    /// Parses the environment.
    pub(super) fn new(environment: Environment<'_>) -> Result<Self, LddError> {
        let set = |name| environment.get(name).filter(|value| !value.is_empty());
        for name in ["LD_WARN", "LD_BIND_NOW", "LD_DEBUG"] {
            // ldd sets the first two, empty ones do not count.
            if environment.has(b"LD_TRACE_LOADED_OBJECTS") && set(name.as_bytes()).is_some() {
                return Err(LddError::Option {
                    option: name.into(),
                    reason: "it needs the symbols of the libraries (ldd -r, -d and -u)",
                });
            }
        }
        let preload = set(b"LD_PRELOAD").unwrap_or_default();
        Ok(Self {
            mode: if environment.has(b"LD_TRACE_LOADED_OBJECTS") {
                Mode::List
            } else {
                Mode::Run
            },
            program: Vec::new(),
            library_path: set(b"LD_LIBRARY_PATH").map(<[u8]>::to_vec),
            preload: words(preload),
            inhibited: None,
            without_cache: false,
            verbose: set(b"LD_VERBOSE").is_some(),
        })
    }

    /// Parses the environment and a command line, `[OPTION]... PROGRAM [ARGUMENT]...`.
    pub(super) fn parse(arguments: &[&[u8]], environment: Environment<'_>) -> Result<Self, LddError> {
        let mut options = Self::new(environment)?;
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .map(|value| value.to_vec())
                    .ok_or_else(|| unsupported(argument, "its value is missing"))
            };
            match argument {
                b"--list" => options.mode = Mode::List,
                b"--verify" => options.mode = Mode::Verify,
                b"--version" => {
                    options.mode = Mode::Version;
                    return Ok(options);
                }
                b"--inhibit-cache" => options.without_cache = true,
                b"--library-path" => options.library_path = Some(value()?),
                b"--inhibit-rpath" => options.inhibited = Some(value()?),
                b"--preload" => options.preload.extend(words(&value()?)),
                // Neither changes what is listed.
                b"--argv0" | b"--glibc-hwcaps-prepend" | b"--glibc-hwcaps-mask" => drop(value()?),
                b"--" => {
                    options.program = value()?;
                    return Ok(options);
                }
                option if option.starts_with(b"-") => {
                    return Err(unsupported(option, "it is not known"));
                }
                program => {
                    options.program = program.to_vec();
                    return Ok(options);
                }
            }
        }
        Err(unsupported(
            b"the dynamic loader without a program",
            "there is nothing to load",
        ))
    }

    /// Returns whether the search paths of an object do not count.
    pub(super) fn is_inhibited(&self, name: &[u8]) -> bool {
        let Some(list) = &self.inhibited else { return false };
        list.split(|&b| b == b':' || b == b' ').any(|entry| entry == name)
    }
}

/// Splits a list at colons and blanks.
fn words(list: &[u8]) -> Vec<Vec<u8>> {
    list.split(|&b| b == b':' || b == b' ')
        .filter(|word| !word.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn unsupported(option: &[u8], reason: &'static str) -> LddError {
    LddError::Option {
        option: String::from_utf8_lossy(option).into_owned(),
        reason,
    }
}
