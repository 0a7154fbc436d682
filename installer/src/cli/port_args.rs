//! Options for archives that are being built: what they lack, where native tools come from, what is preferred.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use super::resolve::SettingsError;
use super::values;
use crate::preferences::PreferencesError;
use crate::settings::{AddedFile, Settings};

/// Options for archives that are being built.
#[derive(Args, Clone, Debug, Default)]
pub struct PortArgs {
    /// Architectures that the program does not know
    ///
    /// Paragraphs with Architecture, GNU-Triplet, Bits, Endianness, ELF-Machine, and perhaps Like: an architecture that it is
    /// like in all else. docs/archives.md has an example.
    #[arg(long, value_name = "FILE")]
    pub arch_table: Option<PathBuf>,

    /// Install what can be installed, and list what cannot
    ///
    /// Packages that the archive lacks, and those that need them, are left out. They are listed by the number of dependencies
    /// between what was asked for and them, with who needs them.
    #[arg(long, conflicts_with_all = ["lock", "locked"])]
    pub ignore_missing: bool,

    /// Write what cannot be installed to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "ignore_missing")]
    pub missing: Option<PathBuf>,

    /// Where native tools come from, if not from the target's archives
    ///
    /// As --mirror. May be given more than once.
    #[arg(long, value_name = "URL", value_parser = values::mirror, action = ArgAction::Append)]
    pub native_mirror: Vec<String>,

    /// Preferences between archives and versions (apt_preferences(5))
    ///
    /// They count for this run, and are in the target's etc/apt/preferences.d. May be given more than once.
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub preferences: Vec<PathBuf>,
}

/// Returns the file of `--arch-table` in a command line: names of architectures in it count where others are read.
pub(super) fn arch_table(words: &[OsString]) -> Option<PathBuf> {
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--arch-table" {
            return words.next().map(PathBuf::from);
        }
        if let Some(file) = word.as_bytes().strip_prefix(b"--arch-table=") {
            return Some(PathBuf::from(OsStr::from_bytes(file)));
        }
    }
    None
}

impl PortArgs {
    /// Applies the options.
    ///
    /// # Errors
    /// Those of reading preferences.
    pub(super) fn apply(self, settings: &mut Settings) -> Result<(), SettingsError> {
        let additions = &mut settings.additions;
        additions.ignores_missing = self.ignore_missing;
        additions.missing = self.missing;
        settings.archives.native_mirrors = self.native_mirror;
        for path in &self.preferences {
            additions.preferences.read(path)?;
            let data = std::fs::read(path).map_err(|source| PreferencesError::Read {
                path: path.clone(),
                source,
            })?;
            additions.files.push(AddedFile {
                path: Path::new("/etc/apt/preferences.d")
                    .join(path.file_name().unwrap_or(OsStr::new("preferences"))),
                data,
                mode: 0o644,
            });
        }
        Ok(())
    }
}
