//! The native counterparts of the target's programs, found in the sysroot and added to it when they are asked for.

use super::names::{native_name, native_path, renamed_path};
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
        let in_words = |error: SysrootError| {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            format!("{error}{cause}")
        };
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
        let names = [package.clone(), native_name(&package, architecture)];
        let found = names
            .iter()
            .find_map(|name| best_native_version(self.universe, name, &version));
        let Some(id) = found else {
            return Err(format!(
                "package {package} does not exist for {native}, this machine's architecture"
            ));
        };
        let counterpart = self.universe.package(id);
        self.add(&[id])
            .map_err(|error| format!("package {package}: {}", in_words(error)))?;
        // Diverted in the tree as in the target, or a copy of the file at its package's path.
        let mut names = vec![merged(path)];
        let diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        let away = diverted
            .iter()
            .filter(|one| merged(&one.from) == original && one.package.as_ref() != Some(&package));
        names.extend(away.map(|one| merged(&one.to)));
        drop(diverted);
        names.push(original);
        let tails = names
            .iter()
            .flat_map(|name| [native_path(name, architecture), renamed_path(name, architecture)]);
        let found = tails
            .into_iter()
            .find(|tail| std::fs::symlink_metadata(self.tree.join(tail)).is_ok());
        let Some(tail) = found else {
            return Err(format!(
                "package {} {} for {native} does not have it (the target has {package} {version})",
                counterpart.name, counterpart.version
            ));
        };
        let (path, package) = (path.to_string_lossy(), counterpart.name);
        self.reporter
            .event(&Event::SysrootExtended { path: &path, package });
        Ok(Path::new(paths::SYSROOT).join(tail))
    }
}
