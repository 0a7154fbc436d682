//! Scripts of a configuration as hooks: `setupscript`, `configscript` and the programs of `hookdir`.
//!
//! They get the target's path as multistrap gives it, with a slash in the end.

use super::Configuration;
use super::files::beside;
use super::ini::Value;
use crate::hooks::{Hook, Moment};
use nix::unistd::{AccessFlags, access};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Beginnings of the names of programs in `hookdir`.
const KINDS: [&str; 3] = ["download", "native", "completion"];

/// Hooks, and what the user should know of those that are left out.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) hooks: Vec<Hook>,
    pub(super) notes: Vec<String>,
    /// The file of `configscript`, which the target has as well.
    pub(super) config_script: Option<PathBuf>,
}

impl Hooks {
    /// Returns the hooks of a configuration, for a target of an architecture: when all is unpacked `setupscript`, then the
    /// programs download* and native*; when all is configured native*, `configscript` in the target, and completion*.
    pub(super) fn of(configuration: &Configuration, arch: &str) -> Self {
        let mut all = Self::default();
        if let Some(path) = all.script(configuration.setup_script.as_ref(), "setupscript") {
            all.add(Moment::Extract, &path, &format!(" {arch}"));
        }
        let programs = all.programs(configuration);
        all.add_kind(&programs, "download", Moment::Extract, "");
        if !configuration.ignore_native {
            all.add_kind(&programs, "native", Moment::Extract, " start");
            all.add_kind(&programs, "native", Moment::Customize, " end");
        }
        if let Some(path) = all.script(configuration.config_script.as_ref(), "configscript") {
            if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                let text = quoted(&format!("/{name}"));
                all.hooks.push(Hook {
                    moment: Moment::Customize,
                    text: text.into(),
                    chrooted: true,
                });
            }
            all.config_script = Some(path);
        }
        all.add_kind(&programs, "completion", Moment::Customize, "");
        all
    }

    fn add_kind(&mut self, programs: &[PathBuf], kind: &str, moment: Moment, more: &str) {
        let begins = |path: &&PathBuf| {
            path.file_name()
                .is_some_and(|name| name.as_bytes().starts_with(kind.as_bytes()))
        };
        for path in programs.iter().filter(begins) {
            self.add(moment, path, more);
        }
    }

    fn add(&mut self, moment: Moment, path: &Path, more: &str) {
        let Some(path) = path.to_str() else {
            self.notes.push(format!(
                "{}: its name is not text; it does not run",
                path.display()
            ));
            return;
        };
        self.hooks.push(Hook {
            moment,
            text: format!("{} \"$1/\"{more}", quoted(path)).into(),
            chrooted: false,
        });
    }

    /// Returns the absolute path of a script, if it can be executed.
    fn script(&mut self, value: Option<&Value>, key: &str) -> Option<PathBuf> {
        let value = value?;
        let found = beside(&value.place, &value.text).and_then(|path| std::fs::canonicalize(path).ok());
        let why = match &found {
            None => "there is no such file",
            Some(path) if !is_program(path) => "it is not executable",
            Some(_) => return found,
        };
        let note = format!("{}: {key} {} does not run: {why}", value.place, value.text);
        self.notes.push(note);
        None
    }

    /// Returns the programs of all directories, by their paths.
    fn programs(&mut self, configuration: &Configuration) -> Vec<PathBuf> {
        let mut programs = Vec::new();
        for value in &configuration.hook_dirs {
            for name in value.words() {
                let entries = beside(&value.place, name).and_then(|path| std::fs::read_dir(path).ok());
                let Some(entries) = entries else {
                    self.notes.push(format!(
                        "{}: hookdir {name} cannot be read; there are no hooks in it",
                        value.place
                    ));
                    continue;
                };
                for entry in entries.flatten() {
                    let name = entry.file_name();
                    let is_hook = KINDS
                        .iter()
                        .any(|kind| name.as_bytes().starts_with(kind.as_bytes()));
                    let Some(path) = std::fs::canonicalize(entry.path())
                        .ok()
                        .filter(|path| path.is_file())
                    else {
                        continue;
                    };
                    if !is_hook {
                        continue;
                    }
                    match is_program(&path) {
                        true => programs.push(entry.path()),
                        false => self.notes.push(format!(
                            "{}: it is not executable, and does not run",
                            entry.path().display()
                        )),
                    }
                }
            }
        }
        programs.sort();
        programs
            .iter()
            .filter_map(|path| std::path::absolute(path).ok())
            .collect()
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

/// Returns a text as a word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
