//! mmdebstrap's options.

use super::MmdebstrapError;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A value.
    Value,
    /// Nothing: it is there or not.
    Nothing,
    /// Nothing, and it has no effect.
    NothingToDo,
}

/// An option.
#[derive(Clone, Copy, Debug)]
pub struct MmdebstrapOption {
    /// Its long name.
    pub name: &'static str,
    /// Its letter.
    pub letter: Option<char>,
    /// What it takes.
    pub takes: Takes,
}

const fn value(name: &'static str) -> MmdebstrapOption {
    MmdebstrapOption {
        name,
        letter: None,
        takes: Takes::Value,
    }
}

const fn flag(name: &'static str, letter: Option<char>) -> MmdebstrapOption {
    MmdebstrapOption {
        name,
        letter,
        takes: Takes::Nothing,
    }
}

const fn nothing(name: &'static str) -> MmdebstrapOption {
    MmdebstrapOption {
        name,
        letter: None,
        takes: Takes::NothingToDo,
    }
}

/// All options of mmdebstrap 1.5.7, in the order of its parser.
pub const OPTIONS: &[MmdebstrapOption] = &[
    flag("help", Some('h')),
    flag("man", None),
    flag("version", None),
    value("components"),
    value("variant"),
    value("include"),
    value("architectures"),
    value("mode"),
    value("dpkgopt"),
    value("aptopt"),
    value("keyring"),
    flag("silent", Some('s')),
    flag("quiet", Some('q')),
    flag("verbose", Some('v')),
    flag("debug", Some('d')),
    value("format"),
    value("logfile"),
    nothing("resolve-deps"),
    nothing("merged-usr"),
    nothing("no-merged-usr"),
    nothing("force-check-gpg"),
    value("setup-hook"),
    value("extract-hook"),
    value("chrooted-extract-hook"),
    value("essential-hook"),
    value("chrooted-essential-hook"),
    value("customize-hook"),
    value("chrooted-customize-hook"),
    value("hook-directory"),
    flag("simulate", None),
    flag("dry-run", None),
    value("skip"),
    // Of this program, under which nothing of mmdebstrap's begins with the same letters.
    value("cache"),
    value("native-sysroot"),
    value("imitate"),
    value("on-unrunnable"),
    value("script-timeout"),
    value("hook-timeout"),
    value("target-cpu"),
    value("debconf-selections"),
    value("download-timeout"),
    value("snapshot"),
    flag("offline", None),
    flag("keep-failed", None),
    flag("allow-older-release", None),
];

/// Number of options that are mmdebstrap's own.
const OWN: usize = 32;

/// Finds the option of a name, or of a beginning of one, in capitals or not.
///
/// # Errors
/// There is none, or there are several.
pub(super) fn find(name: &str) -> Result<&'static MmdebstrapOption, MmdebstrapError> {
    let lower = name.to_ascii_lowercase();
    if let Some(exact) = OPTIONS.iter().find(|option| option.name == lower) {
        return Ok(exact);
    }
    // A beginning is one of mmdebstrap's own options, if it can be.
    let (own, others) = OPTIONS.split_at_checked(OWN).unwrap_or((OPTIONS, &[]));
    for options in [own, others] {
        let mut found = options.iter().filter(|option| option.name.starts_with(&lower));
        match (found.next(), found.next()) {
            (Some(only), None) => return Ok(only),
            (None, _) => {}
            (Some(_), Some(_)) => {
                let all = options.iter().filter(|option| option.name.starts_with(&lower));
                return Err(MmdebstrapError::Ambiguous {
                    option: format!("--{name}"),
                    candidates: all.map(|option| option.name).collect(),
                });
            }
        }
    }
    Err(MmdebstrapError::Unknown(format!("--{name}")))
}
