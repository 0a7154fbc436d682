//! Options for archives that are being built: what they lack, where native tools come from, what is preferred.

use std::ffi::OsStr;
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

    /// GNU triplet of the architecture of --arch, which the program does not know
    ///
    /// With the four that follow, in the place of --arch-table. Commands on targets take all six as well.
    #[arg(long, value_name = "CPU-linux-gnu", requires_all = ["arch_bits", "arch_endianness", "arch_elf_machine"])]
    pub arch_triplet: Option<String>,

    /// Its word size
    #[arg(long, value_name = "32|64", requires = "arch_triplet")]
    pub arch_bits: Option<String>,

    /// Its byte order
    #[arg(long, value_name = "little|big", requires = "arch_triplet")]
    pub arch_endianness: Option<String>,

    /// Its number in ELF files, e_machine of elf(5)
    #[arg(long, value_name = "NUMBER", requires = "arch_triplet")]
    pub arch_elf_machine: Option<String>,

    /// An architecture that it is like in all else
    #[arg(long, value_name = "ARCH", requires = "arch_triplet")]
    pub arch_like: Option<String>,

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
