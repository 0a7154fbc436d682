//! The native counterparts of the target's programs, found in the sysroot and added to it when they are asked for.

use super::names::{machine_in_names, native_name, native_path, renamed_paths};
use super::owners::{Origin, merged};
use super::{Sysroot, SysrootError};
use apt_solve::best_native_version;
use deb_arch::Architecture;
use shim_protocol::paths;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use task_progress::Event;

/// Native counterparts of the target's programs.
pub trait Counterparts: Sync {
    /// Notes which paths of the target a package ships.
    ///
    /// # Errors
    /// The tree cannot be changed.
    fn learn(
        &self,
        name: &str,
        version: &str,
        architecture: &str,
        paths: &[PathBuf],
    ) -> Result<(), SysrootError>;

    /// Returns the counterpart of a target program, as a path of the view; its package
    /// is added if that is not there yet.
    ///
    /// # Errors
    /// The reason why there is none, in words.
    fn find(&self, path: &Path) -> Result<PathBuf, String>;

    /// Returns the native program that works for the target's machine, as a path of the view: that of the same path, from
    /// the native package of the same name, which is added.
    ///
    /// # Errors
    /// The reason why there is none, in words.
    fn find_cross(&self, path: &Path) -> Result<PathBuf, String>;
}

/// Returns an error with its cause.
pub(super) fn in_words(error: SysrootError) -> String {
    let cause = std::error::Error::source(&error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    format!("{error}{cause}")
}

impl Counterparts for Sysroot<'_, '_> {
    fn learn(
        &self,
        name: &str,
        version: &str,
        architecture: &str,
        paths: &[PathBuf],
    ) -> Result<(), SysrootError> {
        // The target's for `all`, whose programs are scripts.
        let architecture = Architecture::by_name(architecture).unwrap_or(self.arch);
        self.owners
            .learn(name, version, architecture, paths.iter().map(PathBuf::as_path));
        self.follow_diversions()
    }

    fn find(&self, path: &Path) -> Result<PathBuf, String> {
        self.follow_diversions().map_err(in_words)?;
        if let Some(script) = self.find_script(path) {
            return script;
        }
        let Some(origin) = self.owners.find(self.target, path) else {
            return Err("no package of the target owns it".into());
        };
        let Origin {
            path: original,
            package,
            version,
            architecture,
        } = origin;
        let native = Architecture::native();
        // Diverted in the tree as in the target, or a copy of the file at its package's path.
        let mut places = vec![merged(path)];
        let diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        let away = diverted
            .iter()
            .filter(|one| merged(&one.from) == original && one.package.as_ref() != Some(&package));
        places.extend(away.map(|one| merged(&one.to)));
        drop(diverted);
        places.push(original);
        let tails: Vec<PathBuf> = places
            .iter()
            .flat_map(|place| {
                [native_path(place, architecture)]
                    .into_iter()
                    .chain(renamed_paths(place, architecture))
            })
            .collect();
        // Of a toolchain's package both may exist, one for the target's machine and one for this machine.
        let mut names = vec![package.clone(), native_name(&package, architecture)];
        names.dedup();
        let mut reason =
            format!("package {package} does not exist for {native}, this machine's architecture");
        let there = |tail: &&PathBuf| std::fs::symlink_metadata(self.tree.join(tail)).is_ok();
        let found = |package: &str| {
            let tail = tails.iter().find(there)?;
            self.reporter.event(&Event::SysrootExtended {
                path: &path.to_string_lossy(),
                package,
            });
            Some(Path::new(paths::SYSROOT).join(tail))
        };
        for name in &names {
            let Some(id) = best_native_version(self.universe, name, &version) else {
                continue;
            };
            let counterpart = self.universe.package(id);
            self.add(&[id])
                .map_err(|error| format!("package {package}: {}", in_words(error)))?;
            if let Some(path) = found(counterpart.name) {
                return Ok(path);
            }
            reason = format!(
                "package {} {} for {native} does not have it (the target has {package} {version})",
                counterpart.name, counterpart.version
            );
        }
        if self.earlier.is_some() {
            match self.add_earlier(&names, &version) {
                Ok(name) => {
                    if let Some(path) = found(&name) {
                        return Ok(path);
                    }
                }
                Err(why) => reason = format!("{reason}; of an earlier release: {why}"),
            }
        }
        Err(reason)
    }

    fn find_cross(&self, path: &Path) -> Result<PathBuf, String> {
        let Some(origin) = self.owners.find(self.target, path) else {
            return Err("no package of the target owns it".into());
        };
        let native = Architecture::native();
        let package = &origin.package;
        let lacking = || format!("{native}, this machine's architecture, has no {package} with it");
        let tail = origin.path.strip_prefix("/").unwrap_or(&origin.path);
        let is_there = || std::fs::symlink_metadata(self.tree.join(tail)).is_ok();
        if is_there() {
            return Ok(Path::new(paths::SYSROOT).join(tail));
        }
        // The package of a compiler for another machine has that in its name; of some the target's has it, too.
        let machine = machine_in_names(origin.architecture);
        let names = [package.clone(), format!("{package}-{machine}")];
        for name in &names {
            let Some(id) = best_native_version(self.universe, name, &origin.version) else {
                continue;
            };
            self.add(&[id])
                .map_err(|error| format!("package {name}: {}", in_words(error)))?;
            if is_there() {
                break;
            }
        }
        if !is_there() {
            return Err(lacking());
        }
        self.reporter.event(&Event::SysrootExtended {
            path: &path.to_string_lossy(),
            package,
        });
        Ok(Path::new(paths::SYSROOT).join(tail))
    }
}
