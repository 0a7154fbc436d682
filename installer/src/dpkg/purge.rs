//! Removal of the conffiles of a package that is purged (`removal_bulk_remove_configfiles` in dpkg's source).

use super::engine::Engine;
use super::fault::Result;
use dpkg_db::{Diversions, NEW_CONFFILE, PackageKey, dereference};
use std::path::{Path, PathBuf};

/// Suffixes of copies of conffiles (`REMOVECONFFEXTS`).
const COPIES: &[&str] = &[
    "~",
    ".bak",
    "%",
    ".dpkg-tmp",
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-dist",
];

impl Engine<'_, '_> {
    /// Removes the conffiles of a package and their copies, and runs the postrm.
    pub(super) fn purge_conffiles(&mut self, key: &PackageKey) -> Result {
        self.messages.say(&format!(
            "Purging configuration files for {} ({}) ...",
            self.name(key),
            self.version(key)
        ));
        self.report_action("purge", key);
        let list = self.database.list(self.target, key)?;
        let diversions = Diversions::load(self.target)?;
        let all = self.package(key)?.conffiles.clone();
        // One that another package has taken over is not in the list any more. A diverted one stays, unless the
        // package diverts it.
        let is_own = |path: &Path| {
            let diverted = diversions.of(path);
            list.iter().any(|listed| listed == path)
                && diversions.ending_at(path).is_none()
                && diverted.is_none_or(|by| by.package.as_ref() == Some(&key.name))
        };
        self.database.update(key, |package| {
            package.config_version = None;
            package
                .conffiles
                .retain(|conffile| is_own(Path::new(&conffile.path)));
            let conffiles = package.conffiles.iter_mut();
            conffiles.for_each(|conffile| NEW_CONFFILE.clone_into(&mut conffile.hash));
        })?;
        self.record()?;
        let conffiles = self.package(key)?.conffiles.clone();
        for conffile in &conffiles {
            let path = Path::new(&conffile.path);
            let Some(place) = dereference(self.target, path)? else {
                continue;
            };
            self.activate_path(diversions.used(path, &key.name), key);
            self.remove_copies(&place)?;
        }
        let gone = |path: &&PathBuf| all.iter().any(|one| Path::new(&one.path) == path.as_path());
        let left: Vec<PathBuf> = list.iter().filter(|path| !gone(path)).cloned().collect();
        self.database.write_list(self.target, key, &left)?;
        self.database.update(key, |package| package.conffiles.clear())?;
        self.run_postrm(key, "purge")
    }

    /// Removes a conffile, and its copies by dpkg and editors.
    fn remove_copies(&self, place: &Path) -> Result {
        let (Some(directory), Some(name)) = (place.parent(), place.file_name()) else {
            return Ok(());
        };
        let name = name.to_string_lossy();
        let Ok(files) = self.target.read_dir(directory) else {
            return Ok(());
        };
        for file in files {
            let shown = file.to_string_lossy();
            let copy = shown.strip_prefix(name.as_ref()).is_some_and(|rest| {
                rest.is_empty() || COPIES.contains(&rest) || {
                    let number = rest.strip_prefix('~').and_then(|rest| rest.strip_suffix('~'));
                    number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
                }
            });
            if copy || shown == format!("#{name}#") {
                self.target.remove(&directory.join(&file))?;
            }
        }
        Ok(())
    }
}
