//! `--install` and `--unpack`: the archives of a call, and the choice which of them are unpacked.

use super::engine::Engine;
use super::fault::{Fault, Result, errno_text};
use super::options::{Action, Call};
use super::places::Places;
use deb_unpack::{DebFile, Job, open_package};
use dpkg_db::{ControlArchive, Database, Flag, Package, PackageKey, Status, Want, version_order};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// An archive that is about to be unpacked.
pub(super) struct DebArchive {
    /// Its path as given.
    pub(super) path: PathBuf,
    /// Its name in messages.
    pub(super) shown: String,
    /// The open file.
    pub(super) deb: DebFile,
    /// Its control data.
    pub(super) control: ControlArchive,
    /// Key of the record that the package gets, which may be for another architecture until it is unpacked.
    pub(super) key: PackageKey,
    /// dpkg's unambiguous name of the package.
    pub(super) name: String,
    /// Version of the package.
    pub(super) version: String,
}

impl Engine<'_, '_> {
    /// Unpacks all archives; with `--install`, configures the packages.
    pub(super) fn archives(&mut self) -> Result {
        let action = self.call.action.name();
        self.messages.log(&format!("startup archives {action}"));
        let archives = archive_files(self.call)?;
        for path in &archives {
            match self.process_archive(path) {
                Err(Fault::Package(problem)) => {
                    self.fail("archive", &path.display().to_string(), &problem)?
                }
                done => done?,
            }
        }
        if self.call.action == Action::Install {
            let queue = std::mem::take(&mut self.queue);
            for key in queue.iter().filter(|key| self.repeated.contains(key)) {
                self.messages.say(&format!(
                    "More than one copy of package {} has been unpacked\n in this run !  Only configuring it once.",
                    self.name(key)
                ));
            }
            self.configure_all(&queue, true)?;
        }
        self.deferred_triggers()
    }

    /// Unpacks an archive, where its package is selected.
    fn process_archive(&mut self, path: &Path) -> Result {
        let job = Job {
            path: self.options().places.on_machine(path),
            expected: None,
            recompressed: None,
        };
        let (deb, mut control) = open_package(&job)?;
        control.bad_versions = self.forces("bad-version");
        let native = self.database.native();
        super::doubts::about_control(self.call, &control, native, self.messages);
        let new = control.package()?;
        if let Some(problem) = foreign_to(&new, &self.database) {
            self.forcible("architecture", &problem)?;
        }
        let archive = DebArchive {
            path: path.to_owned(),
            shown: summary(&path.to_string_lossy()),
            deb,
            key: self.database.record_of(&new)?,
            name: new.display_name(native),
            version: new.version.clone(),
            control,
        };
        if self.is_selected(&archive)? {
            self.unpack(&archive)?;
        }
        Ok(())
    }

    /// Whether the package is to be unpacked, by its selection and the version that is installed.
    fn is_selected(&mut self, archive: &DebArchive) -> Result<bool> {
        let new = archive.control.package()?;
        let name = &archive.name;
        let old = self.database.get(&archive.key).cloned();
        let want = old.as_ref().map_or(Want::Unknown, |old| old.want);
        if !matches!(want, Want::Install | Want::Hold) {
            if !self.options().also_select {
                self.messages.say(&format!("Skipping unselected package {name}."));
                return Ok(false);
            }
            self.messages
                .say(&format!("Selecting previously unselected package {name}."));
            return Ok(true);
        }
        let Some(old) = old.filter(|old| old.flag == Flag::Ok && old.status >= Status::Unpacked) else {
            return Ok(true);
        };
        let versions = format!("{name} from {} to {}", old.version, new.version);
        match version_order(&new.version, &old.version) {
            std::cmp::Ordering::Greater => Ok(true),
            std::cmp::Ordering::Equal if self.options().skip_same && old.architecture == new.architecture => {
                self.messages.notice(&format!(
                    "version {} of {name} already installed, skipping",
                    old.version
                ));
                Ok(false)
            }
            std::cmp::Ordering::Equal => Ok(true),
            std::cmp::Ordering::Less if self.forces("downgrade") => {
                self.messages.warning(&format!("downgrading {versions}"));
                Ok(true)
            }
            std::cmp::Ordering::Less => {
                self.messages
                    .notice(&format!("will not downgrade {versions}, skipping"));
                Ok(false)
            }
        }
    }

    /// Warns about a problem that is forced, and fails with it otherwise.
    pub(super) fn forcible(&self, thing: &str, problem: &str) -> Result {
        if self.forces(thing) {
            self.messages
                .warning("overriding problem because --force enabled:");
            self.messages.warning(problem);
            return Ok(());
        }
        Err(Fault::Package(problem.to_owned()))
    }
}

/// Returns the archives that the arguments name; with `--recursive` those below the directories named.
pub(super) fn archive_files(call: &Call) -> Result<Vec<PathBuf>> {
    let named: Vec<PathBuf> = call.arguments.iter().map(PathBuf::from).collect();
    let action = call.action.name();
    let fatal = |problem: String| Err(Fault::Call(problem));
    let archives = if call.options.recursive {
        if named.is_empty() {
            return fatal(format!("--{action} --recursive needs at least one path argument"));
        }
        let mut found = Vec::new();
        for path in &named {
            below(&call.options.places, path, &mut found).map_err(|error| {
                Fault::Call(format!(
                    "cannot stat pathname '{}': {}",
                    path.display(),
                    errno_text(&error)
                ))
            })?;
        }
        if found.is_empty() {
            return fatal("searched, but found no packages (files matching *.deb)".to_owned());
        }
        found
    } else {
        named
    };
    if archives.is_empty() {
        return fatal(format!(
            "--{action} needs at least one package archive file argument"
        ));
    }
    for path in &archives {
        match std::fs::metadata(call.options.places.on_machine(path)) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return fatal(format!("archive '{}' is not a regular file", path.display())),
            Err(error) => {
                let why = errno_text(&error);
                return fatal(format!("cannot access archive '{}': {why}", path.display()));
            }
        }
    }
    Ok(archives)
}

/// Adds the files below `path` whose names end in `.deb` to `found`, in the order of their names.
fn below(places: &Places, path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let here = places.on_machine(path);
    if !std::fs::metadata(&here)?.is_dir() {
        if path.extension() == Some(OsStr::new("deb")) {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(&here)?
        .map(|entry| Ok(path.join(entry?.file_name())))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| below(places, entry, found))
}

/// Returns the problem of a package whose architecture is none of the system's.
pub(super) fn foreign_to(package: &Package, database: &Database) -> Option<String> {
    let (architecture, native) = (&package.architecture, database.native());
    let known = [native, "all"].contains(&architecture.as_str()) || database.foreign().contains(architecture);
    (!known).then(|| format!("package architecture ({architecture}) does not match system ({native})"))
}

/// Returns a file's name as dpkg shows it: whole components of no more than its last thirty characters.
pub(super) fn summary(path: &str) -> String {
    let mut rest = path;
    while rest.len() > 30 {
        match rest.split_once('/') {
            Some((_, shorter)) => rest = shorter,
            None => break,
        }
    }
    if rest.len() < path.len() {
        format!(".../{rest}")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(summary("a.deb"), "a.deb");
        assert_eq!(
            summary("/var/cache/apt/archives/a.deb"),
            "/var/cache/apt/archives/a.deb"
        );
        assert_eq!(
            summary("/var/cache/apt/archives/base-files_13_arm64.deb"),
            ".../base-files_13_arm64.deb"
        );
    }
}
